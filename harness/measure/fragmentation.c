#include "harness/measure/fragmentation.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "runtime/cache/defragment.h"
#include "runtime/cache/kv_pool.h"
#include "runtime/sample/rng.h"

typedef struct sequence {
  dyno_kv_block *blocks; /* [most_blocks] */
  size_t count;
} sequence;

typedef struct run {
  const dyno_fragmentation_options *options;
  dyno_kv_pool pool;
  dyno_allocator *allocator;
  sequence *sequences; /* [open] */
  uint64_t drawn;
} run;

static double draw(run *r)
{
  return dyno_random_unit(r->options->seed, r->drawn++);
}

static void close_sequence(run *r, sequence *one)
{
  for (size_t i = 0; i < one->count; i++)
    dyno_kv_pool_release(&r->pool, one->blocks[i]);
  dyno_kv_pool_withdraw(&r->pool, one->count);
  one->count = 0;
}

/* Sequences grow beside each other: this one takes a part of its blocks, then the others may take
 * some, as tokens of several requests come in turn. */
static dyno_status grow(run *r, sequence *one, size_t by, dyno_error *error)
{
  size_t room = r->options->most_blocks - one->count;
  by = by < room ? by : room;
  dyno_status status = dyno_kv_pool_promise(&r->pool, by, error);
  for (size_t i = 0; i < by && status == DYNO_OK; i++)
    one->blocks[one->count++] = dyno_kv_pool_take(&r->pool);
  return status;
}

static dyno_status run_request(run *r, dyno_error *error)
{
  const dyno_fragmentation_options *options = r->options;
  sequence *one = &r->sequences[(size_t)(draw(r) * (double)options->open)];
  close_sequence(r, one);
  size_t length = (size_t)exp(draw(r) * log((double)options->most_blocks + 1));
  dyno_status status = grow(r, one, length > 0 ? length : 1, error);
  for (size_t i = 0; i < options->open && status == DYNO_OK; i++)
    if (r->sequences[i].count > 0 && draw(r) < 0.5)
      status = grow(r, &r->sequences[i], 1, error);
  return status;
}

static void tidy(run *r, dyno_fragmentation_arm *arm, bool moving)
{
  uint64_t start = dyno_clock_ns();
  for (size_t left = moving ? r->options->moves : 0; left > 0;) {
    size_t moved = dyno_kv_defragment(&r->pool, left);
    if (moved == 0)
      break;
    left -= moved;
  }
  dyno_kv_pool_trim(&r->pool, SIZE_MAX);
  double seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  arm->total += seconds;
  arm->longest = seconds > arm->longest ? seconds : arm->longest;
}

static void sample(const run *r, dyno_fragmentation_arm *arm, size_t index)
{
  dyno_kv_occupancy now = dyno_kv_pool_occupancy(&r->pool);
  dyno_fragmentation_sample *taken = &arm->samples[index];
  taken->used = (uint64_t)now.blocks * r->pool.block_bytes;
  taken->held = (uint64_t)now.chunks * r->pool.chunk_bytes;
  double share = taken->held == 0 ? 0 : 1 - (double)taken->used / (double)taken->held;
  arm->mean += (share - arm->mean) / (double)(index + 1);
  arm->worst = share > arm->worst ? share : arm->worst;
  arm->held_peak = taken->held > arm->held_peak ? taken->held : arm->held_peak;
  arm->held_end = taken->held;
}

static dyno_status open_run(run *r, dyno_error *error)
{
  dyno_status status = dyno_allocator_open(&r->allocator, NULL, error);
  if (status != DYNO_OK)
    return status;
  dyno_kv_pool_open(&r->pool, r->options->block_bytes, r->allocator);
  r->sequences = calloc(r->options->open, sizeof *r->sequences);
  for (size_t i = 0; r->sequences != NULL && i < r->options->open; i++) {
    r->sequences[i].blocks = calloc(r->options->most_blocks, sizeof(dyno_kv_block));
    if (r->sequences[i].blocks == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "fragmentation: out of memory");
  }
  return r->sequences != NULL ? DYNO_OK
                              : dyno_fail(error, DYNO_ERROR_MEMORY, "fragmentation: out of memory");
}

static void close_run(run *r)
{
  for (size_t i = 0; r->sequences != NULL && i < r->options->open; i++) {
    close_sequence(r, &r->sequences[i]);
    free(r->sequences[i].blocks);
  }
  free(r->sequences);
  dyno_kv_pool_close(&r->pool);
  dyno_allocator_close(&r->allocator);
}

static dyno_status run_arm(dyno_fragmentation_arm *arm, size_t *requests,
                           const dyno_fragmentation_options *options, bool moving,
                           dyno_error *error)
{
  run r = {.options = options};
  arm->samples = calloc(options->requests, sizeof *arm->samples);
  dyno_status status = arm->samples != NULL
                           ? open_run(&r, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "fragmentation: out of memory");
  size_t done = 0;
  for (; done < *requests && status == DYNO_OK; done++) {
    if (options->stop != NULL && *options->stop != 0)
      break;
    status = run_request(&r, error);
    tidy(&r, arm, moving);
    sample(&r, arm, done);
  }
  *requests = done;
  arm->moved = r.pool.moved;
  if (r.allocator != NULL)
    close_run(&r);
  return status;
}

dyno_status dyno_fragmentation_run(dyno_fragmentation *found,
                                   const dyno_fragmentation_options *options, dyno_error *error)
{
  *found = (dyno_fragmentation){.options = *options, .requests = options->requests};
  dyno_status status = run_arm(&found->scattered, &found->requests, &found->options, false, error);
  if (status == DYNO_OK)
    status = run_arm(&found->moved, &found->requests, &found->options, true, error);
  if (status == DYNO_OK && found->requests == 0)
    status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "fragmentation: interrupted");
  if (status != DYNO_OK)
    dyno_fragmentation_free(found);
  return status;
}

void dyno_fragmentation_free(dyno_fragmentation *found)
{
  free(found->scattered.samples);
  free(found->moved.samples);
  *found = (dyno_fragmentation){0};
}
