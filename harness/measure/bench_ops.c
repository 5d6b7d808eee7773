#include "harness/measure/bench_ops.h"

#include <math.h>
#include <string.h>

#include "kernels/base/clock.h"

/* Events of one thread and one layer in a pass, and the most to make room for beforehand. */
enum { EVENTS_PER_LAYER = 64, MOST_EXPECTED_EVENTS = 1 << 19 };

/* A pass under way. */
typedef struct profiling {
  const dyno_bench_model *model;
  const dyno_bench_work *work;
  const dyno_engine_ceilings *ceilings;
  double event_seconds;
  dyno_sequence *sequence;
  dyno_profile_recorder *recorder; /* of the phase */
  dyno_profile_ceilings seen;
  uint64_t reads;
} profiling;

/* Seconds of thread 0's events from the first-th on. */
static double covered(const dyno_profile_recorder *recorder, size_t first)
{
  double seconds = 0;
  for (size_t i = first; i < dyno_profile_recorder_count(recorder, 0); i++) {
    const dyno_probe_event *event = dyno_profile_recorder_event(recorder, 0, i);
    seconds += (double)(event->end_ns - event->begin_ns) * 1e-9;
  }
  return seconds;
}

/* Runs some tokens and chooses the next. With two-stage logits the choice itself runs ops, which
 * have events of their own. */
static dyno_status step(profiling *with, dyno_bench_ops_phase *phase, double *wall,
                        const int32_t *tokens, size_t count, dyno_error *error)
{
  int32_t id;
  uint64_t start = dyno_clock_ns();
  dyno_status status = dyno_sequence_append(with->sequence, tokens, count, NULL, NULL, error);
  uint64_t appended = dyno_clock_ns();
  size_t events = dyno_profile_recorder_count(with->recorder, 0);
  if (status == DYNO_OK)
    status = dyno_bench_choose(&id, with->model, with->sequence, error);
  uint64_t now = dyno_clock_ns();
  phase->sampling_seconds +=
      fmax((double)(now - appended) * 1e-9 - covered(with->recorder, events), 0);
  *wall += (double)(now - start) * 1e-9;
  return status;
}

static void read_ceiling(profiling *with)
{
  uint64_t seed = ++with->reads;
  dyno_read_sample all = dyno_profile_reader_all(with->ceilings->reader, seed);
  dyno_read_sample one = dyno_profile_reader_one(with->ceilings->reader, seed);
  double rate_all = all.bytes / all.seconds, rate_one = one.bytes / one.seconds;
  memcpy(with->seen.one, with->ceilings->mac_one, sizeof with->seen.one);
  memcpy(with->seen.all, with->ceilings->mac_all, sizeof with->seen.all);
  with->seen.all[DYNO_CEILING_READ] = rate_all;
  with->seen.one[DYNO_CEILING_READ] = rate_one;
}

/* Runs the tokens, `each` at once, with a recorder of their own. */
static dyno_status run_phase(profiling *with, dyno_bench_ops_phase *phase, const int32_t *tokens,
                             size_t count, size_t each, dyno_error *error)
{
  dyno_engine *engine = with->model->engine;
  size_t passes = each == 1 ? count : 1 + count / 256;
  size_t expected = passes * (dyno_engine_config(engine)->layers + 1) * EVENTS_PER_LAYER;
  double wall = 0;
  if (expected > MOST_EXPECTED_EVENTS)
    expected = MOST_EXPECTED_EVENTS;
  phase->tokens = count;
  dyno_status status =
      dyno_profile_recorder_open(&with->recorder, dyno_engine_threads(engine), expected, error);
  if (status != DYNO_OK)
    return status;
  read_ceiling(with);
  dyno_engine_set_probe(engine, dyno_profile_recorder_probe(with->recorder));
  for (size_t done = 0; done < count && status == DYNO_OK; done += each)
    status = step(with, phase, &wall, tokens + done, each, error);
  dyno_engine_set_probe(engine, NULL);
  if (status == DYNO_OK)
    status = dyno_profile_summarize(&phase->summary, with->recorder, wall, error);
  if (status == DYNO_OK) {
    dyno_profile_hold_against(&phase->summary, &with->seen);
    phase->probe_share =
        (double)phase->summary.events * with->event_seconds / (phase->summary.threads * wall);
  }
  dyno_profile_recorder_close(&with->recorder);
  return status;
}

dyno_status dyno_bench_ops_run(dyno_bench_ops *ops, const dyno_bench_model *model,
                               const dyno_bench_work *work, const dyno_engine_ceilings *ceilings,
                               double event_seconds, dyno_error *error)
{
  profiling with = {
      .model = model, .work = work, .ceilings = ceilings, .event_seconds = event_seconds};
  size_t decoded = work->trace.count - 1;
  dyno_tokens prompt = {0};
  *ops = (dyno_bench_ops){0};
  if (decoded > DYNO_BENCH_PROFILED_TOKENS)
    decoded = DYNO_BENCH_PROFILED_TOKENS;
  dyno_sampler_reset(model->sampler);
  dyno_status status =
      dyno_sequence_open(&with.sequence, model->engine, work->prompt_tokens + decoded + 1, error);
  if (status == DYNO_OK)
    status =
        dyno_bench_prompt_tokens(&prompt, model, work->prompt->prompt, work->from->effort, error);
  if (status == DYNO_OK)
    status = run_phase(&with, &ops->prefill, prompt.ids, prompt.count, prompt.count, error);
  if (status == DYNO_OK && decoded > 0)
    status = run_phase(&with, &ops->decode, work->trace.ids, decoded, 1, error);
  dyno_tokens_free(&prompt);
  dyno_sequence_close(&with.sequence);
  if (status != DYNO_OK)
    dyno_bench_ops_free(ops);
  return status;
}

void dyno_bench_ops_free(dyno_bench_ops *ops)
{
  dyno_profile_summary_free(&ops->prefill.summary);
  dyno_profile_summary_free(&ops->decode.summary);
  *ops = (dyno_bench_ops){0};
}

const char *dyno_bench_component_of(const char *op)
{
  static const struct {
    dyno_probe_op op;
    const char *component;
  } components[] = {
      {DYNO_PROBE_EMBEDDING, "embedding"},
      {DYNO_PROBE_ROPE_TABLES, "attention"},
      {DYNO_PROBE_ATTENTION_NORM, "attention"},
      {DYNO_PROBE_ATTENTION_QKV, "attention"},
      {DYNO_PROBE_ROPE, "attention"},
      {DYNO_PROBE_STORE_KV, "attention"},
      {DYNO_PROBE_ATTENTION, "attention"},
      {DYNO_PROBE_ATTENTION_OUTPUT, "attention"},
      {DYNO_PROBE_ATTENTION_RESIDUAL, "attention"},
      {DYNO_PROBE_MOE_NORM, "feed_forward"},
      {DYNO_PROBE_ROUTER, "feed_forward"},
      {DYNO_PROBE_ROUTER_TOP_K, "feed_forward"},
      {DYNO_PROBE_MOE_GROUP, "feed_forward"},
      {DYNO_PROBE_MOE_GATHER, "feed_forward"},
      {DYNO_PROBE_MOE_GATE_UP, "feed_forward"},
      {DYNO_PROBE_SWIGLU, "feed_forward"},
      {DYNO_PROBE_MOE_DOWN, "feed_forward"},
      {DYNO_PROBE_MOE_COMBINE, "feed_forward"},
      {DYNO_PROBE_OUTPUT_NORM, "sampling"},
      {DYNO_PROBE_SCREEN, "sampling"},
      {DYNO_PROBE_HEAD, "sampling"},
  };
  for (size_t i = 0; i < sizeof components / sizeof *components; i++)
    if (strcmp(dyno_probe_op_name(components[i].op), op) == 0)
      return components[i].component;
  return "other";
}
