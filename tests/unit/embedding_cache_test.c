/* L1: CLOCK against a plain model of it, rows against decoding, and logits with the cache and with
 * prefetching against those without. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/clock.h"
#include "runtime/cache/embedding_cache.h"
#include "runtime/engine.h"
#include "runtime/synth/random.h"

enum { KEYS = 40, SLOTS = 7 };

/* Slots as records, looked through one by one. */
typedef struct shadow {
  struct {
    uint32_t key;
    bool taken, used, pinned;
  } slot[SLOTS];
  size_t hand;
} shadow;

static size_t shadow_find(const shadow *s, uint32_t key)
{
  size_t at = 0;
  while (at < SLOTS && !(s->slot[at].taken && s->slot[at].key == key))
    at++;
  return at;
}

/* SLOTS when none may go. */
static size_t shadow_take(shadow *s, uint32_t key)
{
  size_t at = 0;
  while (at < SLOTS && s->slot[at].taken)
    at++;
  for (size_t steps = 0; at == SLOTS && steps < 2 * SLOTS + 1; steps++) {
    size_t here = s->hand;
    bool pinned = s->slot[here].pinned, used = s->slot[here].used;
    size_t pins = 0;
    for (size_t i = 0; i < SLOTS; i++)
      pins += s->slot[i].pinned;
    if (pins == SLOTS)
      return SLOTS;
    s->hand = (here + 1) % SLOTS;
    if (!pinned && used)
      s->slot[here].used = false;
    else if (!pinned)
      at = here;
  }
  s->slot[at].key = key;
  s->slot[at].taken = s->slot[at].pinned = true;
  s->slot[at].used = false;
  return at;
}

Test(clock, does_as_a_plain_model_of_it)
{
  dyno_clock clock;
  dyno_error error = {0};
  dyno_random random = {11};
  shadow model = {0};
  size_t refused = 0, evicted = 0;
  cr_assert(dyno_clock_open(&clock, KEYS, SLOTS, &error) == DYNO_OK);
  for (size_t step = 0; step < 100000; step++) {
    uint64_t what = dyno_random_next(&random);
    uint32_t key = (uint32_t)(what >> 8) % KEYS;
    if (what % 5 == 0) {
      dyno_clock_begin(&clock);
      for (size_t i = 0; i < SLOTS; i++)
        model.slot[i].pinned = false;
    }
    size_t expected = shadow_find(&model, key);
    uint32_t slot = dyno_clock_find(&clock, key);
    if (expected < SLOTS) {
      model.slot[expected].used = model.slot[expected].pinned = true;
    } else {
      cr_assert(slot == DYNO_CLOCK_NONE);
      size_t full = 0;
      for (size_t i = 0; i < SLOTS; i++)
        full += model.slot[i].taken;
      expected = shadow_take(&model, key);
      evicted += full == SLOTS && expected < SLOTS;
      slot = dyno_clock_take(&clock, key);
    }
    refused += expected == SLOTS;
    cr_assert(slot == (expected == SLOTS ? DYNO_CLOCK_NONE : expected), "step %zu", step);
  }
  cr_expect(refused > 100 && evicted > 100 && clock.evictions == evicted);
  dyno_clock_close(&clock);
}

Test(embedding_cache, rows_are_what_decoding_gives_within_the_bytes_it_was_given)
{
  enum { VOCAB = 500, K = 64, BATCH = 16, STEPS = 3000 };
  static uint8_t rows[VOCAB][2 * K];
  dyno_random random = {5};
  for (size_t i = 0; i < sizeof rows; i++)
    rows[i / (2 * K)][i % (2 * K)] = (uint8_t)dyno_random_next(&random);
  const dyno_embedding table = {.rows = rows[0], .dtype = DYNO_BF16, .k = K, .row_bytes = 2 * K};
  uint64_t least = dyno_embedding_cache_least(VOCAB, K, BATCH);
  dyno_embedding_cache *cache;
  dyno_error error = {0};
  cr_expect(dyno_embedding_cache_open(&cache, VOCAB, K, BATCH, least - 1, &error) ==
            DYNO_ERROR_USAGE);
  cr_expect(cache == NULL && strstr(error.message, "at least") != NULL, "%s", error.message);
  for (uint64_t bytes = least; bytes <= least + 20000; bytes += 5000) {
    cr_assert(dyno_embedding_cache_open(&cache, VOCAB, K, BATCH, bytes, &error) == DYNO_OK);
    for (size_t step = 0; step < STEPS; step++) {
      int32_t tokens[BATCH];
      size_t m = 1 + dyno_random_next(&random) % BATCH;
      for (size_t t = 0; t < m; t++)
        tokens[t] = (int32_t)(dyno_random_next(&random) % 300 * dyno_random_next(&random) % VOCAB);
      if (step % 3 == 0) {
        dyno_embedding_cache_expect(cache, &table, tokens, m);
        continue;
      }
      const float *const *found = dyno_embedding_cache_rows(cache, &table, tokens, m);
      for (size_t t = 0; t < m; t++) {
        float decoded[K];
        dyno_row_to_float(decoded, rows[tokens[t]], DYNO_BF16, K);
        cr_assert(found[t] == NULL || memcmp(found[t], decoded, sizeof decoded) == 0);
        cr_assert(found[t] != NULL || bytes < least + 20000);
      }
    }
    dyno_cache_rows counts = dyno_embedding_cache_count(cache);
    cr_expect(counts.lookups == counts.hits + counts.misses && counts.bytes <= bytes);
    cr_expect(counts.hits > 0 && counts.misses > 0 && counts.evictions > 0);
    cr_expect(counts.awaited <= counts.expected);
    dyno_embedding_cache_close(&cache);
  }
}

static void compute(float *logits, dyno_prefetch prefetch, unsigned levels, unsigned threads,
                    dyno_prefetch_counts *counts)
{
  char path[4096];
  const char *tree = getenv("top_srcdir");
  dyno_engine *engine;
  dyno_sequence *sequence;
  dyno_error error = {0};
  snprintf(path, sizeof path, "%s/tests/oracle/models/mxfp4", tree != NULL ? tree : ".");
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.registry.threads = threads;
  options.batch = 16;
  options.prefetch = prefetch;
  options.cache = (dyno_cache_options){.levels = levels, .size = 1};
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_sequence_open(&sequence, engine, 100, &error) == DYNO_OK, "%s", error.message);
  size_t vocab = dyno_engine_config(engine)->vocab;
  int32_t tokens[40];
  for (size_t i = 0; i < 40; i++)
    tokens[i] = (int32_t)(i * i % 13);
  cr_assert(dyno_sequence_append(sequence, tokens, 40, NULL, NULL, &error) == DYNO_OK);
  for (size_t i = 0; i < 24; i++) {
    const int32_t likely[] = {(int32_t)(i % 5), -1, (int32_t)vocab, 3};
    memcpy(logits + i * vocab, dyno_sequence_logits(sequence), vocab * sizeof *logits);
    dyno_sequence_expect(sequence, likely, 4);
    cr_assert(dyno_sequence_append(sequence, likely, 1, NULL, NULL, &error) == DYNO_OK);
  }
  *counts = dyno_sequence_prefetch_counts(sequence);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}

Test(embedding_cache, neither_it_nor_prefetching_changes_a_bit)
{
  enum { MOST = 24 * 1024 };
  static float expected[MOST], logits[MOST];
  dyno_prefetch_counts counts;
  compute(expected, DYNO_PREFETCH_OFF, 0, 1, &counts);
  cr_expect(counts.rows == 0 && counts.panels == 0);
  for (unsigned threads = 1; threads <= 3; threads += 2)
    for (dyno_prefetch prefetch = DYNO_PREFETCH_OFF; prefetch <= DYNO_PREFETCH_ON; prefetch++)
      for (unsigned levels = 0; levels <= DYNO_CACHE_L1; levels++) {
        memset(logits, 0, sizeof logits);
        compute(logits, prefetch, levels, threads, &counts);
        cr_expect(memcmp(logits, expected, sizeof logits) == 0, "%u threads, %d, %u", threads,
                  (int)prefetch, levels);
        cr_expect((counts.rows > 0) == ((prefetch & DYNO_PREFETCH_EMBEDDING) != 0));
        cr_expect((counts.panels > 0) == ((prefetch & DYNO_PREFETCH_EXPERTS) != 0));
      }
}
