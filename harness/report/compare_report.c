#include "harness/report/compare_report.h"

#include <math.h>
#include <string.h>

#include "harness/report/table.h"
#include "harness/report/units.h"

void dyno_format_change(char text[32], double ratio)
{
  if (!isfinite(ratio))
    snprintf(text, 32, "n/a");
  else
    snprintf(text, 32, "%+.2f %%", 100 * (ratio - 1));
}

static void format_interval(char text[64], const dyno_interval *interval)
{
  char low[32], high[32];
  dyno_format_change(low, interval->low);
  dyno_format_change(high, interval->high);
  if (isfinite(interval->low) && isfinite(interval->high))
    snprintf(text, 64, "%.6s to %s", low, high);
  else
    snprintf(text, 64, "n/a");
}

/* Cells: rates of both arms, ratio, interval, detectable, control. */
static void estimate_row(dyno_table *table, const char *name, const double rate[DYNO_COMPARE_ARMS],
                         const dyno_estimate *estimate, const dyno_estimate *control)
{
  char number[DYNO_UNIT_TEXT], change[32], interval[64];
  dyno_table_cell(table, "%s", name);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    dyno_format_number(number, rate[arm]);
    dyno_table_cell(table, "%s", isfinite(rate[arm]) ? number : "");
  }
  dyno_format_change(change, estimate->ratio);
  dyno_table_cell(table, "%s", change);
  format_interval(interval, &estimate->interval);
  dyno_table_cell(table, "%s", interval);
  dyno_format_share(number, estimate->detectable);
  dyno_table_cell(table, "%s", number);
  if (control != NULL) {
    format_interval(interval, &control->interval);
    dyno_table_cell(table, "%s", interval);
  }
  dyno_table_end_row(table);
}

static dyno_status print_rows(const dyno_compare_report *report, FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"case", NULL, false},
      {"A", "t/s", true},
      {"B", "t/s", true},
      {"B against A", NULL, true},
      {"95 % interval", NULL, true},
      {"detectable", NULL, true},
      {"A against itself", "95 % interval", true},
  };
  const dyno_compare_result *result = report->result;
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  dyno_table_heading(table, "decode");
  for (size_t i = 0; i < result->count; i++)
    estimate_row(table, result->rows[i].name, result->rows[i].decode_rate, &result->rows[i].decode,
                 &result->rows[i].control);
  if (dyno_compare_mean(result)->prefill.rounds > 0) {
    dyno_table_heading(table, "prefill");
    for (size_t i = 0; i < result->count; i++)
      estimate_row(table, result->rows[i].name, result->rows[i].prefill_rate,
                   &result->rows[i].prefill, NULL);
  }
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

static void print_arms(const dyno_compare_report *report, FILE *stream, const char *bullet)
{
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    const dyno_arm_facts *facts = &report->comparison->facts[arm];
    char packed[DYNO_UNIT_TEXT], shared[DYNO_UNIT_TEXT], kv[DYNO_UNIT_TEXT], peak[DYNO_UNIT_TEXT];
    dyno_format_bytes(packed, facts->packed_bytes);
    dyno_format_bytes(shared, facts->shared_bytes);
    dyno_format_bytes(kv, facts->kv_bytes);
    dyno_format_bytes(peak, facts->peak_memory);
    fprintf(stream, "%s%c: %s (%s, %u thread%s)\n", bullet, "AB"[arm], report -> described[arm],
            facts -> tier, facts -> threads, facts -> threads == 1 ? "" : "s");
    fprintf(stream, "%s   weights %s of its own, %s of the other arm's; keys and values %s", bullet,
            packed, shared, kv);
    if (isfinite(facts->peak_memory))
      fprintf(stream, "; peak %s", peak);
    fputc('\n', stream);
  }
}

static void print_outputs(const dyno_compare_outputs *outputs, FILE *stream)
{
  if (outputs->positions == 0)
    fputs("outputs: not compared\n", stream);
  else if (outputs->largest_difference <= 0 && outputs->not_finite == 0)
    fprintf(stream, "outputs: the same bits at all %zu positions\n", outputs->positions);
  else
    fprintf(
        stream,
        "outputs: the likeliest token differs at %zu of %zu positions; KL %.3g nats on average, "
        "%.3g at most; logits by up to %.3g\n",
        outputs->other_token, outputs->positions, outputs->mean_nats, outputs->largest_nats,
        outputs->largest_difference);
}

static void print_bytes(const dyno_op_delta *op, FILE *stream)
{
  char a[DYNO_UNIT_TEXT], b[DYNO_UNIT_TEXT];
  if (fabs(op->bytes[1] - op->bytes[0]) <= 1e-3 * op->bytes[0]) {
    fputs("; bytes unchanged", stream);
    return;
  }
  dyno_format_bytes(a, op->bytes[0]);
  dyno_format_bytes(b, op->bytes[1]);
  fprintf(stream, "; %s a token became %s", a, b);
}

void dyno_explanation_print(const dyno_explanation *e, FILE *stream, const char *indent)
{
  enum { MOST_OPS = 4 };
  char a[DYNO_UNIT_TEXT], b[DYNO_UNIT_TEXT];
  size_t shown = 0;
  if (e->passes == 0)
    return;
  if (e->abstained) {
    fprintf(stream, "%sno explanation: %s\n", indent, e->reason);
    return;
  }
  for (size_t i = 0; i < e->count && shown < MOST_OPS; i++) {
    const dyno_op_delta *op = &e->ops[i];
    if (!op->sure || fabs(op->share) < 0.05)
      continue;
    dyno_format_seconds(a, op->seconds[0]);
    dyno_format_seconds(b, op->seconds[1]);
    fprintf(stream, "%s%.0f %% of it in %s: %s a token became %s", indent, 100 * op->share, op->op,
            a, b);
    print_bytes(op, stream);
    if (strcmp(op->kernel[0], op->kernel[1]) != 0)
      fprintf(stream, "; %s for %s", op->kernel[1], op->kernel[0]);
    fputc('\n', stream);
    shown++;
  }
  if (shown == 0)
    fprintf(stream, "%sno explanation: no op's passes agree\n", indent);
}

dyno_status dyno_compare_report_table(const dyno_compare_report *report, FILE *stream,
                                      dyno_error *error)
{
  const dyno_comparison *c = report->comparison;
  print_arms(report, stream, "");
  fprintf(stream, "%zu rounds of %zu cases in %.1f s\n\n", c->rounds, c->case_count, c->seconds);
  dyno_status status = print_rows(report, stream, error);
  if (status != DYNO_OK)
    return status;
  fputc('\n', stream);
  print_outputs(&c->outputs, stream);
  dyno_explanation_print(&c->explanation, stream, "");
  fprintf(stream, "verdict: %s; %s\n", dyno_compare_verdict_name(report->result->verdict),
          report->result->reason);
  return ferror(stream) == 0 ? DYNO_OK
                             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}

static void markdown_row(FILE *stream, const dyno_compare_row *row)
{
  char change[32], interval[64], detectable[DYNO_UNIT_TEXT], control[64];
  dyno_format_change(change, row->decode.ratio);
  format_interval(interval, &row->decode.interval);
  dyno_format_share(detectable, row->decode.detectable);
  format_interval(control, &row->control.interval);
  fprintf(stream, "| %s |", row->name);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    char rate[DYNO_UNIT_TEXT];
    dyno_format_number(rate, row->decode_rate[arm]);
    fprintf(stream, " %s |", isfinite(row->decode_rate[arm]) ? rate : "");
  }
  fprintf(stream, " %s | %s | %s | %s |\n", change, interval, detectable, control);
}

dyno_status dyno_compare_report_md(const dyno_compare_report *report, FILE *stream,
                                   dyno_error *error)
{
  const dyno_comparison *c = report->comparison;
  fprintf(stream, "### B against A: %s\n\n", dyno_compare_verdict_name(report->result->verdict));
  fprintf(stream, "%s. %zu rounds, %.1f s, on %s.\n\n", report->result->reason, c->rounds,
          c->seconds, report->host);
  fputs("| case | A t/s | B t/s | B against A | 95 % interval | detectable | A against itself |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n",
        stream);
  for (size_t i = 0; i < report->result->count; i++)
    markdown_row(stream, &report->result->rows[i]);
  fputc('\n', stream);
  print_arms(report, stream, "- ");
  fputs("- ", stream);
  print_outputs(&c->outputs, stream);
  dyno_explanation_print(&c->explanation, stream, "- ");
  return ferror(stream) == 0 ? DYNO_OK
                             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}

dyno_status dyno_compare_report_forest(const dyno_compare_report *report, FILE *stream,
                                       dyno_error *error)
{
  fputs("# name\tratio\tlow\thigh\tcontrol\tlow\thigh\n", stream);
  for (size_t i = 0; i < report->result->count; i++) {
    const dyno_compare_row *row = &report->result->rows[i];
    fprintf(stream, "\"%s\"\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%.9g\n", row->name, row->decode.ratio,
            row->decode.interval.low, row->decode.interval.high, row->control.ratio,
            row->control.interval.low, row->control.interval.high);
  }
  return ferror(stream) == 0 ? DYNO_OK
                             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}
