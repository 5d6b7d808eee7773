#include "harness/compare/ablate.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/compare/ablate_speed.h"
#include "harness/compare/result.h"
#include "harness/compare/source.h"
#include "kernels/base/clock.h"
#include "runtime/threads/topology.h"

void dyno_figure_counted(dyno_claim_figure *figure, double value)
{
  figure->state = DYNO_FIGURE_MEASURED;
  figure->value = figure->low = figure->high = value;
  figure->samples = 0;
}

void dyno_figure_untestable(dyno_claim_figure *figure, const char *format, ...)
{
  va_list arguments;
  *figure = DYNO_CLAIM_FIGURE_NONE;
  figure->state = DYNO_FIGURE_UNTESTABLE;
  va_start(arguments, format);
  vsnprintf(figure->reason, sizeof figure->reason, format, arguments);
  va_end(arguments);
}

dyno_status dyno_figure_from_logs(dyno_claim_figure *figure, const dyno_claim *claim,
                                  const double *logs, size_t count, double scale, dyno_error *error)
{
  dyno_estimate estimate;
  dyno_status status = dyno_estimate_series(&estimate, logs, count, DYNO_COMPARE_CONFIDENCE, error);
  if (status != DYNO_OK)
    return status;
  double values[3] = {estimate.ratio, estimate.interval.low, estimate.interval.high};
  for (int i = 0; i < 3; i++)
    values[i] = dyno_claim_unit_compares(claim->unit)
                    ? dyno_claim_from_ratio(claim->unit, values[i])
                    : values[i] * scale;
  figure->state = DYNO_FIGURE_MEASURED;
  figure->value = values[0];
  figure->low = values[1];
  figure->high = values[2];
  figure->samples = count;
  if (!isfinite(figure->low))
    snprintf(figure->reason, sizeof figure->reason,
             "%zu rounds or passes are too few for an interval: %d are the least", count,
             DYNO_ABLATE_LEAST_ROUNDS);
  return DYNO_OK;
}

/* What a pair is made of. */
typedef struct pair {
  const dyno_ablation *ablation;
  const dyno_claim *const *claims;
  size_t count;
  dyno_claim_figure *figures;
  dyno_settings settings[DYNO_COMPARE_ARMS];
  char plan[DYNO_COMPARE_ARMS][DYNO_SWITCH_TEXT]; /* a switch with {plan} filled in */
} pair;

/* Says of every claim that is not settled yet that it cannot be tested. */
static void give_up(pair *p, const char *why)
{
  for (size_t i = 0; i < p->count; i++)
    if (p->figures[i].state == DYNO_FIGURE_PENDING)
      dyno_figure_untestable(&p->figures[i], "%s", why);
}

static bool is_fatal(dyno_status status)
{
  return status == DYNO_ERROR_INTERRUPTED || status == DYNO_ERROR_MEMORY;
}

/* A failure that is about this pair only becomes its figures' reason. */
static dyno_status settle(pair *p, dyno_status status, const dyno_error *error)
{
  if (status == DYNO_OK || is_fatal(status))
    return status;
  give_up(p, error->message);
  return DYNO_OK;
}

static dyno_status apply(pair *p, unsigned arm, const char *text, dyno_error *error)
{
  static const char mark[] = "{plan}";
  const char *at = strstr(text, mark);
  char name[32];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
  if (dyno_switch_find(name) == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE, "this dyno has no switch '%s'", name);
  if (at == NULL)
    return dyno_settings_apply(&p->settings[arm], text, error);
  if (p->ablation->plan == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "no plan was given: dyno quantize --to dynamic --save-plan FILE makes one, "
                     "--plan=FILE names it");
  snprintf(p->plan[arm], sizeof p->plan[arm], "%.*s%s%s", (int)(at - text), text, p->ablation->plan,
           at + sizeof mark - 1);
  return dyno_settings_apply(&p->settings[arm], p->plan[arm], error);
}

static dyno_status make_settings(pair *p, dyno_error *error)
{
  const dyno_claim *first = p->claims[0];
  dyno_engine_options base = *p->ablation->engine;
  if (base.batch == 0) /* a pass of a prefill is a turn */
    base.batch = p->ablation->compare.chunk;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    const char *const *list = arm == 0 ? first->a : first->b;
    size_t count = arm == 0 ? first->a_count : first->b_count;
    dyno_status status = dyno_settings_copy(&p->settings[arm], &base, error);
    for (size_t i = 0; i < count && status == DYNO_OK; i++)
      status = apply(p, arm, list[i], error);
    if (status != DYNO_OK)
      return status;
  }
  return DYNO_OK;
}

/* Whether a pair is about how threads hand work over. */
static bool is_about_pool(const dyno_claim *claim)
{
  for (size_t i = 0; i < claim->a_count; i++)
    if (strncmp(claim->a[i], "pool=", strlen("pool=")) == 0)
      return true;
  return false;
}

/* What can be told before anything is opened. */
static void refuse_early(pair *p)
{
  unsigned threads = p->ablation->engine->registry.threads;
  bool alone = dyno_choose_threads(&threads, NULL) == DYNO_OK && threads == 1;
  for (size_t i = 0; i < p->count; i++) {
    const dyno_claim *claim = p->claims[i];
    p->figures[i] = DYNO_CLAIM_FIGURE_NONE;
    if (claim->metric == DYNO_METRIC_NONE)
      dyno_figure_untestable(&p->figures[i], "%s", claim->why);
    else if (claim->only_20b && !p->ablation->is_20b)
      dyno_figure_untestable(&p->figures[i],
                             "the figure is gpt-oss-20b's, and this model has other shapes");
    else if (alone && is_about_pool(claim))
      dyno_figure_untestable(&p->figures[i], "one thread has nobody to hand work to");
    else if (claim->metric == DYNO_METRIC_ACCURACY && p->ablation->heldout == NULL)
      dyno_figure_untestable(&p->figures[i], "there are no questions that this model has learnt to "
                                             "answer: only dyno-mini's come with dyno");
  }
}

static bool pending(const pair *p, bool accuracy)
{
  for (size_t i = 0; i < p->count; i++)
    if (p->figures[i].state == DYNO_FIGURE_PENDING &&
        (p->claims[i]->metric == DYNO_METRIC_ACCURACY) == accuracy)
      return true;
  return false;
}

/* What is chosen for what, as a number. */
static void add_choice(void *context, const char *purpose, const dyno_choice *choice)
{
  uint64_t *hash = context;
  *hash = XXH3_64bits_withSeed(purpose, strlen(purpose), *hash);
  *hash = XXH3_64bits_withSeed(choice->kernel->name, strlen(choice->kernel->name), *hash);
}

static bool is_about_kernels(const char *const *list, size_t count)
{
  static const char *const names[] = {"isa=", "kernel=", "quant="};
  bool all = true;
  for (size_t i = 0; i < count && all; i++) {
    all = false;
    for (size_t j = 0; j < sizeof names / sizeof *names; j++)
      all |= strncmp(list[i], names[j], strlen(names[j])) == 0;
  }
  return all;
}

/* Whether the switches should change kernels and did not: a model that has no weights of the kind
 * must not refute anything. */
static bool changes_nothing(const pair *p, const dyno_comparison *comparison)
{
  const dyno_claim *first = p->claims[0];
  uint64_t chosen[DYNO_COMPARE_ARMS] = {0};
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    dyno_engine_for_each_choice(dyno_arm_engine(comparison->arms[arm]), add_choice, &chosen[arm]);
  return first->a_count + first->b_count > 0 && is_about_kernels(first->a, first->a_count) &&
         is_about_kernels(first->b, first->b_count) && chosen[0] == chosen[1];
}

static bool is_of_cache(const dyno_claim *claim)
{
  return claim->metric == DYNO_METRIC_HITS || claim->metric == DYNO_METRIC_COMPRESSION;
}

/* Hits and compression, where a claim is about them. */
static dyno_status measure_cache(pair *p, dyno_arm *arm, dyno_error *error)
{
  dyno_cache_shares shares;
  bool played = false;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < p->count && status == DYNO_OK; i++) {
    if (p->figures[i].state != DYNO_FIGURE_PENDING || !is_of_cache(p->claims[i]))
      continue;
    if (!played)
      status = dyno_ablate_cache(&shares, arm, p->ablation, error);
    played = true;
    if (status == DYNO_OK)
      dyno_figure_from_cache(&p->figures[i], p->claims[i], &shares);
  }
  return status;
}

static dyno_status measure_arms(pair *p, dyno_error *error)
{
  dyno_comparison comparison = {0};
  const dyno_claim *first = p->claims[0];
  const dyno_local_arms arms = {.engines = {&p->settings[0].engine, &p->settings[1].engine}};
  const dyno_compare_source source = dyno_compare_local(&arms);
  dyno_compare_options options = p->ablation->compare;
  if (first->cases != NULL)
    options.workload.cases = first->cases;
  if (first->tokens > 0)
    options.workload.steps = first->tokens;
  if (first->longest > 0)
    options.workload.longest = first->longest;
  options.divergence = INFINITY; /* how far they are apart is told, not judged */
  options.probed_passes = 0;
  dyno_status status = dyno_compare_open(&comparison, &source, &options, error);
  if (status == DYNO_OK && changes_nothing(p, &comparison))
    status = dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                       "both arms run the same kernels: nothing in this model is concerned");
  if (status == DYNO_OK)
    status = dyno_ablate_speed(p->figures, p->claims, p->count, &comparison, p->ablation, error);
  if (status == DYNO_OK)
    status = measure_cache(p, comparison.arms[1], error);
  for (size_t i = 0; i < p->count && status == DYNO_OK; i++) {
    dyno_claim_figure *figure = &p->figures[i];
    if (figure->state == DYNO_FIGURE_PENDING && p->claims[i]->metric != DYNO_METRIC_ACCURACY)
      dyno_ablate_bytes(figure, p->claims[i], &comparison, &p->settings[1]);
    if (figure->state == DYNO_FIGURE_MEASURED)
      figure->nats = comparison.outputs.mean_nats;
  }
  dyno_compare_close(&comparison);
  return status;
}

static dyno_status measure_accuracy(pair *p, dyno_error *error)
{
  dyno_claim_figure figure = DYNO_CLAIM_FIGURE_NONE;
  dyno_status status = dyno_ablate_accuracy(&figure, p->ablation, p->settings, error);
  for (size_t i = 0; i < p->count && status == DYNO_OK; i++)
    if (p->figures[i].state == DYNO_FIGURE_PENDING && p->claims[i]->metric == DYNO_METRIC_ACCURACY)
      p->figures[i] = figure;
  return status;
}

dyno_status dyno_ablate_pair(dyno_claim_figure *figures, const dyno_claim *const *claims,
                             size_t count, const dyno_ablation *ablation, dyno_error *error)
{
  pair p = {.ablation = ablation, .claims = claims, .count = count, .figures = figures};
  dyno_error reason = {0};
  uint64_t start = dyno_clock_ns();
  refuse_early(&p);
  dyno_status status = settle(&p, make_settings(&p, &reason), &reason);
  if (status == DYNO_OK && pending(&p, false))
    status = settle(&p, measure_arms(&p, &reason), &reason);
  if (status == DYNO_OK && pending(&p, true))
    status = settle(&p, measure_accuracy(&p, &reason), &reason);
  for (size_t i = 0; i < count; i++)
    figures[i].seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    dyno_settings_free(&p.settings[arm]);
  return status == DYNO_OK ? DYNO_OK : dyno_fail(error, status, "%s", reason.message);
}
