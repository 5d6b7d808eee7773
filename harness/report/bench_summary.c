#include <math.h>
#include <stdlib.h>

#include "harness/report/bench_summary_internal.h"

/* What caches of today's processors may hold of the weights from token to token. */
static const double cached_weights = 512e6;

static bool is_complete(const dyno_bench_summary *summary)
{
  const dyno_bench_manifest *manifest = &summary->results->manifest;
  for (size_t i = 0; i < manifest->case_count; i++)
    if (summary->cases[i].measured < manifest->protocol.iterations)
      return false;
  return manifest->case_count > 0;
}

static dyno_status find_geometric_means(dyno_bench_summary *summary, dyno_error *error)
{
  size_t cases = summary->results->manifest.case_count;
  double *medians = calloc(cases + 1, sizeof *medians);
  if (medians == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the medians of %zu cases", cases);
  for (size_t metric = 0; metric < DYNO_BENCH_METRIC_COUNT; metric++) {
    size_t count = 0;
    for (size_t i = 0; i < cases; i++)
      if (summary->cases[i].metrics[metric].count > 0 &&
          summary->cases[i].metrics[metric].summary.median > 0)
        medians[count++] = summary->cases[i].metrics[metric].summary.median;
    summary->geometric[metric] = NAN;
    if (count > 0)
      dyno_geometric_mean(&summary->geometric[metric], medians, count, NULL);
  }
  free(medians);
  return DYNO_OK;
}

static dyno_status summarize_cases(dyno_bench_summary *summary, dyno_error *error)
{
  size_t cases = summary->results->manifest.case_count;
  dyno_status status = DYNO_OK;
  summary->cases = calloc(cases + 1, sizeof *summary->cases);
  if (summary->cases == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to summarize %zu cases", cases);
  for (size_t i = 0; i < cases && status == DYNO_OK; i++) {
    status = dyno_bench_summarize_case(&summary->cases[i], summary->results, i, error);
    if (status != DYNO_OK)
      dyno_error_prepend(error, "case %s", summary->results->manifest.cases[i].name);
  }
  if (status == DYNO_OK)
    status =
        dyno_bench_summarize_case(&summary->overall, summary->results, DYNO_BENCH_NO_CASE, error);
  return status == DYNO_OK ? find_geometric_means(summary, error) : status;
}

dyno_status dyno_bench_summarize(dyno_bench_summary *summary, const dyno_bench_results *results,
                                 dyno_error *error)
{
  *summary = (dyno_bench_summary){.results = results};
  summary->cached = !(results->manifest.model.weight_bytes > cached_weights);
  dyno_status status = summarize_cases(summary, error);
  if (status == DYNO_OK)
    status = dyno_bench_summarize_latency(summary, error);
  if (status == DYNO_OK)
    status = dyno_bench_summarize_roofline(summary, error);
  if (status == DYNO_OK)
    status = dyno_bench_summarize_decode(summary, error);
  if (status != DYNO_OK) {
    dyno_bench_summary_free(summary);
    return status;
  }
  summary->complete = is_complete(summary);
  dyno_bench_summarize_components(summary);
  dyno_bench_summarize_memory(summary);
  dyno_bench_project(summary);
  dyno_bench_judge(summary);
  return DYNO_OK;
}

void dyno_bench_summary_free(dyno_bench_summary *summary)
{
  for (size_t i = 0; summary->cases != NULL && i < summary->results->manifest.case_count; i++)
    dyno_bench_case_summary_free(&summary->cases[i]);
  free(summary->cases);
  dyno_bench_case_summary_free(&summary->overall);
  free(summary->roofline);
  *summary = (dyno_bench_summary){0};
}
