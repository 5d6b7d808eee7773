#include "harness/report/gate_report.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "harness/report/compare_report.h"
#include "harness/report/table.h"
#include "harness/report/units.h"

static dyno_status finish(FILE *stream, dyno_error *error)
{
  return ferror(stream) == 0 ? DYNO_OK
                             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}

/* The estimate of a series of the gate: against a baseline it is not the comparison's own. */
static dyno_estimate estimate_of(const dyno_gate_run *run, size_t series)
{
  dyno_estimate estimate = {.ratio = NAN, .interval = {NAN, NAN, NAN}, .detectable = NAN};
  if (run->series != NULL && run->series[series] != NULL)
    dyno_estimate_series(&estimate, run->series[series], run->rounds, DYNO_COMPARE_CONFIDENCE,
                         NULL);
  return estimate;
}

/* Rounds of a series that count against it, and for it. */
static void count_rounds(size_t *worse, size_t *fine, const dyno_gate_report *report, size_t series)
{
  const dyno_gate_run *run = report->run;
  *worse = *fine = 0;
  for (size_t i = 0; i < run->rounds; i++) {
    *worse += run->series[series][i] < log1p(-report->rule->tolerance);
    *fine += run->series[series][i] > log1p(-report->rule->effect);
  }
}

static double rate_of(const dyno_gate_run *run, size_t series)
{
  return series < run->result.count ? run->result.rows[series].decode_rate[1] : (double)NAN;
}

static const char *how(const dyno_gate_report *report)
{
  return report->baseline ? " (a stored baseline: second best to a base program)" : "";
}

dyno_status dyno_gate_report_table(const dyno_gate_report *report, FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"case", NULL, false},         {"tokens/s", NULL, true}, {"against base", NULL, true},
      {"95 % interval", NULL, true}, {"", NULL, true},         {"rounds worse", NULL, true},
      {"rounds fine", NULL, true},
  };
  const dyno_gate_run *run = report->run;
  dyno_status status = DYNO_OK;
  if (run->rounds > 0) {
    dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < run->count; i++) {
      dyno_estimate estimate = estimate_of(run, i);
      char rate[DYNO_UNIT_TEXT], ratio[32], low[32], high[32];
      size_t worse, fine;
      count_rounds(&worse, &fine, report, i);
      dyno_format_number(rate, rate_of(run, i));
      dyno_format_change(ratio, estimate.ratio);
      dyno_format_change(low, estimate.interval.low);
      dyno_format_change(high, estimate.interval.high);
      dyno_table_cell(table, "%s", dyno_gate_series_name(run, i));
      dyno_table_cell(table, "%s", isfinite(rate_of(run, i)) ? rate : "");
      dyno_table_cell(table, "%s", ratio);
      dyno_table_cell(table, "%s", low);
      dyno_table_cell(table, "%s", high);
      dyno_table_cell(table, "%zu", worse);
      dyno_table_cell(table, "%zu of %zu", fine, run->rounds);
    }
    status = dyno_table_print(table, stream, 0, error);
    dyno_table_free(&table);
  }
  if (status != DYNO_OK)
    return status;
  fprintf(stream, "base: %s%s\n", report->base, how(report));
  dyno_explanation_print(&run->comparison.explanation, stream, "");
  fprintf(stream, "gate: %s: %s (%zu rounds, %.1f s)\n", dyno_gate_verdict_name(run->verdict),
          run->reason, run->rounds, run->seconds);
  return finish(stream, error);
}

dyno_status dyno_gate_report_md(const dyno_gate_report *report, FILE *stream, dyno_error *error)
{
  const dyno_gate_run *run = report->run;
  fprintf(stream, "### dyno gate: %s\n\n%s (%zu rounds, %.1f s). Base: `%s`%s.\n\n",
          dyno_gate_verdict_name(run->verdict), run->reason, run->rounds, run->seconds,
          report->base, how(report));
  if (run->rounds > 0)
    fputs("| case | tokens/s | against base | 95 % interval | rounds worse | rounds fine |\n"
          "|---|---:|---:|---:|---:|---:|\n",
          stream);
  for (size_t i = 0; run->rounds > 0 && i < run->count; i++) {
    dyno_estimate estimate = estimate_of(run, i);
    char rate[DYNO_UNIT_TEXT], ratio[32], low[32], high[32];
    size_t worse, fine;
    count_rounds(&worse, &fine, report, i);
    dyno_format_number(rate, rate_of(run, i));
    dyno_format_change(ratio, estimate.ratio);
    dyno_format_change(low, estimate.interval.low);
    dyno_format_change(high, estimate.interval.high);
    fprintf(stream, "| %s | %s | %s | %s to %s | %zu | %zu of %zu |\n",
            dyno_gate_series_name(run, i), isfinite(rate_of(run, i)) ? rate : "", ratio, low, high,
            worse, fine, run->rounds);
  }
  fputc('\n', stream);
  dyno_explanation_print(&run->comparison.explanation, stream, "- ");
  return finish(stream, error);
}

/* Workflow commands end at a line's end, and take %, CR and LF as hexadecimal numbers. */
static void print_escaped(const char *text, FILE *stream)
{
  for (; *text != '\0'; text++)
    if (*text == '%' || *text == '\n' || *text == '\r')
      fprintf(stream, "%%%02X", (unsigned)(unsigned char)*text);
    else
      fputc(*text, stream);
}

dyno_status dyno_gate_report_annotations(const dyno_gate_report *report, FILE *stream,
                                         dyno_error *error)
{
  const dyno_gate_run *run = report->run;
  bool soft = run->verdict == DYNO_GATE_INCONCLUSIVE || run->verdict == DYNO_GATE_UNFIT;
  const char *level = run->verdict == DYNO_GATE_PASS ? "notice" : soft ? "warning" : "error";
  fprintf(stream, "::%s title=dyno gate%%3A %s::", level, dyno_gate_verdict_name(run->verdict));
  print_escaped(run->reason, stream);
  fputc('\n', stream);
  return finish(stream, error);
}

static void print_xml(const char *text, FILE *stream)
{
  for (; *text != '\0'; text++)
    switch (*text) {
    case '<':
      fputs("&lt;", stream);
      break;
    case '>':
      fputs("&gt;", stream);
      break;
    case '&':
      fputs("&amp;", stream);
      break;
    case '"':
      fputs("&quot;", stream);
      break;
    default:
      fputc(*text >= 0 && *text < 0x20 ? ' ' : *text, stream);
    }
}

/* What JUnit calls a failure is a decision against the change; an error, that there is none. */
static const char *element_of(dyno_gate_verdict verdict)
{
  if (verdict == DYNO_GATE_PASS)
    return NULL;
  return verdict == DYNO_GATE_REGRESSION || verdict == DYNO_GATE_WRONG ? "failure" : "error";
}

static void print_case(const dyno_gate_report *report, const char *name, double seconds,
                       const char *element, FILE *stream)
{
  fputs("    <testcase classname=\"dyno.gate\" name=\"", stream);
  print_xml(name, stream);
  fprintf(stream, "\" time=\"%.3f\"", seconds);
  if (element == NULL) {
    fputs("/>\n", stream);
    return;
  }
  fprintf(stream, ">\n      <%s type=\"%s\" message=\"", element,
          dyno_gate_verdict_name(report->run->verdict));
  print_xml(report->run->reason, stream);
  fputs("\"/>\n    </testcase>\n", stream);
}

dyno_status dyno_gate_report_junit(const dyno_gate_report *report, FILE *stream, dyno_error *error)
{
  const dyno_gate_run *run = report->run;
  const char *element = element_of(run->verdict);
  bool failure = element != NULL && strcmp(element, "failure") == 0;
  size_t series = run->rounds > 0 ? run->count : 0;
  fprintf(stream,
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
          "  <testsuite name=\"dyno gate\" tests=\"%zu\" failures=\"%d\" errors=\"%d\" "
          "time=\"%.3f\">\n",
          series + 1, failure, element != NULL && !failure, run->seconds);
  print_case(report, "gate", run->seconds, element, stream);
  for (size_t i = 0; i < series; i++) /* which of them it was: the gate as a whole decides */
    print_case(report, dyno_gate_series_name(run, i), 0, NULL, stream);
  fputs("  </testsuite>\n</testsuites>\n", stream);
  return finish(stream, error);
}
