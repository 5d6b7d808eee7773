#include "harness/measure/profile_recorder.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"

enum { BLOCK_EVENTS = 4096 };

typedef struct event_block {
  dyno_probe_event events[BLOCK_EVENTS];
} event_block;

/* On lines of its own, so that threads do not slow each other down. */
typedef struct thread_events {
  _Alignas(128) event_block **blocks; /* owned, as are they */
  size_t block_count, count, lost;
} thread_events;

struct dyno_profile_recorder {
  dyno_probe probe;
  unsigned threads;
  atomic_size_t strangers; /* events of threads that there are not */
  thread_events *of;       /* [threads] */
};

/* Touches the memory too, because the first touch of a page takes longer than many an op. */
static bool add_block(thread_events *events)
{
  event_block **longer = realloc(events->blocks, (events->block_count + 1) * sizeof(event_block *));
  if (longer == NULL)
    return false;
  events->blocks = longer;
  event_block *block = malloc(sizeof *block);
  if (block == NULL)
    return false;
  memset(block, 0xff, sizeof *block);
  longer[events->block_count++] = block;
  return true;
}

static void record(void *context, const dyno_probe_event *event)
{
  dyno_profile_recorder *recorder = context;
  if (event->thread >= recorder->threads) {
    atomic_fetch_add_explicit(&recorder->strangers, 1, memory_order_relaxed);
    return;
  }
  thread_events *events = &recorder->of[event->thread];
  size_t block = events->count / BLOCK_EVENTS;
  if (block == events->block_count && !add_block(events)) {
    events->lost++;
    return;
  }
  events->blocks[block]->events[events->count++ % BLOCK_EVENTS] = *event;
}

static bool reserve(dyno_profile_recorder *recorder, size_t expected)
{
  recorder->of = aligned_alloc(128, recorder->threads * sizeof *recorder->of);
  if (recorder->of == NULL)
    return false;
  memset(recorder->of, 0, recorder->threads * sizeof *recorder->of);
  for (unsigned thread = 0; thread < recorder->threads; thread++)
    while (recorder->of[thread].block_count * BLOCK_EVENTS < expected)
      if (!add_block(&recorder->of[thread]))
        return false;
  return true;
}

dyno_status dyno_profile_recorder_open(dyno_profile_recorder **recorder, unsigned threads,
                                       size_t expected, dyno_error *error)
{
  *recorder = NULL;
  dyno_profile_recorder *made = calloc(1, sizeof *made);
  if (made != NULL) {
    made->threads = threads;
    made->probe = (dyno_probe){.event = record, .context = made};
  }
  if (made == NULL || !reserve(made, expected)) {
    dyno_profile_recorder_close(&made);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu events of %u threads", expected,
                     threads);
  }
  *recorder = made;
  return DYNO_OK;
}

void dyno_profile_recorder_close(dyno_profile_recorder **recorder)
{
  dyno_profile_recorder *closing = *recorder;
  if (closing == NULL)
    return;
  for (unsigned thread = 0; closing->of != NULL && thread < closing->threads; thread++) {
    for (size_t i = 0; i < closing->of[thread].block_count; i++)
      free(closing->of[thread].blocks[i]);
    free(closing->of[thread].blocks);
  }
  free(closing->of);
  free(closing);
  *recorder = NULL;
}

const dyno_probe *dyno_profile_recorder_probe(const dyno_profile_recorder *recorder)
{
  return &recorder->probe;
}

unsigned dyno_profile_recorder_threads(const dyno_profile_recorder *recorder)
{
  return recorder->threads;
}

size_t dyno_profile_recorder_count(const dyno_profile_recorder *recorder, unsigned thread)
{
  return recorder->of[thread].count;
}

const dyno_probe_event *dyno_profile_recorder_event(const dyno_profile_recorder *recorder,
                                                    unsigned thread, size_t index)
{
  return &recorder->of[thread].blocks[index / BLOCK_EVENTS]->events[index % BLOCK_EVENTS];
}

size_t dyno_profile_recorder_total(const dyno_profile_recorder *recorder)
{
  size_t total = 0;
  for (unsigned thread = 0; thread < recorder->threads; thread++)
    total += recorder->of[thread].count;
  return total;
}

size_t dyno_profile_recorder_lost(const dyno_profile_recorder *recorder)
{
  size_t lost = atomic_load_explicit(&recorder->strangers, memory_order_relaxed);
  for (unsigned thread = 0; thread < recorder->threads; thread++)
    lost += recorder->of[thread].lost;
  return lost;
}

dyno_status dyno_profile_recording_seconds(double *seconds, dyno_error *error)
{
  enum { TRIALS = 20, EVENTS = 100 };
  dyno_profile_recorder *recorder;
  dyno_status status = dyno_profile_recorder_open(&recorder, 1, TRIALS * EVENTS, error);
  if (status != DYNO_OK)
    return status;
  const dyno_probe *probe = dyno_profile_recorder_probe(recorder);
  *seconds = INFINITY;
  for (int trial = 0; trial < TRIALS; trial++) { /* the best: others were interrupted */
    uint64_t start = dyno_clock_ns();
    for (int i = 0; i < EVENTS; i++) {
      dyno_probe_event event = {.op = "trial", .begin_ns = dyno_clock_ns()};
      event.end_ns = dyno_clock_ns();
      probe->event(probe->context, &event);
    }
    *seconds = fmin(*seconds, (double)(dyno_clock_ns() - start) * 1e-9 / EVENTS);
  }
  dyno_profile_recorder_close(&recorder);
  return DYNO_OK;
}
