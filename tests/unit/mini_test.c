/* dyno-mini is what the published model code computes, and its parts can be left out. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "harness/measure/logits.h"
#include "runtime/data.h"
#include "runtime/engine.h"
#include "tests/oracle/golden.h"

/* As for the oracle's models: log-probabilities, and argmaxes whose margin exceeds it. */
static const double tolerance = 2e-3;

static const char *tree(void)
{
  const char *source = getenv("top_srcdir");
  return source != NULL ? source : ".";
}

/* Has --model mini found in the tree. */
static void use_tree(void)
{
  char data[4096];
  snprintf(data, sizeof data, "%s/testcases", tree());
  setenv("DYNO_DATA", data, 1);
}

static dyno_golden *open_golden(void)
{
  char path[4096];
  dyno_error error = {0};
  dyno_golden *golden;
  snprintf(path, sizeof path, "%s/testcases/mini/mini.golden.gz", tree());
  cr_assert(dyno_golden_open(&golden, path, &error) == DYNO_OK, "%s", error.message);
  return golden;
}

static dyno_engine *open_mini(dyno_precision precision, dyno_parts ablate)
{
  dyno_error error = {0};
  dyno_engine *engine;
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  use_tree();
  options.model = "mini";
  options.precision = precision;
  options.registry.threads = 2;
  options.ablate = ablate;
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  return engine;
}

typedef struct comparison {
  const dyno_golden *golden;
  size_t prompt;
  dyno_golden_difference difference;
  double loss; /* of the prompts' own tokens */
} comparison;

static void compare(void *context, size_t position, const float *logits)
{
  comparison *c = context;
  const dyno_golden_prompt *prompt = &c->golden->prompts[c->prompt];
  dyno_golden_compare(c->golden, &c->difference, c->prompt, position, logits, tolerance);
  if (position + 1 < prompt->length)
    c->loss +=
        dyno_log_sum_exp(logits, c->golden->vocab) - (double)logits[prompt->tokens[position + 1]];
}

static comparison run_golden(dyno_precision precision, dyno_parts ablate)
{
  dyno_engine *engine = open_mini(precision, ablate);
  dyno_golden *golden = open_golden();
  comparison c = {.golden = golden};
  cr_assert(golden->vocab == dyno_engine_config(engine)->vocab, "the vocabularies differ");
  for (; c.prompt < golden->prompt_count; c.prompt++) {
    const dyno_golden_prompt *prompt = &golden->prompts[c.prompt];
    dyno_sequence *sequence;
    dyno_error error = {0};
    int32_t *tokens = calloc(prompt->length, sizeof *tokens);
    for (size_t i = 0; i < prompt->length; i++)
      tokens[i] = (int32_t)prompt->tokens[i];
    cr_assert(dyno_sequence_open(&sequence, engine, prompt->length, &error) == DYNO_OK, "%s",
              error.message);
    cr_assert(dyno_sequence_append(sequence, tokens, prompt->length, compare, &c, &error) ==
                  DYNO_OK,
              "%s", error.message);
    dyno_sequence_close(&sequence);
    free(tokens);
  }
  c.golden = NULL;
  dyno_golden_close(&golden);
  dyno_engine_close(&engine);
  return c;
}

Test(mini, the_golden_is_of_this_file)
{
  char *path;
  dyno_error error = {0};
  use_tree();
  cr_assert(dyno_data_path(&path, "mini/dyno-mini.gguf", &error) == DYNO_OK, "%s", error.message);
  dyno_golden *golden = open_golden();
  FILE *file = fopen(path, "rb");
  cr_assert(file != NULL, "no %s", path);
  unsigned char bytes[1 << 14];
  uLong crc = crc32(0, NULL, 0);
  for (size_t count; (count = fread(bytes, 1, sizeof bytes, file)) > 0;)
    crc = crc32(crc, bytes, (uInt)count);
  fclose(file);
  free(path);
  cr_assert(crc == golden->model_crc32, "CRC-32 %08lx, not %08lx: run make_golden.py", crc,
            (unsigned long)golden->model_crc32);
  dyno_golden_close(&golden);
}

Test(mini, the_reference_path_agrees_with_the_published_code)
{
  comparison c = run_golden(DYNO_PRECISION_REFERENCE, 0);
  cr_assert(c.difference.positions > 1500, "only %zu positions", c.difference.positions);
  cr_assert(c.difference.largest <= tolerance, "off by %g at prompt %zu, position %zu",
            c.difference.largest, c.difference.prompt, c.difference.position);
  cr_assert(c.difference.argmax_differences == 0, "%zu argmaxes differ",
            c.difference.argmax_differences);
}

/* What long contexts need: a model that was trained with them loses without. */
Test(mini, the_window_and_yarn_are_used)
{
  static const dyno_part parts[] = {DYNO_PART_WINDOW, DYNO_PART_YARN};
  double whole = run_golden(DYNO_PRECISION_FAST, 0).loss;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    double without = run_golden(DYNO_PRECISION_FAST, 1U << parts[i]).loss;
    cr_assert(without > 1.01 * whole, "without %s the loss is %.1f, with it %.1f",
              dyno_part_name(parts[i]), without, whole);
  }
}

Test(mini, sinks_can_be_left_out)
{
  double with = run_golden(DYNO_PRECISION_REFERENCE, 0).loss;
  double without = run_golden(DYNO_PRECISION_REFERENCE, 1U << DYNO_PART_SINKS).loss;
  cr_assert(without != with, "the loss is %.9f both with and without sinks", with);
}
