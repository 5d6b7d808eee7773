#include "harness/compare/source.h"

#include "harness/measure/host.h"

/* Left for keys and values, and for everybody else. */
static const uint64_t reserve_bytes = (uint64_t)256 << 20;

static dyno_status open_local(void *context, dyno_arm *arms[DYNO_COMPARE_ARMS], dyno_error *error)
{
  const dyno_local_arms *local = context;
  arms[0] = arms[1] = NULL;
  for (unsigned i = 0; i < DYNO_COMPARE_ARMS; i++) {
    uint64_t available = dyno_available_memory();
    const dyno_arm_engine_options options = {
        .label = i == 0 ? "A" : "B",
        .engine = local->engines[i],
        .other = i == 0 ? NULL : arms[0],
        .memory_limit = available > reserve_bytes ? available - reserve_bytes : available,
        .slowdown = local->slowdown[i],
    };
    dyno_status status = dyno_arm_open_engine(&arms[i], &options, error);
    if (status != DYNO_OK) {
      dyno_arm_close(&arms[0]);
      return status;
    }
  }
  return DYNO_OK;
}

dyno_compare_source dyno_compare_local(const dyno_local_arms *arms)
{
  return (dyno_compare_source){.open = open_local, .context = (void *)(uintptr_t)arms};
}

static dyno_status open_workers(void *context, dyno_arm *arms[DYNO_COMPARE_ARMS], dyno_error *error)
{
  const dyno_worker_arms *workers = context;
  arms[0] = arms[1] = NULL;
  for (unsigned i = 0; i < DYNO_COMPARE_ARMS; i++) {
    const dyno_worker_options options = {
        .label = i == 0 ? "A" : "B",
        .program = workers->programs[i],
        .settings = workers->settings[i],
        .slowdown = workers->slowdown[i],
        .seconds = workers->seconds,
        .stop = workers->stop,
    };
    dyno_status status = dyno_arm_open_worker(&arms[i], &options, error);
    if (status != DYNO_OK) {
      dyno_arm_close(&arms[0]);
      return status;
    }
  }
  return DYNO_OK;
}

dyno_compare_source dyno_compare_workers(const dyno_worker_arms *arms)
{
  return (dyno_compare_source){.open = open_workers, .context = (void *)(uintptr_t)arms};
}
