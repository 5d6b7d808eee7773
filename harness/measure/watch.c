#include <math.h>

#include "harness/measure/ceilings.h"
#include "harness/measure/environment.h"
#include "harness/measure/host.h"
#include "kernels/base/buffer.h"
#include "kernels/base/clock.h"

enum { SAMPLES = 5 };
static const size_t least_bytes = (size_t)64 << 20, most_bytes = (size_t)1 << 30;

static size_t choose_bytes(void)
{
  size_t available = dyno_available_memory(), bytes = 4 * dyno_largest_cache();
  bytes = bytes < least_bytes ? least_bytes : bytes > most_bytes ? most_bytes : bytes;
  return available > 0 && bytes > available / 4 ? available / 4 : bytes;
}

typedef struct touching {
  char *data;
  size_t bytes;
} touching;

/* Every thread touches its part, so that it is on its node. */
static void touch(void *context, unsigned thread, unsigned threads)
{
  const touching *of = context;
  size_t begin, end;
  dyno_partition(&begin, &end, of->bytes, DYNO_HUGE_PAGE, thread, threads);
  for (size_t i = begin; i < end; i += 4096)
    of->data[i] = 1;
}

/* The best of some samples: what disturbs makes it slower only. */
static double best(const dyno_ceiling_probe *probe, dyno_pool *pool)
{
  double most = NAN;
  for (int i = 0; i < SAMPLES; i++)
    most = fmax(most, dyno_ceiling_probe_sample(probe, pool));
  return most;
}

dyno_status dyno_watch_machine(dyno_watch *watch, dyno_pool *pool, dyno_isa isa, double seconds,
                               dyno_error *error)
{
  dyno_interference_meter meter;
  dyno_interference before, after;
  dyno_buffer buffer;
  dyno_pool *alone = NULL;
  dyno_ceiling_probe probe;
  size_t bytes = choose_bytes();
  *watch = (dyno_watch){.read_one = NAN, .read_all = NAN, .read_threads = dyno_pool_threads(pool)};
  dyno_status status = dyno_buffer_open(&buffer, bytes, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_pool_open(&alone, 1, error);
  if (status == DYNO_OK) {
    touching all = {buffer.data, bytes};
    dyno_pool_run(pool, touch, &all);
    dyno_interference_open(&meter, NULL);
    uint64_t begin = dyno_clock_ns();
    dyno_interference_read(&meter, &before);
    dyno_ceiling_probe_read(&probe, alone, isa, buffer.data, bytes, seconds / (4 * SAMPLES));
    watch->read_one = best(&probe, alone);
    dyno_ceiling_probe_read(&probe, pool, isa, buffer.data, bytes, seconds / (2 * SAMPLES));
    watch->read_all = best(&probe, pool);
    dyno_interference_read(&meter, &after);
    watch->seconds = (double)(dyno_clock_ns() - begin) * 1e-9;
    watch->during = dyno_interference_between(&before, &after);
    dyno_interference_close(&meter);
  }
  dyno_pool_close(&alone);
  dyno_buffer_close(&buffer);
  return status;
}
