#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/statistics_bootstrap.h"
#include "harness/report/bench_summary_internal.h"

static double ttft(const dyno_bench_sample *sample)
{
  return sample->ttft_ns;
}

static double e2e(const dyno_bench_sample *sample)
{
  return sample->e2e_ns;
}

/* A metric of a sample; NULL for ITL, of which a sample has many. */
static const struct {
  const char *name;
  double (*of)(const dyno_bench_sample *);
} metrics[] = {
    [DYNO_BENCH_TTFT] = {"ttft_ns", ttft},
    [DYNO_BENCH_ITL] = {"itl_ns", NULL},
    [DYNO_BENCH_TPOT] = {"tpot_ns", dyno_bench_tpot},
    [DYNO_BENCH_PREFILL_TPS] = {"prefill_tps", dyno_bench_prefill_rate},
    [DYNO_BENCH_DECODE_TPS] = {"decode_tps", dyno_bench_decode_rate},
    [DYNO_BENCH_OVERALL_TPS] = {"overall_tps", dyno_bench_overall_rate},
    [DYNO_BENCH_E2E] = {"e2e_ns", e2e},
};

const char *dyno_bench_metric_name(dyno_bench_metric metric)
{
  return metrics[metric].name;
}

/* The measured samples of a case, or of all; in the order of their sequence numbers. */
typedef struct selection {
  const dyno_bench_sample **samples;
  size_t count;
} selection;

static int by_sequence(const void *left, const void *right)
{
  const dyno_bench_sample *a = *(const dyno_bench_sample *const *)left;
  const dyno_bench_sample *b = *(const dyno_bench_sample *const *)right;
  return a->sequence != b->sequence ? (a->sequence > b->sequence) - (a->sequence < b->sequence)
                                    : (a->line > b->line) - (a->line < b->line);
}

static dyno_status select_samples(selection *selected, const dyno_bench_results *results,
                                  size_t case_index, dyno_error *error)
{
  *selected = (selection){calloc(results->sample_count + 1, sizeof *selected->samples), 0};
  if (selected->samples == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu samples", results->sample_count);
  for (size_t i = 0; i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    if (!sample->warmup && (case_index == DYNO_BENCH_NO_CASE || sample->case_index == case_index))
      selected->samples[selected->count++] = sample;
  }
  qsort(selected->samples, selected->count, sizeof *selected->samples, by_sequence);
  return DYNO_OK;
}

/* Values */

static size_t count_intervals(const selection *selected)
{
  size_t count = 0;
  for (size_t i = 0; i < selected->count; i++)
    count += selected->samples[i]->itl_count;
  return count;
}

static void gather(dyno_bench_values *to, const selection *selected, dyno_bench_metric metric)
{
  for (size_t i = 0; i < selected->count; i++) {
    const dyno_bench_sample *sample = selected->samples[i];
    if (metric == DYNO_BENCH_ITL) {
      if (sample->itl_count > 0)
        memcpy(to->values + to->count, sample->itl_ns, sample->itl_count * sizeof *to->values);
      to->count += sample->itl_count;
    } else {
      double value = metrics[metric].of(sample);
      if (!isnan(value)) /* an answer of one token has no decode rate */
        to->values[to->count++] = value;
    }
  }
}

static dyno_status summarize_values(dyno_bench_values *to, const selection *selected,
                                    dyno_bench_metric metric, uint64_t seed, dyno_error *error)
{
  size_t room = metric == DYNO_BENCH_ITL ? count_intervals(selected) : selected->count;
  *to = (dyno_bench_values){.mean_95 = {NAN, NAN, NAN}};
  to->values = calloc(room + 1, sizeof *to->values);
  if (to->values == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu values", room);
  gather(to, selected, metric);
  if (to->count == 0)
    return DYNO_OK;
  dyno_status status = dyno_summarize(&to->summary, to->values, to->count, error);
  if (metric == DYNO_BENCH_ITL)
    dyno_sort(to->values, to->count);
  else if (status == DYNO_OK)
    status = dyno_bootstrap_interval(&to->mean_95, to->values, to->count, dyno_mean, 0.95,
                                     DYNO_BOOTSTRAP_REPLICATES, seed + (uint64_t)metric, error);
  if (status != DYNO_OK)
    dyno_error_prepend(error, "%s", metrics[metric].name);
  return status;
}

/* By prompt */

/* Puts each value over the median of its own prompt's, so that prompts of different lengths can be
 * compared, if each has at least `least` of them: else there is nothing to hold values against. */
static bool relate_to_prompts(double *related, double *scratch, const double *values,
                              const selection *selected, size_t least)
{
  for (size_t i = 0; i < selected->count; i++) {
    size_t same = 0;
    for (size_t j = 0; j < selected->count; j++)
      if (strcmp(selected->samples[i]->prompt, selected->samples[j]->prompt) == 0)
        scratch[same++] = values[j];
    if (same < least)
      return false;
    double median = dyno_median(scratch, same);
    if (!(median > 0))
      return false;
    related[i] = values[i] / median;
  }
  return true;
}

/* Room for the values of a selection, twice. */
static double *new_scratch(const selection *selected, dyno_error *error)
{
  double *scratch = calloc(selected->count + 1, 2 * sizeof *scratch);
  if (scratch == NULL)
    dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu values", selected->count);
  return scratch;
}

static void add_outliers(dyno_bench_case_summary *summary, dyno_bench_metric metric,
                         const dyno_outlier *outliers, const selection *selected)
{
  for (size_t i = 0; i < selected->count; i++) {
    const char *label = dyno_outlier_name(&outliers[i]);
    if (label != NULL)
      summary->outliers[summary->outlier_count++] = (dyno_bench_outlier){
          metric, summary->metrics[metric].values[i], label, selected->samples[i]};
  }
}

/* Labels the metrics of which every sample has one. */
static dyno_status label_outliers(dyno_bench_case_summary *summary, const selection *selected,
                                  dyno_error *error)
{
  dyno_status status = DYNO_OK;
  double *scratch = new_scratch(selected, error);
  dyno_outlier *outliers = calloc(selected->count + 1, sizeof *outliers);
  summary->outliers =
      calloc(selected->count + 1, DYNO_BENCH_METRIC_COUNT * sizeof *summary->outliers);
  if (scratch == NULL || outliers == NULL || summary->outliers == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the outliers of %zu samples",
                       selected->count);
  for (dyno_bench_metric metric = 0; metric < DYNO_BENCH_METRIC_COUNT && status == DYNO_OK;
       metric++) {
    const dyno_bench_values *values = &summary->metrics[metric];
    if (metric == DYNO_BENCH_ITL || values->count == 0 || values->count != selected->count)
      continue;
    bool related =
        relate_to_prompts(scratch, scratch + selected->count, values->values, selected, 3);
    status =
        dyno_label_outliers(outliers, related ? scratch : values->values, selected->count, error);
    if (status == DYNO_OK)
      add_outliers(summary, metric, outliers, selected);
  }
  free(scratch);
  free(outliers);
  return status;
}

static dyno_status judge_steadiness(dyno_bench_case_summary *summary, const selection *selected,
                                    uint64_t seed, dyno_error *error)
{
  const dyno_bench_values *values = &summary->metrics[DYNO_BENCH_DECODE_TPS];
  if (values->count != selected->count)
    values = &summary->metrics[DYNO_BENCH_PREFILL_TPS];
  double *scratch = new_scratch(selected, error);
  if (scratch == NULL)
    return DYNO_ERROR_MEMORY;
  summary->steady_by_prompt =
      relate_to_prompts(scratch, scratch + selected->count, values->values, selected, 2);
  dyno_status status =
      dyno_judge_steadiness(&summary->steady, summary->steady_by_prompt ? scratch : values->values,
                            selected->count, seed, error);
  free(scratch);
  return status;
}

/* Correctness */

/* Warm-ups count too: they do the same work. */
static dyno_bench_answer compare_hashes(const dyno_bench_results *results, size_t case_index)
{
  dyno_bench_answer answer = DYNO_BENCH_UNKNOWN;
  for (size_t i = 0; i < results->sample_count; i++)
    for (size_t j = 0; j < i; j++) {
      const dyno_bench_sample *a = &results->samples[i], *b = &results->samples[j];
      if (a->case_index != b->case_index || a->hash == NULL || b->hash == NULL ||
          (case_index != DYNO_BENCH_NO_CASE && a->case_index != case_index) ||
          strcmp(a->prompt, b->prompt) != 0)
        continue;
      if (strcmp(a->hash, b->hash) != 0)
        return DYNO_BENCH_NO;
      answer = DYNO_BENCH_YES;
      break; /* equality with one is equality with all */
    }
  return answer;
}

static void count_texts(dyno_bench_case_summary *summary, const dyno_bench_results *results,
                        size_t case_index)
{
  summary->repeated = DYNO_BENCH_UNKNOWN;
  for (size_t i = 0; i < results->text_count; i++) {
    const dyno_bench_text *text = &results->texts[i];
    if (case_index != DYNO_BENCH_NO_CASE && text->case_index != case_index)
      continue;
    summary->asked += text->correct != DYNO_BENCH_UNKNOWN;
    summary->hits += text->correct == DYNO_BENCH_YES;
    if (text->repeated == DYNO_BENCH_NO || summary->repeated == DYNO_BENCH_UNKNOWN)
      summary->repeated = text->repeated;
  }
}

/* All together */

static dyno_status summarize_selection(dyno_bench_case_summary *summary, const selection *selected,
                                       size_t case_index, uint64_t seed, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (dyno_bench_metric metric = 0; metric < DYNO_BENCH_METRIC_COUNT && status == DYNO_OK;
       metric++)
    status = summarize_values(&summary->metrics[metric], selected, metric, seed, error);
  if (status != DYNO_OK || case_index == DYNO_BENCH_NO_CASE || selected->count == 0)
    return status;
  status = label_outliers(summary, selected, error);
  return status == DYNO_OK ? judge_steadiness(summary, selected, seed, error) : status;
}

dyno_status dyno_bench_summarize_case(dyno_bench_case_summary *summary,
                                      const dyno_bench_results *results, size_t case_index,
                                      dyno_error *error)
{
  selection selected;
  *summary = (dyno_bench_case_summary){.steady = {NAN, NAN, 1, 0, NAN, 1, DYNO_UNDECIDED},
                                       .hashes_equal = compare_hashes(results, case_index)};
  count_texts(summary, results, case_index);
  dyno_status status = select_samples(&selected, results, case_index, error);
  summary->measured = selected.count;
  if (status == DYNO_OK)
    status =
        summarize_selection(summary, &selected, case_index, results->manifest.protocol.seed, error);
  free(selected.samples);
  return status;
}

void dyno_bench_case_summary_free(dyno_bench_case_summary *summary)
{
  for (size_t i = 0; i < DYNO_BENCH_METRIC_COUNT; i++)
    free(summary->metrics[i].values);
  free(summary->outliers);
  *summary = (dyno_bench_case_summary){0};
}
