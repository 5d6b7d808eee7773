#include "harness/compare/result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *dyno_compare_verdict_name(dyno_compare_verdict verdict)
{
  static const char *const names[DYNO_COMPARE_VERDICT_COUNT] = {
      [DYNO_COMPARE_FASTER] = "B is faster",  [DYNO_COMPARE_SLOWER] = "B is slower",
      [DYNO_COMPARE_EQUAL] = "no difference", [DYNO_COMPARE_INCONCLUSIVE] = "inconclusive",
      [DYNO_COMPARE_UNFIT] = "unfit host",    [DYNO_COMPARE_WRONG] = "wrong output",
  };
  return names[verdict];
}

/* Tokens per second: 1 over the median of seconds per token. */
static dyno_status median_rate(double *rate, const dyno_series *seconds, dyno_error *error)
{
  *rate = NAN;
  if (seconds->count == 0)
    return DYNO_OK;
  double *copy = malloc(seconds->count * sizeof *copy);
  if (copy == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  memcpy(copy, seconds->values, seconds->count * sizeof *copy);
  *rate = 1 / dyno_median(copy, seconds->count);
  free(copy);
  return DYNO_OK;
}

static dyno_status estimate(dyno_compare_row *row, const dyno_series *decode,
                            const dyno_series *prefill, const dyno_series *control,
                            dyno_error *error)
{
  dyno_status status = dyno_estimate_series(&row->decode, decode->values, decode->count,
                                            DYNO_COMPARE_CONFIDENCE, error);
  if (status == DYNO_OK)
    status = dyno_estimate_series(&row->prefill, prefill->values, prefill->count,
                                  DYNO_COMPARE_CONFIDENCE, error);
  if (status == DYNO_OK)
    status = dyno_estimate_series(&row->control, control->values, control->count,
                                  DYNO_COMPARE_CONFIDENCE, error);
  return status;
}

static dyno_status fill_rows(dyno_compare_result *result, const dyno_comparison *c,
                             dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < c->case_count && status == DYNO_OK; i++) {
    const dyno_compare_case *one = &c->cases[i];
    dyno_compare_row *row = &result->rows[i];
    row->name = one->workload->name;
    status = estimate(row, &one->decode, &one->prefill, &one->control, error);
    for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++) {
      status = median_rate(&row->decode_rate[arm], &one->step[arm], error);
      if (status == DYNO_OK)
        status = median_rate(&row->prefill_rate[arm], &one->chunk[arm], error);
    }
  }
  dyno_compare_row *mean = &result->rows[c->case_count];
  *mean = (dyno_compare_row){
      .name = "geometric mean", .decode_rate = {NAN, NAN}, .prefill_rate = {NAN, NAN}};
  return status == DYNO_OK ? estimate(mean, &c->decode, &c->prefill, &c->control, error) : status;
}

static void decide(dyno_compare_result *result, dyno_compare_verdict verdict, const char *reason)
{
  result->verdict = verdict;
  snprintf(result->reason, sizeof result->reason, "%s", reason);
}

static void judge_output(dyno_compare_result *result, const dyno_comparison *c)
{
  const dyno_compare_outputs *o = &c->outputs;
  result->verdict = DYNO_COMPARE_WRONG;
  if (o->not_finite > 0)
    snprintf(result->reason, sizeof result->reason,
             "logits are NaN or infinite at %zu of %zu positions", o->not_finite, o->positions);
  else if (o->unsteady[0] + o->unsteady[1] > 0)
    snprintf(result->reason, sizeof result->reason,
             "the same steps chose other tokens in later rounds (%zu times in A, %zu in B)",
             o->unsteady[0], o->unsteady[1]);
  else
    snprintf(result->reason, sizeof result->reason,
             "the outputs diverge by %.3g nats a token, more than the %.3g allowed", o->mean_nats,
             c->options.divergence);
}

static const char *unfit_row(const dyno_compare_result *result)
{
  for (size_t i = 0; i < result->count; i++)
    if (dyno_estimate_beyond(&result->rows[i].control, DYNO_COMPARE_UNFIT_MARGIN))
      return result->rows[i].name;
  return NULL;
}

static void judge(dyno_compare_result *result, const dyno_comparison *c, double precision)
{
  const dyno_estimate *mean = &dyno_compare_mean(result)->decode;
  const char *unfit = unfit_row(result);
  if (dyno_compare_wrong_output(c)) {
    judge_output(result, c);
  } else if (unfit != NULL) {
    result->verdict = DYNO_COMPARE_UNFIT;
    snprintf(result->reason, sizeof result->reason,
             "%s: an arm differs from itself by more than 1 %%: let the machine come to rest",
             unfit);
  } else if (!mean->valid || !isfinite(mean->interval.low)) {
    decide(result, DYNO_COMPARE_INCONCLUSIVE, "there are too few rounds for an interval");
  } else if (dyno_estimate_direction(mean) != DYNO_UNRESOLVED) {
    decide(result,
           dyno_estimate_direction(mean) == DYNO_FASTER ? DYNO_COMPARE_FASTER : DYNO_COMPARE_SLOWER,
           "the whole interval of the geometric mean is on one side of 1");
  } else if (mean->interval.low >= 1 - precision && mean->interval.high <= 1 + precision) {
    decide(result, DYNO_COMPARE_EQUAL, "the whole interval is within the half width of 1");
  } else {
    decide(result, DYNO_COMPARE_INCONCLUSIVE,
           "the interval holds 1 and goes beyond the half width: more rounds are needed");
  }
}

dyno_status dyno_compare_conclude(dyno_compare_result *result, const dyno_comparison *comparison,
                                  double precision, dyno_error *error)
{
  *result = (dyno_compare_result){.count = comparison->case_count + 1};
  result->rows = calloc(result->count, sizeof *result->rows);
  if (result->rows == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_status status = fill_rows(result, comparison, error);
  if (status == DYNO_OK)
    judge(result, comparison, precision);
  else
    dyno_compare_result_free(result);
  return status;
}

const dyno_compare_row *dyno_compare_mean(const dyno_compare_result *result)
{
  return &result->rows[result->count - 1];
}

void dyno_compare_result_free(dyno_compare_result *result)
{
  free(result->rows);
  *result = (dyno_compare_result){0};
}
