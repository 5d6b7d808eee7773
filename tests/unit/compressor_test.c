/* Nodes that are offered, found, recalled and evicted at random while the thread works: each comes
 * back to the bit, and the account is never passed. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/cache/compressor.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/fixtures.h"

enum { STEPS = 1500, NODES = 60, LAYERS = 4, BLOCK = 4096, SLOTS = 3 };

static const dyno_node_shape shape = {LAYERS, 2, BLOCK, 64};

typedef struct bench {
  dyno_budget budget;
  dyno_compressed *store;
  dyno_compressor *compressor;
  dyno_block_codec *codec;
  uint8_t blocks[LAYERS][BLOCK], back[LAYERS][BLOCK];
  const void *sources[LAYERS];
  void *targets[LAYERS];
  int32_t tokens[64];
} bench;

static void open_bench(bench *with, uint64_t limit)
{
  dyno_error error = {0};
  memset(with, 0, sizeof *with);
  with->budget.limit = limit;
  cr_assert(dyno_compressed_open(&with->store, &with->budget, &shape, &error) == DYNO_OK);
  cr_assert(dyno_compressor_open(&with->compressor, with->store, &shape, SLOTS, &error) == DYNO_OK);
  cr_assert(dyno_block_codec_open(&with->codec, 2, BLOCK, &error) == DYNO_OK);
  for (size_t layer = 0; layer < LAYERS; layer++) {
    with->sources[layer] = with->blocks[layer];
    with->targets[layer] = with->back[layer];
  }
}

static void close_bench(bench *with)
{
  dyno_compressor_close(&with->compressor);
  dyno_compressed_close(&with->store);
  dyno_block_codec_close(&with->codec);
  cr_assert(dyno_budget_used(&with->budget) == 0, "something is still charged");
}

static dyno_node_name make_node(bench *with, uint64_t id)
{
  uint64_t state = id;
  for (size_t layer = 0; layer < LAYERS; layer++)
    cache_fill(with->blocks[layer], BLOCK, 2, &state);
  with->tokens[0] = (int32_t)id;
  return (dyno_node_name){{id, id}, {id - 1, id - 1}, 64, 0};
}

static void check_back(const bench *with, uint64_t id)
{
  cr_assert(memcmp(with->back, with->blocks, sizeof with->back) == 0, "node %llu: other bytes",
            (unsigned long long)id);
}

static bool restore(bench *with, uint64_t id, bool drop)
{
  const uint64_t key[2] = {id, id};
  dyno_compressed_pin pin;
  dyno_node_view view;
  dyno_error error = {0};
  if (!dyno_compressed_find(with->store, &pin, key))
    return false;
  cr_assert(dyno_node_view_open(&view, &shape, pin.bytes, pin.size, 0, 64, &error) == DYNO_OK);
  cr_assert(dyno_node_view_holds(&view, with->tokens, 64));
  for (size_t layer = 0; layer < LAYERS; layer++)
    cr_assert(dyno_node_view_restore(&view, with->codec, with->back[layer], layer, &error) ==
                  DYNO_OK,
              "%s", error.message);
  dyno_compressed_unpin(with->store, &pin, drop);
  check_back(with, id);
  return true;
}

TestSuite(compressor, .timeout = 60);

Test(compressor, random_use)
{
  static bench with;
  uint64_t state = 1;
  size_t restored = 0;
  open_bench(&with, 150000);
  for (size_t step = 0; step < STEPS; step++) {
    uint64_t id = random_below(&state, NODES) + 1;
    const dyno_node_name name = make_node(&with, id);
    dyno_compressor_enter(with.compressor, step % 2 + 1);
    dyno_compressor_leave(with.compressor);
    if (dyno_compressor_recall(with.compressor, name.key, with.tokens, 64, with.targets)) {
      check_back(&with, id);
    } else if (restore(&with, id, step % 50 == 0)) {
      restored++;
    } else {
      if (dyno_compressor_is_full(with.compressor))
        dyno_compressor_help(with.compressor, false);
      dyno_compressor_offer(with.compressor, &name, with.tokens, with.sources);
    }
    cr_assert(dyno_budget_used(&with.budget) <= with.budget.limit, "step %zu", step);
  }
  dyno_compressor_drain(with.compressor);
  dyno_compressor_counts made = dyno_compressor_count(with.compressor);
  dyno_compressed_counts kept = dyno_compressed_count(with.store);
  cr_assert(restored > 0 && made.nodes > 0 && kept.evicted > 0 && made.waiting == 0);
  cr_assert(kept.charged == dyno_budget_used(&with.budget));
  close_bench(&with);
}

/* The oldest leaves, and one that is renewed does not. */
Test(compressor, the_oldest_leaves)
{
  static bench with;
  open_bench(&with, 45000);
  for (uint64_t id = 1; id <= 5; id++) {
    const dyno_node_name name = make_node(&with, id);
    cr_assert(dyno_compressor_offer(with.compressor, &name, with.tokens, with.sources));
    dyno_compressor_drain(with.compressor);
    const uint64_t first[2] = {1, 1};
    cr_assert(dyno_compressed_renew(with.store, first), "after %llu", (unsigned long long)id);
  }
  const uint64_t second[2] = {2, 2}, last[2] = {5, 5};
  cr_assert(!dyno_compressed_has(with.store, second) && dyno_compressed_has(with.store, last));
  close_bench(&with);
}

/* While passes of one token follow each other, no more than their share is used: here none. */
Test(compressor, waits_while_passes_run)
{
  static bench with;
  open_bench(&with, 150000);
  dyno_compressor_enter(with.compressor, 1);
  const dyno_node_name name = make_node(&with, 1);
  cr_assert(dyno_compressor_offer(with.compressor, &name, with.tokens, with.sources));
  cr_assert(!dyno_compressor_help(with.compressor, true), "without a share");
  struct timespec moment = {.tv_nsec = 60000000};
  nanosleep(&moment, NULL);
  cr_assert(dyno_compressor_has(with.compressor, name.key), "compressed in the middle of a pass");
  dyno_compressor_leave(with.compressor);
  dyno_compressor_drain(with.compressor);
  cr_assert(restore(&with, 1, false));
  close_bench(&with);
}
