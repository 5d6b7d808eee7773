/* Change-points in planted series. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness/measure/statistics_changes.h"
#include "runtime/sample/rng.h"

enum { MOST = 64 };

/* Noise of a hundredth, about normal: a sum of uniform numbers. */
static double noise(uint64_t seed, size_t i)
{
  double sum = 0;
  for (size_t k = 0; k < 12; k++)
    sum += dyno_random_unit(seed, 12 * i + k);
  return 0.01 * (sum - 6);
}

/* Values around 10, times `factor` from `from` to before `to`. */
static void plant(double *values, size_t count, uint64_t seed, double factor, size_t from,
                  size_t to)
{
  for (size_t i = 0; i < count; i++)
    values[i] = 10 * (1 + noise(seed, i)) * (i >= from && i < to ? factor : 1);
}

static size_t find(dyno_change changes[MOST], const double *values, size_t count)
{
  size_t found = 99;
  const dyno_changes_options options = DYNO_CHANGES_DEFAULTS;
  dyno_error error = {0};
  dyno_status status = dyno_find_changes(changes, &found, values, count, &options, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return found;
}

Test(changes, a_shift_is_found_where_it_is)
{
  double values[MOST];
  dyno_change changes[MOST];
  for (uint64_t seed = 1; seed <= 5; seed++) {
    plant(values, 40, seed, 0.95, 25, 40);
    size_t found = find(changes, values, 40);
    cr_assert(found == 1 && changes[0].first == 25, "seed %d: %zu, the first at %zu", (int)seed,
              found, changes[0].first);
    cr_assert(changes[0].p <= 0.01 && changes[0].p > 0);
    cr_assert(fabs(changes[0].after / changes[0].before - 0.95) < 0.01, "%g to %g",
              changes[0].before, changes[0].after);
  }
}

Test(changes, three_values_of_a_new_level_are_enough_after_a_long_one)
{
  double values[MOST];
  dyno_change changes[MOST];
  plant(values, 30, 3, 0.9, 27, 30);
  cr_assert(find(changes, values, 30) == 1 && changes[0].first == 27);
}

Test(changes, noise_has_hardly_any)
{
  double values[MOST];
  dyno_change changes[MOST];
  size_t alarms = 0;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    plant(values, 24, seed, 1, 0, 0);
    alarms += find(changes, values, 24) > 0;
  }
  /* Of 40 at 1 %, 4 or more come once in a thousand. */
  cr_assert(alarms <= 3, "%zu of 40", alarms);
}

Test(changes, a_level_that_comes_back_gives_two)
{
  double values[MOST];
  dyno_change changes[MOST];
  plant(values, 45, 1, 0.93, 15, 30);
  size_t found = find(changes, values, 45);
  cr_assert(found == 2 && changes[0].first == 15 && changes[1].first == 30, "%zu: %zu, %zu", found,
            changes[0].first, changes[1].first);
  cr_assert(changes[0].after == changes[1].before);
  cr_assert(changes[1].after > changes[1].before);
}

Test(changes, outliers_are_none_and_hide_none)
{
  double values[MOST];
  dyno_change changes[MOST];
  plant(values, 40, 2, 1, 0, 0);
  values[7] /= 3;
  values[21] *= 2;
  values[22] /= 2;
  cr_assert(find(changes, values, 40) == 0, "at %zu", changes[0].first);
  plant(values, 40, 2, 0.9, 20, 40);
  values[7] /= 2;
  values[31] *= 2;
  cr_assert(find(changes, values, 40) == 1 && changes[0].first == 20, "at %zu", changes[0].first);
}

Test(changes, the_same_seed_gives_the_same)
{
  double values[MOST];
  dyno_change one[MOST], other[MOST];
  plant(values, 20, 9, 0.985, 10, 20);
  size_t found = find(one, values, 20);
  cr_assert(find(other, values, 20) == found);
  for (size_t i = 0; i < found; i++)
    cr_assert(one[i].first == other[i].first && one[i].p == other[i].p);
}

Test(changes, too_few_values_have_none_and_nonsense_is_refused)
{
  double values[MOST];
  dyno_change changes[MOST];
  size_t found;
  const dyno_changes_options options = DYNO_CHANGES_DEFAULTS;
  plant(values, 9, 1, 0.5, 5, 9);
  cr_assert(find(changes, values, 9) == 0);
  plant(values, 10, 1, 0.5, 5, 10);
  cr_assert(find(changes, values, 10) == 1 && changes[0].first == 5);
  cr_assert(dyno_find_changes(changes, &found, values, 0, &options, NULL) == DYNO_ERROR_USAGE);
  values[3] = NAN;
  cr_assert(dyno_find_changes(changes, &found, values, 10, &options, NULL) == DYNO_ERROR_USAGE);
  cr_assert(found == 0);
}

Test(changes, equal_values_have_none)
{
  double values[MOST];
  dyno_change changes[MOST];
  for (size_t i = 0; i < MOST; i++)
    values[i] = 7;
  cr_assert(find(changes, values, MOST) == 0);
}
