#include "harness/report/bench_tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/report/bench_report_internal.h"
#include "harness/report/units.h"

static void cell_number(dyno_table *table, double value)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_number(text, value);
  dyno_table_cell(table, "%s", isnan(value) ? "-" : text);
}

static void cell_text(dyno_table *table, void format(char text[DYNO_UNIT_TEXT], double),
                      double value)
{
  char text[DYNO_UNIT_TEXT];
  format(text, value);
  dyno_table_cell(table, "%s", isnan(value) ? "-" : text);
}

/* Memory in the guide's unit: decimal. */
static void format_decimal_bytes(char text[DYNO_UNIT_TEXT], double bytes)
{
  dyno_format_rate(text, bytes, "B");
}

static void cell_percent(dyno_table *table, double share)
{
  cell_number(table, 100 * share);
}

static void cell_interval(dyno_table *table, const dyno_interval *interval)
{
  char low[DYNO_UNIT_TEXT], high[DYNO_UNIT_TEXT];
  dyno_format_number(low, interval->low);
  dyno_format_number(high, interval->high);
  if (isnan(interval->low))
    dyno_table_cell(table, "-");
  else
    dyno_table_cell(table, "%s–%s", low, high);
}

/* What a figure is NaN for, when nothing was measured. */
static double median_of(const dyno_bench_values *values)
{
  return values->count > 0 ? values->summary.median : NAN;
}

/* Cases */

static const dyno_column case_columns[] = {
    {"case", NULL, false},   {"TTFT", "ms", true},        {"ITL p50", "ms", true},
    {"ITL p99", "ms", true}, {"TPOT", "ms", true},        {"prefill", "t/s", true},
    {"decode", "t/s", true}, {"95 % of it", "t/s", true}, {"overall", "t/s", true},
    {"cv", "%", true},       {"steady", NULL, false},
};

static void add_case(dyno_table *table, const char *name, const dyno_bench_case_summary *summary,
                     bool steady)
{
  const dyno_bench_values *metrics = summary->metrics, *itl = &metrics[DYNO_BENCH_ITL];
  const dyno_bench_values *decode = &metrics[DYNO_BENCH_DECODE_TPS];
  dyno_table_cell(table, "%s", name);
  cell_number(table, median_of(&metrics[DYNO_BENCH_TTFT]) * 1e-6);
  cell_number(table, median_of(itl) * 1e-6);
  cell_number(table, itl->count > 0 ? itl->summary.p99 * 1e-6 : NAN);
  cell_number(table, median_of(&metrics[DYNO_BENCH_TPOT]) * 1e-6);
  cell_number(table, median_of(&metrics[DYNO_BENCH_PREFILL_TPS]));
  cell_number(table, median_of(decode));
  cell_interval(table, decode->count > 0 ? &decode->summary.median_interval
                                         : &(dyno_interval){NAN, NAN, NAN});
  cell_number(table, median_of(&metrics[DYNO_BENCH_OVERALL_TPS]));
  cell_percent(table, decode->count > 0 ? decode->summary.variation : NAN);
  if (steady && summary->measured > 0)
    dyno_table_cell(table, "%s", dyno_steadiness_name(summary->steady.verdict));
  dyno_table_end_row(table);
}

static dyno_table *case_table(const dyno_bench_summary *summary)
{
  dyno_table *table = dyno_table_new(case_columns, sizeof case_columns / sizeof *case_columns);
  const double *means = summary->geometric;
  for (size_t i = 0; i < summary->results->manifest.case_count; i++)
    add_case(table, summary->results->manifest.cases[i].name, &summary->cases[i], true);
  dyno_table_cell(table, "geo. mean");
  cell_number(table, means[DYNO_BENCH_TTFT] * 1e-6);
  cell_number(table, means[DYNO_BENCH_ITL] * 1e-6);
  dyno_table_cell(table, "%s", "");
  cell_number(table, means[DYNO_BENCH_TPOT] * 1e-6);
  cell_number(table, means[DYNO_BENCH_PREFILL_TPS]);
  cell_number(table, means[DYNO_BENCH_DECODE_TPS]);
  dyno_table_cell(table, "%s", "");
  cell_number(table, means[DYNO_BENCH_OVERALL_TPS]);
  dyno_table_end_row(table);
  return table;
}

/* Components */

static const dyno_column component_columns[] = {
    {"component", NULL, false}, {"decode", "t/s", true},          {"prefill", "t/s", true},
    {"of the time", "%", true}, {"guide, baseline", "t/s", true}, {"guide, optimized", "t/s", true},
};

static dyno_table *component_table(const dyno_bench_summary *summary)
{
  dyno_table *table =
      dyno_table_new(component_columns, sizeof component_columns / sizeof *component_columns);
  for (size_t i = 0; i < DYNO_BENCH_COMPONENT_ROWS; i++) {
    const dyno_bench_component_row *row = &summary->components[i];
    bool only_prompt = strcmp(row->component, "tokenizer") == 0;
    dyno_table_cell(table, "%s", row->component);
    cell_number(table, only_prompt ? NAN : row->tps);
    cell_number(table, row->prefill_tps);
    cell_percent(table, row->share);
    cell_number(table, row->guide_baseline);
    cell_number(table, row->guide_optimized);
  }
  return table;
}

/* Memory */

static const dyno_column memory_columns[] = {
    {"memory", NULL, false},          {"peak", NULL, true},
    {"average", NULL, true},          {"guide, baseline", NULL, true},
    {"guide, optimized", NULL, true},
};

static dyno_table *memory_table(const dyno_bench_summary *summary)
{
  dyno_table *table =
      dyno_table_new(memory_columns, sizeof memory_columns / sizeof *memory_columns);
  for (size_t i = 0; i < DYNO_BENCH_MEMORY_ROWS; i++) {
    const dyno_bench_memory_row *row = &summary->memory[i];
    dyno_table_cell(table, "%s", row->component);
    cell_text(table, format_decimal_bytes, row->peak);
    cell_text(table, format_decimal_bytes, row->average);
    cell_text(table, format_decimal_bytes, row->guide_baseline);
    cell_text(table, format_decimal_bytes, row->guide_optimized);
  }
  dyno_table_cell(table, "fragmentation");
  cell_text(table, dyno_format_share, summary->largest_fragmentation);
  cell_text(table, dyno_format_share, summary->fragmentation);
  dyno_table_end_row(table);
  return table;
}

/* Latency */

static const dyno_column latency_columns[] = {
    {"latency", NULL, false}, {"median", NULL, true}, {"share", "%", true},
    {"guide", NULL, true},    {"guide", "%", true},
};

static dyno_table *latency_table(const dyno_bench_summary *summary)
{
  dyno_table *table =
      dyno_table_new(latency_columns, sizeof latency_columns / sizeof *latency_columns);
  for (size_t i = 0; i < DYNO_BENCH_LATENCY_ROWS; i++) {
    const dyno_bench_latency_row *row = &summary->latency[i];
    dyno_table_cell(table, "%s", row->phase);
    cell_text(table, dyno_format_seconds, row->median * 1e-9);
    cell_percent(table, row->share);
    cell_text(table, dyno_format_seconds, row->guide * 1e-9);
    cell_percent(table, row->guide_share);
  }
  return table;
}

/* Verdict and projection */

static const dyno_column verdict_columns[] = {
    {"criterion", NULL, false},
    {"wanted", NULL, false},
    {"measured", NULL, true},
    {"holds", NULL, false},
};

static void format_measured(char text[DYNO_UNIT_TEXT], const dyno_bench_verdict *verdict)
{
  if (strcmp(verdict->criterion, "memory") == 0)
    dyno_format_rate(text, verdict->measured, "B");
  else if (strcmp(verdict->criterion, "tps") == 0)
    dyno_format_number(text, verdict->measured);
  else
    dyno_format_share(text, verdict->measured);
}

static dyno_table *verdict_table(const dyno_bench_summary *summary)
{
  static const char *const answers[] = {
      [DYNO_BENCH_NO] = "no", [DYNO_BENCH_YES] = "yes", [DYNO_BENCH_UNKNOWN] = "not known"};
  dyno_table *table =
      dyno_table_new(verdict_columns, sizeof verdict_columns / sizeof *verdict_columns);
  for (size_t i = 0; i < DYNO_BENCH_VERDICTS; i++) {
    char measured[DYNO_UNIT_TEXT];
    const dyno_bench_verdict *verdict = &summary->verdicts[i];
    format_measured(measured, verdict);
    dyno_table_cell(table, "%s", verdict->criterion);
    dyno_table_cell(table, "%s", verdict->wanted);
    dyno_table_cell(table, "%s%s", measured,
                    verdict->projected && !isnan(verdict->measured) ? " (projected)" : "");
    dyno_table_cell(table, "%s", answers[verdict->holds]);
  }
  return table;
}

static const dyno_column projection_columns[] = {
    {"gpt-oss-20b, projected to", NULL, false},
    {"peak", "GB/s", true},
    {"read", "GB/s", true},
    {"decode", "t/s", true},
};

static dyno_table *projection_table(const dyno_bench_summary *summary)
{
  dyno_table *table =
      dyno_table_new(projection_columns, sizeof projection_columns / sizeof *projection_columns);
  for (size_t i = 0; i < summary->projection.machine_count; i++) {
    const dyno_bench_machine *machine = &summary->projection.machines[i];
    dyno_table_cell(table, "%s", machine->name);
    cell_number(table, machine->peak_bandwidth * 1e-9);
    cell_number(table, machine->read_bandwidth * 1e-9);
    cell_number(table, machine->decode_tps);
  }
  return table;
}

const dyno_bench_section dyno_bench_sections[] = {
    {"Cases",
     "Medians of the measured iterations, and the geometric means of the cases' medians; the "
     "interval is the decode median's, 95 %; cv is the decode rate's.",
     case_table},
    {"Components",
     "Tokens over the time they spent there, beside the guide's figures; sampling includes the "
     "matrix that makes logits.",
     component_table},
    {"Memory", NULL, memory_table},
    {"Latency", NULL, latency_table},
    {"Projection", NULL, projection_table},
    {"Verdict", NULL, verdict_table},
};
const size_t dyno_bench_section_count = sizeof dyno_bench_sections / sizeof *dyno_bench_sections;
