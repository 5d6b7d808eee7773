/* The passes of a benchmark: timing, profile, counters, natural generation. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "harness/cli/bench_internal.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/bench_iteration.h"
#include "harness/measure/bench_ops.h"
#include "harness/measure/bench_speech.h"
#include "harness/report/results_counters.h"
#include "harness/report/results_lines.h"

/* Progress: an effort is about the time of a decoded token */

static double effort_of(const dyno_bench_work *work)
{
  return (double)work->prompt_tokens / 8 + (double)work->trace.count;
}

/* Each pass of counters runs twice, by phase and by op. */
static double counting_effort_of(const dyno_bench *b, const dyno_bench_work *work)
{
  double decoded = fmin((double)work->trace.count, DYNO_BENCH_COUNTED_TOKENS);
  return 2 * (double)b->counted.passes * ((double)work->prompt_tokens / 8 + decoded);
}

static double effort_left(const dyno_bench *b)
{
  const dyno_bench_state *state = &b->state;
  double effort = 1;
  for (size_t i = 0; i < state->schedule.count; i++)
    if (!state->slot_done[i])
      effort += effort_of(dyno_bench_works_of(&b->works, &b->plan->cases,
                                              state->schedule.slots[i].case_index,
                                              state->schedule.slots[i].iteration));
  for (size_t i = 0; i < b->works.count; i++) {
    const dyno_bench_work *work = &b->works.works[i];
    size_t prompt = (size_t)(work->prompt - work->from->prompts);
    if (prompt == 0 && !state->ops_done[work->case_index])
      effort += fmin(effort_of(work), DYNO_BENCH_PROFILED_TOKENS);
    if (prompt == 0 && !state->counters_done[work->case_index])
      effort += counting_effort_of(b, work);
    if (b->plan->extent.texts && prompt < b->plan->extent.text_prompts && !state->text_done[i])
      effort += 2 * effort_of(work);
  }
  return effort;
}

static void show(dyno_bench *b, size_t tokens)
{
  char text[160];
  double rate = b->current != NULL ? b->rates[b->current->case_index] : 0;
  size_t length = (size_t)snprintf(text, sizeof text, "%s", b->label);
  if (rate > 0 && length < sizeof text)
    snprintf(text + length, sizeof text - length, ", %.4g tokens/s", rate);
  dyno_progress_update(&b->bar, b->done + (double)tokens, text);
}

static bool tick(void *context, size_t tokens)
{
  show(context, tokens);
  return !dyno_interrupted();
}
/* The timing pass */

static double resident_bytes(void)
{
  unsigned long long pages;
  FILE *file = fopen("/proc/self/statm", "re");
  bool read = file != NULL && fscanf(file, "%*u %llu", &pages) == 1;
  if (file != NULL)
    fclose(file);
  return read ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
}

static dyno_status run_iteration(dyno_bench *b, const dyno_bench_slot *slot, size_t iteration,
                                 dyno_error *error)
{
  const dyno_bench_work *work =
      dyno_bench_works_of(&b->works, &b->plan->cases, slot->case_index, iteration);
  dyno_bench_iteration times;
  dyno_interference before, after;
  dyno_read_sample one, all;
  double joules = NAN, joules_before = NAN;
  b->current = work;
  snprintf(b->label, sizeof b->label, "%s: %s %zu", work->from->name,
           slot->warmup ? "warm-up" : "iteration", iteration + 1);
  show(b, 0);
  dyno_memory_sampler_set_case(b->memory, work->from->name);
  all = dyno_bench_read(b, &one);
  bool metered = dyno_energy_read(&b->energy, &joules_before);
  dyno_interference_read(&b->disturbances, &before);
  const dyno_probe probe = dyno_rounding_probe(&b->rounding);
  dyno_engine_set_probe(b->model.engine, b->plan->track ? &probe : NULL);
  dyno_status status = dyno_bench_iterate(&times, b->intervals, &b->model, work, tick, b, error);
  dyno_engine_set_probe(b->model.engine, NULL);
  dyno_interference_read(&b->disturbances, &after);
  metered = metered && dyno_energy_read(&b->energy, &joules);
  dyno_memory_sampler_set_case(b->memory, NULL);
  if (status != DYNO_OK)
    return status;
  dyno_interference disturbed = dyno_interference_between(&before, &after);
  const dyno_results_sample sample = {.work = work,
                                      .times = &times,
                                      .warmup = slot->warmup,
                                      .iteration = iteration,
                                      .sequence = b->state.samples++,
                                      .run = b->state.run,
                                      .disturbed = &disturbed,
                                      .rss_bytes = resident_bytes(),
                                      .energy_joules = metered ? joules - joules_before : NAN,
                                      .read_one = dyno_bench_read_rate(one),
                                      .read_all = dyno_bench_read_rate(all)};
  json_t *lines = dyno_results_sample_lines(&sample);
  status = lines != NULL ? dyno_results_log_append(&b->samples, lines, error)
                         : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  json_decref(lines);
  b->done += effort_of(work);
  b->rates[slot->case_index] =
      (double)(times.output_tokens - 1) / ((double)(times.e2e_ns - times.ttft_ns) * 1e-9);
  return status == DYNO_OK ? dyno_bench_state_check_hash(&b->state, work, times.hash, error)
                           : status;
}

/* A process that goes on with a run is as cold as one that begins: each case that has measured
 * iterations left is warmed up once more. */
static dyno_status warm_up_again(dyno_bench *b, dyno_error *error)
{
  dyno_bench_state *state = &b->state;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < b->plan->cases.count && status == DYNO_OK; i++) {
    bool cold = false, warm = false;
    for (size_t j = 0; j < state->schedule.count; j++)
      if (state->schedule.slots[j].case_index == i && !state->slot_done[j]) {
        cold = cold || !state->schedule.slots[j].warmup;
        warm = warm || state->schedule.slots[j].warmup;
      }
    const dyno_bench_slot slot = {.case_index = i, .warmup = true};
    if (dyno_interrupted())
      status = dyno_bench_stopped(error);
    else if (cold && !warm)
      status = run_iteration(b, &slot, state->warmups[i]++, error);
  }
  return status;
}

static dyno_status run_iterations(dyno_bench *b, dyno_error *error)
{
  dyno_bench_state *state = &b->state;
  dyno_status status = state->samples > 0 ? warm_up_again(b, error) : DYNO_OK;
  for (size_t i = 0; i < state->schedule.count && status == DYNO_OK; i++) {
    const dyno_bench_slot *slot = &state->schedule.slots[i];
    if (state->slot_done[i])
      continue;
    if (dyno_interrupted())
      return dyno_bench_stopped(error);
    status = run_iteration(b, slot, slot->iteration, error);
    state->slot_done[i] = status == DYNO_OK;
  }
  return status;
}
/* The other passes */

static dyno_status append(dyno_results_log *log, json_t *lines, dyno_error *error)
{
  dyno_status status = lines != NULL ? dyno_results_log_append(log, lines, error)
                                     : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  json_decref(lines);
  return status;
}

static dyno_status run_profiles(dyno_bench *b, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < b->plan->cases.count && status == DYNO_OK; i++) {
    const dyno_bench_work *work = dyno_bench_works_of(&b->works, &b->plan->cases, i, 0);
    dyno_bench_ops ops;
    if (b->state.ops_done[i])
      continue;
    if (dyno_interrupted())
      return dyno_bench_stopped(error);
    snprintf(b->label, sizeof b->label, "%s: profile", work->from->name);
    show(b, 0);
    status = dyno_bench_ops_run(&ops, &b->model, work, &b->ceilings, b->event_seconds, error);
    if (status == DYNO_OK)
      status = append(&b->ops, dyno_results_ops_lines(work->from->name, &ops), error);
    b->done += fmin(effort_of(work), DYNO_BENCH_PROFILED_TOKENS);
    dyno_bench_ops_free(&ops);
  }
  return status;
}

static dyno_status run_counters(dyno_bench *b, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < b->plan->cases.count && b->counted.count > 0 && status == DYNO_OK; i++) {
    const dyno_bench_work *work = dyno_bench_works_of(&b->works, &b->plan->cases, i, 0);
    dyno_bench_counts counts;
    if (b->state.counters_done[i])
      continue;
    if (dyno_interrupted())
      return dyno_bench_stopped(error);
    snprintf(b->label, sizeof b->label, "%s: counters", work->from->name);
    show(b, 0);
    status = dyno_bench_count_work(&counts, &b->model, work, &b->counted, NULL, error);
    if (status == DYNO_OK)
      status = append(&b->counters, dyno_results_counter_lines(work->from->name, &counts), error);
    b->done += counting_effort_of(b, work);
    dyno_bench_counts_free(&counts);
  }
  return status;
}

static dyno_status run_texts(dyno_bench *b, const volatile sig_atomic_t *stop, dyno_error *error)
{
  size_t context = dyno_engine_config(b->model.engine)->context_length;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < b->works.count && status == DYNO_OK; i++) {
    const dyno_bench_work *work = &b->works.works[i];
    size_t most = dyno_bench_most_said(work->trace.count);
    dyno_bench_speech speech;
    if (b->state.text_done[i] ||
        (size_t)(work->prompt - work->from->prompts) >= b->plan->extent.text_prompts)
      continue;
    b->current = work;
    snprintf(b->label, sizeof b->label, "%s: what the model says", work->from->name);
    show(b, 0);
    if (most > context - work->prompt_tokens)
      most = context - work->prompt_tokens;
    status = dyno_bench_speak(&speech, &b->model, work, most, stop, error);
    if (status == DYNO_OK)
      status = append(&b->texts, dyno_results_text_lines(work, &speech), error);
    b->done += 2 * effort_of(work);
    dyno_bench_speech_free(&speech);
  }
  return status;
}
dyno_status dyno_bench_measure(dyno_bench *b, dyno_error *error)
{
  const volatile sig_atomic_t *stop = dyno_catch_interrupts();
  dyno_progress_start(&b->bar, stderr, effort_left(b));
  dyno_status status = run_iterations(b, error);
  if (status == DYNO_OK)
    status = run_profiles(b, error);
  if (status == DYNO_OK)
    status = run_counters(b, error);
  if (status == DYNO_OK && b->plan->extent.texts)
    status = run_texts(b, stop, error);
  dyno_progress_clear(&b->bar);
  return status;
}
