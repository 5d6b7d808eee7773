/* The account of all caches, and the options and variables that limit it. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/budget.h"
#include "tests/unit/random.h"

static dyno_status open_with(dyno_budget *budget, const char *size, const char *threshold,
                             dyno_error *error)
{
  setenv("CACHE_SIZE_MB", size, 1);
  setenv("CACHE_EVICTION_THRESHOLD", threshold, 1);
  *error = (dyno_error){0};
  return dyno_budget_open(budget, &(dyno_cache_options){.levels = DYNO_CACHE_ALL}, error);
}

Test(budget, takes_its_limits_from_options_then_variables_then_defaults)
{
  dyno_budget budget;
  dyno_error error;
  cr_assert(open_with(&budget, "", "", &error) == DYNO_OK, "%s", error.message);
  cr_assert(budget.limit == (uint64_t)DYNO_CACHE_DEFAULT_SIZE << 20, "the default size");
  cr_assert(budget.threshold == (uint64_t)((double)budget.limit * DYNO_CACHE_DEFAULT_THRESHOLD),
            "the default threshold");
  cr_assert(open_with(&budget, "4096", "0.5", &error) == DYNO_OK, "%s", error.message);
  cr_assert(budget.limit == 4096ull << 20 && budget.threshold == 2048ull << 20, "variables");
  const dyno_cache_options options = {.levels = DYNO_CACHE_L2, .size = 10, .threshold = 1};
  cr_assert(dyno_budget_open(&budget, &options, &error) == DYNO_OK, "%s", error.message);
  cr_assert(budget.limit == 10 << 20 && budget.threshold == budget.limit, "options come first");
}

Test(budget, names_the_variable_that_is_wrong)
{
  static const char *const sizes[] = {"0",  "-1", "1.5",  "4096MB",  "x",
                                      " 1", "+1", "0x10", "1048577", "99999999999999999999999"};
  static const char *const thresholds[] = {"0",   "-1",  "1.01", "0.04", "80%",
                                           "nan", "inf", "0x1",  "."};
  dyno_budget budget;
  dyno_error error;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    cr_assert(open_with(&budget, sizes[i], "", &error) == DYNO_ERROR_USAGE, "'%s'", sizes[i]);
    cr_assert(strstr(error.message, "CACHE_SIZE_MB=") != NULL, "%s", error.message);
  }
  for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
    cr_assert(open_with(&budget, "", thresholds[i], &error) == DYNO_ERROR_USAGE, "'%s'",
              thresholds[i]);
    cr_assert(strstr(error.message, "CACHE_EVICTION_THRESHOLD=") != NULL, "%s", error.message);
  }
  cr_assert(dyno_budget_open(&budget, &(dyno_cache_options){.size = SIZE_MAX}, &error) ==
                DYNO_ERROR_USAGE,
            "an option out of range");
}

Test(budget, reads_levels)
{
  static const struct {
    const char *text;
    unsigned levels;
  } good[] = {{"off", 0},
              {"on", DYNO_CACHE_ALL},
              {"l1", DYNO_CACHE_L1},
              {"l2,l1", DYNO_CACHE_L1 | DYNO_CACHE_L2},
              {"l2,l3", DYNO_CACHE_L2 | DYNO_CACHE_L3}};
  static const char *const bad[] = {"", "l4", "l1,", ",l1", "on,l1", "l3", "l1,l3", "L1"};
  dyno_error error;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    unsigned levels = 99;
    cr_assert(dyno_cache_levels_parse(&levels, good[i].text, "cache", &error) == DYNO_OK, "%s",
              good[i].text);
    cr_assert(levels == good[i].levels, "%s", good[i].text);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    unsigned levels = 99;
    cr_assert(dyno_cache_levels_parse(&levels, bad[i], "cache", &error) == DYNO_ERROR_USAGE, "'%s'",
              bad[i]);
    cr_assert(levels == 99 && strstr(error.message, "cache=") != NULL, "%s", error.message);
  }
}

enum { THREADS = 4, STEPS = 20000 };

typedef struct taker {
  dyno_budget *budget;
  uint64_t seed, held, highest;
} taker;

/* Takes and gives back; what it may see of all is never above the limit. */
static void *take_and_give(void *argument)
{
  taker *one = argument;
  for (size_t i = 0; i < STEPS; i++) {
    uint64_t bytes = 1 + random_below(&one->seed, 300000);
    if (one->held >= bytes && random_below(&one->seed, 2) == 0) {
      dyno_budget_give(one->budget, bytes);
      one->held -= bytes;
    } else if (dyno_budget_take(one->budget, bytes))
      one->held += bytes;
    uint64_t used = dyno_budget_used(one->budget);
    one->highest = used > one->highest ? used : one->highest;
  }
  return NULL;
}

Test(budget, is_never_exceeded)
{
  dyno_budget budget;
  dyno_error error = {0};
  pthread_t threads[THREADS];
  taker takers[THREADS];
  const dyno_cache_options options = {.levels = DYNO_CACHE_ALL, .size = 1, .threshold = 0.5};
  cr_assert(dyno_budget_open(&budget, &options, &error) == DYNO_OK, "%s", error.message);
  for (size_t i = 0; i < THREADS; i++) {
    takers[i] = (taker){&budget, i, 0, 0};
    cr_assert(pthread_create(&threads[i], NULL, take_and_give, &takers[i]) == 0, "a thread");
  }
  uint64_t held = 0;
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    held += takers[i].held;
    cr_assert(takers[i].highest <= budget.limit, "%lu bytes", (unsigned long)takers[i].highest);
  }
  cr_assert(dyno_budget_used(&budget) == held, "what is held is what was taken");
  cr_assert(budget.peak <= budget.limit && budget.peak > budget.limit / 2, "the peak");
  cr_assert(budget.refused > 0, "some was not to be had");
  cr_assert(dyno_budget_excess(&budget) == (held > budget.threshold ? held - budget.threshold : 0),
            "what lies above the threshold");
}
