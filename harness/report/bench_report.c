#include "harness/report/bench_report.h"

#include "harness/report/bench_html.h"
#include "harness/report/bench_plots.h"
#include "harness/report/bench_report_internal.h"
#include "kernels/base/atomic_file.h"

static dyno_status save(const dyno_bench_summary *summary, const char *name,
                        dyno_bench_writer *write, dyno_error *error)
{
  char path[4096];
  dyno_atomic_file file;
  snprintf(path, sizeof path, "%s/%s", summary->results->folder, name);
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = write(summary, file.stream, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status write_folder(const dyno_bench_summary *summary, dyno_error *error)
{
  dyno_status status = save(summary, "summary.json", dyno_bench_write_json, error);
  if (status == DYNO_OK)
    status = save(summary, "report.md", dyno_bench_write_markdown, error);
  return status;
}

static dyno_status report_results(const dyno_bench_results *results,
                                  const dyno_bench_report_options *options, dyno_error *error)
{
  dyno_bench_summary summary;
  dyno_status status = dyno_bench_summarize(&summary, results, error);
  if (status != DYNO_OK)
    return status;
  if (options->tables != NULL)
    status = dyno_bench_write_tables(&summary, options->tables, error);
  if (status == DYNO_OK && options->json != NULL)
    status = dyno_bench_write_json(&summary, options->json, error);
  if (status == DYNO_OK && !options->no_write)
    status = write_folder(&summary, error);
  dyno_bench_summary_free(&summary);
  return status;
}

dyno_status dyno_bench_report(const char *folder, const dyno_bench_report_options *options,
                              dyno_error *error)
{
  dyno_bench_results *results;
  dyno_status status = dyno_bench_results_read(&results, folder, error);
  if (status == DYNO_OK)
    status = report_results(results, options, error);
  dyno_bench_results_free(&results);
  if (status != DYNO_OK || options->no_write || options->no_plots)
    return status;
  /* The page shows the plots. */
  status = dyno_bench_plots(folder, stderr, error);
  return status == DYNO_OK ? dyno_bench_html(folder, error) : status;
}
