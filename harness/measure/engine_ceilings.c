#include "harness/measure/engine_ceilings.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "harness/measure/ceilings.h"

/* Of arithmetic the best of a few samples: all that takes from it is another program. */
static const double mac_sample_seconds = 0.005;
enum { MAC_TRIALS = 3 };

/* Pages as they are gathered. */
typedef struct page_list {
  dyno_weight_pages *pages;
  size_t count, room;
  bool out_of_memory;
} page_list;

/* Threads share the rows of each group, so that each is a matrix of its own. */
static void add_pages(void *context, const char *name, const void *data, uint64_t bytes,
                      size_t groups)
{
  page_list *list = context;
  (void)name;
  if (list->count + groups > list->room) {
    size_t room = 2 * (list->count + groups);
    dyno_weight_pages *longer = realloc(list->pages, room * sizeof *longer);
    if (longer == NULL) {
      list->out_of_memory = true;
      return;
    }
    list->pages = longer;
    list->room = room;
  }
  for (size_t i = 0; i < groups; i++)
    list->pages[list->count++] =
        (dyno_weight_pages){(const char *)data + i * (bytes / groups), (size_t)(bytes / groups)};
}

static void measure_arithmetic(dyno_pool *pool, dyno_isa isa, double *rates)
{
  for (dyno_ceiling_kind kind = 0; kind < DYNO_CEILING_KIND_COUNT; kind++) {
    dyno_ceiling_probe probe;
    rates[kind] = NAN;
    if (kind == DYNO_CEILING_READ)
      continue;
    dyno_ceiling_probe_mac(&probe, pool, isa, kind, mac_sample_seconds);
    for (int trial = 0; trial < MAC_TRIALS; trial++)
      rates[kind] = fmax(rates[kind], dyno_ceiling_probe_sample(&probe, pool));
  }
}

dyno_status dyno_engine_ceilings_open(dyno_engine_ceilings *ceilings, dyno_engine *engine,
                                      size_t bytes, dyno_error *error)
{
  dyno_isa isa = dyno_registry_isa(dyno_engine_registry(engine));
  dyno_pool *alone, *pool = dyno_engine_pool(engine);
  page_list list = {0};
  *ceilings = (dyno_engine_ceilings){0};
  dyno_engine_for_each_weight(engine, add_pages, &list);
  ceilings->pages = list.pages;
  ceilings->page_count = list.count;
  if (list.out_of_memory)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to list the weights' pages");
  dyno_status status = dyno_pool_open(&alone, 1, error);
  if (status != DYNO_OK)
    return status;
  measure_arithmetic(alone, isa, ceilings->mac_one);
  measure_arithmetic(pool, isa, ceilings->mac_all);
  dyno_pool_close(&alone);
  return dyno_profile_reader_open(&ceilings->reader, ceilings->pages, ceilings->page_count, pool,
                                  isa, bytes, error);
}

void dyno_engine_ceilings_close(dyno_engine_ceilings *ceilings)
{
  dyno_profile_reader_close(&ceilings->reader);
  free(ceilings->pages);
  *ceilings = (dyno_engine_ceilings){0};
}
