#include "runtime/model/migration.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/memory/residence.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* A tenth of a processor when all are busy, and all of one that is idle. */
enum { NICENESS = 10 };

/* How often the thread looks whether it shall end. */
enum { CHUNK = 1 << 20 };

/* When this much of a copy has not got huge pages, there are none to be had. */
enum { SAMPLE = 16 << 20 };

struct dyno_migration {
  dyno_pool *pool;
  dyno_numa numa;
  dyno_linear **order; /* the hottest first */
  size_t count;

  pthread_t thread;
  atomic_bool stop;
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t changed;
  unsigned in_use; /* the pointers: how often entered */
  bool was_used;
  dyno_linear *linear; /* to be moved to copy; NULL: none */
  dyno_buffer copy;
};

/* With the mutex, where nobody uses the pointers. */
static void adopt(dyno_migration *migration)
{
  if (migration->linear == NULL || migration->in_use > 0)
    return;
  dyno_linear_move(migration->linear, &migration->copy);
  migration->linear = NULL;
  pthread_cond_broadcast(&migration->changed);
}

void dyno_migration_enter(dyno_migration *migration)
{
  if (migration == NULL)
    return;
  pthread_mutex_lock(&migration->mutex);
  adopt(migration);
  migration->in_use++;
  pthread_mutex_unlock(&migration->mutex);
}

void dyno_migration_leave(dyno_migration *migration)
{
  if (migration == NULL)
    return;
  pthread_mutex_lock(&migration->mutex);
  migration->in_use--;
  adopt(migration);
  migration->was_used = true;
  pthread_cond_broadcast(&migration->changed);
  pthread_mutex_unlock(&migration->mutex);
}

/* Offers the copy and returns when it has been taken; false, and it is closed, when that is not to
 * be any more. */
static bool hand_over(dyno_migration *migration, dyno_linear *linear, dyno_buffer *copy)
{
  pthread_mutex_lock(&migration->mutex);
  migration->linear = linear;
  migration->copy = *copy;
  adopt(migration);
  while (migration->linear != NULL && !atomic_load(&migration->stop))
    pthread_cond_wait(&migration->changed, &migration->mutex);
  bool taken = migration->linear == NULL;
  migration->linear = NULL;
  pthread_mutex_unlock(&migration->mutex);
  if (!taken)
    dyno_buffer_close(copy);
  return taken;
}

static bool mostly_huge(const void *data, size_t size)
{
  dyno_residence found = {0};
  return dyno_residence_add(&found, data, size) && found.huge * 10 >= found.bytes * 9;
}

/* The whole pages, of that size, in [data, data + size): for advice. */
static void advise(const void *data, size_t size, size_t page, int advice)
{
  uintptr_t begin = ((uintptr_t)data + page - 1) & ~(uintptr_t)(page - 1);
  uintptr_t end = ((uintptr_t)data + size) & ~(uintptr_t)(page - 1);
  if (begin < end)
    madvise((void *)begin, end - begin, advice);
}

/* Maps what is in the page cache, or reads it in: only then can be told on which pages it is. */
static void populate(const dyno_migration *migration, const uint8_t *data, size_t size, size_t page)
{
#ifdef MADV_POPULATE_READ
  for (size_t at = 0; at < size && !atomic_load(&migration->stop); at += SAMPLE)
    advise(data + at, size - at < SAMPLE ? size - at : SAMPLE, page, MADV_POPULATE_READ);
#else
  (void)migration, (void)data, (void)size, (void)page;
#endif
}

/* False when the copy is not worth going on with, or the thread shall end. */
static bool copy_weights(const dyno_migration *migration, dyno_buffer *copy, const uint8_t *from)
{
  for (size_t at = 0; at < copy->size; at += CHUNK) {
    if (atomic_load_explicit(&migration->stop, memory_order_relaxed))
      return false;
    size_t left = copy->size - at;
    memcpy((uint8_t *)copy->data + at, from + at, left < CHUNK ? left : CHUNK);
    if (at + CHUNK == SAMPLE && !mostly_huge(copy->data, SAMPLE))
      return false;
  }
  return true;
}

/* False when there is no use in trying the next matrix. */
static bool move(dyno_migration *migration, dyno_linear *linear)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t group_bytes = linear->layout->bytes(linear->layout, linear->n, linear->k);
  size_t size = group_bytes * linear->groups;
  const uint8_t *mapped = linear->group_weight[0];
  if (linear->packed.data != NULL || size < DYNO_HUGE_PAGE / 2)
    return true;
  populate(migration, mapped, size, page);
  if (mostly_huge(mapped, size))
    return true;
  advise(mapped, size, DYNO_HUGE_PAGE, MADV_COLLAPSE);
  if (mostly_huge(mapped, size))
    return true;
  dyno_buffer copy;
  if (dyno_buffer_open(&copy, size, NULL) != DYNO_OK)
    return false;
  if (migration->numa == DYNO_NUMA_ROWS)
    dyno_linear_place(linear, copy.data, group_bytes, migration->pool);
  if (!copy_weights(migration, &copy, mapped)) {
    dyno_buffer_close(&copy);
    return false;
  }
  if (!hand_over(migration, linear, &copy))
    return false;
  advise(mapped, size, page, MADV_DONTNEED);
  return true;
}

static void *work(void *argument)
{
  dyno_migration *migration = argument;
  setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread; best effort */
  pthread_mutex_lock(&migration->mutex);
  while (!migration->was_used && !atomic_load(&migration->stop))
    pthread_cond_wait(&migration->changed, &migration->mutex);
  pthread_mutex_unlock(&migration->mutex);
  for (size_t i = 0; i < migration->count && !atomic_load(&migration->stop); i++)
    if (!move(migration, migration->order[i]))
      break;
  return NULL;
}

/* The head and attention are read for every token, an expert's matrices for one in eight. */
static dyno_status order_matrices(dyno_migration *migration, dyno_model *model, dyno_error *error)
{
  size_t layers = model->config->layers;
  migration->order = calloc(8 * layers + 1, sizeof *migration->order);
  if (migration->order == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "migration: out of memory");
  migration->order[migration->count++] = &model->head;
  for (size_t i = 0; i < layers; i++) {
    dyno_layer *layer = &model->layers[i];
    dyno_linear *dense[] = {&layer->query, &layer->key, &layer->value, &layer->attention_output,
                            &layer->router};
    for (size_t j = 0; j < sizeof dense / sizeof *dense; j++)
      migration->order[migration->count++] = dense[j];
  }
  for (size_t i = 0; i < layers; i++) {
    dyno_layer *layer = &model->layers[i];
    dyno_linear *experts[] = {&layer->gate, &layer->up, &layer->down};
    for (size_t j = 0; j < sizeof experts / sizeof *experts; j++)
      migration->order[migration->count++] = experts[j];
  }
  return DYNO_OK;
}

static void release(dyno_migration *migration)
{
  pthread_cond_destroy(&migration->changed);
  pthread_mutex_destroy(&migration->mutex);
  free(migration->order);
  free(migration);
}

dyno_status dyno_migration_start(dyno_migration **migration, dyno_model *model, dyno_pool *pool,
                                 dyno_numa numa, dyno_error *error)
{
  *migration = NULL;
  dyno_migration *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "migration: out of memory");
  made->pool = pool;
  made->numa = numa;
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->changed, NULL);
  dyno_status status = order_matrices(made, model, error);
  if (status == DYNO_OK) {
    int failure = pthread_create(&made->thread, NULL, work, made);
    if (failure != 0)
      status =
          dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                    "cannot start a thread for --huge-pages=background: %s", strerror(failure));
  }
  if (status != DYNO_OK) {
    release(made);
    return status;
  }
  *migration = made;
  return DYNO_OK;
}

void dyno_migration_stop(dyno_migration **migration)
{
  dyno_migration *stopping = *migration;
  if (stopping == NULL)
    return;
  pthread_mutex_lock(&stopping->mutex);
  atomic_store(&stopping->stop, true);
  pthread_cond_broadcast(&stopping->changed);
  pthread_mutex_unlock(&stopping->mutex);
  pthread_join(stopping->thread, NULL);
  release(stopping);
  *migration = NULL;
}
