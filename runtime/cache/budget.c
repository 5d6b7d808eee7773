#include "runtime/cache/budget.h"

#include <stdlib.h>

/* NULL when the variable is unset or empty. */
static const char *look_up(const char *name)
{
  const char *text = getenv(name);
  return text != NULL && *text != '\0' ? text : NULL;
}

dyno_status dyno_budget_open(dyno_budget *budget, const dyno_cache_options *options,
                             dyno_error *error)
{
  const char *size_text = look_up("CACHE_SIZE_MB"),
             *threshold_text = look_up("CACHE_EVICTION_THRESHOLD");
  size_t size = options->size != 0 ? options->size : DYNO_CACHE_DEFAULT_SIZE;
  double threshold = options->threshold != 0 ? options->threshold : DYNO_CACHE_DEFAULT_THRESHOLD;
  dyno_status status = DYNO_OK;
  if (options->size == 0 && size_text != NULL)
    status = dyno_cache_size_parse(&size, size_text, "CACHE_SIZE_MB", error);
  if (status == DYNO_OK && options->threshold == 0 && threshold_text != NULL)
    status =
        dyno_cache_threshold_parse(&threshold, threshold_text, "CACHE_EVICTION_THRESHOLD", error);
  if (status == DYNO_OK && size > DYNO_CACHE_MOST_SIZE)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "a cache of %zu MiB: at most %zu are possible",
                       size, DYNO_CACHE_MOST_SIZE);
  if (status == DYNO_OK && !(threshold >= DYNO_CACHE_LEAST_THRESHOLD && threshold <= 1))
    status = dyno_fail(error, DYNO_ERROR_USAGE, "an eviction threshold of %g: %g to 1 is possible",
                       threshold, DYNO_CACHE_LEAST_THRESHOLD);
  if (status != DYNO_OK)
    return status;
  budget->limit = (uint64_t)size << 20;
  budget->threshold = (uint64_t)((double)budget->limit * threshold);
  atomic_init(&budget->used, 0);
  atomic_init(&budget->peak, 0);
  atomic_init(&budget->refused, 0);
  return DYNO_OK;
}

void dyno_budget_split(dyno_budget *part, dyno_budget *budget, double share)
{
  *part = (dyno_budget){
      .limit = (uint64_t)((double)budget->limit * share),
      .threshold = (uint64_t)((double)budget->threshold * share),
  };
  budget->limit -= part->limit;
  budget->threshold -= part->threshold;
}

static void note_peak(dyno_budget *budget, uint64_t used)
{
  uint_fast64_t peak = atomic_load_explicit(&budget->peak, memory_order_relaxed);
  while (used > peak && !atomic_compare_exchange_weak_explicit(
                            &budget->peak, &peak, used, memory_order_relaxed, memory_order_relaxed))
    continue;
}

bool dyno_budget_take(dyno_budget *budget, uint64_t bytes)
{
  uint_fast64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
  do {
    if (bytes > budget->limit - used) {
      atomic_fetch_add_explicit(&budget->refused, 1, memory_order_relaxed);
      return false;
    }
  } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
  note_peak(budget, used + bytes);
  return true;
}

void dyno_budget_give(dyno_budget *budget, uint64_t bytes)
{
  atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

uint64_t dyno_budget_used(const dyno_budget *budget)
{
  return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

uint64_t dyno_budget_excess(const dyno_budget *budget)
{
  uint64_t used = dyno_budget_used(budget);
  return used > budget->threshold ? used - budget->threshold : 0;
}
