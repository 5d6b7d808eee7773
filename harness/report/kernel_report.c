#include "harness/report/kernel_report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/report/kernel_report_internal.h"
#include "kernels/base/atomic_file.h"

void dyno_kernel_report_begin(dyno_kernel_report *report, const dyno_registry *registry,
                              const dyno_bench_options *options, const dyno_bench *bench)
{
  *report = (dyno_kernel_report){.registry = registry, .options = *options};
  report->cpu = dyno_bench_cpu(bench);
  report->cache = dyno_bench_cache(bench);
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc) != NULL)
    strftime(report->started, sizeof report->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
  dyno_host_name(report->host);
}

dyno_status dyno_kernel_report_add(dyno_kernel_report *report, const char *label,
                                   const dyno_bench_result *results, size_t count,
                                   dyno_error *error)
{
  dyno_report_row *longer = realloc(report->rows, (report->row_count + count) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu results", count);
  report->rows = longer;
  for (size_t i = 0; i < count; i++)
    longer[report->row_count++] = (dyno_report_row){label, results[i]};
  return DYNO_OK;
}

dyno_status dyno_kernel_report_skip(dyno_kernel_report *report, const dyno_kernel *kernel,
                                    const dyno_problem *problem, dyno_bench_condition condition,
                                    const char *reason, dyno_error *error)
{
  dyno_report_gap gap = {kernel, *problem, condition, ""};
  snprintf(gap.reason, sizeof gap.reason, "%.*s", DYNO_REASON_TEXT - 1, reason);
  for (size_t i = 0; i < report->gap_count; i++)
    if (kernel != NULL && report->gaps[i].kernel == kernel &&
        strcmp(report->gaps[i].reason, gap.reason) == 0)
      return DYNO_OK;
  dyno_report_gap *longer = realloc(report->gaps, (report->gap_count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  report->gaps = longer;
  longer[report->gap_count++] = gap;
  return DYNO_OK;
}

void dyno_kernel_report_free(dyno_kernel_report *report)
{
  free(report->rows);
  free(report->gaps);
  *report = (dyno_kernel_report){0};
}

static const struct {
  const char *name, *suffix;
  dyno_status (*write)(const dyno_kernel_report *report, FILE *stream, dyno_error *error);
} formats[DYNO_REPORT_FORMAT_COUNT] = {
    [DYNO_REPORT_TABLE] = {"table", ".txt", dyno_kernel_report_table},
    [DYNO_REPORT_CSV] = {"csv", ".csv", dyno_kernel_report_csv},
    [DYNO_REPORT_JSON] = {"json", ".json", dyno_kernel_report_json},
};

dyno_report_format dyno_report_format_parse(const char *name)
{
  dyno_report_format format = DYNO_REPORT_TABLE;
  while (format < DYNO_REPORT_FORMAT_COUNT && strcmp(formats[format].name, name) != 0)
    format++;
  return format;
}

dyno_report_format dyno_report_format_of(const char *path, dyno_report_format otherwise)
{
  const char *suffix = strrchr(path, '.');
  for (dyno_report_format i = 0; suffix != NULL && i < DYNO_REPORT_FORMAT_COUNT; i++)
    if (strcmp(formats[i].suffix, suffix) == 0)
      return i;
  return otherwise;
}

dyno_status dyno_kernel_report_write(const dyno_kernel_report *report, FILE *stream,
                                     dyno_report_format format, dyno_error *error)
{
  dyno_status status = formats[format].write(report, stream, error);
  if (status == DYNO_OK && fflush(stream) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  return status;
}

dyno_status dyno_kernel_report_save(const dyno_kernel_report *report, const char *path,
                                    dyno_report_format format, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_kernel_report_write(report, file.stream, format, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

const char *dyno_report_layout_name(const dyno_kernel *kernel)
{
  const dyno_layout *layout = dyno_kernel_layout(kernel);
  return layout == NULL ? "-" : layout->name;
}

const char *dyno_report_limit_name(const dyno_bench_result *result)
{
  return result->memory_bound ? "memory" : "compute";
}
