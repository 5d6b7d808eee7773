#include "harness/compare/explain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fewer have no interval of 95 %. */
enum { LEAST_PASSES = 6 };

/* Probed, a difference may come out so much smaller or larger than timed: a probe costs time too.
 */
static const double least_part = 0.5, most_part = 2;

void dyno_arm_profile_add(dyno_arm_profile *sum, const dyno_arm_profile *profile)
{
  sum->seconds += profile->seconds;
  for (size_t i = 0; i < profile->count; i++) {
    const dyno_arm_op *from = &profile->ops[i];
    size_t at = 0;
    while (at < sum->count && (strcmp(sum->ops[at].op, from->op) != 0 ||
                               strcmp(sum->ops[at].kernel, from->kernel) != 0))
      at++;
    if (at == DYNO_ARM_MOST_OPS)
      continue;
    if (at == sum->count) {
      sum->ops[sum->count] = (dyno_arm_op){0};
      memcpy(sum->ops[at].op, from->op, sizeof from->op);
      memcpy(sum->ops[at].kernel, from->kernel, sizeof from->kernel);
      sum->count++;
    }
    sum->ops[at].seconds += from->seconds;
    sum->ops[at].bytes += from->bytes;
    sum->ops[at].macs += from->macs;
  }
}

/* What an arm spent on an op, whatever the kernel. */
static double seconds_of(const dyno_arm_profile *profile, const char *op)
{
  double seconds = 0;
  for (size_t i = 0; i < profile->count; i++)
    if (strcmp(profile->ops[i].op, op) == 0)
      seconds += profile->ops[i].seconds;
  return seconds;
}

static void describe_arm(dyno_op_delta *op, unsigned arm, const dyno_arm_profile *profile,
                         size_t tokens)
{
  double longest = -1;
  for (size_t i = 0; i < profile->count; i++) {
    const dyno_arm_op *one = &profile->ops[i];
    if (strcmp(one->op, op->op) != 0)
      continue;
    op->bytes[arm] += one->bytes / (double)tokens;
    if (one->seconds <= longest)
      continue;
    longest = one->seconds;
    memcpy(op->kernel[arm], one->kernel, sizeof one->kernel);
  }
}

static void measure_op(dyno_op_delta *op, const dyno_arm_profile (*profiles)[DYNO_COMPARE_ARMS],
                       size_t passes, size_t tokens, double *scratch)
{
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    for (size_t p = 0; p < passes; p++)
      scratch[p] = seconds_of(&profiles[p][arm], op->op) / (double)tokens;
    op->seconds[arm] = dyno_median(scratch, passes);
    describe_arm(op, arm, &profiles[0][arm], tokens);
  }
  for (size_t p = 0; p < passes; p++) {
    scratch[p] = (seconds_of(&profiles[p][1], op->op) - seconds_of(&profiles[p][0], op->op)) /
                 (double)tokens;
  }
  op->delta = dyno_median(scratch, passes); /* which sorts them */
  dyno_interval interval = dyno_median_interval(scratch, passes, 0.95);
  op->sure = interval.low > 0 || interval.high < 0;
}

static bool find_op(const dyno_explanation *explanation, const char *name)
{
  for (size_t i = 0; i < explanation->count; i++)
    if (strcmp(explanation->ops[i].op, name) == 0)
      return true;
  return false;
}

static void list_ops(dyno_explanation *explanation,
                     const dyno_arm_profile (*profiles)[DYNO_COMPARE_ARMS])
{
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    for (size_t i = 0; i < profiles[0][arm].count; i++)
      if (!find_op(explanation, profiles[0][arm].ops[i].op)) {
        dyno_op_delta *op = &explanation->ops[explanation->count++];
        *op = (dyno_op_delta){.share = NAN};
        memcpy(op->op, profiles[0][arm].ops[i].op, sizeof op->op);
      }
}

static int by_delta(const void *a, const void *b)
{
  double one = fabs(((const dyno_op_delta *)a)->delta);
  double other = fabs(((const dyno_op_delta *)b)->delta);
  return (one < other) - (one > other);
}

static void abstain(dyno_explanation *explanation, const char *reason)
{
  explanation->abstained = true;
  snprintf(explanation->reason, sizeof explanation->reason, "%s", reason);
}

/* Whether the probed passes show the difference that was timed. */
static void judge(dyno_explanation *explanation, const dyno_estimate *timed)
{
  double expected = (1 / timed->ratio - 1) * explanation->seconds[0];
  double part = explanation->delta / expected;
  if (explanation->passes < LEAST_PASSES)
    abstain(explanation, "there are too few probed passes");
  else if (dyno_estimate_direction(timed) == DYNO_UNRESOLVED)
    abstain(explanation, "no difference is resolved that could be explained");
  else if (!(part >= least_part && part <= most_part))
    abstain(explanation, "the probed passes do not show the difference that was timed");
  for (size_t i = 0; i < explanation->count && !explanation->abstained; i++)
    explanation->ops[i].share = explanation->ops[i].delta / explanation->delta;
}

dyno_status dyno_explain(dyno_explanation *explanation,
                         const dyno_arm_profile (*profiles)[DYNO_COMPARE_ARMS], size_t passes,
                         size_t tokens, const dyno_estimate *timed, dyno_error *error)
{
  *explanation = (dyno_explanation){.passes = passes};
  double *scratch = calloc(passes + 1, sizeof *scratch);
  explanation->ops = calloc((size_t)DYNO_COMPARE_ARMS * DYNO_ARM_MOST_OPS, sizeof(dyno_op_delta));
  if (scratch == NULL || explanation->ops == NULL) {
    free(scratch);
    dyno_explanation_free(explanation);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to explain a difference");
  }
  if (passes > 0)
    list_ops(explanation, profiles);
  for (size_t i = 0; i < explanation->count; i++)
    measure_op(&explanation->ops[i], profiles, passes, tokens, scratch);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && passes > 0; arm++) {
    for (size_t p = 0; p < passes; p++)
      scratch[p] = profiles[p][arm].seconds / (double)tokens;
    explanation->seconds[arm] = dyno_median(scratch, passes);
  }
  for (size_t p = 0; p < passes; p++)
    scratch[p] = (profiles[p][1].seconds - profiles[p][0].seconds) / (double)tokens;
  if (passes > 0)
    explanation->delta = dyno_median(scratch, passes);
  free(scratch);
  if (explanation->count > 0)
    qsort(explanation->ops, explanation->count, sizeof *explanation->ops, by_delta);
  judge(explanation, timed);
  return DYNO_OK;
}

void dyno_explanation_free(dyno_explanation *explanation)
{
  free(explanation->ops);
  *explanation = (dyno_explanation){0};
}
