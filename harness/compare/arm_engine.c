#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/compare/arm.h"
#include "harness/measure/logits.h"
#include "harness/measure/profile_process.h"
#include "harness/measure/profile_recorder.h"
#include "harness/measure/profile_summary.h"
#include "harness/report/build_info.h"
#include "kernels/base/clock.h"
#include "runtime/text/harmony.h"
#include "runtime/threads/pool.h"

typedef struct workload {
  int32_t *tokens; /* owned */
  size_t count;
  dyno_sequence *lanes[DYNO_COMPARE_LANES];
} workload;

typedef struct engine_arm {
  dyno_arm base;
  dyno_engine *engine;
  dyno_tokenizer *tokenizer; /* NULL: the model brings none */
  workload *workloads;
  size_t workload_count;
  dyno_engine_options asked; /* its strings belong to the caller of the opening */
  bool alone;                /* in its process */
  char switches[sizeof((dyno_arm_facts *)NULL)->switches];
  size_t batch;
  double slowdown;
} engine_arm;

static engine_arm *engine_arm_of(dyno_arm *arm)
{
  return (engine_arm *)(void *)arm;
}

static dyno_status facts(dyno_arm *arm, dyno_arm_facts *facts, dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  const dyno_engine *engine = self->engine;
  (void)error;
  *facts = (dyno_arm_facts){
      .vocab = dyno_engine_config(engine)->vocab,
      .context = dyno_engine_config(engine)->context_length,
      .batch = self->batch,
      .threads = dyno_engine_threads(engine),
      .file_bytes = (double)dyno_engine_file_bytes(engine),
      .packed_bytes = (double)dyno_engine_packed_bytes(engine),
      .shared_bytes = (double)dyno_engine_shared_bytes(engine),
      .peak_memory = self->alone ? dyno_process_peak_memory() : (double)NAN,
      .slowdown = self->slowdown,
  };
  const dyno_build_info build = dyno_get_build_info();
  facts->dirty = build.dirty;
  snprintf(facts->version, sizeof facts->version, "%s", build.version);
  snprintf(facts->commit, sizeof facts->commit, "%s", build.commit);
  memcpy(facts->switches, self->switches, sizeof facts->switches);
  snprintf(facts->model, sizeof facts->model, "%s", dyno_engine_model_path(engine));
  snprintf(facts->tier, sizeof facts->tier, "%s",
           dyno_isa_name(dyno_registry_isa(dyno_engine_registry(engine))));
  snprintf(facts->pool, sizeof facts->pool, "%s",
           dyno_pool_kind_name(dyno_pool_kind_of(dyno_engine_pool(engine))));
  for (size_t i = 0; i < self->workload_count; i++)
    for (unsigned lane = 0; lane < DYNO_COMPARE_LANES; lane++)
      if (self->workloads[i].lanes[lane] != NULL)
        facts->kv_bytes += (double)dyno_sequence_kv_bytes(self->workloads[i].lanes[lane]);
  return DYNO_OK;
}

static dyno_status render(dyno_tokens *tokens, dyno_tokenizer *tokenizer, const char *text,
                          dyno_error *error)
{
  dyno_harmony harmony;
  dyno_error none;
  const dyno_message message = {DYNO_ROLE_USER, DYNO_CHANNEL_NONE, text, strlen(text)};
  const dyno_conversation conversation = {DYNO_EFFORT_MEDIUM, NULL, &message, 1};
  if (dyno_harmony_create(&harmony, tokenizer, &none) != DYNO_OK)
    return dyno_tokenizer_encode(tokenizer, tokens, text, strlen(text), true, error);
  return dyno_harmony_render(&harmony, tokens, &conversation, error);
}

static dyno_status tokenize(dyno_arm *arm, const char *text, bool message, int32_t *tokens,
                            size_t room, size_t *count, dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  dyno_tokens found = {0};
  *count = 0;
  if (self->tokenizer == NULL) {
    dyno_status status = dyno_engine_tokenizer(&self->tokenizer, self->engine, error);
    if (status != DYNO_OK)
      return status;
  }
  dyno_status status =
      message ? render(&found, self->tokenizer, text, error)
              : dyno_tokenizer_encode(self->tokenizer, &found, text, strlen(text), false, error);
  if (status == DYNO_OK && found.count > room)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "a prompt of %zu tokens: at most %zu are possible",
                       found.count, room);
  if (status == DYNO_OK) {
    memcpy(tokens, found.ids, found.count * sizeof *tokens);
    *count = found.count;
  }
  dyno_tokens_free(&found);
  return status;
}

static void empty(workload *load)
{
  for (unsigned lane = 0; lane < DYNO_COMPARE_LANES; lane++)
    dyno_sequence_close(&load->lanes[lane]);
  free(load->tokens);
  *load = (workload){0};
}

static dyno_status load(dyno_arm *arm, size_t index, const int32_t *tokens, size_t count,
                        dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  if (index >= self->workload_count) {
    workload *longer = realloc(self->workloads, (index + 1) * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
    memset(longer + self->workload_count, 0, (index + 1 - self->workload_count) * sizeof *longer);
    self->workloads = longer;
    self->workload_count = index + 1;
  }
  workload *one = &self->workloads[index];
  empty(one);
  one->tokens = malloc((count + 1) * sizeof *tokens);
  if (one->tokens == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  memcpy(one->tokens, tokens, count * sizeof *tokens);
  one->count = count;
  dyno_status status = DYNO_OK;
  for (unsigned lane = 0; lane < DYNO_COMPARE_LANES && status == DYNO_OK; lane++)
    status = dyno_sequence_open(&one->lanes[lane], self->engine, count, error);
  return status;
}

/* Workload and lane come from outside, in a worker. */
static dyno_status find_lane(dyno_sequence **sequence, workload **found, dyno_arm *arm,
                             size_t index, unsigned lane, dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  if (index >= self->workload_count || lane >= DYNO_COMPARE_LANES ||
      self->workloads[index].lanes[lane] == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE, "arm %s has no workload %zu, lane %u", arm->label,
                     index, lane);
  *found = &self->workloads[index];
  *sequence = (*found)->lanes[lane];
  return DYNO_OK;
}

static dyno_status check_room(const workload *one, const dyno_sequence *sequence, size_t count,
                              dyno_error *error)
{
  size_t at = dyno_sequence_length(sequence);
  return count > 0 && count <= one->count - at
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_USAGE, "a step of %zu tokens at %zu of %zu", count, at,
                         one->count);
}

static dyno_status rewind_lane(dyno_arm *arm, size_t index, unsigned lane, size_t length,
                               dyno_error *error)
{
  dyno_sequence *sequence = NULL;
  workload *one = NULL;
  dyno_status status = find_lane(&sequence, &one, arm, index, lane, error);
  if (status != DYNO_OK)
    return status;
  if (length == 0)
    dyno_sequence_clear(sequence);
  else if (!dyno_sequence_truncate(sequence, length))
    return dyno_fail(error, DYNO_ERROR_USAGE, "a sequence of %zu tokens cannot go back to %zu",
                     dyno_sequence_length(sequence), length);
  return DYNO_OK;
}

static int32_t largest(const dyno_retained *retained)
{
  size_t best = 0;
  for (size_t i = 1; i < retained->count; i++)
    if (retained->logit[i] > retained->logit[best])
      best = i;
  return retained->id[best];
}

/* What sampling would take is part of a step: with two-stage logits only asking computes it. */
static dyno_status append(int32_t *likeliest, dyno_sequence *sequence, const int32_t *tokens,
                          size_t count, size_t vocab, dyno_error *error)
{
  const dyno_retain_request request = {.top = 1};
  dyno_status status = dyno_sequence_append(sequence, tokens, count, NULL, NULL, error);
  if (status != DYNO_OK)
    return status;
  const dyno_retained *retained = dyno_sequence_retain(sequence, &request);
  *likeliest =
      retained != NULL ? largest(retained) : dyno_argmax(dyno_sequence_logits(sequence), vocab);
  if (retained == NULL)
    dyno_sequence_expect(sequence, likeliest, 1);
  return DYNO_OK;
}

static dyno_status generate(dyno_arm *arm, const int32_t *prompt, size_t prompt_count,
                            int32_t *tokens, size_t count, dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  size_t vocab = dyno_engine_config(self->engine)->vocab;
  dyno_sequence *sequence = NULL;
  dyno_status status = dyno_sequence_open(&sequence, self->engine, prompt_count + count, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++)
    status = append(&tokens[i], sequence, i == 0 ? prompt : &tokens[i - 1],
                    i == 0 ? prompt_count : 1, vocab, error);
  dyno_sequence_close(&sequence);
  return status;
}

static void wait_until(uint64_t ns)
{
  while (dyno_clock_ns() < ns)
    ;
}

static dyno_status step(dyno_arm *arm, size_t index, unsigned lane, size_t count, uint64_t *ns,
                        int32_t *likeliest, dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  dyno_sequence *sequence = NULL;
  workload *one = NULL;
  dyno_status status = find_lane(&sequence, &one, arm, index, lane, error);
  if (status == DYNO_OK)
    status = check_room(one, sequence, count, error);
  if (status != DYNO_OK)
    return status;
  size_t vocab = dyno_engine_config(self->engine)->vocab;
  const int32_t *tokens = one->tokens + dyno_sequence_length(sequence);
  uint64_t start = dyno_clock_ns();
  status = append(likeliest, sequence, tokens, count, vocab, error);
  uint64_t end = dyno_clock_ns();
  if (self->slowdown > 0) {
    wait_until(end + (uint64_t)(self->slowdown * (double)(end - start)));
    end = dyno_clock_ns();
  }
  *ns = end - start;
  return status;
}

static dyno_status logits(dyno_arm *arm, size_t index, unsigned lane, const float **found,
                          dyno_error *error)
{
  dyno_sequence *sequence = NULL;
  workload *one = NULL;
  dyno_status status = find_lane(&sequence, &one, arm, index, lane, error);
  if (status != DYNO_OK)
    return status;
  *found = dyno_sequence_logits(sequence);
  return *found != NULL ? DYNO_OK
                        : dyno_fail(error, DYNO_ERROR_USAGE, "there are no logits before a step");
}

static void list_ops(dyno_arm_profile *profile, const dyno_profile_summary *summary)
{
  *profile = (dyno_arm_profile){.seconds = summary->wall_seconds};
  for (size_t i = 0; i < summary->row_count && i < DYNO_ARM_MOST_OPS; i++) {
    const dyno_profile_row *row = &summary->rows[i];
    dyno_arm_op *op = &profile->ops[profile->count++];
    snprintf(op->op, sizeof op->op, "%s", row->op);
    snprintf(op->kernel, sizeof op->kernel, "%s", row->kernel == NULL ? "" : row->kernel->name);
    op->seconds = (row->seconds + row->waited_seconds) / summary->threads;
    op->bytes = row->bytes;
    op->macs = row->macs;
  }
}

static dyno_status profile(dyno_arm *arm, size_t index, unsigned lane, size_t count,
                           dyno_arm_profile *profile, dyno_error *error)
{
  engine_arm *self = engine_arm_of(arm);
  dyno_profile_recorder *recorder = NULL;
  dyno_profile_summary summary = {0};
  enum { EVENTS = 1 << 16 };
  dyno_status status =
      dyno_profile_recorder_open(&recorder, dyno_engine_threads(self->engine), EVENTS, error);
  if (status != DYNO_OK)
    return status;
  dyno_engine_set_probe(self->engine, dyno_profile_recorder_probe(recorder));
  double seconds = 0;
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    uint64_t ns = 0;
    int32_t likeliest;
    status = step(arm, index, lane, 1, &ns, &likeliest, error);
    seconds += (double)ns * 1e-9;
  }
  dyno_engine_set_probe(self->engine, NULL);
  if (status == DYNO_OK)
    status = dyno_profile_summarize(&summary, recorder, seconds, error);
  if (status == DYNO_OK)
    list_ops(profile, &summary);
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
  return status;
}

static void close_arm(dyno_arm *arm)
{
  engine_arm *self = engine_arm_of(arm);
  for (size_t i = 0; i < self->workload_count; i++)
    empty(&self->workloads[i]);
  free(self->workloads);
  dyno_tokenizer_free(self->tokenizer);
  dyno_engine_close(&self->engine);
  free(self);
}

static const dyno_arm_calls engine_calls = {
    .facts = facts,
    .tokenize = tokenize,
    .generate = generate,
    .load = load,
    .rewind = rewind_lane,
    .step = step,
    .logits = logits,
    .profile = profile,
    .close = close_arm,
};

/* Whether two engines may share at all; which of the matrices they do is theirs to find out. */
static bool may_share(const dyno_engine_options *a, const dyno_engine_options *b)
{
  return strcmp(a->model, b->model) == 0 && a->huge_pages == b->huge_pages && a->numa == b->numa &&
         a->huge_pages != DYNO_HUGE_PAGES_BACKGROUND;
}

dyno_engine *dyno_arm_engine(dyno_arm *arm)
{
  return engine_arm_of(arm)->engine;
}

dyno_status dyno_arm_open_engine(dyno_arm **arm, const dyno_arm_engine_options *options,
                                 dyno_error *error)
{
  *arm = NULL;
  engine_arm *self = calloc(1, sizeof *self);
  if (self == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_engine_options engine = *options->engine;
  self->base = (dyno_arm){&engine_calls, options->label};
  self->asked = engine;
  dyno_settings_describe(self->switches, sizeof self->switches, &engine);
  self->slowdown = options->slowdown;
  self->alone = options->alone;
  self->batch = engine.batch == 0 ? DYNO_DEFAULT_BATCH : engine.batch;
  engine.memory_limit = options->memory_limit;
  if (options->other != NULL) {
    engine_arm *other = engine_arm_of(options->other);
    if (may_share(&other->asked, &engine))
      engine.share = other->engine;
  }
  dyno_status status = dyno_engine_open(&self->engine, &engine, error);
  if (status != DYNO_OK) {
    free(self);
    return dyno_error_prepend(error, "arm %s", options->label);
  }
  *arm = &self->base;
  return DYNO_OK;
}

void dyno_arm_close(dyno_arm **arm)
{
  if (*arm != NULL)
    (*arm)->calls->close(*arm);
  *arm = NULL;
}
