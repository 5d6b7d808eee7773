/* What two ways of computing agree in, and files of what a reference found. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/measure/layer_agreement.h"
#include "harness/measure/reference_file.h"
#include "runtime/text/file.h"
#include "tests/unit/random.h"

/* --- agreement of layers --- */

enum { WIDTH = 4, CHOSEN = 2, TOKENS = 2 };

/* Tells TOKENS rows of a layer, `at_a_time` with each call. */
static void tell(const dyno_probe *probe, size_t layer, const float *rows, const int32_t *experts,
                 size_t at_a_time)
{
  for (size_t at = 0; at < TOKENS; at += at_a_time)
    probe->rows(probe->context, &(dyno_probe_rows){.op = DYNO_PROBE_MOE_GATE_UP,
                                                   .layer = layer,
                                                   .rows = rows + at * WIDTH,
                                                   .count = at_a_time,
                                                   .k = WIDTH,
                                                   .expert = experts + at * CHOSEN,
                                                   .chosen = CHOSEN});
}

Test(layer_agreement, finds_what_was_planted)
{
  const dyno_model_config config = {
      .layers = 2, .d_model = WIDTH, .heads = 2, .head_dim = 2, .experts_per_token = CHOSEN};
  static const float reference[TOKENS * WIDTH] = {1, 2, -3, 4, 5, -6, 7, 8};
  static const int32_t chosen[TOKENS * CHOSEN] = {3, 1, 0, 2},
                                       others[TOKENS * CHOSEN] = {1, 3, 2, 5};
  float tenth[TOKENS * WIDTH];
  dyno_layer_agreement agreement;
  dyno_error error = {0};
  for (size_t i = 0; i < TOKENS * WIDTH; i++)
    tenth[i] = 1.1F * reference[i];
  cr_assert(dyno_layer_agreement_open(&agreement, &config, TOKENS, &error) == DYNO_OK);
  const dyno_probe probe = dyno_layer_agreement_probe(&agreement);
  dyno_layer_agreement_expect(&agreement, false);
  tell(&probe, 0, reference, chosen, TOKENS);
  tell(&probe, 1, reference, chosen, 1);
  dyno_layer_agreement_expect(&agreement, true);
  tell(&probe, 0, reference, chosen, 1);
  tell(&probe, 1, tenth, others, TOKENS);

  const dyno_site_errors *first = &agreement.errors[DYNO_SITE_EXPERTS];
  const dyno_site_errors *second = &agreement.errors[DYNO_SITE_COUNT + DYNO_SITE_EXPERTS];
  cr_assert(first->count == TOKENS && second->count == TOKENS);
  for (size_t i = 0; i < TOKENS; i++) {
    cr_assert(first->squares[i] == 0);
    cr_assert_float_eq(second->squares[i], 0.01, 1e-6);
  }
  const dyno_layer_choices *same = &agreement.choices[0], *planted = &agreement.choices[1];
  cr_assert(same->tokens == 2 && same->same == 2 && same->choices == 4 && same->shared == 4);
  cr_assert(planted->tokens == 2 && planted->same == 1, "the order of the chosen does not matter");
  cr_assert(planted->choices == 4 && planted->shared == 3);
  cr_assert(agreement.errors[DYNO_SITE_ATTENTION].count == 0);
  dyno_layer_agreement_free(&agreement);
}

/* --- of a real model --- */

static dyno_engine *open_engine(dyno_precision precision)
{
  const char *folder = getenv("top_srcdir");
  char path[4096];
  dyno_engine *engine;
  dyno_error error = {0};
  snprintf(path, sizeof path, "%s/tests/oracle/models/mxfp4", folder != NULL ? folder : ".");
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.precision = precision;
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  return engine;
}

static dyno_passages random_passages(const dyno_engine *engine, size_t count)
{
  dyno_passages passages;
  dyno_error error = {0};
  cr_assert(dyno_passages_random(&passages, count, 1, engine, &error) == DYNO_OK, "%s",
            error.message);
  return passages;
}

/* The divergence over a passage, by the engines themselves. */
static dyno_divergence diverge(dyno_engine *reference, dyno_engine *other, const dyno_passages *p,
                               dyno_layer_agreement *layers)
{
  dyno_divergence divergence = {.layers = layers};
  dyno_error error = {0};
  cr_assert(dyno_divergence_add(&divergence, reference, other, dyno_passage_tokens(p, 0),
                                dyno_passage_length(p, 0), &error) == DYNO_OK,
            "%s", error.message);
  return divergence;
}

Test(layer_agreement, of_a_model_and_itself_is_complete)
{
  dyno_engine *reference = open_engine(DYNO_PRECISION_REFERENCE);
  const dyno_model_config *config = dyno_engine_config(reference);
  dyno_passages passages = random_passages(reference, 40); /* more than one portion */
  dyno_layer_agreement layers;
  dyno_error error = {0};
  cr_assert(dyno_layer_agreement_open(&layers, config, DYNO_DIVERGENCE_PORTION, &error) == DYNO_OK);
  dyno_divergence divergence = diverge(reference, reference, &passages, &layers);
  cr_assert(divergence.count == 40 && divergence.same_top == 40);
  for (size_t layer = 0; layer < config->layers; layer++) {
    const dyno_layer_choices *c = &layers.choices[layer];
    cr_assert(c->tokens == 40 && c->same == 40 && c->shared == 40 * config->experts_per_token);
    for (size_t site = 0; site < DYNO_SITE_HEAD; site++) {
      const dyno_site_errors *errors = &layers.errors[layer * DYNO_SITE_COUNT + site];
      cr_assert(errors->count == 40, "%s of layer %zu: %zu",
                dyno_layer_site_name((dyno_layer_site)site), layer, errors->count);
      for (size_t i = 0; i < errors->count; i++)
        cr_assert(errors->squares[i] == 0);
    }
  }
  cr_assert(layers.errors[DYNO_SITE_HEAD].count == 40);
  dyno_divergence_free(&divergence);
  dyno_layer_agreement_free(&layers);
  dyno_passages_free(&passages);
  dyno_engine_close(&reference);
}

Test(greedy, stops_agreeing_where_a_token_was_changed)
{
  dyno_engine *engine = open_engine(DYNO_PRECISION_FAST);
  dyno_passages passages = random_passages(engine, 16);
  dyno_tokens tokens = {0};
  dyno_greedy greedy = {0};
  dyno_error error = {0};
  size_t same, prompt = passages.passages[0].prompt;
  cr_assert(dyno_greedy_continue(&tokens, engine, &passages, 0, 12, &error) == DYNO_OK);
  cr_assert(prompt == 8 && tokens.count == 20, "%zu and %zu", prompt, tokens.count);
  cr_assert(dyno_greedy_compare(&greedy, engine, tokens.ids, 20, prompt, &error) == DYNO_OK);
  tokens.ids[prompt + 7] ^= 1;
  cr_assert(dyno_greedy_compare(&greedy, engine, tokens.ids, 20, prompt, &error) == DYNO_OK);
  tokens.ids[prompt + 7] ^= 1;
  tokens.ids[prompt] ^= 1;
  cr_assert(dyno_greedy_compare(&greedy, engine, tokens.ids, 20, prompt, &error) == DYNO_OK);
  cr_assert(greedy.count == 3 && greedy.same == 1 && greedy.tokens == 36);
  cr_assert(greedy.agreed[0] == 12 && greedy.agreed[1] == 7 && greedy.agreed[2] == 0);
  cr_assert(dyno_repeat_runs(&same, engine, tokens.ids, tokens.count, 3, &error) == DYNO_OK);
  cr_assert(same == 3);
  dyno_greedy_free(&greedy);
  dyno_tokens_free(&tokens);
  dyno_passages_free(&passages);
  dyno_engine_close(&engine);
}

/* --- files --- */

/* The offsets that docs/quantization.md states. */
enum { VOCAB_AT = 8, KEPT_AT = 12, SEQUENCES_AT = 16, PAYLOAD_AT = 24, SUM_AT = 32, HEADER = 72 };
enum { COUNT_AT = HEADER, PROMPT_AT = HEADER + 4, TOKENS_AT = HEADER + 8, LENGTH = 6 };
enum { ROW_AT = TOKENS_AT + 4 * LENGTH, IDS_AT = ROW_AT + 8, VALUES_AT = IDS_AT + 4 * 256 };

typedef struct stored {
  char path[32];
  char *bytes;
  size_t size;
} stored;

static void put(const stored *s, size_t size)
{
  FILE *file = fopen(s->path, "wb");
  cr_assert(file != NULL && fwrite(s->bytes, 1, size, file) == size && fclose(file) == 0);
}

/* What a reference finds on LENGTH tokens, and 5 that it goes on with. */
static stored store(dyno_engine *engine, const dyno_passages *passages)
{
  stored s = {.path = "/tmp/dyno-reference-XXXXXX"};
  dyno_error error = {0};
  int file = mkstemp(s.path);
  cr_assert(file >= 0 && close(file) == 0);
  cr_assert(dyno_reference_file_write(s.path, engine, passages, 1, 5, NULL, NULL, &error) ==
                DYNO_OK,
            "%s", error.message);
  cr_assert(dyno_file_read(&s.bytes, &s.size, s.path, 1 << 24, &error) == DYNO_OK);
  return s;
}

static stored store_few(void)
{
  dyno_engine *engine = open_engine(DYNO_PRECISION_REFERENCE);
  dyno_passages passages = random_passages(engine, LENGTH);
  stored s = store(engine, &passages);
  dyno_passages_free(&passages);
  dyno_engine_close(&engine);
  return s;
}

static void drop(stored *s)
{
  unlink(s->path);
  free(s->bytes);
}

Test(reference_file, tells_what_the_reference_itself_does)
{
  dyno_engine *reference = open_engine(DYNO_PRECISION_REFERENCE);
  dyno_engine *other = open_engine(DYNO_PRECISION_FAST);
  dyno_passages passages = random_passages(reference, 24);
  dyno_divergence direct = diverge(reference, other, &passages, NULL), from_file = {0};
  dyno_reference_file file;
  dyno_greedy greedy = {0};
  dyno_error error = {0};
  stored s = store(reference, &passages);
  cr_assert(dyno_reference_file_read(&file, s.path, &error) == DYNO_OK, "%s", error.message);
  cr_assert(file.count == 2 && file.sequences[0].count == 24 && file.sequences[1].count == 17);
  for (size_t i = 0; i < file.count; i++)
    cr_assert(dyno_reference_file_compare(&from_file, &greedy, &file, i, other, &error) == DYNO_OK);
  cr_assert(from_file.count == 24 && from_file.same_top == direct.same_top);
  cr_assert(from_file.followed == direct.followed && greedy.count == 1 && greedy.tokens == 5);
  for (size_t i = 0; i < from_file.count; i++) {
    cr_assert_leq(from_file.nats[i], direct.nats[i] + 1e-7, "others as one cannot be further off");
    cr_assert_geq(from_file.nats[i], 0.9 * direct.nats[i] - 1e-7, "%zu: %g of %g", i,
                  from_file.nats[i], direct.nats[i]);
  }
  for (size_t i = 0; i < from_file.followed; i++)
    cr_assert_float_eq(from_file.log_ratios[i], direct.log_ratios[i], 1e-5);
  drop(&s);
  dyno_greedy_free(&greedy);
  dyno_reference_file_free(&file);
  dyno_divergence_free(&direct);
  dyno_divergence_free(&from_file);
  dyno_passages_free(&passages);
  dyno_engine_close(&other);
  dyno_engine_close(&reference);
}

/* Reads the first `size` bytes, which must be refused, and the message name the file. */
static void refuse(const stored *s, size_t size, const char *what)
{
  dyno_reference_file file;
  dyno_error error = {0};
  put(s, size);
  cr_assert(dyno_reference_file_read(&file, s->path, &error) == DYNO_ERROR_FORMAT, "%s, %zu bytes",
            what, size);
  cr_assert(strstr(error.message, s->path) != NULL && strstr(error.message, "offset") != NULL, "%s",
            error.message);
  cr_assert(file.bytes == NULL && file.sequences == NULL && file.count == 0);
}

Test(reference_file, damage_is_refused)
{
  stored s = store_few();
  for (size_t size = 0; size < s.size; size += size < 128 ? 1 : 997)
    refuse(&s, size, "cut off");
  for (size_t at = 0; at < s.size; at += at < HEADER ? 1 : 499) {
    s.bytes[at] ^= 0x10;
    refuse(&s, s.size, "a changed byte");
    s.bytes[at] ^= 0x10;
  }
  drop(&s);
}

/* Makes the header right again, as someone would who means harm. */
static void seal(const stored *s)
{
  uint64_t payload = s->size - HEADER, sum = XXH3_64bits(s->bytes + HEADER, s->size - HEADER);
  memcpy(s->bytes + PAYLOAD_AT, &payload, sizeof payload);
  memcpy(s->bytes + SUM_AT, &sum, sizeof sum);
  sum = XXH3_64bits(s->bytes, HEADER);
  memcpy(s->bytes + SUM_AT, &sum, sizeof sum);
}

Test(reference_file, so_are_lies_that_are_sealed)
{
  static const uint32_t nan = 0x7fc00000, zero_log = 0x7f800000, most = UINT32_MAX;
  const struct {
    const char *what;
    size_t at;
    uint32_t value;
  } lies[] = {
      {"no vocabulary", VOCAB_AT, 0},
      {"a huge vocabulary", VOCAB_AT, most},
      {"a vocabulary of fewer than are kept", VOCAB_AT, 255},
      {"none kept", KEPT_AT, 0},
      {"fewer kept", KEPT_AT, 255},
      {"all kept", KEPT_AT, most},
      {"no sequences", SEQUENCES_AT, 0},
      {"fewer sequences", SEQUENCES_AT, 1},
      {"more sequences", SEQUENCES_AT, 3},
      {"very many sequences", SEQUENCES_AT, most},
      {"the model's name", 44, 0x00414141},
      {"no tokens", COUNT_AT, 0},
      {"more tokens", COUNT_AT, LENGTH + 1},
      {"very many tokens", COUNT_AT, most},
      {"all of it a prompt", PROMPT_AT, LENGTH},
      {"a passage as a continuation", PROMPT_AT, LENGTH - 1},
      {"a token beyond the vocabulary", TOKENS_AT, 320},
      {"a negative token", TOKENS_AT, most},
      {"the others' probability", ROW_AT, nan},
      {"the next one's probability", ROW_AT + 4, zero_log},
      {"a kept token beyond the vocabulary", IDS_AT, 320},
      {"a probability that is none", VALUES_AT, nan},
      {"a probability above 1", VALUES_AT, 0x40000000},
      {"a probability above the one before", VALUES_AT + 4, 0},
      {"probabilities of more than 1", ROW_AT, 0},
  };
  stored s = store_few();
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
    uint32_t truth;
    memcpy(&truth, s.bytes + lies[i].at, sizeof truth);
    memcpy(s.bytes + lies[i].at, &lies[i].value, sizeof truth);
    seal(&s);
    refuse(&s, s.size, lies[i].what);
    memcpy(s.bytes + lies[i].at, &truth, sizeof truth);
  }
  drop(&s);
}

Test(reference_file, whatever_the_bytes_are_it_is_read_or_refused)
{
  stored s = store_few();
  uint64_t state = 7;
  for (size_t i = 0; i < 500; i++) {
    size_t at = random_below(&state, i % 2 == 0 ? 128 : s.size);
    char before = s.bytes[at];
    s.bytes[at] = (char)random_next(&state);
    seal(&s);
    put(&s, s.size);
    dyno_reference_file file;
    dyno_error error = {0};
    dyno_status status = dyno_reference_file_read(&file, s.path, &error);
    cr_assert(status == DYNO_OK || status == DYNO_ERROR_FORMAT, "%s", error.message);
    dyno_reference_file_free(&file);
    s.bytes[at] = before;
  }
  drop(&s);
}
