#include "harness/compare/compare_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"

/* The prefill of a case has an order of its own; a few steps warm up what decoding touches. */
enum { PREFILL_ORDER = 1 << 16, WARM_UP_STEPS = 4 };

dyno_status dyno_series_add(dyno_series *series, double value, dyno_error *error)
{
  if (series->count == series->room) {
    size_t room = 2 * series->room + 16;
    double *longer = realloc(series->values, room * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for another round");
    series->values = longer;
    series->room = room;
  }
  series->values[series->count++] = value;
  return DYNO_OK;
}

void dyno_series_free(dyno_series *series)
{
  free(series->values);
  *series = (dyno_series){0};
}

dyno_status dyno_compare_go_on(const dyno_comparison *c, dyno_error *error)
{
  if (c->options.stop != NULL && *c->options.stop != 0)
    return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "the comparison was stopped");
  return DYNO_OK;
}

void dyno_compare_show(const dyno_comparison *c, const char *label)
{
  if (c->options.progress != NULL)
    c->options.progress(c->options.progress_context, label);
}

dyno_status dyno_compare_rewind(dyno_comparison *c, size_t index, size_t length, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    for (unsigned lane = 0; lane < DYNO_COMPARE_LANES && status == DYNO_OK; lane++)
      status = c->arms[arm]->calls->rewind(c->arms[arm], index, lane, length, error);
  return status;
}

/* Turns: one call of each lane of both arms */

/* What the lanes of both arms took, turn by turn. */
typedef struct timings {
  double *seconds[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES]; /* [turns], in one allocation */
  double *scratch;                                        /* [2 * turns] */
  size_t turns;
} timings;

static dyno_status open_timings(timings *t, size_t turns, dyno_error *error)
{
  *t = (timings){.turns = turns};
  double *all = calloc((DYNO_COMPARE_TURN + 2 * 3) * turns, sizeof *all);
  if (all == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the times of a round");
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    for (unsigned lane = 0; lane < DYNO_COMPARE_LANES; lane++)
      t->seconds[arm][lane] = all + (2 * arm + lane) * turns;
  t->scratch = all + DYNO_COMPARE_TURN * turns;
  return DYNO_OK;
}

static void close_timings(timings *t)
{
  free(t->seconds[0][0]);
}

/* One step of `count` tokens of every lane, in turn. */
static dyno_status take_turn(dyno_comparison *c, size_t index, size_t round, size_t order_index,
                             size_t turn, size_t count, timings *t,
                             int32_t likeliest[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES],
                             dyno_error *error)
{
  dyno_compare_slot order[DYNO_COMPARE_TURN];
  dyno_compare_order(order, c->options.seed, round, order_index, turn);
  for (unsigned i = 0; i < DYNO_COMPARE_TURN; i++) {
    dyno_arm *arm = c->arms[order[i].arm];
    unsigned lane = order[i].lane;
    uint64_t ns = 0;
    dyno_status status = dyno_compare_go_on(c, error);
    if (status == DYNO_OK)
      status =
          arm->calls->step(arm, index, lane, count, &ns, &likeliest[order[i].arm][lane], error);
    if (status != DYNO_OK)
      return status;
    t->seconds[order[i].arm][lane][turn] = (double)ns * 1e-9 / (double)count;
  }
  return DYNO_OK;
}

/* Reducing a round */

/* The medians of the log-ratios: of A's seconds over B's in neighbouring steps, and of the second
 * lane's over the first's of the same arm. */
static void reduce(double *ratio, double *control, const timings *t)
{
  size_t n = t->turns;
  double *above = t->scratch, *below = above + 2 * n, *logs = below + 2 * n;
  for (unsigned lane = 0; lane < DYNO_COMPARE_LANES; lane++) {
    memcpy(above + lane * n, t->seconds[0][lane], n * sizeof *above);
    memcpy(below + lane * n, t->seconds[1][lane], n * sizeof *below);
  }
  *ratio = dyno_median_log_ratio(logs, above, below, 2 * n);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    memcpy(above + arm * n, t->seconds[arm][0], n * sizeof *above);
    memcpy(below + arm * n, t->seconds[arm][1], n * sizeof *below);
  }
  *control = dyno_median_log_ratio(logs, above, below, 2 * n);
}

static dyno_status add_medians(dyno_series step[DYNO_COMPARE_ARMS], const timings *t,
                               dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++) {
    for (unsigned lane = 0; lane < DYNO_COMPARE_LANES; lane++)
      memcpy(t->scratch + lane * t->turns, t->seconds[arm][lane], t->turns * sizeof(double));
    status = dyno_series_add(&step[arm], dyno_median(t->scratch, 2 * t->turns), error);
  }
  return status;
}

/* Cases */

static size_t chunks_of(const dyno_compare_workload *workload, size_t chunk)
{
  return (workload->prompt + chunk - 1) / chunk;
}

/* Prefills all lanes, alternating chunk by chunk. keep: it counts. */
static dyno_status prefill_case(dyno_comparison *c, size_t index, size_t round, bool keep,
                                dyno_error *error)
{
  dyno_compare_case *one = &c->cases[index];
  size_t chunk = c->options.chunk, prompt = one->workload->prompt;
  int32_t ignored[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES];
  double ratio, control;
  timings t;
  dyno_status status = open_timings(&t, chunks_of(one->workload, chunk), error);
  if (status != DYNO_OK)
    return status;
  status = dyno_compare_rewind(c, index, 0, error);
  for (size_t turn = 0, done = 0; turn < t.turns && status == DYNO_OK; turn++) {
    size_t count = chunk < prompt - done ? chunk : prompt - done;
    status = take_turn(c, index, round, index + PREFILL_ORDER, turn, count, &t, ignored, error);
    done += count;
  }
  reduce(&ratio, &control, &t);
  if (status == DYNO_OK && keep)
    status = dyno_series_add(&one->prefill, ratio, error);
  if (status == DYNO_OK && keep)
    status = add_medians(one->chunk, &t, error);
  close_timings(&t);
  return status;
}

static void check_chosen(dyno_compare_case *one, size_t turn,
                         int32_t likeliest[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES])
{
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    for (unsigned lane = 0; lane < DYNO_COMPARE_LANES; lane++)
      one->outputs.unsteady[arm] += likeliest[arm][lane] != one->chosen[arm][turn];
}

/* Decodes with all lanes, alternating token by token. A warm-up is not kept. */
static dyno_status decode_case(dyno_comparison *c, size_t index, size_t round, bool keep,
                               dyno_error *error)
{
  dyno_compare_case *one = &c->cases[index];
  int32_t likeliest[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES];
  double ratio, control;
  timings t;
  size_t steps = one->workload->steps;
  dyno_status status =
      open_timings(&t, keep || steps < WARM_UP_STEPS ? steps : WARM_UP_STEPS, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_compare_rewind(c, index, one->workload->prompt, error);
  for (size_t turn = 0; turn < t.turns && status == DYNO_OK; turn++) {
    status = take_turn(c, index, round, index, turn, 1, &t, likeliest, error);
    if (status == DYNO_OK)
      check_chosen(one, turn, likeliest);
  }
  reduce(&ratio, &control, &t);
  if (status == DYNO_OK && keep)
    status = dyno_series_add(&one->decode, ratio, error);
  if (status == DYNO_OK && keep)
    status = dyno_series_add(&one->control, control, error);
  if (status == DYNO_OK && keep)
    status = add_medians(one->step, &t, error);
  close_timings(&t);
  return status;
}

/* Opening */

static dyno_status load_workloads(dyno_comparison *c, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    for (size_t i = 0; i < c->workloads.count && status == DYNO_OK; i++) {
      const dyno_compare_workload *workload = &c->workloads.list[i];
      status = c->arms[arm]->calls->load(c->arms[arm], i, workload->tokens,
                                         workload->prompt + workload->steps, error);
    }
  return status;
}

static dyno_status read_facts(dyno_comparison *c, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++)
    status = c->arms[arm]->calls->facts(c->arms[arm], &c->facts[arm], error);
  if (status == DYNO_OK && c->facts[0].vocab != c->facts[1].vocab)
    status = dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                       "the arms' vocabularies have %zu and %zu tokens: their outputs cannot be "
                       "compared",
                       c->facts[0].vocab, c->facts[1].vocab);
  return status;
}

static dyno_status make_cases(dyno_comparison *c, dyno_error *error)
{
  c->cases = calloc(c->workloads.count, sizeof *c->cases);
  if (c->cases == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  c->case_count = c->workloads.count;
  for (size_t i = 0; i < c->case_count; i++) {
    dyno_compare_case *one = &c->cases[i];
    one->workload = &c->workloads.list[i];
    for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
      one->chosen[arm] = calloc(one->workload->steps, sizeof **one->chosen);
      if (one->chosen[arm] == NULL)
        return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
    }
  }
  return DYNO_OK;
}

/* The first touch of memory, and of the weights on disk, is nobody's speed. */
static dyno_status warm_up(dyno_comparison *c, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < c->case_count && status == DYNO_OK; i++) {
    status = prefill_case(c, i, 0, false, error);
    if (status == DYNO_OK)
      status = decode_case(c, i, 0, false, error);
    dyno_compare_show(c, "warming up");
  }
  return status;
}

dyno_status dyno_compare_open(dyno_comparison *comparison, const dyno_compare_source *source,
                              const dyno_compare_options *options, dyno_error *error)
{
  dyno_comparison *c = comparison;
  *c = (dyno_comparison){.options = *options, .source = *source};
  dyno_status status = source->open(source->context, c->arms, error);
  if (status == DYNO_OK)
    status = read_facts(c, error);
  if (status == DYNO_OK)
    status = dyno_compare_workloads_make(&c->workloads, c->arms[0], &options->workload, error);
  if (status == DYNO_OK)
    status = make_cases(c, error);
  if (status == DYNO_OK)
    status = load_workloads(c, error);
  if (status == DYNO_OK)
    status = dyno_compare_outputs_of_all(c, error);
  if (status == DYNO_OK && !dyno_compare_wrong_output(c))
    status = warm_up(c, error);
  return status;
}

static dyno_status reopen(dyno_comparison *c, dyno_error *error)
{
  dyno_compare_close_arms(c);
  dyno_compare_show(c, "restarting");
  dyno_status status = c->source.open(c->source.context, c->arms, error);
  if (status == DYNO_OK)
    status = read_facts(c, error);
  if (status == DYNO_OK)
    status = load_workloads(c, error);
  if (status == DYNO_OK)
    status = warm_up(c, error);
  c->restarts++;
  return status;
}

/* Rounds */

static double mean_of_last(const dyno_comparison *c, size_t offset)
{
  double sum = 0;
  for (size_t i = 0; i < c->case_count; i++) {
    const dyno_series *series =
        (const dyno_series *)(const void *)((const char *)&c->cases[i] + offset);
    sum += series->values[series->count - 1];
  }
  return sum / (double)c->case_count;
}

/* A round that was interrupted half way has left values in some cases. */
static void forget_incomplete(dyno_comparison *c, size_t prefills)
{
  for (size_t i = 0; i < c->case_count; i++) {
    dyno_compare_case *one = &c->cases[i];
    one->decode.count = one->control.count = c->rounds;
    one->prefill.count = prefills;
    for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
      one->step[arm].count = c->rounds;
      one->chunk[arm].count = prefills;
    }
  }
}

/* The ring of a sliding window does not hold what going back many steps needs. */
static bool must_prefill(const dyno_comparison *c, size_t index)
{
  size_t steps = c->cases[index].workload->steps;
  return steps > c->facts[0].batch || steps > c->facts[1].batch;
}

static dyno_status run_cases(dyno_comparison *c, bool prefill, dyno_error *error)
{
  size_t *order = malloc(c->case_count * sizeof *order);
  if (order == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_compare_shuffle(order, c->case_count, c->options.seed, c->rounds);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < c->case_count && status == DYNO_OK; i++) {
    if (prefill || must_prefill(c, order[i]))
      status = prefill_case(c, order[i], c->rounds, prefill, error);
    if (status == DYNO_OK)
      status = decode_case(c, order[i], c->rounds, true, error);
    dyno_compare_show(c, c->cases[order[i]].workload->name);
  }
  free(order);
  return status;
}

dyno_status dyno_compare_round(dyno_comparison *comparison, dyno_error *error)
{
  dyno_comparison *c = comparison;
  const dyno_compare_options *o = &c->options;
  size_t prefills = c->prefill.count;
  bool prefill = o->prefill_every > 0 && c->rounds % o->prefill_every == 0;
  dyno_status status = DYNO_OK;
  if (o->restart_every > 0 && c->rounds > 0 && c->rounds % o->restart_every == 0)
    status = reopen(c, error);
  uint64_t start = dyno_clock_ns();
  if (status == DYNO_OK)
    status = run_cases(c, prefill, error);
  c->seconds += (double)(dyno_clock_ns() - start) * 1e-9;
  if (status == DYNO_OK)
    status =
        dyno_series_add(&c->decode, mean_of_last(c, offsetof(dyno_compare_case, decode)), error);
  if (status == DYNO_OK)
    status =
        dyno_series_add(&c->control, mean_of_last(c, offsetof(dyno_compare_case, control)), error);
  if (status == DYNO_OK && prefill)
    status =
        dyno_series_add(&c->prefill, mean_of_last(c, offsetof(dyno_compare_case, prefill)), error);
  if (status == DYNO_OK)
    status = read_facts(c, error);
  dyno_compare_sum_outputs(c);
  if (status != DYNO_OK)
    forget_incomplete(c, prefills);
  else
    c->rounds++;
  return status;
}

/* Explaining */

/* A probed pass is cut into stretches of a case, which the arms take in turn, and each of which is
 * a sample: so an interruption spoils a short one. */
enum { PROBED_STEPS = 2 };

static size_t count_stretches(const dyno_comparison *c)
{
  size_t steps = c->workloads.list[0].steps;
  return steps % PROBED_STEPS == 0 ? steps / PROBED_STEPS : steps;
}

static dyno_status probe_stretch(dyno_comparison *c, size_t index, size_t turn,
                                 dyno_arm_profile sums[DYNO_COMPARE_ARMS], dyno_error *error)
{
  dyno_arm_profile profile;
  size_t steps = c->cases[index].workload->steps / count_stretches(c);
  for (unsigned i = 0; i < DYNO_COMPARE_ARMS; i++) {
    unsigned which = (i ^ (unsigned)turn) & 1;
    dyno_arm *arm = c->arms[which];
    dyno_status status = dyno_compare_go_on(c, error);
    if (status == DYNO_OK)
      status = arm->calls->profile(arm, index, 0, steps, &profile, error);
    if (status != DYNO_OK)
      return status;
    dyno_arm_profile_add(&sums[which], &profile);
  }
  return DYNO_OK;
}

/* Both arms probe all cases. The profiles of a stretch are added to samples[stride * its number]:
 * with a stride of 0, all of them to one. */
static dyno_status probe_pass(dyno_comparison *c, size_t pass, size_t stride,
                              dyno_arm_profile (*samples)[DYNO_COMPARE_ARMS], dyno_error *error)
{
  size_t stretches = count_stretches(c);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < c->case_count && status == DYNO_OK; i++) {
    status = dyno_compare_rewind(c, i, c->cases[i].workload->prompt, error);
    for (size_t j = 0; j < stretches && status == DYNO_OK; j++)
      status = probe_stretch(c, i, pass + i + j, samples[stride * (i * stretches + j)], error);
    dyno_compare_show(c, "probing");
  }
  return status;
}

dyno_status dyno_compare_probe(dyno_comparison *comparison, size_t pass,
                               dyno_arm_profile sums[DYNO_COMPARE_ARMS], dyno_error *error)
{
  return probe_pass(comparison, pass, 0, (dyno_arm_profile(*)[DYNO_COMPARE_ARMS])(void *)sums,
                    error);
}

dyno_status dyno_compare_explain(dyno_comparison *comparison, dyno_error *error)
{
  dyno_comparison *c = comparison;
  size_t passes = c->options.probed_passes, stretches = count_stretches(c);
  size_t of_a_pass = c->case_count * stretches, count = passes * of_a_pass;
  dyno_estimate timed;
  dyno_arm_profile(*samples)[DYNO_COMPARE_ARMS] = calloc(count + 1, sizeof *samples);
  if (samples == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for probed passes");
  dyno_status status = dyno_estimate_series(&timed, c->decode.values, c->decode.count, 0.95, error);
  for (size_t pass = 0; pass < passes && status == DYNO_OK; pass++)
    status = probe_pass(c, pass, 1, samples + pass * of_a_pass, error);
  if (status == DYNO_OK)
    status = dyno_explain(&c->explanation, (const dyno_arm_profile(*)[DYNO_COMPARE_ARMS])samples,
                          count, c->workloads.list[0].steps / stretches, &timed, error);
  free(samples);
  return status;
}

void dyno_compare_close_arms(dyno_comparison *comparison)
{
  for (unsigned arm = DYNO_COMPARE_ARMS; arm-- > 0;)
    dyno_arm_close(&comparison->arms[arm]);
}

void dyno_compare_close(dyno_comparison *comparison)
{
  dyno_comparison *c = comparison;
  dyno_compare_close_arms(c);
  for (size_t i = 0; i < c->case_count; i++) {
    dyno_compare_case *one = &c->cases[i];
    dyno_series_free(&one->decode);
    dyno_series_free(&one->prefill);
    dyno_series_free(&one->control);
    for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
      dyno_series_free(&one->step[arm]);
      dyno_series_free(&one->chunk[arm]);
      free(one->chosen[arm]);
    }
  }
  free(c->cases);
  dyno_series_free(&c->decode);
  dyno_series_free(&c->prefill);
  dyno_series_free(&c->control);
  dyno_compare_workloads_free(&c->workloads);
  dyno_explanation_free(&c->explanation);
  *c = (dyno_comparison){0};
}
