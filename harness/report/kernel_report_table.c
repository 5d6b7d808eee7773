#include <math.h>
#include <string.h>

#include "harness/report/kernel_report_internal.h"
#include "harness/report/table.h"
#include "harness/report/units.h"

static const dyno_column columns[] = {
    {"", NULL, false},
    {"variant", NULL, false},
    {"condition", NULL, false},
    {"time", NULL, true},
    {"spread", "% MAD", true},
    {"bytes", "GB/s", true},
    {"of read", "%", true},
    {"MACs", "GMAC/s", true},
    {"of peak", "%", true},
    {"attained", "%", true},
    {"limit", NULL, false},
    /* Only when they were asked for: */
    {"instructions", "a call", true},
    {"per cycle", NULL, true},
};

enum { COUNTER_COLUMNS = 2 };

static bool same_problem(const dyno_report_row *a, const dyno_report_row *b)
{
  return strcmp(a->label, b->label) == 0 &&
         dyno_problem_equal(&a->result.problem, &b->result.problem);
}

/* Appends to text what printf makes of the rest. */
static void append(char *text, size_t room, const char *part)
{
  size_t length = strlen(text);
  snprintf(text + length, room - length, "%s", part);
}

static void append_rate(char *text, size_t room, const char *before, double rate, const char *unit)
{
  char number[DYNO_UNIT_TEXT], part[96];
  if (isnan(rate))
    return;
  dyno_format_rate(number, rate, unit);
  snprintf(part, sizeof part, "%s%s %s", text[0] == '\0' ? "" : "; ", before, number);
  append(text, room, part);
}

/* "read 28.4 GB/s cold; read 96.1 GB/s warm; mac_i8__avx512vnni 233 GMAC/s", of the rows
 * [first, end) of one problem. Of several layouts' reads the fastest is shown. */
static void describe_ceilings(char *text, size_t room, const dyno_report_row *first,
                              const dyno_report_row *end)
{
  double reads[DYNO_BENCH_CONDITION_COUNT] = {NAN, NAN};
  text[0] = '\0';
  for (const dyno_report_row *row = first; row < end; row++)
    reads[row->result.condition] = fmax(reads[row->result.condition], row->result.read_ceiling);
  append_rate(text, room, "read cold", reads[DYNO_BENCH_COLD], "B/s");
  append_rate(text, room, "read warm", reads[DYNO_BENCH_WARM], "B/s");
  for (const dyno_report_row *row = first; row < end; row++) {
    const char *by = row->result.mac_ceiling_by;
    if (by != NULL && strstr(text, by) == NULL)
      append_rate(text, room, by, row->result.mac_ceiling, "MAC/s");
  }
}

static void add_row(dyno_table *table, const dyno_bench_result *result)
{
  char time[DYNO_UNIT_TEXT], number[DYNO_UNIT_TEXT];
  dyno_format_seconds(time, result->seconds.median);
  dyno_table_cell(table, "%s", result->fastest ? "*" : result->tied ? "=" : "");
  dyno_table_cell(table, "%s", result->kernel->name);
  dyno_table_cell(table, "%s", dyno_bench_condition_name(result->condition));
  dyno_table_cell(table, "%s%s", result->rows_measured < result->rows ? "~" : "", time);
  const double values[] = {
      100 * result->seconds.median_deviation / result->seconds.median,
      result->bytes_per_second * 1e-9,
      100 * result->read_share,
      result->macs_per_second * 1e-9,
      100 * result->mac_share,
      100 * result->attainment,
  };
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    dyno_format_number(number, values[i]);
    dyno_table_cell(table, "%s", number);
  }
  dyno_table_cell(table, "%s", dyno_report_limit_name(result));
}

static void add_counters(dyno_table *table, const dyno_bench_result *result)
{
  const dyno_counter_value *instructions = &result->counters[DYNO_BENCH_INSTRUCTIONS];
  const dyno_counter_value *cycles = &result->counters[DYNO_BENCH_CYCLES];
  char number[DYNO_UNIT_TEXT];
  dyno_format_rate(number, instructions->available ? instructions->value : NAN, "");
  dyno_table_cell(table, "%s", number);
  dyno_format_number(number, instructions->available && cycles->available
                                 ? instructions->value / cycles->value
                                 : NAN);
  dyno_table_cell(table, "%s", number);
}

/* Each reason once, however many results have it. */
static void print_counter_reasons(const dyno_kernel_report *report, FILE *stream)
{
  static const char *const names[DYNO_BENCH_COUNTERS] = {"instructions", "cycles"};
  for (size_t counter = 0; counter < DYNO_BENCH_COUNTERS; counter++) {
    const char *last = "";
    for (size_t i = 0; i < report->row_count; i++) {
      const dyno_counter_value *value = &report->rows[i].result.counters[counter];
      if (value->reason[0] != '\0' && strcmp(value->reason, last) != 0)
        fprintf(stream, "%s: %s%s%s\n", names[counter], value->available ? "" : "n/a (",
                value->reason, value->available ? "" : ")");
      last = value->reason;
    }
  }
}

static void add_rows(dyno_table *table, const dyno_kernel_report *report)
{
  const dyno_report_row *end = report->rows + report->row_count;
  for (const dyno_report_row *row = report->rows; row < end; row++) {
    if (row == report->rows || !same_problem(row, row - 1)) {
      const dyno_report_row *last = row;
      while (last < end && same_problem(row, last))
        last++;
      char problem[DYNO_PROBLEM_TEXT], ceilings[256];
      dyno_problem_format(problem, &row->result.problem);
      describe_ceilings(ceilings, sizeof ceilings, row, last);
      dyno_table_heading(table, "%s%s%s\n  ceilings: %s", row->label,
                         row->label[0] == '\0' ? "" : ": ", problem, ceilings);
    }
    add_row(table, &row->result);
    if (report->options.counters)
      add_counters(table, &row->result);
  }
}

/* A warning says what to do. */
static void print_warnings(const dyno_kernel_report *report, FILE *stream)
{
  size_t samples = 0, disturbed = 0;
  for (size_t i = 0; i < report->row_count; i++) {
    samples += report->rows[i].result.seconds.count;
    disturbed += report->rows[i].result.disturbed;
  }
  if (disturbed * 20 > samples)
    fprintf(stream,
            "warning: other programs took the CPU during %zu of %zu samples: stop them, give this "
            "one a CPU of its own (--cpu), or take more --rounds\n",
            disturbed, samples);
}

static void print_conditions(const dyno_kernel_report *report, FILE *stream)
{
  char cache[DYNO_UNIT_TEXT], took[DYNO_UNIT_TEXT];
  const dyno_cpu *cpu = dyno_registry_cpu(report->registry);
  bool partial = false;
  double huge = NAN, smallest = NAN;
  for (size_t i = 0; i < report->row_count; i++) {
    const dyno_bench_result *result = &report->rows[i].result;
    partial = partial || result->rows_measured < result->rows;
    huge = fmin(huge, result->huge_pages);
    if (result->condition == DYNO_BENCH_COLD)
      smallest = fmin(smallest, result->working_set);
  }
  dyno_format_bytes(cache, (double)report->cache);
  dyno_format_seconds(took, report->seconds);
  fprintf(stream, "\n%s, tier %s; %u thread%s, the first on CPU %d; %u rounds, seed %llu; %s\n",
          cpu->name, dyno_isa_name(dyno_registry_isa(report->registry)),
          report->options.threads > 1 ? report->options.threads : 1,
          report->options.threads > 1 ? "s" : "", report->cpu, report->options.rounds,
          (unsigned long long)report->options.seed, took);
  fprintf(stream, "* fastest; = not told from it; time: median of a call; attained: of what the "
                  "limiting ceiling allows\n");
  if (partial)
    fprintf(stream, "~ measured on a part of the rows, and scaled up (--longest-call)\n");
  if (!isnan(smallest)) {
    char pool[DYNO_UNIT_TEXT];
    dyno_format_bytes(pool, smallest);
    fprintf(stream, "cold: at least %s in turns, largest cache %s", pool,
            report->cache > 0 ? cache : "unknown");
    if (isnan(huge))
      fputs("; huge pages: n/a\n", stream);
    else
      fprintf(stream, "; %.0f %% or more on huge pages\n", floor(huge * 100));
  }
}

dyno_status dyno_kernel_report_table(const dyno_kernel_report *report, FILE *stream,
                                     dyno_error *error)
{
  size_t count = sizeof columns / sizeof *columns;
  dyno_table *table =
      dyno_table_new(columns, report->options.counters ? count : count - COUNTER_COLUMNS);
  add_rows(table, report);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  print_conditions(report, stream);
  if (report->options.counters)
    print_counter_reasons(report, stream);
  print_warnings(report, stream);
  for (size_t i = 0; i < report->gap_count; i++) {
    const dyno_report_gap *gap = &report->gaps[i];
    char problem[DYNO_PROBLEM_TEXT];
    dyno_problem_format(problem, &gap->problem);
    fprintf(stream, "skipped: %s: %s\n", gap->kernel != NULL ? gap->kernel->name : problem,
            gap->reason);
  }
  if (report->interrupted)
    fputs("interrupted: what comes after was not measured\n", stream);
  return status;
}
