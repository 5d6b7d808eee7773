#include "harness/report/csv.h"
#include "harness/report/kernel_report_internal.h"

/* In the order of write_row. Times in seconds, rates per second, sizes in bytes. */
static const char *const names[] = {
    "host",
    "cpu",
    "started",
    "label",
    "problem",
    "op",
    "weight",
    "activation",
    "m",
    "n",
    "k",
    "groups",
    "heads",
    "kv_heads",
    "window",
    "kernel",
    "tier",
    "layout",
    "condition",
    "threads",
    "rounds",
    "disturbed",
    "calls",
    "rows",
    "rows_measured",
    "median",
    "mad",
    "median_low",
    "median_high",
    "minimum",
    "maximum",
    "mean",
    "standard_deviation",
    "bytes",
    "macs",
    "bytes_per_second",
    "macs_per_second",
    "read_ceiling",
    "read_ceiling_by",
    "mac_ceiling",
    "mac_ceiling_by",
    "read_share",
    "mac_share",
    "attainment",
    "limit",
    "fastest",
    "tied",
    "working_set",
    "huge_pages",
    "instructions",
    "cycles",
};

static void write_problem(dyno_csv *csv, const dyno_problem *problem)
{
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, problem);
  dyno_csv_text(csv, text);
  dyno_csv_text(csv, dyno_op_name(problem->op));
  dyno_csv_text(csv, dyno_dtype_name(problem->weight));
  dyno_csv_text(csv, dyno_dtype_name(problem->activation));
  const size_t sizes[] = {problem->m,     problem->n,        problem->k,     problem->groups,
                          problem->heads, problem->kv_heads, problem->window};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    dyno_csv_integer(csv, sizes[i]);
}

static void write_numbers(dyno_csv *csv, const double *numbers, size_t count)
{
  for (size_t i = 0; i < count; i++)
    dyno_csv_number(csv, numbers[i]);
}

static void write_result(dyno_csv *csv, const dyno_bench_result *result)
{
  const dyno_summary *seconds = &result->seconds;
  const double times[] = {seconds->median,
                          seconds->median_deviation,
                          seconds->median_interval.low,
                          seconds->median_interval.high,
                          seconds->minimum,
                          seconds->maximum,
                          seconds->mean,
                          seconds->standard_deviation,
                          dyno_cost_bytes(&result->cost),
                          result->cost.macs,
                          result->bytes_per_second,
                          result->macs_per_second};
  const double shares[] = {result->read_share, result->mac_share, result->attainment};
  dyno_csv_text(csv, result->kernel->name);
  dyno_csv_text(csv, dyno_isa_name(result->kernel->isa));
  dyno_csv_text(csv, dyno_report_layout_name(result->kernel));
  dyno_csv_text(csv, dyno_bench_condition_name(result->condition));
  dyno_csv_integer(csv, result->threads);
  dyno_csv_integer(csv, seconds->count);
  dyno_csv_integer(csv, result->disturbed);
  dyno_csv_integer(csv, result->calls);
  dyno_csv_integer(csv, result->rows);
  dyno_csv_integer(csv, result->rows_measured);
  write_numbers(csv, times, sizeof times / sizeof *times);
  dyno_csv_number(csv, result->read_ceiling);
  dyno_csv_text(csv, result->read_ceiling_by);
  dyno_csv_number(csv, result->mac_ceiling);
  dyno_csv_text(csv, result->mac_ceiling_by);
  write_numbers(csv, shares, sizeof shares / sizeof *shares);
  dyno_csv_text(csv, dyno_report_limit_name(result));
  dyno_csv_integer(csv, result->fastest);
  dyno_csv_integer(csv, result->tied);
  dyno_csv_number(csv, result->working_set);
  dyno_csv_number(csv, result->huge_pages);
}

static void write_row(dyno_csv *csv, const dyno_kernel_report *report, const dyno_report_row *row)
{
  dyno_csv_text(csv, report->host);
  dyno_csv_text(csv, dyno_registry_cpu(report->registry)->name);
  dyno_csv_text(csv, report->started);
  dyno_csv_text(csv, row->label);
  write_problem(csv, &row->result.problem);
  write_result(csv, &row->result);
  for (size_t i = 0; i < DYNO_BENCH_COUNTERS; i++) {
    const dyno_counter_value *counter = &row->result.counters[i];
    if (counter->available)
      dyno_csv_number(csv, counter->value);
    else
      dyno_csv_text(csv, NULL);
  }
  dyno_csv_end_row(csv);
}

dyno_status dyno_kernel_report_csv(const dyno_kernel_report *report, FILE *stream,
                                   dyno_error *error)
{
  dyno_csv csv = DYNO_CSV(stream);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    dyno_csv_text(&csv, names[i]);
  dyno_csv_end_row(&csv);
  for (size_t i = 0; i < report->row_count; i++)
    write_row(&csv, report, &report->rows[i]);
  return ferror(stream) ? dyno_fail(error, DYNO_ERROR_IO, "cannot write CSV: %m") : DYNO_OK;
}
