#include "harness/measure/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/engine_ceilings.h"
#include "kernels/base/clock.h"
#include "runtime/sample/rng.h"

/* Tokens of a decode between two reads of the weights' pages: bandwidth of a shared machine comes
 * and goes within seconds. */
enum { READ_EVERY = 8 };

/* The tokens before a depth go in by portions, so that an interrupt need not wait for all. */
enum { PORTION = 256 };

/* Of a decode. */
enum { MOST_WARM_UP_STEPS = 4 };

/* Events of one thread and one layer in a pass, generously, and the most to make room for. */
enum { EVENTS_PER_LAYER = 128, MOST_EXPECTED_EVENTS = 1 << 20 };

/* What a run is made with. */
typedef struct profiler {
  dyno_profile_run *run;
  const dyno_profile_options *options;
  dyno_engine *engine;
  dyno_engine_ceilings ceilings;
  dyno_sequence **sequences; /* one for each phase */
  int32_t *tokens;           /* of the longest phase */
  size_t token_count;
  uint64_t reads;     /* so far; each gets pages of its own */
  double done, total; /* of the progress, in tokens */
} profiler;

static bool stopped(const profiler *with)
{
  return with->options->stop != NULL && *with->options->stop != 0;
}

/* A token of a decode takes about as long as ten of a prefill. */
static double effort_of(dyno_profile_kind kind, size_t tokens)
{
  return (double)tokens * (kind == DYNO_PROFILE_DECODE ? 10 : 1);
}

static size_t warm_up_tokens(const dyno_profile_phase *phase)
{
  return phase->kind == DYNO_PROFILE_DECODE && phase->tokens > MOST_WARM_UP_STEPS
             ? MOST_WARM_UP_STEPS
             : phase->tokens;
}

static void advance(profiler *with, double effort, const char *label)
{
  with->done += effort;
  if (with->options->progress != NULL)
    with->options->progress(with->options->progress_context, fmin(with->done / with->total, 1),
                            label);
}

/* Preparing */

/* Random tokens, or those of the text in turns. */
static void fill_tokens(profiler *with)
{
  const dyno_profile_options *options = with->options;
  size_t vocab = dyno_engine_config(with->engine)->vocab;
  for (size_t i = 0; i < with->token_count; i++)
    with->tokens[i] = options->text_count > 0
                          ? options->text[i % options->text_count]
                          : (int32_t)(dyno_random_unit(options->seed, i) * (double)vocab);
}

static dyno_status list_phases(profiler *with, dyno_error *error)
{
  const dyno_profile_options *options = with->options;
  dyno_profile_run *run = with->run;
  size_t decodes = options->decode_tokens > 0 ? options->depth_count : 0;
  size_t context = dyno_engine_config(with->engine)->context_length;
  run->phases = calloc(options->prompt_count + decodes + 1, sizeof *run->phases);
  if (run->phases == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < options->prompt_count; i++)
    run->phases[run->phase_count++] =
        (dyno_profile_phase){.kind = DYNO_PROFILE_PREFILL, .tokens = options->prompts[i]};
  for (size_t i = 0; i < decodes; i++)
    run->phases[run->phase_count++] = (dyno_profile_phase){
        .kind = DYNO_PROFILE_DECODE, .tokens = options->decode_tokens, .depth = options->depths[i]};
  for (size_t i = 0; i < run->phase_count; i++) {
    dyno_profile_phase *phase = &run->phases[i];
    size_t needed = phase->depth + phase->tokens;
    if (needed > context)
      return dyno_fail(error, DYNO_ERROR_USAGE,
                       "a %s of %zu tokens at depth %zu: the model's context is %zu",
                       dyno_profile_kind_name(phase->kind), phase->tokens, phase->depth, context);
    with->token_count = needed > with->token_count ? needed : with->token_count;
    with->total += (double)phase->depth +
                   effort_of(phase->kind, phase->tokens) * (options->rounds + 1.0) +
                   effort_of(phase->kind, warm_up_tokens(phase));
  }
  return DYNO_OK;
}

static dyno_status allocate(profiler *with, dyno_error *error)
{
  dyno_profile_run *run = with->run;
  with->tokens = calloc(with->token_count + 1, sizeof *with->tokens);
  with->sequences = calloc(run->phase_count + 1, sizeof(dyno_sequence *));
  bool fine = with->tokens != NULL && with->sequences != NULL;
  for (size_t i = 0; fine && i < run->phase_count; i++) {
    dyno_profile_phase *phase = &run->phases[i];
    size_t steps = phase->kind == DYNO_PROFILE_DECODE ? phase->tokens : 1;
    phase->rounds = calloc(with->options->rounds, sizeof *phase->rounds);
    phase->steps = calloc(steps, sizeof *phase->steps);
    fine = phase->rounds != NULL && phase->steps != NULL;
  }
  if (!fine)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a profile");
  fill_tokens(with);
  return DYNO_OK;
}

/* Appends, and has computed what a greedy choice needs: with two-stage logits only asking for it
 * does that. */
static dyno_status append(dyno_sequence *sequence, const int32_t *tokens, size_t count,
                          dyno_error *error)
{
  const dyno_retain_request likeliest = {.top = 1};
  dyno_status status = dyno_sequence_append(sequence, tokens, count, NULL, NULL, error);
  if (status == DYNO_OK && dyno_sequence_retain(sequence, &likeliest) == NULL)
    dyno_sequence_logits(sequence);
  return status;
}

/* One token through the model, and the likeliest next one. */
static dyno_status first_token(profiler *with, dyno_error *error)
{
  dyno_sequence *sequence;
  const int32_t token = with->tokens[0];
  uint64_t start = dyno_clock_ns();
  dyno_status status = dyno_sequence_open(&sequence, with->engine, 1, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, &token, 1, NULL, NULL, error);
  if (status == DYNO_OK) {
    const dyno_retain_request likeliest = {.top = 1};
    const float *logits =
        dyno_sequence_retain(sequence, &likeliest) == NULL ? dyno_sequence_logits(sequence) : NULL;
    volatile size_t best = 0;
    for (size_t i = 1; logits != NULL && i < dyno_engine_config(with->engine)->vocab; i++)
      if (logits[i] > logits[best])
        best = i;
    with->run->first_token_seconds = (double)(dyno_clock_ns() - start) * 1e-9;
    with->run->first_token_age = dyno_process_age();
  }
  dyno_sequence_close(&sequence);
  return status;
}

/* Reading the weights' pages */

/* Bytes and seconds of several samples. */
typedef struct read_sums {
  dyno_read_sample one, all;
  size_t samples;
} read_sums;

static void add_sample(dyno_read_sample *sum, dyno_read_sample sample)
{
  sum->bytes += sample.bytes;
  sum->seconds += sample.seconds;
}

static void read_pages(profiler *with, read_sums *sums, bool alone)
{
  uint64_t seed = (uint64_t)(dyno_random_unit(with->options->seed, ~with->reads++) * 0x1p53);
  add_sample(&sums->all, dyno_profile_reader_all(with->ceilings.reader, seed));
  sums->samples++;
  if (with->run->threads == 1)
    sums->one = sums->all;
  else if (alone)
    add_sample(&sums->one, dyno_profile_reader_one(with->ceilings.reader, seed));
}

static dyno_profile_reads reads_of(const read_sums *sums)
{
  return (dyno_profile_reads){
      .one = sums->one.seconds > 0 ? sums->one.bytes / sums->one.seconds : NAN,
      .all = sums->all.seconds > 0 ? sums->all.bytes / sums->all.seconds : NAN,
      .samples = sums->samples,
  };
}

/* Passes */

static dyno_status append_portions(profiler *with, dyno_sequence *sequence, const int32_t *tokens,
                                   size_t count, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t done = 0; done < count && status == DYNO_OK && !stopped(with);) {
    size_t portion = count - done < PORTION ? count - done : PORTION;
    status = dyno_sequence_append(sequence, tokens + done, portion, NULL, NULL, error);
    done += portion;
    advance(with, (double)portion, "filling up to the depth");
  }
  return status;
}

/* Brings the phase's sequence to its depth: by forgetting what came after where that is possible.
 */
static dyno_status go_to_depth(profiler *with, size_t index, dyno_error *error)
{
  const dyno_profile_phase *phase = &with->run->phases[index];
  dyno_sequence **sequence = &with->sequences[index];
  dyno_status status = DYNO_OK;
  if (*sequence == NULL)
    status = dyno_sequence_open(sequence, with->engine, phase->depth + phase->tokens, error);
  if (status != DYNO_OK)
    return status;
  if (dyno_sequence_length(*sequence) >= phase->depth && phase->depth > 0 &&
      dyno_sequence_truncate(*sequence, phase->depth))
    return DYNO_OK;
  dyno_sequence_clear(*sequence);
  size_t computed = phase->depth;
  if (with->options->depth_copied && computed > DYNO_PROFILE_COPIED)
    computed = DYNO_PROFILE_COPIED;
  status = append_portions(with, *sequence, with->tokens, computed, error);
  if (status != DYNO_OK || computed == phase->depth || stopped(with))
    return status;
  advance(with, (double)(phase->depth - computed), "filling up to the depth");
  return dyno_sequence_repeat(*sequence, phase->depth, error);
}

/* Runs the calls of the phase, noting each in steps when that is not NULL, and reads the weights'
 * pages before, in between and after; *seconds is what the calls took. */
static dyno_status pass_calls(profiler *with, size_t index, double *seconds, read_sums *sums,
                              dyno_profile_step *steps, dyno_error *error)
{
  const dyno_profile_phase *phase = &with->run->phases[index];
  size_t each = phase->kind == DYNO_PROFILE_DECODE ? 1 : phase->tokens;
  dyno_status status = DYNO_OK;
  *seconds = 0;
  read_pages(with, sums, true);
  for (size_t done = 0; done < phase->tokens && status == DYNO_OK && !stopped(with); done += each) {
    if (done > 0 && done % READ_EVERY == 0)
      read_pages(with, sums, false);
    dyno_profile_step step = {.begin_ns = dyno_clock_ns()};
    status = append(with->sequences[index], with->tokens + phase->depth + done, each, error);
    step.end_ns = dyno_clock_ns();
    *seconds += (double)(step.end_ns - step.begin_ns) * 1e-9;
    if (steps != NULL)
      steps[done / each] = step;
    advance(with, effort_of(phase->kind, each), dyno_profile_kind_name(phase->kind));
  }
  read_pages(with, sums, true);
  return status;
}

static dyno_status time_phase(profiler *with, size_t index, dyno_error *error)
{
  dyno_profile_phase *phase = &with->run->phases[index];
  read_sums sums = {0};
  double seconds = 0;
  dyno_status status = go_to_depth(with, index, error);
  if (status == DYNO_OK && !stopped(with))
    status = pass_calls(with, index, &seconds, &sums, NULL, error);
  if (status == DYNO_OK && !stopped(with))
    phase->rounds[phase->round_count++] = (dyno_profile_round){
        .seconds = seconds,
        .rate = (double)phase->tokens / seconds,
        .reads = reads_of(&sums),
        .read_share = NAN,
    };
  return status;
}

static void finish_probed(profiler *with, dyno_profile_phase *phase, const read_sums *sums)
{
  phase->probed_reads = reads_of(sums);
  memcpy(phase->ceilings.one, with->ceilings.mac_one, sizeof phase->ceilings.one);
  memcpy(phase->ceilings.all, with->ceilings.mac_all, sizeof phase->ceilings.all);
  phase->ceilings.one[DYNO_CEILING_READ] = phase->probed_reads.one;
  phase->ceilings.all[DYNO_CEILING_READ] = phase->probed_reads.all;
  dyno_profile_hold_against(&phase->summary, &phase->ceilings);
  phase->probe_share = (double)phase->summary.events * with->run->event_seconds /
                       (with->run->threads * phase->probed_seconds);
}

static dyno_status probe_phase(profiler *with, size_t index, dyno_error *error)
{
  dyno_profile_phase *phase = &with->run->phases[index];
  size_t calls = phase->kind == DYNO_PROFILE_DECODE ? phase->tokens : 1 + phase->tokens / PORTION;
  size_t expected = calls * (dyno_engine_config(with->engine)->layers + 1) * EVENTS_PER_LAYER;
  dyno_profile_recorder *recorder = NULL;
  read_sums sums = {0};
  dyno_status status = go_to_depth(with, index, error);
  if (status != DYNO_OK || stopped(with))
    return status;
  if (expected > MOST_EXPECTED_EVENTS)
    expected = MOST_EXPECTED_EVENTS;
  status = dyno_profile_recorder_open(&recorder, with->run->threads, expected, error);
  if (status != DYNO_OK)
    return status;
  dyno_engine_set_probe(with->engine, dyno_profile_recorder_probe(recorder));
  status = pass_calls(with, index, &phase->probed_seconds, &sums, phase->steps, error);
  dyno_engine_set_probe(with->engine, NULL);
  if (status == DYNO_OK && !stopped(with))
    status = dyno_profile_summarize(&phase->summary, recorder, phase->probed_seconds, error);
  if (status != DYNO_OK || stopped(with)) {
    dyno_profile_recorder_close(&recorder);
    return status;
  }
  phase->recorder = recorder;
  phase->step_count = phase->kind == DYNO_PROFILE_DECODE ? phase->tokens : 1;
  finish_probed(with, phase, &sums);
  return DYNO_OK;
}

/* The first pass touches memory that was never touched, and may find the weights on disk. */
static dyno_status warm_up_phase(profiler *with, size_t index, dyno_error *error)
{
  const dyno_profile_phase *phase = &with->run->phases[index];
  size_t tokens = warm_up_tokens(phase);
  size_t each = phase->kind == DYNO_PROFILE_DECODE ? 1 : PORTION;
  dyno_status status = go_to_depth(with, index, error);
  for (size_t done = 0; done < tokens && status == DYNO_OK && !stopped(with); done += each) {
    size_t portion = each < tokens - done ? each : tokens - done;
    status = append(with->sequences[index], with->tokens + phase->depth + done, portion, error);
    advance(with, effort_of(phase->kind, portion), "warming up");
  }
  return status;
}

static dyno_status measure_phases(profiler *with, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < with->run->phase_count; i++)
    if (status == DYNO_OK && !stopped(with))
      status = warm_up_phase(with, i, error);
  for (unsigned round = 0; round < with->options->rounds; round++)
    for (size_t i = 0; i < with->run->phase_count; i++)
      if (status == DYNO_OK && !stopped(with))
        status = time_phase(with, i, error);
  for (size_t i = 0; i < with->run->phase_count; i++)
    if (status == DYNO_OK && !stopped(with))
      status = probe_phase(with, i, error);
  return status;
}

/* All together */

static dyno_status profile(profiler *with, dyno_error *error)
{
  dyno_profile_run *run = with->run;
  dyno_status status = list_phases(with, error);
  if (status != DYNO_OK)
    return status;
  status = allocate(with, error);
  if (status == DYNO_OK)
    status = first_token(with, error);
  if (status == DYNO_OK)
    status =
        dyno_engine_ceilings_open(&with->ceilings, with->engine, with->options->read_bytes, error);
  if (status == DYNO_OK)
    status = dyno_profile_recording_seconds(&run->event_seconds, error);
  if (status != DYNO_OK)
    return status;
  run->read_loop = dyno_profile_reader_loop(with->ceilings.reader);
  status = measure_phases(with, error);
  if (status == DYNO_OK)
    status = dyno_profile_summarize_rounds(run, error);
  run->placement = dyno_engine_get_placement(with->engine);
  run->peak_memory = dyno_process_peak_memory();
  run->interrupted = stopped(with);
  return status;
}

dyno_status dyno_profile_engine(dyno_profile_run *run, dyno_engine *engine,
                                const dyno_profile_options *options, dyno_error *error)
{
  profiler with = {
      .run = run,
      .options = options,
      .engine = engine,
      .total = 1,
  };
  run->threads = dyno_engine_threads(engine);
  run->isa = dyno_registry_isa(dyno_engine_registry(engine));
  run->file_bytes = (double)dyno_engine_file_bytes(engine);
  run->packed_bytes = (double)dyno_engine_packed_bytes(engine);
  dyno_status status = profile(&with, error);
  for (size_t i = 0; with.sequences != NULL && i < run->phase_count; i++)
    dyno_sequence_close(&with.sequences[i]);
  dyno_engine_ceilings_close(&with.ceilings);
  free(with.sequences);
  free(with.tokens);
  return status;
}
