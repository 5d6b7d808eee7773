#include "runtime/cache/compressor.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/base/buffer.h"
#include "kernels/base/clock.h"

#define IDLE_AFTER UINT64_C(5000000)   /* ns without a pass */
#define LOOK_AGAIN UINT64_C(10000000)  /* ns, while there is work that may not be done */
#define MOST_CREDIT INT64_C(100000000) /* ns of a share that are kept for later */

typedef enum pass_kind { PASS_DECODE, PASS_BATCH, PASS_KINDS } pass_kind;

static const int64_t shares[PASS_KINDS] = {DYNO_COMPRESSOR_DECODE_SHARE,
                                           DYNO_COMPRESSOR_BATCH_SHARE};

typedef enum slot_state { SLOT_EMPTY, SLOT_WAITING, SLOT_TAKEN } slot_state;

/* A taken slot is only read, until it is empty. */
typedef struct slot {
  slot_state state;
  uint64_t order; /* the lower the longer it waits */
  dyno_node_name name;
  int32_t *tokens; /* [most_tokens] */
  uint8_t *blocks; /* [layers][block_bytes] */
} slot;

/* What compressing takes: one for the thread, one for the engine's. */
typedef struct worker {
  dyno_block_codec *codec;
  uint8_t *record;
} worker;

struct dyno_compressor {
  dyno_compressed *store;
  dyno_node_shape shape;
  dyno_buffer memory; /* of slots and workers */
  worker background, own;
  pthread_t thread;
  bool started;

  /* Passes, told by the engine's thread. */
  atomic_bool passing;
  atomic_uint kind;                       /* pass_kind, of the pass that runs or ran last */
  atomic_uint_fast64_t left;              /* when the last one ended */
  atomic_int_fast64_t credit[PASS_KINDS]; /* ns that may still be used while they run */
  uint64_t entered;                       /* the engine's thread only */

  atomic_bool stop;
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t changed;
  slot *slots; /* [slot_count] */
  size_t slot_count;
  uint64_t next_order;
  dyno_compressor_counts counts;
};

/* A multiple of a cache line. */
static size_t rounded(size_t bytes)
{
  return (bytes + 63) / 64 * 64;
}

static size_t slot_bytes(const dyno_node_shape *shape)
{
  return rounded(shape->most_tokens * sizeof(int32_t)) +
         rounded(shape->layers * shape->block_bytes);
}

static size_t buffer_bytes(const dyno_node_shape *shape, size_t slots)
{
  return slots * slot_bytes(shape) + 2 * rounded(dyno_node_record_most(shape, shape->most_tokens));
}

uint64_t dyno_compressor_bytes(const dyno_node_shape *shape, size_t slots)
{
  return sizeof(dyno_compressor) + slots * sizeof(slot) + buffer_bytes(shape, slots) +
         2 * dyno_block_codec_bytes(shape->block_bytes);
}

static uint64_t processor_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void dyno_compressor_enter(dyno_compressor *compressor, size_t tokens)
{
  if (compressor == NULL)
    return;
  pass_kind kind = tokens > 1 ? PASS_BATCH : PASS_DECODE;
  compressor->entered = dyno_clock_ns();
  atomic_store_explicit(&compressor->kind, kind, memory_order_relaxed);
  atomic_store_explicit(&compressor->passing, true, memory_order_release);
}

void dyno_compressor_leave(dyno_compressor *compressor)
{
  if (compressor == NULL)
    return;
  uint64_t now = dyno_clock_ns();
  unsigned kind = atomic_load_explicit(&compressor->kind, memory_order_relaxed);
  atomic_int_fast64_t *credit = &compressor->credit[kind];
  if (atomic_load_explicit(credit, memory_order_relaxed) < MOST_CREDIT)
    atomic_fetch_add_explicit(credit, (int64_t)(now - compressor->entered) / shares[kind],
                              memory_order_relaxed);
  atomic_store_explicit(&compressor->left, now, memory_order_release);
  atomic_store_explicit(&compressor->passing, false, memory_order_release);
}

static bool is_idle(dyno_compressor *compressor)
{
  return !atomic_load_explicit(&compressor->passing, memory_order_acquire) &&
         dyno_clock_ns() - atomic_load_explicit(&compressor->left, memory_order_acquire) >
             IDLE_AFTER;
}

static bool has_credit(dyno_compressor *compressor, unsigned kind)
{
  return atomic_load_explicit(&compressor->credit[kind], memory_order_relaxed) > 0;
}

static void take_credit(dyno_compressor *compressor, unsigned kind, uint64_t ns)
{
  atomic_fetch_sub_explicit(&compressor->credit[kind], (int64_t)ns, memory_order_relaxed);
}

static bool may_work(dyno_compressor *compressor)
{
  return is_idle(compressor) ||
         has_credit(compressor, atomic_load_explicit(&compressor->kind, memory_order_relaxed));
}

/* Waits until a block may be compressed; false when the thread shall end. */
static bool wait_for_leave(dyno_compressor *compressor)
{
  while (!atomic_load(&compressor->stop) && !may_work(compressor)) {
    uint64_t end = dyno_clock_ns() + LOOK_AGAIN;
    const struct timespec until = {(time_t)(end / 1000000000), (long)(end % 1000000000)};
    pthread_mutex_lock(&compressor->mutex);
    if (!atomic_load(&compressor->stop))
      pthread_cond_timedwait(&compressor->changed, &compressor->mutex, &until);
    pthread_mutex_unlock(&compressor->mutex);
  }
  return !atomic_load(&compressor->stop);
}

/* With the mutex. Takes the slot that waits longest; NULL when none does. */
static slot *take_slot(dyno_compressor *compressor)
{
  slot *oldest = NULL;
  for (size_t i = 0; i < compressor->slot_count; i++) {
    slot *one = &compressor->slots[i];
    if (one->state == SLOT_WAITING && (oldest == NULL || one->order < oldest->order))
      oldest = one;
  }
  if (oldest != NULL)
    oldest->state = SLOT_TAKEN;
  return oldest;
}

/* Puts what a worker made of a slot into the store, and empties it. */
static void finish(dyno_compressor *compressor, slot *done, const dyno_node_writer *writer,
                   uint64_t ns, uint64_t busy_ns, bool helped)
{
  const dyno_node_shape *shape = &compressor->shape;
  bool kept = dyno_compressed_put(compressor->store, &done->name, writer->bytes, writer->size);
  pthread_mutex_lock(&compressor->mutex);
  dyno_compressor_counts *counts = &compressor->counts;
  counts->ns += ns;
  counts->busy_ns += busy_ns;
  if (kept) {
    counts->nodes++;
    counts->bytes_in += shape->layers * shape->block_bytes;
    counts->bytes_out += writer->size;
    counts->helped += helped;
  }
  counts->waiting--;
  done->state = SLOT_EMPTY;
  pthread_cond_broadcast(&compressor->changed);
  pthread_mutex_unlock(&compressor->mutex);
}

static void add_layer(dyno_compressor *compressor, dyno_node_writer *writer, const worker *with,
                      const slot *from)
{
  dyno_node_writer_add(writer, with->codec,
                       from->blocks + writer->layer * compressor->shape.block_bytes);
}

/* False when the thread shall end. */
static bool compress_in_background(dyno_compressor *compressor, slot *from)
{
  const worker *with = &compressor->background;
  dyno_node_writer writer;
  uint64_t ns = 0, busy_ns = 0;
  dyno_node_writer_open(&writer, &compressor->shape, with->record, from->tokens, from->name.count);
  for (size_t layer = 0; layer < compressor->shape.layers; layer++) {
    if (!wait_for_leave(compressor))
      return false;
    uint64_t begin = processor_ns();
    add_layer(compressor, &writer, with, from);
    uint64_t cost = processor_ns() - begin;
    ns += cost;
    if (!is_idle(compressor)) {
      busy_ns += cost;
      take_credit(compressor, atomic_load_explicit(&compressor->kind, memory_order_relaxed), cost);
    }
  }
  finish(compressor, from, &writer, ns, busy_ns, false);
  return true;
}

static void *work(void *context)
{
  dyno_compressor *compressor = context;
  const struct sched_param none = {0};
  pthread_setschedparam(pthread_self(), SCHED_IDLE, &none); /* best effort */
  for (;;) {
    slot *from = NULL;
    pthread_mutex_lock(&compressor->mutex);
    while (!atomic_load(&compressor->stop) && (from = take_slot(compressor)) == NULL)
      pthread_cond_wait(&compressor->changed, &compressor->mutex);
    pthread_mutex_unlock(&compressor->mutex);
    if (from == NULL || !compress_in_background(compressor, from))
      return NULL;
  }
}

/* Signals are for the threads of the program. */
static int start_thread(dyno_compressor *compressor)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = pthread_create(&compressor->thread, NULL, work, compressor);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure;
}

static void *carve(char **next, size_t bytes)
{
  void *part = *next;
  *next += rounded(bytes);
  return part;
}

static dyno_status allocate(dyno_compressor *compressor, dyno_error *error)
{
  const dyno_node_shape *shape = &compressor->shape;
  size_t record = dyno_node_record_most(shape, shape->most_tokens);
  compressor->slots = calloc(compressor->slot_count, sizeof *compressor->slots);
  if (compressor->slots == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_status status = dyno_buffer_open_on(
      &compressor->memory, buffer_bytes(shape, compressor->slot_count), DYNO_PAGES_SMALL, error);
  if (status == DYNO_OK)
    status = dyno_block_codec_open(&compressor->background.codec, shape->element_bytes,
                                   shape->block_bytes, error);
  if (status == DYNO_OK)
    status = dyno_block_codec_open(&compressor->own.codec, shape->element_bytes, shape->block_bytes,
                                   error);
  if (status != DYNO_OK)
    return status;
  char *next = compressor->memory.data;
  for (size_t i = 0; i < compressor->slot_count; i++) {
    compressor->slots[i].tokens = carve(&next, shape->most_tokens * sizeof(int32_t));
    compressor->slots[i].blocks = carve(&next, shape->layers * shape->block_bytes);
  }
  compressor->background.record = carve(&next, record);
  compressor->own.record = carve(&next, record);
  return DYNO_OK;
}

dyno_status dyno_compressor_open(dyno_compressor **compressor, dyno_compressed *store,
                                 const dyno_node_shape *shape, size_t slots, dyno_error *error)
{
  pthread_condattr_t monotonic;
  *compressor = NULL;
  dyno_compressor *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "compression of keys and values: out of memory");
  made->store = store;
  made->shape = *shape;
  made->slot_count = slots;
  pthread_mutex_init(&made->mutex, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&made->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  dyno_status status = allocate(made, error);
  int failure = status == DYNO_OK ? start_thread(made) : 0;
  made->started = status == DYNO_OK && failure == 0;
  if (failure != 0)
    status =
        dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "cannot start a thread: %s", strerror(failure));
  if (status != DYNO_OK) {
    dyno_error_prepend(error, "compression of keys and values");
    dyno_compressor_close(&made);
  }
  *compressor = made;
  return status;
}

void dyno_compressor_close(dyno_compressor **compressor)
{
  dyno_compressor *closing = *compressor;
  if (closing == NULL)
    return;
  if (closing->started) {
    pthread_mutex_lock(&closing->mutex);
    atomic_store(&closing->stop, true);
    pthread_cond_broadcast(&closing->changed);
    pthread_mutex_unlock(&closing->mutex);
    pthread_join(closing->thread, NULL);
  }
  dyno_block_codec_close(&closing->background.codec);
  dyno_block_codec_close(&closing->own.codec);
  dyno_buffer_close(&closing->memory);
  free(closing->slots);
  pthread_cond_destroy(&closing->changed);
  pthread_mutex_destroy(&closing->mutex);
  free(closing);
  *compressor = NULL;
}

/* With the mutex. */
static slot *find_slot(dyno_compressor *compressor, const uint64_t key[2])
{
  for (size_t i = 0; i < compressor->slot_count; i++) {
    slot *one = &compressor->slots[i];
    if (one->state != SLOT_EMPTY && memcmp(one->name.key, key, 2 * sizeof *key) == 0)
      return one;
  }
  return NULL;
}

static slot *find_empty(dyno_compressor *compressor)
{
  for (size_t i = 0; i < compressor->slot_count; i++)
    if (compressor->slots[i].state == SLOT_EMPTY)
      return &compressor->slots[i];
  return NULL;
}

bool dyno_compressor_offer(dyno_compressor *compressor, const dyno_node_name *name,
                           const int32_t *tokens, const void *const *blocks)
{
  const dyno_node_shape *shape = &compressor->shape;
  pthread_mutex_lock(&compressor->mutex);
  slot *into = find_empty(compressor);
  if (into != NULL) {
    into->state = SLOT_WAITING;
    into->order = compressor->next_order++;
    into->name = *name;
    memcpy(into->tokens, tokens, name->count * sizeof *tokens);
    for (size_t layer = 0; layer < shape->layers; layer++)
      memcpy(into->blocks + layer * shape->block_bytes, blocks[layer], shape->block_bytes);
    compressor->counts.waiting++;
    pthread_cond_signal(&compressor->changed);
  } else {
    compressor->counts.dropped++;
  }
  pthread_mutex_unlock(&compressor->mutex);
  return into != NULL;
}

bool dyno_compressor_is_full(dyno_compressor *compressor)
{
  pthread_mutex_lock(&compressor->mutex);
  bool full = find_empty(compressor) == NULL;
  pthread_mutex_unlock(&compressor->mutex);
  return full;
}

bool dyno_compressor_has(dyno_compressor *compressor, const uint64_t key[2])
{
  pthread_mutex_lock(&compressor->mutex);
  bool has = find_slot(compressor, key) != NULL;
  pthread_mutex_unlock(&compressor->mutex);
  return has;
}

bool dyno_compressor_recall(dyno_compressor *compressor, const uint64_t key[2],
                            const int32_t *tokens, size_t count, void *const *blocks)
{
  const dyno_node_shape *shape = &compressor->shape;
  pthread_mutex_lock(&compressor->mutex);
  const slot *from = find_slot(compressor, key);
  bool found = from != NULL && from->name.count == count &&
               memcmp(from->tokens, tokens, count * sizeof *tokens) == 0;
  for (size_t layer = 0; found && layer < shape->layers; layer++)
    memcpy(blocks[layer], from->blocks + layer * shape->block_bytes, shape->block_bytes);
  pthread_mutex_unlock(&compressor->mutex);
  return found;
}

bool dyno_compressor_help(dyno_compressor *compressor, bool within_share)
{
  if (within_share && !has_credit(compressor, PASS_BATCH))
    return false;
  pthread_mutex_lock(&compressor->mutex);
  slot *from = take_slot(compressor);
  pthread_mutex_unlock(&compressor->mutex);
  if (from == NULL)
    return false;
  dyno_node_writer writer;
  uint64_t begin = processor_ns();
  dyno_node_writer_open(&writer, &compressor->shape, compressor->own.record, from->tokens,
                        from->name.count);
  for (size_t layer = 0; layer < compressor->shape.layers; layer++)
    add_layer(compressor, &writer, &compressor->own, from);
  uint64_t ns = processor_ns() - begin;
  if (within_share)
    take_credit(compressor, PASS_BATCH, ns);
  finish(compressor, from, &writer, ns, within_share ? ns : 0, true);
  return true;
}

void dyno_compressor_drain(dyno_compressor *compressor)
{
  while (dyno_compressor_help(compressor, false))
    continue;
  pthread_mutex_lock(&compressor->mutex);
  while (compressor->counts.waiting > 0)
    pthread_cond_wait(&compressor->changed, &compressor->mutex);
  pthread_mutex_unlock(&compressor->mutex);
}

dyno_compressor_counts dyno_compressor_count(dyno_compressor *compressor)
{
  pthread_mutex_lock(&compressor->mutex);
  dyno_compressor_counts counts = compressor->counts;
  pthread_mutex_unlock(&compressor->mutex);
  return counts;
}
