#include "harness/measure/ceilings.h"

#include <math.h>
#include <stdint.h>

#include "kernels/base/clock.h"

/* 63 everywhere: products of int8 pairs stay below the saturation of 16-bit sums, and as float
 * and bfloat16 these bytes are 0.747, neither denormal nor large. */
#define OPERANDS_16 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63
static const _Alignas(64) uint8_t mac_operands[64] = {OPERANDS_16, OPERANDS_16, OPERANDS_16,
                                                      OPERANDS_16};

/* Where results go, so that no call of a pure loop can be left out. */
static void keep(uint64_t value)
{
  __asm__ volatile("" : : "r"(value));
}

static void run_part(void *context, unsigned thread, unsigned threads)
{
  const dyno_ceiling_probe *probe = context;
  size_t begin, end, stride = probe->loop->kind == DYNO_CEILING_READ ? probe->loop->units : 0;
  if (stride != 0)
    dyno_partition(&begin, &end, probe->iterations, 1, thread, threads);
  else /* registers are each thread's own: all do the whole work */
    begin = 0, end = probe->iterations;
  const char *buffer = (const char *)probe->buffer + begin * stride;
  for (size_t pass = 0; pass < probe->passes; pass++)
    keep(probe->loop->run(buffer, end - begin));
}

/* Seconds of one sample, and the units that were done. */
static double time_sample(const dyno_ceiling_probe *probe, dyno_pool *pool, double *units)
{
  size_t workers = probe->loop->kind == DYNO_CEILING_READ ? 1 : dyno_pool_threads(pool);
  dyno_ceiling_probe copy = *probe;
  uint64_t start = dyno_clock_ns();
  dyno_pool_run(pool, run_part, &copy);
  double seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  *units = (double)workers * (double)probe->passes * (double)probe->iterations *
           (double)probe->loop->units;
  return seconds;
}

double dyno_ceiling_probe_sample(const dyno_ceiling_probe *probe, dyno_pool *pool)
{
  if (probe->loop == NULL)
    return NAN;
  double units, seconds = time_sample(probe, pool, &units);
  return seconds > 0 ? units / seconds : NAN;
}

/* How often `seconds` hold what takes `once`; at least once. */
static size_t repetitions(double seconds, double once)
{
  double count = once > 0 ? ceil(seconds / once) : 1;
  return count < 1 ? 1 : count > 1e9 ? (size_t)1e9 : (size_t)count;
}

/* The better of two trials: the first one may find cold code, or pay for a wakened thread. */
static double trial(const dyno_ceiling_probe *probe, dyno_pool *pool)
{
  double first = dyno_ceiling_probe_sample(probe, pool);
  return fmax(first, dyno_ceiling_probe_sample(probe, pool));
}

void dyno_ceiling_probe_read(dyno_ceiling_probe *probe, dyno_pool *pool, dyno_isa isa,
                             const void *buffer, size_t bytes, double seconds)
{
  double best = 0;
  *probe = (dyno_ceiling_probe){0};
  for (size_t i = 0; i < dyno_ceiling_count; i++) {
    const dyno_ceiling *loop = &dyno_ceilings[i];
    if (loop->kind != DYNO_CEILING_READ || loop->isa > isa || bytes < loop->units)
      continue;
    dyno_ceiling_probe tried = {loop, buffer, bytes / loop->units, 1};
    double units;
    tried.passes = repetitions(
        seconds, fmin(time_sample(&tried, pool, &units), time_sample(&tried, pool, &units)));
    double rate = trial(&tried, pool);
    if (rate > best) {
      best = rate;
      *probe = tried;
    }
  }
}

static bool serves(dyno_ceiling_kind loop, dyno_ceiling_kind wanted)
{
  return loop == wanted || (wanted == DYNO_CEILING_MAC_BF16 && loop == DYNO_CEILING_MAC_F32);
}

void dyno_ceiling_probe_mac(dyno_ceiling_probe *probe, dyno_pool *pool, dyno_isa isa,
                            dyno_ceiling_kind kind, double seconds)
{
  enum { TRIAL_ITERATIONS = 20000 };
  double best = 0;
  *probe = (dyno_ceiling_probe){0};
  for (size_t i = 0; i < dyno_ceiling_count; i++) {
    const dyno_ceiling *loop = &dyno_ceilings[i];
    if (!serves(loop->kind, kind) || loop->isa > isa)
      continue;
    dyno_ceiling_probe tried = {loop, mac_operands, TRIAL_ITERATIONS, 1};
    double rate = trial(&tried, pool);
    if (rate > best) {
      best = rate;
      *probe = tried;
    }
  }
  if (probe->loop != NULL) {
    double once = (double)TRIAL_ITERATIONS * (double)probe->loop->units *
                  (double)dyno_pool_threads(pool) / best;
    probe->passes = repetitions(seconds, once);
  }
}
