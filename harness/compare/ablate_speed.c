#include "harness/compare/ablate_speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/compare/result.h"
#include "harness/measure/bench_ops.h"
#include "harness/measure/cases.h"
#include "kernels/base/clock.h"
#include "runtime/data.h"
#include "runtime/probe.h"

enum { PASSES = 9, MANAGED = 15, TOKENIZED = 9, MOST_TOKENS = 1 << 17 };

/* Durations [count] of both arms, in seconds; owned. */
typedef struct durations {
  double *seconds[DYNO_COMPARE_ARMS];
  size_t count;
} durations;

static dyno_status open_durations(durations *d, size_t count, dyno_error *error)
{
  *d = (durations){.count = count};
  d->seconds[0] = calloc(DYNO_COMPARE_ARMS * (count + 1), sizeof(double));
  d->seconds[1] = d->seconds[0] + count;
  return d->seconds[0] != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

static void close_durations(durations *d)
{
  free(d->seconds[0]);
  *d = (durations){0};
}

/* A ratio is of A's time over B's, a rate of B's `units` over its time, a level B's time. */
static dyno_status fill_from(dyno_claim_figure *figure, const dyno_claim *claim, const durations *d,
                             double units, dyno_error *error)
{
  double *logs = malloc((d->count + 1) * sizeof *logs);
  if (logs == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < d->count; i++) {
    double a = d->seconds[0][i], b = d->seconds[1][i];
    logs[i] = log(dyno_claim_unit_compares(claim->unit) ? a / b
                  : claim->unit == DYNO_UNIT_RATE       ? units / b
                                                        : b);
  }
  dyno_status status = dyno_figure_from_logs(figure, claim, logs, d->count,
                                             claim->unit == DYNO_UNIT_MS ? 1e3 : 1, error);
  free(logs);
  return status;
}

/* Rounds */

static bool wants(const dyno_claim *const *claims, size_t count, const dyno_claim_figure *figures,
                  unsigned metrics)
{
  for (size_t i = 0; i < count; i++)
    if (figures[i].state == DYNO_FIGURE_PENDING && (1u << claims[i]->metric & metrics) != 0)
      return true;
  return false;
}

static dyno_status narrow_enough(bool *enough, const dyno_series *series, double precision,
                                 dyno_error *error)
{
  dyno_estimate estimate;
  dyno_status status = dyno_estimate_series(&estimate, series->values, series->count,
                                            DYNO_COMPARE_CONFIDENCE, error);
  *enough = dyno_estimate_precision(&estimate) <= precision;
  return status;
}

static dyno_status run_rounds(dyno_comparison *c, const dyno_ablation *ablation, bool prefill,
                              dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  bool done = false;
  c->options.prefill_every = prefill ? 1 : 0;
  while (!done) {
    bool narrow = false;
    dyno_status status = dyno_compare_round(c, error);
    if (status == DYNO_OK)
      status =
          narrow_enough(&narrow, prefill ? &c->prefill : &c->decode, ablation->precision, error);
    if (status != DYNO_OK)
      return status;
    double elapsed = (double)(dyno_clock_ns() - start) * 1e-9;
    done = c->rounds >= ablation->most ||
           (c->rounds >= ablation->least && (narrow || elapsed > ablation->seconds));
  }
  return DYNO_OK;
}

/* Seconds of a token, geometric means over the cases, round by round: of a step or of a prefill. */
static dyno_status mean_seconds(durations *d, const dyno_comparison *c, bool prefill,
                                dyno_error *error)
{
  size_t rounds = prefill ? c->prefill.count : c->decode.count;
  dyno_status status = open_durations(d, rounds, error);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++)
    for (size_t i = 0; i < rounds; i++) {
      double sum = 0;
      for (size_t j = 0; j < c->case_count; j++)
        sum += log((prefill ? c->cases[j].chunk : c->cases[j].step)[arm].values[i]);
      d->seconds[arm][i] = exp(sum / (double)c->case_count);
    }
  return status;
}

static double mean_prompt(const dyno_comparison *c)
{
  double sum = 0;
  for (size_t i = 0; i < c->case_count; i++)
    sum += (double)c->cases[i].workload->prompt;
  return sum / (double)c->case_count;
}

/* Decoding and prefill: the paired ratios, or B's own speed. */
static dyno_status fill_phase(dyno_claim_figure *figure, const dyno_claim *claim,
                              const dyno_comparison *c, bool prefill, dyno_error *error)
{
  const dyno_series *ratios = prefill ? &c->prefill : &c->decode;
  durations seconds = {0};
  if (dyno_claim_unit_compares(claim->unit))
    return dyno_figure_from_logs(figure, claim, ratios->values, ratios->count, 1, error);
  dyno_status status = mean_seconds(&seconds, c, prefill, error);
  if (status == DYNO_OK && prefill && claim->unit == DYNO_UNIT_MS)
    for (size_t i = 0; i < seconds.count; i++) /* of the whole prompt */
      seconds.seconds[1][i] *= mean_prompt(c);
  if (status == DYNO_OK)
    status = fill_from(figure, claim, &seconds, 1, error);
  close_durations(&seconds);
  return status;
}

/* The slowest case's speed as a share of the fastest's, round by round. */
static dyno_status fill_consistency(dyno_claim_figure *figure, const dyno_claim *claim,
                                    const dyno_comparison *c, dyno_error *error)
{
  double *logs = malloc((c->rounds + 1) * sizeof *logs);
  if (logs == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (c->case_count < 2)
    dyno_figure_untestable(figure, "it takes two test cases at least");
  for (size_t i = 0; i < c->rounds; i++) {
    double least = INFINITY, most = 0;
    for (size_t j = 0; j < c->case_count; j++) {
      least = fmin(least, c->cases[j].step[1].values[i]);
      most = fmax(most, c->cases[j].step[1].values[i]);
    }
    logs[i] = log(least / most);
  }
  dyno_status status = c->case_count < 2
                           ? DYNO_OK
                           : dyno_figure_from_logs(figure, claim, logs, c->rounds, 100, error);
  free(logs);
  return status;
}

/* Ops */

static bool is_matrix(const char *op)
{
  static const dyno_probe_op ops[] = {
      DYNO_PROBE_ATTENTION_QKV, DYNO_PROBE_ATTENTION_OUTPUT, DYNO_PROBE_ROUTER,
      DYNO_PROBE_MOE_GATE_UP,   DYNO_PROBE_MOE_DOWN,         DYNO_PROBE_SCREEN,
      DYNO_PROBE_HEAD,
  };
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (strcmp(dyno_probe_op_name(ops[i]), op) == 0)
      return true;
  return false;
}

static double part_seconds(const dyno_arm_profile *profile, const char *part)
{
  double seconds = 0;
  bool matrices = strcmp(part, "matrices") == 0;
  for (size_t i = 0; i < profile->count; i++) {
    const char *op = profile->ops[i].op;
    if (matrices ? is_matrix(op) : strcmp(dyno_bench_component_of(op), part) == 0)
      seconds += profile->ops[i].seconds;
  }
  return seconds;
}

typedef dyno_arm_profile profile_pair[DYNO_COMPARE_ARMS];

static dyno_status fill_component(dyno_claim_figure *figure, const dyno_claim *claim,
                                  const dyno_comparison *c, const profile_pair *profiles,
                                  dyno_error *error)
{
  durations seconds;
  double tokens = 0;
  dyno_status status = open_durations(&seconds, PASSES, error);
  for (size_t i = 0; i < c->case_count; i++)
    tokens += (double)c->cases[i].workload->steps;
  for (size_t pass = 0; pass < PASSES && status == DYNO_OK; pass++)
    for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
      seconds.seconds[arm][pass] = part_seconds(&profiles[pass][arm], claim->of);
  if (status == DYNO_OK)
    status = fill_from(figure, claim, &seconds, tokens, error);
  close_durations(&seconds);
  return status;
}

static dyno_status probe(dyno_comparison *c, profile_pair *profiles, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t pass = 0; pass < PASSES && status == DYNO_OK; pass++)
    status = dyno_compare_probe(c, pass, profiles[pass], error);
  return status;
}

/* Sequences */

/* Opening a sequence as long as the workload, giving it its first token and releasing it, less the
 * time of the token: the arms in turn. */
static dyno_status manage_once(double *seconds, dyno_arm *arm, const dyno_compare_workload *work,
                               dyno_error *error)
{
  dyno_engine *engine = dyno_arm_engine(arm);
  dyno_sequence *sequence;
  uint64_t start = dyno_clock_ns();
  dyno_status status = dyno_sequence_open(&sequence, engine, work->prompt + work->steps, error);
  uint64_t opened = dyno_clock_ns();
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, work->tokens, 1, NULL, NULL, error);
  uint64_t run = dyno_clock_ns();
  if (status == DYNO_OK)
    dyno_sequence_clear(sequence);
  dyno_sequence_close(&sequence);
  *seconds = (double)(opened - start + (dyno_clock_ns() - run)) * 1e-9;
  return status;
}

static dyno_status manage(durations *d, dyno_comparison *c, dyno_error *error)
{
  dyno_status status = open_durations(d, MANAGED, error);
  for (size_t i = 0; i < MANAGED && status == DYNO_OK; i++)
    for (unsigned j = 0; j < DYNO_COMPARE_ARMS && status == DYNO_OK; j++) {
      unsigned arm = (j ^ (unsigned)i) & 1;
      status = manage_once(&d->seconds[arm][i], c->arms[arm], c->cases[0].workload, error);
    }
  return status;
}

/* Prompts */

static dyno_status tokenize_all(double *seconds, size_t *tokens, dyno_arm *arm,
                                const dyno_testcases *cases, int32_t *room, dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  *tokens = 0;
  for (size_t i = 0; i < cases->count; i++)
    for (size_t j = 0; j < cases->cases[i].prompt_count; j++) {
      size_t count;
      dyno_status status = arm->calls->tokenize(arm, cases->cases[i].prompts[j].prompt, true, room,
                                                MOST_TOKENS, &count, error);
      if (status != DYNO_OK)
        return status;
      *tokens += count;
    }
  *seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  return DYNO_OK;
}

static dyno_status fill_tokenizer(dyno_claim_figure *figure, const dyno_claim *claim,
                                  dyno_comparison *c, dyno_error *error)
{
  durations seconds = {0};
  dyno_testcases cases = {0};
  char *path = NULL;
  size_t tokens = 0;
  int32_t *room = malloc(MOST_TOKENS * sizeof *room);
  dyno_status status =
      room != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK)
    status = dyno_data_path(&path, "cases", error);
  if (status == DYNO_OK)
    status = dyno_testcases_read(&cases, path, error);
  if (status == DYNO_OK)
    status = open_durations(&seconds, TOKENIZED, error);
  for (size_t i = 0; i < TOKENIZED && status == DYNO_OK; i++)
    status = tokenize_all(&seconds.seconds[1][i], &tokens, c->arms[1], &cases, room, error);
  if (status == DYNO_OK)
    status = fill_from(figure, claim, &seconds, (double)tokens, error);
  close_durations(&seconds);
  dyno_testcases_free(&cases);
  free(path);
  free(room);
  return status;
}

/* Requests */

/* A prompt, one token and the handling of the sequence together: the sum of what each takes, whose
 * interval is left out for want of pairs. */
static dyno_status fill_latency(dyno_claim_figure *figure, const dyno_claim *claim,
                                const dyno_comparison *c, const durations *managed,
                                dyno_error *error)
{
  durations prefill = {0}, decode = {0};
  dyno_status status = mean_seconds(&prefill, c, true, error);
  if (status == DYNO_OK)
    status = mean_seconds(&decode, c, false, error);
  double management = NAN;
  durations copy = {0};
  if (status == DYNO_OK)
    status = open_durations(&copy, managed->count, error);
  if (status == DYNO_OK) {
    memcpy(copy.seconds[1], managed->seconds[1], managed->count * sizeof(double));
    management = dyno_median(copy.seconds[1], copy.count);
  }
  size_t rounds = prefill.count < decode.count ? prefill.count : decode.count;
  for (size_t i = 0; i < rounds && status == DYNO_OK; i++)
    prefill.seconds[1][i] =
        prefill.seconds[1][i] * mean_prompt(c) + decode.seconds[1][i] + management;
  prefill.count = rounds;
  if (status == DYNO_OK)
    status = fill_from(figure, claim, &prefill, 1, error);
  close_durations(&prefill);
  close_durations(&decode);
  close_durations(&copy);
  return status;
}

/* All of them */

typedef struct findings {
  profile_pair *profiles; /* [PASSES] */
  durations managed;
  dyno_estimate control;
} findings;

static dyno_status fill(dyno_claim_figure *figure, const dyno_claim *claim, dyno_comparison *c,
                        const findings *f, dyno_error *error)
{
  switch (claim->metric) {
  case DYNO_METRIC_DECODE:
  case DYNO_METRIC_PREFILL:
    figure->control_low = f->control.interval.low;
    figure->control_high = f->control.interval.high;
    return fill_phase(figure, claim, c, claim->metric == DYNO_METRIC_PREFILL, error);
  case DYNO_METRIC_CONSISTENCY:
    return fill_consistency(figure, claim, c, error);
  case DYNO_METRIC_COMPONENT:
    return fill_component(figure, claim, c, (const profile_pair *)f->profiles, error);
  case DYNO_METRIC_MANAGEMENT:
    return fill_from(figure, claim, &f->managed, 1, error);
  case DYNO_METRIC_LATENCY:
    return fill_latency(figure, claim, c, &f->managed, error);
  case DYNO_METRIC_TOKENIZER:
    return fill_tokenizer(figure, claim, c, error);
  default:
    return DYNO_OK;
  }
}

static dyno_status measure(findings *f, const dyno_claim_figure *figures,
                           const dyno_claim *const *claims, size_t count, dyno_comparison *c,
                           const dyno_ablation *ablation, dyno_error *error)
{
  enum {
    PREFILLS = 1 << DYNO_METRIC_PREFILL | 1 << DYNO_METRIC_LATENCY,
    ROUNDS = PREFILLS | 1 << DYNO_METRIC_DECODE | 1 << DYNO_METRIC_CONSISTENCY,
    HANDLING = 1 << DYNO_METRIC_MANAGEMENT | 1 << DYNO_METRIC_LATENCY
  };
  dyno_status status = DYNO_OK;
  if (dyno_compare_wrong_output(c))
    return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                     "an arm has logits that are no numbers, or not the same every time");
  if (wants(claims, count, figures, ROUNDS))
    status = run_rounds(c, ablation, wants(claims, count, figures, PREFILLS), error);
  if (status == DYNO_OK)
    status = dyno_estimate_series(&f->control, c->control.values, c->control.count,
                                  DYNO_COMPARE_CONFIDENCE, error);
  if (status == DYNO_OK && wants(claims, count, figures, 1 << DYNO_METRIC_COMPONENT))
    status = probe(c, f->profiles, error);
  if (status == DYNO_OK && wants(claims, count, figures, HANDLING))
    status = manage(&f->managed, c, error);
  return status;
}

dyno_status dyno_ablate_speed(dyno_claim_figure *figures, const dyno_claim *const *claims,
                              size_t count, dyno_comparison *comparison,
                              const dyno_ablation *ablation, dyno_error *error)
{
  findings f = {.profiles = calloc(PASSES, sizeof *f.profiles)};
  if (f.profiles == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for probed passes");
  dyno_status status = measure(&f, figures, claims, count, comparison, ablation, error);
  if (status == DYNO_OK && dyno_compare_wrong_output(comparison))
    status = dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                       "an arm has logits that are no numbers, or not the same every time");
  for (size_t i = 0; i < count && status == DYNO_OK; i++)
    if (figures[i].state == DYNO_FIGURE_PENDING)
      status = fill(&figures[i], claims[i], comparison, &f, error);
  close_durations(&f.managed);
  free(f.profiles);
  return status;
}
