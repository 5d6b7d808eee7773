#include "runtime/cache/compressed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/buffer.h"

enum { PAGE = 4096 };

#define NONE UINT32_MAX

typedef struct compressed_entry {
  dyno_node_name name;
  dyno_buffer record;    /* empty: it is in the file, */
  size_t index;          /* with this number */
  uint32_t newer, older; /* of those in memory; NONE at the ends */
  uint32_t next;         /* in its bucket, or among the free ones */
  uint32_t pins;
  bool used, dropped; /* dropped: leaves with its last pin */
} compressed_entry;

struct dyno_compressed {
  pthread_mutex_t mutex; /* guards all that follows */
  dyno_budget *budget;
  const dyno_cache_file *file;
  compressed_entry *entries; /* [most] */
  uint32_t *buckets;         /* [bucket_count] */
  size_t most, made, bucket_count;
  uint32_t free, newest, oldest;
  dyno_buffer memory;
  dyno_compressed_counts counts;
};

/* So many records at most: of the smallest that an account of that size could be full of. */
static size_t most_entries(const dyno_budget *budget, const dyno_node_shape *shape)
{
  uint64_t least = dyno_node_record_most(shape, shape->most_tokens) / 8;
  uint64_t most = budget->limit / (least > PAGE ? least : PAGE) + 1;
  return most < NONE / 4 ? (size_t)most : NONE / 4;
}

dyno_status dyno_compressed_open(dyno_compressed **store, dyno_budget *budget,
                                 const dyno_node_shape *shape, dyno_error *error)
{
  *store = NULL;
  dyno_compressed *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "compressed cache: out of memory");
  made->budget = budget;
  made->most = most_entries(budget, shape);
  made->free = made->newest = made->oldest = NONE;
  made->bucket_count = 1;
  while (made->bucket_count < made->most)
    made->bucket_count *= 2;
  size_t entries_bytes = made->most * sizeof *made->entries;
  dyno_status status =
      dyno_buffer_open_on(&made->memory, entries_bytes + made->bucket_count * sizeof *made->buckets,
                          DYNO_PAGES_SMALL, error);
  if (status != DYNO_OK) {
    dyno_error_prepend(error, "compressed cache");
    free(made);
    return status;
  }
  made->entries = made->memory.data;
  made->buckets = (uint32_t *)(void *)((char *)made->memory.data + entries_bytes);
  for (size_t i = 0; i < made->bucket_count; i++)
    made->buckets[i] = NONE;
  pthread_mutex_init(&made->mutex, NULL);
  *store = made;
  return DYNO_OK;
}

static uint32_t *bucket_of(dyno_compressed *store, const uint64_t key[2])
{
  return &store->buckets[key[0] & (store->bucket_count - 1)];
}

static uint32_t find(dyno_compressed *store, const uint64_t key[2])
{
  uint32_t n = *bucket_of(store, key);
  while (n != NONE && (memcmp(store->entries[n].name.key, key, 2 * sizeof *key) != 0 ||
                       store->entries[n].dropped))
    n = store->entries[n].next;
  return n;
}

static bool in_memory(const compressed_entry *entry)
{
  return entry->record.data != NULL;
}

static void link_newest(dyno_compressed *store, uint32_t n)
{
  compressed_entry *entry = &store->entries[n];
  entry->newer = NONE;
  entry->older = store->newest;
  if (store->newest != NONE)
    store->entries[store->newest].newer = n;
  else
    store->oldest = n;
  store->newest = n;
}

static void unlink_entry(dyno_compressed *store, uint32_t n)
{
  const compressed_entry *entry = &store->entries[n];
  if (entry->newer != NONE)
    store->entries[entry->newer].older = entry->older;
  else
    store->newest = entry->older;
  if (entry->older != NONE)
    store->entries[entry->older].newer = entry->newer;
  else
    store->oldest = entry->newer;
}

static uint64_t charge_of(size_t record_bytes)
{
  uint64_t pages = (record_bytes + PAGE - 1) / PAGE;
  return pages * PAGE + sizeof(compressed_entry) + 2 * sizeof(uint32_t);
}

static void remove_entry(dyno_compressed *store, uint32_t n)
{
  compressed_entry *entry = &store->entries[n];
  uint32_t *link = bucket_of(store, entry->name.key);
  while (*link != n)
    link = &store->entries[*link].next;
  *link = entry->next;
  uint64_t charge = charge_of(entry->record.size);
  if (in_memory(entry)) {
    unlink_entry(store, n);
    store->counts.bytes -= entry->record.size;
    store->counts.charged -= charge;
    store->counts.nodes--;
  } else {
    store->counts.nodes_in_file--;
  }
  dyno_buffer_close(&entry->record);
  dyno_budget_give(store->budget, charge);
  *entry = (compressed_entry){.next = store->free};
  store->free = n;
}

static bool evict_oldest(dyno_compressed *store)
{
  uint32_t n = store->oldest;
  while (n != NONE && store->entries[n].pins > 0)
    n = store->entries[n].newer;
  if (n == NONE)
    return false;
  remove_entry(store, n);
  store->counts.evicted++;
  return true;
}

/* A free entry, charged for a record of so many bytes; NONE when there is no room. With evict,
 * others leave for it. */
static uint32_t acquire(dyno_compressed *store, size_t record_bytes, bool evict)
{
  bool room = true;
  while (room && store->free == NONE && store->made == store->most)
    room = evict && evict_oldest(store);
  while (room && !dyno_budget_take(store->budget, charge_of(record_bytes)))
    room = evict && evict_oldest(store);
  if (!room)
    return NONE;
  uint32_t n = store->free;
  if (n != NONE)
    store->free = store->entries[n].next;
  else
    n = (uint32_t)store->made++;
  return n;
}

static void enter(dyno_compressed *store, uint32_t n, const dyno_node_name *name)
{
  compressed_entry *entry = &store->entries[n];
  uint32_t *bucket = bucket_of(store, name->key);
  entry->name = *name;
  entry->used = true;
  entry->next = *bucket;
  *bucket = n;
}

static bool put(dyno_compressed *store, const dyno_node_name *name, const uint8_t *bytes,
                size_t size)
{
  if (find(store, name->key) != NONE)
    return true;
  dyno_buffer record;
  uint32_t n = acquire(store, size, true);
  if (n == NONE)
    return false;
  if (dyno_buffer_open_on(&record, size, DYNO_PAGES_SMALL, NULL) != DYNO_OK) {
    dyno_budget_give(store->budget, charge_of(size));
    store->entries[n] = (compressed_entry){.next = store->free};
    store->free = n;
    return false;
  }
  memcpy(record.data, bytes, size);
  store->entries[n] = (compressed_entry){.record = record};
  enter(store, n, name);
  link_newest(store, n);
  store->counts.bytes += size;
  store->counts.charged += charge_of(size);
  store->counts.nodes++;
  return true;
}

bool dyno_compressed_put(dyno_compressed *store, const dyno_node_name *name, const uint8_t *bytes,
                         size_t size)
{
  pthread_mutex_lock(&store->mutex);
  bool kept = put(store, name, bytes, size);
  store->counts.refused += !kept;
  pthread_mutex_unlock(&store->mutex);
  return kept;
}

size_t dyno_compressed_add_file(dyno_compressed *store, const dyno_cache_file *file)
{
  size_t added = 0;
  pthread_mutex_lock(&store->mutex);
  store->file = file;
  for (size_t i = 0; i < dyno_cache_file_count(file); i++) {
    const dyno_cache_file_entry *line = dyno_cache_file_at(file, i);
    uint32_t n = find(store, line->key) == NONE ? acquire(store, 0, false) : NONE;
    if (n == NONE)
      continue;
    const dyno_node_name name = {
        {line->key[0], line->key[1]}, {line->parent[0], line->parent[1]}, line->count, line->depth};
    store->entries[n] = (compressed_entry){.index = i};
    enter(store, n, &name);
    store->counts.nodes_in_file++;
    added++;
  }
  pthread_mutex_unlock(&store->mutex);
  return added;
}

bool dyno_compressed_has(dyno_compressed *store, const uint64_t key[2])
{
  pthread_mutex_lock(&store->mutex);
  bool has = find(store, key) != NONE;
  pthread_mutex_unlock(&store->mutex);
  return has;
}

bool dyno_compressed_renew(dyno_compressed *store, const uint64_t key[2])
{
  pthread_mutex_lock(&store->mutex);
  uint32_t n = find(store, key);
  if (n != NONE && in_memory(&store->entries[n])) {
    unlink_entry(store, n);
    link_newest(store, n);
  }
  pthread_mutex_unlock(&store->mutex);
  return n != NONE;
}

static dyno_compressed_pin pin_of(const dyno_compressed *store, uint32_t n)
{
  const compressed_entry *entry = &store->entries[n];
  bool here = in_memory(entry);
  return (dyno_compressed_pin){
      .entry = n,
      .name = entry->name,
      .bytes = entry->record.data,
      .file = here ? NULL : store->file,
      .index = entry->index,
      .size = here ? entry->record.size : dyno_cache_file_at(store->file, entry->index)->bytes,
  };
}

bool dyno_compressed_find(dyno_compressed *store, dyno_compressed_pin *pin, const uint64_t key[2])
{
  pthread_mutex_lock(&store->mutex);
  uint32_t n = find(store, key);
  if (n != NONE) {
    store->entries[n].pins++;
    *pin = pin_of(store, n);
  }
  pthread_mutex_unlock(&store->mutex);
  return n != NONE;
}

void dyno_compressed_unpin(dyno_compressed *store, const dyno_compressed_pin *pin, bool drop)
{
  pthread_mutex_lock(&store->mutex);
  compressed_entry *entry = &store->entries[pin->entry];
  entry->dropped = entry->dropped || drop;
  if (--entry->pins == 0 && entry->dropped)
    remove_entry(store, pin->entry);
  pthread_mutex_unlock(&store->mutex);
}

void dyno_compressed_for_each(dyno_compressed *store, dyno_compressed_visit *visit, void *context)
{
  bool more = true;
  for (uint32_t n = store->newest; n != NONE && more; n = store->entries[n].older) {
    const dyno_compressed_pin record = pin_of(store, n);
    more = visit(context, &record);
  }
  for (size_t n = 0; n < store->made && more; n++) {
    const compressed_entry *entry = &store->entries[n];
    if (!entry->used || in_memory(entry))
      continue;
    const dyno_compressed_pin record = pin_of(store, (uint32_t)n);
    more = visit(context, &record);
  }
}

dyno_compressed_counts dyno_compressed_count(dyno_compressed *store)
{
  pthread_mutex_lock(&store->mutex);
  dyno_compressed_counts counts = store->counts;
  pthread_mutex_unlock(&store->mutex);
  return counts;
}

void dyno_compressed_close(dyno_compressed **store)
{
  dyno_compressed *closing = *store;
  if (closing == NULL)
    return;
  for (size_t n = 0; n < closing->made; n++)
    if (closing->entries[n].used)
      remove_entry(closing, (uint32_t)n);
  dyno_buffer_close(&closing->memory);
  pthread_mutex_destroy(&closing->mutex);
  free(closing);
  *store = NULL;
}
