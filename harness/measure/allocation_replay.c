#include "harness/measure/allocation_replay.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels/base/clock.h"

enum { BUDDY, MALLOC, ARMS };
enum { CALLS, TOUCHED, MODES };
enum { PAGE = 4096, MALLOC_ALIGNMENT = 64 };

typedef struct bench {
  const dyno_allocation_trace *trace;
  dyno_allocator *allocator;
  void **slots;               /* [trace->slots] */
  double *times[MODES][ARMS]; /* [rounds] */
  double *ratios;             /* [rounds] */
} bench;

static inline void touch(char *block, size_t bytes)
{
  for (size_t i = 0; i < bytes; i += PAGE)
    *(volatile char *)(block + i) = 1;
}

static inline void *take_malloc(const dyno_trace_step *step)
{
  void *block = NULL;
  if (step->alignment <= MALLOC_ALIGNMENT)
    return malloc(step->bytes);
  return posix_memalign(&block, step->alignment, step->bytes) == 0 ? block : NULL;
}

/* Runs the trace on one of them; false when it has no memory. */
static bool run(bench *b, int arm, bool touching)
{
  const dyno_trace_step *end = b->trace->steps + b->trace->count;
  for (const dyno_trace_step *step = b->trace->steps; step < end; step++) {
    void **slot = &b->slots[step->slot];
    if (step->bytes == 0) {
      if (arm == BUDDY)
        dyno_release(b->allocator, *slot);
      else
        free(*slot);
      *slot = NULL;
      continue;
    }
    *slot = arm == BUDDY ? dyno_allocate(b->allocator, step->bytes, step->alignment, step->purpose)
                         : take_malloc(step);
    if (*slot == NULL)
      return false;
    if (touching)
      touch(*slot, step->bytes);
  }
  return true;
}

static bool time_run(bench *b, int arm, int mode, double *seconds)
{
  uint64_t start = dyno_clock_ns();
  bool done = run(b, arm, mode == TOUCHED);
  *seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  return done;
}

static dyno_status run_round(bench *b, size_t round, bool counted, dyno_error *error)
{
  for (int mode = 0; mode < MODES; mode++)
    for (int turn = 0; turn < ARMS; turn++) {
      int arm = (turn + (int)(round % 2)) % ARMS;
      double seconds;
      if (!time_run(b, arm, mode, &seconds))
        return dyno_fail(error, DYNO_ERROR_MEMORY, "replay: %s has no memory for the trace",
                         arm == BUDDY ? "the buddy allocator" : "malloc");
      if (counted)
        b->times[mode][arm][round] = seconds * 1e9 / (double)b->trace->count;
    }
  return DYNO_OK;
}

static dyno_status summarize(dyno_replay_figures *figures, const bench *b, int mode, size_t rounds,
                             dyno_error *error)
{
  double *const *times = b->times[mode];
  for (size_t i = 0; i < rounds; i++)
    b->ratios[i] = times[BUDDY][i] / times[MALLOC][i];
  figures->ratio = dyno_median(b->ratios, rounds);
  figures->interval = dyno_median_interval(b->ratios, rounds, 0.95);
  dyno_status status = dyno_summarize(&figures->buddy, times[BUDDY], rounds, error);
  return status != DYNO_OK ? status
                           : dyno_summarize(&figures->malloc_, times[MALLOC], rounds, error);
}

static dyno_status measure(dyno_replay *replay, bench *b, const dyno_replay_options *options,
                           dyno_error *error)
{
  dyno_status status = run_round(b, 0, false, error);
  for (size_t i = 0; i < options->rounds && status == DYNO_OK; i++) {
    if (options->stop != NULL && *options->stop != 0)
      break;
    status = run_round(b, i, true, error);
    replay->rounds += status == DYNO_OK;
  }
  if (status == DYNO_OK && replay->rounds == 0)
    return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "replay: interrupted before the first round");
  if (status == DYNO_OK)
    status = summarize(&replay->calls, b, CALLS, replay->rounds, error);
  if (status == DYNO_OK)
    status = summarize(&replay->touched, b, TOUCHED, replay->rounds, error);
  return status;
}

/* Runs the trace up to where it holds most. */
static void look_at_peak(dyno_replay *replay, bench *b)
{
  uint64_t live = 0, peak = 0;
  uint64_t *bytes = calloc(b->trace->slots, sizeof *bytes);
  for (size_t i = 0; bytes != NULL && i < b->trace->count; i++) {
    const dyno_trace_step *step = &b->trace->steps[i];
    void **slot = &b->slots[step->slot];
    live += step->bytes - (step->bytes == 0 ? bytes[step->slot] : 0);
    bytes[step->slot] = step->bytes;
    if (step->bytes == 0)
      dyno_release(b->allocator, *slot);
    else
      *slot = dyno_allocate(b->allocator, step->bytes, step->alignment, step->purpose);
    if (live <= peak)
      continue;
    peak = live;
    dyno_allocator_statistics now = dyno_allocator_get_statistics(b->allocator);
    replay->peak = now.total.live;
    replay->given = now.given;
    replay->held = now.held;
  }
  free(bytes);
}

static dyno_status check_memory(const dyno_allocation_trace *trace, dyno_error *error)
{
  uint64_t all = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  if (trace->peak <= all / 2)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                   "replay: the trace holds %.1f GB at once, and %.1f GB are free: half of these "
                   "are possible",
                   (double)trace->peak * 1e-9, (double)all * 1e-9);
}

dyno_status dyno_allocation_replay(dyno_replay *replay, const dyno_allocation_trace *trace,
                                   const dyno_replay_options *options, dyno_error *error)
{
  bench b = {.trace = trace, .slots = calloc(trace->slots, sizeof *b.slots)};
  const dyno_allocator_options how = {.pages = options->pages};
  double *memory = calloc(options->rounds * (MODES * ARMS + 1), sizeof *memory);
  *replay = (dyno_replay){0};
  dyno_status status = check_memory(trace, error);
  if (status == DYNO_OK && (b.slots == NULL || memory == NULL))
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "replay: out of memory");
  if (status == DYNO_OK)
    status = dyno_allocator_open(&b.allocator, &how, error);
  if (status == DYNO_OK) {
    b.ratios = memory;
    for (int i = 0; i < MODES * ARMS; i++)
      b.times[i / ARMS][i % ARMS] = memory + (size_t)(i + 1) * options->rounds;
    look_at_peak(replay, &b);
    status = measure(replay, &b, options, error);
  }
  dyno_allocator_close(&b.allocator);
  free(b.slots);
  free(memory);
  return status;
}
