/* The whole engine against the published model code, and against itself. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine.h"
#include "tests/oracle/golden.h"

/* Models and the goldens they are held to; two layouts of a model share one. */
static const struct {
  const char *folder, *golden;
} models[] = {
    {"f32", "f32"},
    {"bf16-odd", "bf16-odd"},
    {"bf16-odd/original", "bf16-odd"},
    {"bf16-sharded", "bf16-sharded"},
    {"mxfp4", "mxfp4"},
    {"mxfp4/original", "mxfp4"},
    {"f16-unusual", "f16-unusual"},
    {"bf16-deep", "bf16-deep"},
};
enum { MODEL_COUNT = sizeof models / sizeof *models };

static const double tolerance = 2e-3;

static const char *tree(void)
{
  const char *folder = getenv("top_srcdir");
  return folder != NULL ? folder : ".";
}

static void model_path(char *path, size_t size, size_t model)
{
  snprintf(path, size, "%s/tests/oracle/models/%s", tree(), models[model].folder);
}

static dyno_golden *open_golden(size_t model)
{
  char path[4096];
  dyno_golden *golden;
  dyno_error error = {0};
  snprintf(path, sizeof path, "%s/tests/oracle/goldens/%s.golden.gz", tree(), models[model].golden);
  dyno_status status = dyno_golden_open(&golden, path, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return golden;
}

/* How an engine is opened; the rest is default. */
typedef struct setup {
  size_t model;
  dyno_precision precision;
  dyno_isa isa;
  unsigned threads;
  size_t batch;
  dyno_kv_format kv;
} setup;

static dyno_engine *open_engine(const setup *how)
{
  char path[4096];
  dyno_engine *engine;
  dyno_error error = {0};
  model_path(path, sizeof path, how->model);
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.precision = how->precision;
  options.registry.isa = how->isa;
  options.registry.threads = how->threads;
  options.batch = how->batch;
  options.kv = how->kv;
  dyno_status status = dyno_engine_open(&engine, &options, &error);
  cr_assert(status == DYNO_OK, "%s: %s", path, error.message);
  return engine;
}

/* Runs a golden's prompt and shows visit the logits of every position. */
static void run_prompt(dyno_engine *engine, const dyno_golden_prompt *prompt,
                       dyno_logits_visit *visit, void *context)
{
  dyno_sequence *sequence;
  dyno_error error = {0};
  dyno_status status = dyno_sequence_open(&sequence, engine, prompt->length, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  int32_t *tokens = calloc(prompt->length, sizeof *tokens);
  for (size_t i = 0; i < prompt->length; i++)
    tokens[i] = (int32_t)prompt->tokens[i];
  status = dyno_sequence_append(sequence, tokens, prompt->length, visit, context, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  cr_assert(dyno_sequence_length(sequence) == prompt->length, "length");
  free(tokens);
  dyno_sequence_close(&sequence);
}

typedef struct comparison {
  const dyno_golden *golden;
  size_t prompt;
  dyno_golden_difference difference;
} comparison;

static void compare(void *context, size_t position, const float *logits)
{
  comparison *with = context;
  dyno_golden_compare(with->golden, &with->difference, with->prompt, position, logits, tolerance);
}

ParameterizedTestParameters(engine, the_reference_path_is_the_published_model)
{
  static size_t indices[MODEL_COUNT];
  for (size_t i = 0; i < MODEL_COUNT; i++)
    indices[i] = i;
  return cr_make_param_array(size_t, indices, MODEL_COUNT);
}

ParameterizedTest(size_t *index, engine, the_reference_path_is_the_published_model)
{
  comparison with = {.golden = open_golden(*index)};
  dyno_engine *engine =
      open_engine(&(setup){*index, DYNO_PRECISION_REFERENCE, DYNO_ISA_COUNT, 1, 64, 0});
  size_t positions = 0;
  for (; with.prompt < with.golden->prompt_count; with.prompt++) {
    run_prompt(engine, &with.golden->prompts[with.prompt], compare, &with);
    positions += with.golden->prompts[with.prompt].length;
  }
  const dyno_golden_difference *found = &with.difference;
  cr_assert(found->positions == positions && positions == 1790, "%zu positions compared",
            found->positions);
  cr_assert(found->largest <= tolerance, "%s: off by %g at position %zu of prompt %zu, token %u",
            models[*index].folder, found->largest, found->position, found->prompt, found->id);
  cr_assert(found->argmax_differences == 0, "%s: another argmax at %zu positions",
            models[*index].folder, found->argmax_differences);
  dyno_engine_close(&engine);
  dyno_golden_close(&(dyno_golden *){(dyno_golden *)(uintptr_t)with.golden});
}

/* The logits of a whole prompt. */
typedef struct recording {
  float *logits; /* [length][vocab] */
  size_t vocab, seen;
} recording;

static void record(void *context, size_t position, const float *logits)
{
  recording *into = context;
  memcpy(into->logits + position * into->vocab, logits, into->vocab * sizeof *logits);
  into->seen++;
}

static recording record_prompt(const setup *how, const dyno_golden *golden, size_t prompt)
{
  dyno_engine *engine = open_engine(how);
  recording made = {.vocab = golden->vocab};
  size_t length = golden->prompts[prompt].length;
  made.logits = calloc(length * made.vocab, sizeof *made.logits);
  run_prompt(engine, &golden->prompts[prompt], record, &made);
  cr_assert(made.seen == length, "%zu of %zu positions", made.seen, length);
  dyno_engine_close(&engine);
  return made;
}

/* The prompt of 400 tokens: longer than every window and every batch below. */
enum { LONG_PROMPT = 5, LONG_LENGTH = 400 };

static const struct {
  unsigned threads;
  size_t batch;
} cuts[] = {{2, 7}, {3, 64}, {1, 1}, {2, LONG_LENGTH}, {1, 7}, {2, 1}, {3, 1}, {1, 64}};
enum { CUT_COUNT = sizeof cuts / sizeof *cuts };

/* How many of the cuts a check of every day takes: most of them for the tier that will be used,
 * one for the slow reference. `make check-nightly` takes all. */
static size_t cuts_for(dyno_isa isa, dyno_isa highest)
{
  if (getenv("DYNO_NIGHTLY") != NULL)
    return CUT_COUNT;
  return isa == highest ? 4 : isa == DYNO_ISA_AVX2 ? 2 : 1;
}

static void compare_cuts(size_t model, dyno_precision precision, dyno_kv_format kv, dyno_isa isa,
                         size_t count)
{
  dyno_golden *golden = open_golden(model);
  cr_assert(golden->prompts[LONG_PROMPT].length == LONG_LENGTH, "the goldens changed");
  setup how = {model, precision, isa, 1, LONG_LENGTH, kv};
  recording whole = record_prompt(&how, golden, LONG_PROMPT);
  for (size_t i = 0; i < count; i++) {
    how.threads = cuts[i].threads;
    how.batch = cuts[i].batch;
    recording cut = record_prompt(&how, golden, LONG_PROMPT);
    size_t bytes = LONG_LENGTH * golden->vocab * sizeof *cut.logits;
    cr_assert(memcmp(cut.logits, whole.logits, bytes) == 0,
              "%s at %s, precision %d, KV %d: %u threads and batches of %zu give other "
              "bits",
              models[model].folder, dyno_isa_name(isa), precision, kv, how.threads, how.batch);
    free(cut.logits);
  }
  free(whole.logits);
  dyno_golden_close(&golden);
}

ParameterizedTestParameters(engine, threads_and_batches_change_no_bit)
{
  static size_t indices[MODEL_COUNT] = {4, 1}; /* MXFP4 experts, a narrow window */
  bool nightly = getenv("DYNO_NIGHTLY") != NULL;
  for (size_t i = 0; i < MODEL_COUNT && nightly; i++)
    indices[i] = i;
  return cr_make_param_array(size_t, indices, nightly ? MODEL_COUNT : 2);
}

ParameterizedTest(size_t *index, engine, threads_and_batches_change_no_bit)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  for (dyno_isa isa = DYNO_ISA_REF; isa <= cpu.isa; isa++) {
    size_t count = cuts_for(isa, cpu.isa);
    compare_cuts(*index, DYNO_PRECISION_FAST, DYNO_KV_OF_PRECISION, isa, count);
    if (isa != cpu.isa && getenv("DYNO_NIGHTLY") == NULL)
      continue;
    compare_cuts(*index, DYNO_PRECISION_REFERENCE, DYNO_KV_OF_PRECISION, isa, count);
    compare_cuts(*index, DYNO_PRECISION_FAST, DYNO_KV_INT8, isa, 2);
  }
}

Test(engine, both_layouts_of_a_model_give_the_same_bits)
{
  static const size_t pairs[][2] = {{1, 2}, {4, 5}};
  for (size_t i = 0; i < 2; i++) {
    dyno_golden *golden = open_golden(pairs[i][0]);
    recording logits[2];
    for (size_t j = 0; j < 2; j++)
      logits[j] =
          record_prompt(&(setup){pairs[i][j], DYNO_PRECISION_FAST, DYNO_ISA_COUNT, 2, 64, 0},
                        golden, LONG_PROMPT);
    cr_assert(memcmp(logits[0].logits, logits[1].logits,
                     LONG_LENGTH * golden->vocab * sizeof(float)) == 0,
              "%s and %s differ", models[pairs[i][0]].folder, models[pairs[i][1]].folder);
    free(logits[0].logits);
    free(logits[1].logits);
    dyno_golden_close(&golden);
  }
}

Test(engine, a_sequence_goes_on_where_it_stopped_and_starts_anew)
{
  dyno_golden *golden = open_golden(0);
  const dyno_golden_prompt *prompt = &golden->prompts[LONG_PROMPT];
  dyno_engine *engine = open_engine(&(setup){0, DYNO_PRECISION_FAST, DYNO_ISA_COUNT, 2, 64, 0});
  int32_t tokens[LONG_LENGTH];
  for (size_t i = 0; i < LONG_LENGTH; i++)
    tokens[i] = (int32_t)prompt->tokens[i];

  dyno_sequence *sequence;
  dyno_error error = {0};
  float *first = calloc(golden->vocab, sizeof *first);
  cr_assert(dyno_sequence_open(&sequence, engine, LONG_LENGTH, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_sequence_logits(sequence) == NULL, "no logits before the first token");
  cr_assert(dyno_sequence_append(sequence, tokens, LONG_LENGTH, NULL, NULL, &error) == DYNO_OK,
            "%s", error.message);
  memcpy(first, dyno_sequence_logits(sequence), golden->vocab * sizeof *first);

  dyno_sequence_clear(sequence);
  for (size_t i = 0; i < LONG_LENGTH; i++) { /* 1, 2, 3, ... tokens at a time */
    size_t start = i * (i + 1) / 2, count = i + 1;
    if (start >= LONG_LENGTH)
      break;
    if (count > LONG_LENGTH - start)
      count = LONG_LENGTH - start;
    cr_assert(dyno_sequence_append(sequence, tokens + start, count, NULL, NULL, &error) == DYNO_OK,
              "%s", error.message);
  }
  cr_assert(memcmp(first, dyno_sequence_logits(sequence), golden->vocab * sizeof *first) == 0,
            "the same tokens give the same logits");
  cr_assert(dyno_sequence_kv_bytes(sequence) > 0, "keys and values take memory");
  free(first);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  dyno_golden_close(&golden);
}

Test(engine, refuses_what_makes_no_sense)
{
  dyno_engine *engine = open_engine(&(setup){0, DYNO_PRECISION_FAST, DYNO_ISA_COUNT, 1, 64, 0});
  dyno_sequence *sequence;
  dyno_error error = {0};
  size_t context = dyno_engine_config(engine)->context_length;
  int32_t vocab = (int32_t)dyno_engine_config(engine)->vocab;
  cr_assert(dyno_sequence_open(&sequence, engine, 0, &error) == DYNO_ERROR_USAGE, "capacity 0");
  cr_assert(dyno_sequence_open(&sequence, engine, context + 1, &error) == DYNO_ERROR_USAGE,
            "beyond the context");
  cr_assert(sequence == NULL, "nothing is left open");
  cr_assert(dyno_sequence_open(&sequence, engine, 2, &error) == DYNO_OK, "%s", error.message);
  const int32_t bad[][3] = {{0, -1, 0}, {0, vocab, 0}, {0, 0, 0}};
  for (size_t i = 0; i < 3; i++) {
    cr_assert(dyno_sequence_append(sequence, bad[i], 3, NULL, NULL, &error) == DYNO_ERROR_USAGE,
              "case %zu", i);
    cr_assert(dyno_sequence_length(sequence) == 0, "nothing was run");
  }
  cr_assert(strstr(error.message, "opened for 2") != NULL, "%s", error.message);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}

/* For measurements: a depth that was not computed, at which decoding goes on. */
Test(engine, repeats_keys_and_values)
{
  enum { FIRST = 70, LENGTH = 700, CAPACITY = 720 };
  dyno_engine *engine = open_engine(&(setup){4, DYNO_PRECISION_FAST, DYNO_ISA_COUNT, 2, 64, 0});
  dyno_sequence *sequence;
  dyno_error error = {0};
  int32_t tokens[FIRST];
  for (int32_t i = 0; i < FIRST; i++)
    tokens[i] = i;
  cr_assert(dyno_sequence_open(&sequence, engine, CAPACITY, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_sequence_repeat(sequence, LENGTH, &error) == DYNO_ERROR_USAGE, "of nothing");
  cr_assert(dyno_sequence_append(sequence, tokens, FIRST, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_sequence_repeat(sequence, CAPACITY + 1, &error) == DYNO_ERROR_USAGE, "too far");
  cr_assert(dyno_sequence_repeat(sequence, LENGTH, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_sequence_length(sequence) == LENGTH && dyno_sequence_logits(sequence) == NULL,
            "a length and no logits");
  cr_assert(dyno_sequence_append(sequence, tokens, 5, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  const float *logits = dyno_sequence_logits(sequence);
  for (size_t i = 0; i < dyno_engine_config(engine)->vocab; i++)
    cr_assert(logits[i] > -1e6f && logits[i] < 1e6f, "logit %zu is %g", i, (double)logits[i]);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}
