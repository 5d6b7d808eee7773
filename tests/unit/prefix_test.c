/* The cache of prefixes: that whatever it gives has the bits of what would have been computed, that
 * it never holds more than it may, and that what has to leave, leaves. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine.h"
#include "tests/unit/random.h"

/* Tiny models with windows far shorter than the prompts; keys and values in BF16 and F32. */
static const struct {
  const char *name;
  dyno_precision precision;
} models[] = {{"mxfp4", DYNO_PRECISION_FAST},
              {"f16-unusual", DYNO_PRECISION_REFERENCE},
              {"bf16-odd", DYNO_PRECISION_FAST}};
enum { DAILY = 2, MODEL_COUNT = sizeof models / sizeof *models, CAPACITY = 400, LONG = 330 };

static dyno_engine *open_engine(size_t model, dyno_cache_options cache, unsigned threads,
                                size_t batch)
{
  char path[4096];
  const char *tree = getenv("top_srcdir");
  snprintf(path, sizeof path, "%s/tests/oracle/models/%s", tree != NULL ? tree : ".",
           models[model].name);
  dyno_engine *engine;
  dyno_error error = {0};
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.precision = models[model].precision;
  options.registry.threads = threads;
  options.batch = batch;
  options.cache = cache;
  dyno_status status = dyno_engine_open(&engine, &options, &error);
  cr_assert(status == DYNO_OK, "%s: %s", path, error.message);
  return engine;
}

static const dyno_cache_options cache_on = {.levels = DYNO_CACHE_L2, .size = 64};

static dyno_sequence *open_sequence(dyno_engine *engine)
{
  dyno_sequence *sequence;
  dyno_error error = {0};
  cr_assert(dyno_sequence_open(&sequence, engine, CAPACITY, &error) == DYNO_OK, "%s",
            error.message);
  return sequence;
}

/* Tokens that differ with the seed from position `from` on. */
static void make_tokens(int32_t *tokens, size_t count, size_t from, uint64_t seed, size_t vocab)
{
  uint64_t same = 1, own = seed + 100;
  for (size_t i = 0; i < count; i++)
    tokens[i] = (int32_t)random_below(i < from ? &same : &own, vocab);
}

static void append(dyno_sequence *sequence, const int32_t *tokens, size_t count)
{
  dyno_error error = {0};
  dyno_status status = dyno_sequence_append(sequence, tokens, count, NULL, NULL, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
}

/* The logits of `count` tokens and those of three more that follow, computed without a cache. */
typedef struct truth {
  dyno_engine *engine;
  dyno_sequence *sequence;
  size_t vocab;
} truth;

static truth open_truth(size_t model)
{
  truth made = {.engine = open_engine(model, (dyno_cache_options){0}, 2, 64)};
  made.sequence = open_sequence(made.engine);
  made.vocab = dyno_engine_config(made.engine)->vocab;
  return made;
}

static void close_truth(truth *of)
{
  dyno_sequence_close(&of->sequence);
  dyno_engine_close(&of->engine);
}

/* Whether the sequence, which holds the first `held` tokens, goes on with the rest as it should:
 * the logits after the rest, and after each of a few more, have the same bits. */
static void check_append(const truth *with, dyno_sequence *sequence, const int32_t *tokens,
                         size_t held, size_t count, const char *when)
{
  dyno_sequence_clear(with->sequence);
  append(with->sequence, tokens, count);
  append(sequence, tokens + held, count - held);
  for (size_t i = 0;; i++) {
    cr_assert(dyno_sequence_length(sequence) == count + i, "%s: length", when);
    cr_assert(memcmp(dyno_sequence_logits(sequence), dyno_sequence_logits(with->sequence),
                     with->vocab * sizeof(float)) == 0,
              "%s: other bits after %zu tokens", when, count + i);
    if (i == 3)
      break;
    append(with->sequence, &tokens[i], 1);
    append(sequence, &tokens[i], 1);
  }
}

static void check_account(const dyno_engine *engine, const char *when)
{
  dyno_cache_statistics now = dyno_engine_get_cache(engine);
  cr_assert(now.account.used <= now.account.limit && now.account.peak <= now.account.limit,
            "%s: more than the limit", when);
  cr_assert(now.account.used == now.prefixes.nodes * now.prefixes.node_bytes,
            "%s: %zu nodes are charged %lu bytes", when, now.prefixes.nodes,
            (unsigned long)now.account.used);
}

ParameterizedTestParameters(prefix, a_hit_has_the_bits_of_a_miss)
{
  static size_t indices[MODEL_COUNT] = {0, 1, 2};
  return cr_make_param_array(size_t, indices, getenv("DYNO_NIGHTLY") != NULL ? MODEL_COUNT : DAILY);
}

/* Cold, warm, in part, and of lengths around the borders of nodes. */
ParameterizedTest(size_t *index, prefix, a_hit_has_the_bits_of_a_miss)
{
  static const size_t lengths[] = {LONG, 65, 64, 63, 2, 129, 128, LONG};
  truth with = open_truth(*index);
  dyno_engine *engine = open_engine(*index, cache_on, 1, 100);
  dyno_sequence *sequence = open_sequence(engine);
  int32_t tokens[CAPACITY];
  make_tokens(tokens, CAPACITY, CAPACITY, 0, with.vocab);
  check_append(&with, sequence, tokens, 0, LONG, "cold");
  cr_assert(dyno_sequence_reused(sequence) == 0, "nothing was there");
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    dyno_sequence_clear(sequence);
    check_append(&with, sequence, tokens, 0, lengths[i], "warm");
    cr_assert(dyno_sequence_reused(sequence) == lengths[i] - 1, "all but one of %zu, not %zu",
              lengths[i], dyno_sequence_reused(sequence));
  }
  static const size_t forks[] = {10, 64, 100, LONG - 1};
  for (size_t i = 0; i < sizeof forks / sizeof *forks; i++) {
    make_tokens(tokens, CAPACITY, forks[i], i + 1, with.vocab);
    dyno_sequence_clear(sequence);
    check_append(&with, sequence, tokens, 0, LONG, "from a fork");
    size_t reused = dyno_sequence_reused(sequence);
    cr_assert(reused >= forks[i] && reused < forks[i] + 3, "%zu of %zu", reused, forks[i]);
  }
  check_account(engine, "in the end");
  dyno_sequence_close(&sequence);
  dyno_cache_statistics end = dyno_engine_get_cache(engine);
  cr_assert(end.prefixes.pinned == 0, "nobody stands anywhere");
  cr_assert(end.blocks.blocks == end.prefixes.nodes * dyno_engine_config(engine)->layers,
            "blocks are those of nodes");
  dyno_engine_close(&engine);
  close_truth(&with);
}

/* Sequences that share blocks, go back, and go on in ways of their own. */
Test(prefix, sequences_that_share_do_not_disturb_each_other)
{
  enum { SEQUENCES = 4, STEPS = 40 };
  truth with = open_truth(0);
  dyno_engine *engine = open_engine(0, cache_on, 2, 32);
  dyno_sequence *sequences[SEQUENCES];
  int32_t tokens[SEQUENCES][CAPACITY]; /* made for a sequence when it is empty */
  size_t lengths[SEQUENCES] = {0};
  uint64_t state = 3;
  for (size_t i = 0; i < SEQUENCES; i++)
    sequences[i] = open_sequence(engine);
  for (size_t step = 0; step < STEPS; step++) {
    size_t which = random_below(&state, SEQUENCES), *length = &lengths[which];
    dyno_sequence *sequence = sequences[which];
    size_t to = random_below(&state, *length + 1);
    if (*length == 0 || random_below(&state, 3) == 0 || *length + 150 > CAPACITY ||
        !dyno_sequence_truncate(sequence, to)) {
      dyno_sequence_clear(sequence);
      to = 0;
      make_tokens(tokens[which], CAPACITY, random_below(&state, LONG), random_below(&state, 3),
                  with.vocab);
    }
    size_t count = to + 1 + random_below(&state, to + 140 < CAPACITY ? 130 : 10);
    check_append(&with, sequence, tokens[which], to, count, "shared");
    /* check_append went on with the first tokens */
    memcpy(tokens[which] + count, tokens[which], 3 * sizeof **tokens);
    *length = count + 3;
    check_account(engine, "shared");
    if (step % 7 == 0)
      dyno_engine_idle(engine, 1000000);
  }
  dyno_cache_statistics now = dyno_engine_get_cache(engine);
  cr_assert(now.prefixes.found > 500 && now.prefixes.found_in_part > 100,
            "little was shared: %lu tokens, %lu of them in part", (unsigned long)now.prefixes.found,
            (unsigned long)now.prefixes.found_in_part);
  for (size_t i = 0; i < SEQUENCES; i++)
    dyno_sequence_close(&sequences[i]);
  now = dyno_engine_get_cache(engine);
  cr_assert(now.blocks.blocks == now.prefixes.nodes * dyno_engine_config(engine)->layers,
            "no reference was lost");
  dyno_engine_close(&engine);
  close_truth(&with);
}

/* A prompt in portions finds as much as one in one piece. */
Test(prefix, portions_find_what_a_whole_finds)
{
  truth with = open_truth(0);
  dyno_engine *engine = open_engine(0, cache_on, 2, 64);
  dyno_sequence *sequence = open_sequence(engine);
  dyno_error error = {0};
  int32_t tokens[CAPACITY], wrong = -1;
  size_t taken;
  make_tokens(tokens, CAPACITY, CAPACITY, 0, with.vocab);
  check_append(&with, sequence, tokens, 0, LONG, "cold");
  dyno_sequence_clear(sequence);
  cr_assert(dyno_sequence_reuse(sequence, &wrong, 1, &taken, &error) == DYNO_ERROR_USAGE,
            "a token");
  cr_assert(dyno_sequence_reuse(sequence, tokens, LONG, &taken, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(taken == LONG - 1 && dyno_sequence_length(sequence) == taken, "%zu", taken);
  cr_assert(dyno_sequence_logits(sequence) == NULL, "no logits yet");
  check_append(&with, sequence, tokens, taken, LONG, "the rest");
  dyno_sequence_clear(sequence);
  append(sequence, tokens, 150);
  append(sequence, tokens + 150, 100);
  check_append(&with, sequence, tokens, 250, LONG, "portions");
  cr_assert(dyno_sequence_reused(sequence) >= LONG - 4, "%zu", dyno_sequence_reused(sequence));
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  close_truth(&with);
}

static void show_nothing(void *context, size_t position, const float *logits)
{
  size_t *seen = context;
  cr_assert(position == *seen && logits != NULL, "position %zu", position);
  ++*seen;
}

/* What is asked for by position is computed, and what was repeated is not remembered. */
Test(prefix, takes_nothing_where_logits_are_shown_and_leaves_nothing_untrue)
{
  truth with = open_truth(0);
  dyno_engine *engine = open_engine(0, cache_on, 2, 64);
  dyno_sequence *sequence = open_sequence(engine);
  dyno_error error = {0};
  int32_t tokens[CAPACITY];
  make_tokens(tokens, CAPACITY, CAPACITY, 0, with.vocab);
  append(sequence, tokens, 100);
  cr_assert(dyno_sequence_repeat(sequence, 200, &error) == DYNO_OK, "%s", error.message);
  append(sequence, tokens + 200, 100);
  dyno_sequence_clear(sequence);
  cr_assert(dyno_engine_get_cache(engine).prefixes.nodes == 1, "the first 64");
  check_append(&with, sequence, tokens, 0, LONG, "after a repetition");
  cr_assert(dyno_sequence_reused(sequence) == 64, "%zu", dyno_sequence_reused(sequence));
  dyno_sequence_clear(sequence);
  size_t seen = 0;
  cr_assert(dyno_sequence_append(sequence, tokens, LONG, show_nothing, &seen, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(seen == LONG && dyno_sequence_reused(sequence) == 0, "all were computed");
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  close_truth(&with);
}

/* What the cache holds by what it tells. */
typedef struct shadow {
  const dyno_engine *engine;
  uint64_t held, inserted, evicted, hits, misses;
} shadow;

static void keep_account(void *context, const dyno_cache_event *event)
{
  shadow *of = context;
  dyno_cache_account account = dyno_engine_get_cache(of->engine).account;
  cr_assert(account.used <= account.limit, "more than the limit is held");
  of->held += event->kind == DYNO_CACHE_INSERT ? event->bytes : 0;
  of->held -= event->kind == DYNO_CACHE_EVICT ? event->bytes : 0;
  cr_assert(of->held <= account.limit, "the shadow account is exceeded");
  of->inserted += event->kind == DYNO_CACHE_INSERT;
  of->evicted += event->kind == DYNO_CACHE_EVICT;
  of->hits += event->kind == DYNO_CACHE_HIT;
  of->misses += event->kind == DYNO_CACHE_MISS;
}

/* A cache of one MiB, far less than what goes through it. */
Test(prefix, never_holds_more_than_it_may)
{
  enum { PROMPTS = 40 };
  truth with = open_truth(0);
  dyno_engine *engine = open_engine(
      0, (dyno_cache_options){.levels = DYNO_CACHE_L2, .size = 1, .threshold = 0.5}, 2, 64);
  shadow account = {.engine = engine};
  dyno_engine_set_cache_observer(engine, keep_account, &account);
  dyno_sequence *sequence = open_sequence(engine);
  int32_t tokens[CAPACITY];
  for (size_t i = 0; i < PROMPTS; i++) {
    make_tokens(tokens, CAPACITY, i % 4 * 60, i % 7, with.vocab);
    dyno_sequence_clear(sequence);
    if (i % 5 == 4)
      check_append(&with, sequence, tokens, 0, LONG, "evicting");
    else
      append(sequence, tokens, LONG);
    check_account(engine, "evicting");
    dyno_cache_statistics now = dyno_engine_get_cache(engine);
    cr_assert(account.held == now.account.used, "the shadow has %lu, the account %lu",
              (unsigned long)account.held, (unsigned long)now.account.used);
    if (i % 10 != 9)
      continue;
    dyno_sequence_clear(sequence);
    while (dyno_engine_idle(engine, 1000000))
      continue;
    now = dyno_engine_get_cache(engine);
    cr_assert(now.account.used <= now.account.threshold, "idle time evicts to the threshold");
    cr_assert(now.account.used + now.prefixes.node_bytes > now.account.threshold, "no further");
  }
  dyno_cache_prefixes end = dyno_engine_get_cache(engine).prefixes;
  cr_assert(end.most_nodes * end.node_bytes <= 1 << 20 && end.evicted > 50, "%lu evicted",
            (unsigned long)end.evicted);
  cr_assert(account.inserted == end.inserted && account.evicted == end.evicted + end.replaced &&
                account.hits > 0 && account.misses > 0,
            "all was told");
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  close_truth(&with);
}

/* Fewer blocks than a single prompt has: what was computed first stays, the rest is refused. */
Test(prefix, a_sequence_that_fills_the_cache_goes_on_without)
{
  truth with = open_truth(1);
  dyno_engine *engine =
      open_engine(1, (dyno_cache_options){.levels = DYNO_CACHE_L2, .size = 1}, 1, 64);
  dyno_sequence *sequences[4];
  int32_t tokens[CAPACITY];
  for (size_t i = 0; i < 4; i++) {
    sequences[i] = open_sequence(engine);
    make_tokens(tokens, CAPACITY, 0, i, with.vocab);
    check_append(&with, sequences[i], tokens, 0, LONG, "full");
    check_account(engine, "full");
  }
  dyno_cache_prefixes now = dyno_engine_get_cache(engine).prefixes;
  cr_assert(now.refused > 0 && now.nodes == now.most_nodes, "%zu of %zu nodes", now.nodes,
            now.most_nodes);
  dyno_sequence_clear(sequences[0]);
  check_append(&with, sequences[0], tokens, 0, LONG, "of another's");
  for (size_t i = 0; i < 4; i++)
    dyno_sequence_close(&sequences[i]);
  dyno_engine_close(&engine);
  close_truth(&with);
}

/* What is used often stays while others come and go once. */
Test(prefix, what_is_used_often_stays)
{
  dyno_engine *engine =
      open_engine(0, (dyno_cache_options){.levels = DYNO_CACHE_L2, .size = 1}, 2, 128);
  dyno_sequence *sequence = open_sequence(engine);
  size_t vocab = dyno_engine_config(engine)->vocab;
  int32_t tokens[CAPACITY];
  for (size_t i = 0; i < 5; i++) {
    make_tokens(tokens, CAPACITY, 0, 1000, vocab);
    append(sequence, tokens, 200);
    dyno_sequence_clear(sequence);
  }
  uint64_t evicted = dyno_engine_get_cache(engine).prefixes.evicted;
  for (size_t i = 0; dyno_engine_get_cache(engine).prefixes.evicted < evicted + 25; i++) {
    make_tokens(tokens, CAPACITY, 0, 2000 + i, vocab);
    append(sequence, tokens, 200);
    dyno_sequence_clear(sequence);
  }
  make_tokens(tokens, CAPACITY, 0, 1000, vocab);
  append(sequence, tokens, 200);
  cr_assert(dyno_sequence_reused(sequence) == 199, "%zu", dyno_sequence_reused(sequence));
  dyno_sequence_clear(sequence);
  make_tokens(tokens, CAPACITY, 0, 2000, vocab);
  append(sequence, tokens, 200);
  cr_assert(dyno_sequence_reused(sequence) == 0, "what came once has left");
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}

/* Long sequences that nobody computed leave holes between the blocks of one that was. */
Test(prefix, moved_blocks_have_the_same_bits)
{
  enum { FILLERS = 12, FILLED = 3000 };
  truth with = open_truth(0);
  dyno_engine *engine = open_engine(0, cache_on, 2, 64);
  dyno_sequence *fillers[FILLERS], *sequence = open_sequence(engine);
  dyno_error error = {0};
  int32_t tokens[CAPACITY];
  make_tokens(tokens, CAPACITY, CAPACITY, 0, with.vocab);
  size_t held = 0;
  for (size_t i = 0; i < FILLERS; i++) {
    cr_assert(dyno_sequence_open(&fillers[i], engine, FILLED, &error) == DYNO_OK, "%s",
              error.message);
    append(fillers[i], tokens + 1, 64);
    cr_assert(dyno_sequence_repeat(fillers[i], FILLED, &error) == DYNO_OK, "%s", error.message);
    append(sequence, tokens + held, LONG / FILLERS);
    held += LONG / FILLERS;
  }
  for (size_t i = 0; i < FILLERS; i += 2)
    dyno_sequence_close(&fillers[i]);
  dyno_cache_blocks before = dyno_engine_get_cache(engine).blocks;
  while (dyno_engine_idle(engine, 100000))
    continue;
  dyno_cache_blocks after = dyno_engine_get_cache(engine).blocks;
  cr_assert(after.moved > 0 && after.returned > 0 && after.chunks < before.chunks,
            "%zu chunks of %zu, %lu moved, %lu given back", after.chunks, before.chunks,
            (unsigned long)after.moved, (unsigned long)after.returned);
  check_append(&with, sequence, tokens, held, CAPACITY - 10, "moved");
  dyno_sequence_clear(sequence);
  check_append(&with, sequence, tokens, 0, CAPACITY - 10, "moved, from the cache");
  for (size_t i = 1; i < FILLERS; i += 2)
    dyno_sequence_close(&fillers[i]);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  close_truth(&with);
}
