#include "harness/measure/memory_account.h"

#include <malloc.h>
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "runtime/memory/residence.h"

static const char *const names[DYNO_MEMORY_ROWS] = {
    [DYNO_MEMORY_WEIGHTS] = "weights",
    [DYNO_MEMORY_KV] = "KV cache",
    [DYNO_MEMORY_HIDDEN_STATES] = "hidden states",
    [DYNO_MEMORY_CACHE_L1] = "cache L1",
    [DYNO_MEMORY_CACHE_L2] = "cache L2",
    [DYNO_MEMORY_CACHE_L3] = "cache L3",
    [DYNO_MEMORY_OVERHEAD] = "allocator overhead",
};

const char *dyno_memory_row_name(dyno_memory_row_kind row)
{
  return names[row];
}

static uint64_t least(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static uint64_t above(uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

/* What each row holds now; overhead as the allocator has it, which is the most it can be. */
static void look(const dyno_memory_account *account, uint64_t bytes[DYNO_MEMORY_ROWS])
{
  const dyno_engine *engine = account->engine;
  dyno_allocator_statistics allocator =
      dyno_allocator_get_statistics(dyno_engine_allocator(engine));
  dyno_engine_memory memory = dyno_engine_get_memory(engine);
  dyno_cache_statistics caches = dyno_engine_get_cache(engine);
  uint64_t l1 = caches.rows.bytes, l3 = caches.compressed.bytes;
  bytes[DYNO_MEMORY_WEIGHTS] = account->rows[DYNO_MEMORY_WEIGHTS].now;
  bytes[DYNO_MEMORY_KV] = memory.kv;
  bytes[DYNO_MEMORY_HIDDEN_STATES] = memory.workspace;
  bytes[DYNO_MEMORY_CACHE_L1] = l1;
  bytes[DYNO_MEMORY_CACHE_L2] = above(memory.caches, l1 + l3);
  bytes[DYNO_MEMORY_CACHE_L3] = l3;
  bytes[DYNO_MEMORY_OVERHEAD] =
      above(allocator.held, memory.kv + memory.workspace + bytes[DYNO_MEMORY_CACHE_L2]);
}

static void correct(dyno_memory_account *account, dyno_memory_row_kind kind, uint64_t bytes)
{
  dyno_memory_row *row = &account->rows[kind];
  account->total.now += bytes - row->now;
  row->now = bytes;
  row->peak = bytes > row->peak ? bytes : row->peak;
  if (account->total.now > account->total.peak)
    account->total.peak = account->total.now;
}

static void book(dyno_memory_row *row, uint64_t bytes, double nanoseconds)
{
  row->average += (double)row->now * nanoseconds;
  row->now = bytes;
  if (bytes > row->peak)
    row->peak = bytes;
}

void dyno_memory_account_sample(dyno_memory_account *account)
{
  uint64_t bytes[DYNO_MEMORY_ROWS], sum = 0, now = dyno_clock_ns();
  double passed = (double)(now - account->since_ns);
  look(account, bytes);
  for (size_t i = 0; i < DYNO_MEMORY_ROWS; i++) {
    book(&account->rows[i], bytes[i], passed);
    sum += bytes[i];
  }
  book(&account->total, sum, passed);
  account->since_ns = now;
}

void dyno_memory_account_begin(dyno_memory_account *account, const dyno_engine *engine)
{
  *account = (dyno_memory_account){.engine = engine};
  dyno_process_map process = {0};
  dyno_process_map_read(&process, NULL);
  account->packed = dyno_engine_packed_bytes(engine);
  account->rows[DYNO_MEMORY_WEIGHTS].now = account->packed + process.resident[DYNO_MAPPING_FILE];
  account->begin_ns = account->since_ns = dyno_clock_ns();
  dyno_memory_account_sample(account);
}

/* Residence of the arenas, and of the blocks in them that are not keys and values. */
typedef struct allocator_pages {
  dyno_residence arenas, blocks[DYNO_PURPOSE_COUNT];
} allocator_pages;

static void add_arena(void *context, const void *data, size_t bytes, bool known)
{
  allocator_pages *pages = context;
  (void)known;
  dyno_residence_add(&pages->arenas, data, bytes);
}

static void add_block(void *context, const void *data, size_t bytes, dyno_purpose purpose)
{
  allocator_pages *pages = context;
  dyno_residence_add(&pages->blocks[purpose], data, bytes);
}

/* Of memory of our own; what malloc gave, and what is in the heap, is the heap's. */
static uint64_t engine_resident(dyno_memory_account *account)
{
  allocator_pages pages = {0};
  dyno_allocator *allocator = dyno_engine_allocator(account->engine);
  dyno_allocator_for_each_arena(allocator, add_arena, &pages);
  if (pages.arenas.bytes > 0)
    dyno_allocator_for_each(allocator, add_block, &pages);
  uint64_t used = account->rows[DYNO_MEMORY_KV].now + account->rows[DYNO_MEMORY_CACHE_L2].now;
  used = least(used, pages.blocks[DYNO_PURPOSE_KV].resident);
  for (size_t i = 0; i < DYNO_PURPOSE_COUNT; i++)
    used += i == DYNO_PURPOSE_KV ? 0 : pages.blocks[i].resident;
  correct(account, DYNO_MEMORY_OVERHEAD, above(pages.arenas.resident, used));
  /* L1 has memory for rows that it never had. */
  uint64_t rows = dyno_engine_get_cache(account->engine).rows.rows;
  return pages.arenas.resident +
         rows * dyno_engine_config(account->engine)->d_model * sizeof(float);
}

dyno_status dyno_memory_account_take(dyno_memory_account *account, dyno_error *error)
{
  dyno_memory_account_sample(account);
  double passed = (double)(account->since_ns - account->begin_ns);
  for (size_t i = 0; i < DYNO_MEMORY_ROWS; i++)
    account->rows[i].average /= passed > 0 ? passed : 1;
  account->total.average /= passed > 0 ? passed : 1;
  account->allocator = dyno_allocator_get_statistics(dyno_engine_allocator(account->engine));
  dyno_status status = dyno_process_map_read(&account->process, error);
  if (status != DYNO_OK)
    return status;
  const uint64_t *kernel = account->process.resident;
  uint64_t engine = engine_resident(account);
  correct(account, DYNO_MEMORY_WEIGHTS, account->packed + kernel[DYNO_MAPPING_FILE]);
  struct mallinfo2 heap = mallinfo2();
  account->resident = engine + account->packed + kernel[DYNO_MAPPING_FILE];
  account->heap = kernel[DYNO_MAPPING_HEAP];
  /* Threads other than the first have arenas of malloc beside the heap. */
  account->mapped = least(heap.hblkhd + above(heap.arena, kernel[DYNO_MAPPING_HEAP]),
                          above(kernel[DYNO_MAPPING_ANONYMOUS], engine + account->packed));
  uint64_t others = account->heap + account->mapped + kernel[DYNO_MAPPING_PROGRAM] +
                    kernel[DYNO_MAPPING_LIBRARY] + kernel[DYNO_MAPPING_STACK] +
                    kernel[DYNO_MAPPING_KERNEL];
  account->unexplained = (int64_t)account->process.total - (int64_t)(account->resident + others);
  return DYNO_OK;
}

bool dyno_memory_account_agrees(const dyno_memory_account *account)
{
  return (double)llabs(account->unexplained) <=
         DYNO_MEMORY_TOLERANCE * (double)account->process.total;
}
