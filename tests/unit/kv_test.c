/* Blocks of keys and values: the pool against a shadow of it, and a sequence's tables. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/defragment.h"
#include "runtime/cache/kv.h"
#include "runtime/cache/kv_pool.h"
#include "tests/unit/random.h"

enum { BLOCK_BYTES = 192 * 1024 }; /* ten in a chunk, and a rest */

static dyno_allocator *memory; /* of the test that runs, checked at its end */

static void open_memory(void)
{
  const dyno_allocator_options options = {.checks = true};
  cr_assert(dyno_allocator_open(&memory, &options, NULL) == DYNO_OK, "an allocator");
}

static void close_memory(void)
{
  cr_assert(dyno_allocator_live(memory, DYNO_PURPOSE_KV) == 0, "everything came back");
  dyno_allocator_close(&memory);
}

TestSuite(kv_pool, .init = open_memory, .fini = close_memory);
TestSuite(kv, .init = open_memory, .fini = close_memory);

static void open_pool(dyno_kv_pool *pool, size_t promised)
{
  dyno_error error = {0};
  dyno_kv_pool_open(pool, BLOCK_BYTES, memory);
  cr_assert(dyno_kv_pool_promise(pool, promised, &error) == DYNO_OK, "%s", error.message);
}

/* Marks a block as ours, at its beginning and its end. */
static void mark(const dyno_kv_pool *pool, dyno_kv_block block, uint32_t with)
{
  char *data = dyno_kv_pool_data(pool, block);
  memcpy(data, &with, sizeof with);
  memcpy(data + BLOCK_BYTES - sizeof with, &with, sizeof with);
}

static bool marked(const dyno_kv_pool *pool, dyno_kv_block block, uint32_t with)
{
  const char *data = dyno_kv_pool_data(pool, block);
  return memcmp(data, &with, sizeof with) == 0 &&
         memcmp(data + BLOCK_BYTES - sizeof with, &with, sizeof with) == 0;
}

Test(kv_pool, keeps_blocks_apart_and_counts_references)
{
  enum { MOST = 64, STEPS = 4000 };
  struct {
    dyno_kv_block block;
    uint32_t mark, references;
  } held[MOST];
  size_t count = 0;
  dyno_kv_pool pool;
  uint64_t state = 7;
  open_pool(&pool, MOST);
  for (uint32_t step = 0; step < STEPS; step++) {
    uint64_t draw = random_next(&state);
    size_t which = count > 0 ? draw / 8 % count : 0;
    if (count < MOST && draw % 8 < (step / 500 % 2 == 0 ? 4u : 2u)) {
      held[count].block = dyno_kv_pool_take(&pool);
      held[count].mark = step;
      held[count].references = 1;
      mark(&pool, held[count++].block, step);
    } else if (count > 0 && draw % 8 == 7) {
      dyno_kv_pool_retain(&pool, held[which].block);
      held[which].references++;
    } else if (count > 0) {
      cr_assert(marked(&pool, held[which].block, held[which].mark), "step %u", step);
      cr_assert(dyno_kv_pool_shared(&pool, held[which].block) == (held[which].references > 1),
                "step %u", step);
      dyno_kv_pool_release(&pool, held[which].block);
      if (--held[which].references == 0)
        held[which] = held[--count];
    }
    cr_assert(pool.used == count, "%zu blocks, not %zu", pool.used, count);
  }
  for (; count > 0; count--)
    for (; held[count - 1].references > 0; held[count - 1].references--)
      dyno_kv_pool_release(&pool, held[count - 1].block);
  dyno_kv_pool_withdraw(&pool, MOST);
  cr_assert(pool.used == 0 && pool.open_chunks == 0, "all is given back");
  dyno_kv_pool_close(&pool);
}

Test(kv_pool, puts_what_is_taken_together_together)
{
  dyno_kv_pool pool;
  open_pool(&pool, 25);
  dyno_kv_block blocks[25];
  for (size_t i = 0; i < 25; i++)
    blocks[i] = dyno_kv_pool_take(&pool);
  for (size_t i = 1; i < 25; i++)
    if (i % pool.chunk_blocks != 0)
      cr_assert((char *)dyno_kv_pool_data(&pool, blocks[i]) ==
                    (char *)dyno_kv_pool_data(&pool, blocks[i - 1]) + BLOCK_BYTES,
                "block %zu lies elsewhere", i);
  cr_assert(dyno_kv_pool_occupancy(&pool).chunks == 3, "no more chunks than needed");
  for (size_t i = 0; i < 25; i++)
    dyno_kv_pool_release(&pool, blocks[i]);
  cr_assert(dyno_kv_pool_trim(&pool, SIZE_MAX) == 3, "memory of all is given back");
  cr_assert(dyno_kv_pool_occupancy(&pool).chunks == 0, "none is left");
  cr_assert(pool.open_chunks * pool.chunk_blocks >= 25, "what is promised is still there");
  dyno_kv_pool_withdraw(&pool, 25);
  dyno_kv_pool_close(&pool);
}

Test(kv_pool, counts_what_only_caches_hold)
{
  dyno_kv_pool pool;
  open_pool(&pool, 2);
  dyno_kv_block block = dyno_kv_pool_take(&pool);
  dyno_kv_pool_cache(&pool, block);
  cr_assert(pool.cached_only == 0 && dyno_kv_pool_shared(&pool, block), "both have it");
  dyno_kv_pool_release(&pool, block);
  cr_assert(pool.cached_only == 1 && pool.used == 1, "the cache has it");
  dyno_kv_pool_uncache(&pool, block);
  cr_assert(pool.cached_only == 0 && pool.used == 0, "nobody has it");
  dyno_kv_pool_withdraw(&pool, 2);
  dyno_kv_pool_close(&pool);
}

/* Holes in every chunk; few moves at a time; what is held stays. */
Test(kv_pool, moves_blocks_together)
{
  enum { COUNT = 60, STEP = 2 };
  dyno_kv_pool pool;
  dyno_kv_block blocks[COUNT];
  uint64_t state = 11;
  size_t left = 0;
  open_pool(&pool, COUNT);
  for (uint32_t i = 0; i < COUNT; i++) {
    blocks[i] = dyno_kv_pool_take(&pool);
    mark(&pool, blocks[i], i);
  }
  for (size_t i = 0; i < COUNT; i++)
    if (i != 35 && random_below(&state, 3) > 0) {
      dyno_kv_pool_release(&pool, blocks[i]);
      blocks[i] = DYNO_KV_NO_BLOCK;
    } else
      left++;
  const void *held = dyno_kv_pool_data(&pool, blocks[35]);
  dyno_kv_pool_hold(&pool, blocks[35]);
  size_t moved, all = 0;
  while ((moved = dyno_kv_defragment(&pool, STEP)) > 0) {
    cr_assert(moved <= STEP, "%zu moved at once", moved);
    all += moved;
    for (uint32_t i = 0; i < COUNT; i++)
      cr_assert(blocks[i] == DYNO_KV_NO_BLOCK || marked(&pool, blocks[i], i), "block %u", i);
  }
  cr_assert(all > 0 && all < left && all == pool.moved, "%zu of %zu moved", all, left);
  cr_assert(dyno_kv_pool_data(&pool, blocks[35]) == held, "the held one stays");
  dyno_kv_pool_unhold(&pool, blocks[35]);
  dyno_kv_pool_trim(&pool, SIZE_MAX);
  size_t least = (left + pool.chunk_blocks - 1) / pool.chunk_blocks;
  cr_assert(dyno_kv_pool_occupancy(&pool).chunks == least, "%zu blocks in %zu chunks", left,
            dyno_kv_pool_occupancy(&pool).chunks);
  for (size_t i = 0; i < COUNT; i++)
    if (blocks[i] != DYNO_KV_NO_BLOCK)
      dyno_kv_pool_release(&pool, blocks[i]);
  dyno_kv_pool_withdraw(&pool, COUNT);
  dyno_kv_pool_close(&pool);
}

/* Requests of very different lengths that come and go, some of them kept for long; after each, idle
 * time for so many moves. Returns the share of holes in the chunks in use, on average. */
static double play_requests(size_t requests, size_t moves)
{
  enum { LIVE = 24, LONGEST = 60 };
  dyno_kv_pool pool;
  dyno_kv_block blocks[LIVE][LONGEST];
  size_t counts[LIVE] = {0};
  uint64_t state = 5;
  double holes = 0;
  open_pool(&pool, LIVE * LONGEST);
  for (size_t i = 0; i < requests; i++) {
    size_t which = random_below(&state, random_below(&state, LIVE) + 1);
    while (counts[which] > 0)
      dyno_kv_pool_release(&pool, blocks[which][--counts[which]]);
    size_t wanted = 1 + random_below(&state, random_below(&state, LONGEST) + 1);
    while (counts[which] < wanted)
      blocks[which][counts[which]++] = dyno_kv_pool_take(&pool);
    dyno_kv_defragment(&pool, moves);
    dyno_kv_pool_trim(&pool, SIZE_MAX);
    dyno_kv_occupancy now = dyno_kv_pool_occupancy(&pool);
    holes += (double)(now.slots - now.blocks) / (double)now.slots;
  }
  for (size_t i = 0; i < LIVE; i++)
    while (counts[i] > 0)
      dyno_kv_pool_release(&pool, blocks[i][--counts[i]]);
  dyno_kv_pool_withdraw(&pool, LIVE * LONGEST);
  dyno_kv_pool_close(&pool);
  return holes / (double)requests;
}

Test(kv_pool, has_few_holes_when_blocks_are_moved)
{
  size_t requests = getenv("DYNO_NIGHTLY") != NULL ? 10000 : 400;
  double without = play_requests(requests, 0), with = play_requests(requests, 8);
  fprintf(stderr, "# %zu requests: %.1f %% of slots are holes, %.1f %% with 8 moves after each\n",
          requests, 100 * without, 100 * with);
  cr_assert(with < 0.5 * without, "%g of %g", with, without);
}

static const dyno_model_config config = {
    .layers = 2, .kv_heads = 1, .head_dim = 16, .window = 100, .slides = {true, false}};

/* A sequence of 640 tokens, ten blocks, and rings of (99 + 64) / 64 + 1 = 4. */
enum { CAPACITY = 640, BATCH = 64, RING = 4 };

static void open_kv(dyno_kv *kv, dyno_kv_pool *pool)
{
  dyno_error error = {0};
  cr_assert(dyno_kv_open(kv, pool, &config, CAPACITY, BATCH, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(kv->layers[0].block_count == RING && kv->layers[1].block_count == 10, "tables");
}

static void fill(const dyno_kv *kv, size_t index, int with)
{
  for (size_t layer = 0; layer < 2; layer++)
    memset(dyno_kv_pool_data(kv->pool, dyno_kv_block_of(kv, layer, index)), with,
           kv->pool->block_bytes);
}

static int byte_of(const dyno_kv *kv, size_t layer, size_t index)
{
  const dyno_kv_layer *of = &kv->layers[layer];
  const unsigned char *data = of->blocks[index % of->block_count];
  cr_assert(data == dyno_kv_pool_data(kv->pool, dyno_kv_block_of(kv, layer, index)), "addresses");
  return data[kv->pool->block_bytes - 1];
}

Test(kv, a_ring_does_not_write_into_what_others_refer_to)
{
  dyno_kv_pool pool;
  dyno_kv kv;
  dyno_kv_pool_open(&pool, dyno_kv_layer_block_bytes(&config, DYNO_BF16), memory);
  open_kv(&kv, &pool);
  dyno_kv_block first[2];
  for (size_t b = 0; b < 10; b++) {
    dyno_kv_reserve(&kv, b * 64, b * 64 + 64);
    fill(&kv, b, (int)b + 1);
    for (size_t layer = 0; b == 0 && layer < 2; layer++) {
      first[layer] = dyno_kv_block_of(&kv, layer, 0);
      dyno_kv_pool_retain(&pool, first[layer]);
    }
  }
  for (size_t layer = 0; layer < 2; layer++)
    cr_assert(*(unsigned char *)dyno_kv_pool_data(&pool, first[layer]) == 1, "layer %zu", layer);
  cr_assert(dyno_kv_block_of(&kv, 0, 4) != first[0], "the ring took another");
  cr_assert(kv.held == RING + 10 && pool.used == kv.held + 1, "%zu blocks", pool.used);
  cr_assert(dyno_kv_oldest(&kv) == 6 * 64, "the ring holds the last four");
  for (size_t layer = 0; layer < 2; layer++)
    dyno_kv_pool_release(&pool, first[layer]);
  dyno_kv_close(&kv);
  cr_assert(pool.used == 0 && pool.promised == 0, "all is given back");
  dyno_kv_pool_close(&pool);
}

/* After going back, a shared block that is kept in part is copied, and one that is not is only
 * replaced. */
Test(kv, copies_what_it_keeps_a_part_of)
{
  dyno_kv_pool pool;
  dyno_kv first, second;
  dyno_kv_pool_open(&pool, dyno_kv_layer_block_bytes(&config, DYNO_BF16), memory);
  open_kv(&first, &pool);
  open_kv(&second, &pool);
  for (size_t b = 0; b < 6; b++) {
    dyno_kv_reserve(&first, b * 64, b * 64 + 64);
    fill(&first, b, (int)b + 1);
  }
  for (size_t layer = 0; layer < 2; layer++)
    for (size_t b = layer == 0 ? 2 : 0; b < 6; b++)
      dyno_kv_adopt(&second, layer, b, dyno_kv_block_of(&first, layer, b), 350);
  cr_assert(pool.used == RING + 6, "nothing was copied");
  cr_assert(dyno_kv_oldest(&second) == 2 * 64, "the ring holds what was adopted");
  dyno_kv_reserve(&second, 350, 400);
  for (size_t layer = 0; layer < 2; layer++) {
    cr_assert(byte_of(&second, layer, 5) == 6, "what it had before 350 is kept");
    cr_assert(dyno_kv_block_of(&second, layer, 5) != dyno_kv_block_of(&first, layer, 5), "as its");
    cr_assert(dyno_kv_block_of(&second, layer, 4) == dyno_kv_block_of(&first, layer, 4), "shared");
  }
  fill(&second, 5, 99);
  fill(&second, 6, 99);
  for (size_t layer = 0; layer < 2; layer++)
    for (size_t b = 2; b < 6; b++)
      cr_assert(byte_of(&first, layer, b) == (int)b + 1, "the first is as it was");
  dyno_kv_close(&first);
  cr_assert(byte_of(&second, 1, 0) == 1, "and what it shared outlives it");
  dyno_kv_clear(&second);
  dyno_kv_reserve(&second, 0, 64);
  dyno_kv_close(&second);
  cr_assert(pool.used == 0 && pool.promised == 0 && pool.open_chunks == 0, "all is given back");
  dyno_kv_pool_close(&pool);
}
