/* Statistics against published results: NIST StRD, R's documentation, tables of the binomial. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "harness/measure/statistics.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static dyno_summary describe(const double *values, size_t count)
{
  dyno_summary summary;
  dyno_error error = {0};
  dyno_status status = dyno_summarize(&summary, values, count, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return summary;
}

static void near(const char *what, double got, double want, double relative)
{
  cr_assert(fabs(got - want) <= relative * fabs(want), "%s is %.17g, not %.17g", what, got, want);
}

/* NIST Statistical Reference Datasets, univariate NumAcc1 to NumAcc4: hard on one-pass sums. */
static void check_numacc(double centre, double step, double relative)
{
  double values[1001] = {centre};
  for (size_t i = 1; i < COUNT(values); i++)
    values[i] = i % 2 == 1 ? centre - step : centre + step;
  dyno_summary summary = describe(values, COUNT(values));
  near("the mean", summary.mean, centre, 1e-15);
  near("the deviation", summary.standard_deviation, step, relative);
}

Test(statistics, moments_match_nist)
{
  dyno_summary one = describe((const double[]){10000001, 10000003, 10000002}, 3);
  cr_assert(one.mean == 10000002 && one.standard_deviation == 1, "NumAcc1: mean %.17g, sd %.17g",
            one.mean, one.standard_deviation);
  check_numacc(1.2, 0.1, 1e-14);
  check_numacc(1000000.2, 0.1, 1e-8);
  check_numacc(10000000.2, 0.1, 1e-7);
}

/* R: quantile(mtcars$mpg), mean, sd, and mad (there scaled by 1.4826). */
Test(statistics, summary_matches_r)
{
  static const double mpg[] = {21.0, 21.0, 22.8, 21.4, 18.7, 18.1, 14.3, 24.4, 22.8, 19.2, 17.8,
                               16.4, 17.3, 15.2, 10.4, 10.4, 14.7, 32.4, 30.4, 33.9, 21.5, 15.5,
                               15.2, 13.3, 19.2, 27.3, 26.0, 30.4, 15.8, 19.7, 15.0, 21.4};
  dyno_summary summary = describe(mpg, COUNT(mpg));
  cr_assert(summary.count == 32);
  near("the minimum", summary.minimum, 10.4, 0);
  near("the 25 % quantile", summary.p25, 15.425, 1e-15);
  near("the median", summary.median, 19.2, 1e-15);
  near("the 75 % quantile", summary.p75, 22.8, 1e-15);
  near("the maximum", summary.maximum, 33.9, 0);
  near("the mean", summary.mean, 20.09062, 5e-7);
  near("the deviation", summary.standard_deviation, 6.026948, 5e-8);
  near("the scaled MAD", 1.4826 * summary.median_deviation, 5.41149, 5e-7);
}

Test(statistics, quantiles_interpolate)
{
  const double ten[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  near("q0", dyno_quantile(ten, 10, 0), 1, 0);
  near("q25", dyno_quantile(ten, 10, 0.25), 3.25, 1e-15);
  near("q90", dyno_quantile(ten, 10, 0.9), 9.1, 1e-15);
  near("q100", dyno_quantile(ten, 10, 1), 10, 0);
  near("q of one", dyno_quantile(ten, 1, 0.7), 1, 0);
  double unsorted[] = {9, 1, 5, 3};
  near("the median", dyno_median(unsorted, 4), 4, 0);
  near("sorted in place", unsorted[3], 9, 0);
}

/* The example of Rousseeuw's MAD in most textbooks: deviations 1 1 0 0 2 4 7. */
Test(statistics, median_deviation)
{
  dyno_summary summary = describe((const double[]){1, 1, 2, 2, 4, 6, 9}, 7);
  near("the median", summary.median, 2, 0);
  near("the MAD", summary.median_deviation, 1, 0);
}

/* Ranks (from 1) and coverages as tabulated by Conover and by Hahn and Meeker. */
Test(statistics, median_interval_has_exact_ranks)
{
  static const struct {
    size_t count;
    double low, high, coverage;
  } rows[] = {{6, 1, 6, 0.96875},     {7, 1, 7, 0.984375},   {8, 1, 8, 0.9921875},
              {9, 2, 8, 0.9609375},   {10, 2, 9, 0.978516},  {20, 6, 15, 0.958611},
              {40, 14, 27, 0.961522}, {80, 31, 50, 0.967007}};
  double values[80];
  for (size_t i = 0; i < COUNT(values); i++)
    values[i] = (double)(i + 1);
  for (size_t i = 0; i < COUNT(rows); i++) {
    dyno_interval interval = dyno_median_interval(values, rows[i].count, 0.95);
    cr_assert(interval.low == rows[i].low && interval.high == rows[i].high,
              "%zu values: ranks %g to %g, not %g to %g", rows[i].count, interval.low,
              interval.high, rows[i].low, rows[i].high);
    near("the coverage", interval.coverage, rows[i].coverage, 1e-6);
  }
  dyno_interval none = dyno_median_interval(values, 5, 0.95);
  cr_assert(isnan(none.low) && isnan(none.high) && isnan(none.coverage),
            "5 values cannot give 95 %%");
}

Test(statistics, sign_test_is_exact)
{
  near("10 against 0", dyno_sign_test(10, 0), 2.0 / 1024, 1e-12);
  near("1 against 9", dyno_sign_test(1, 9), 22.0 / 1024, 1e-12);
  near("an even split", dyno_sign_test(7, 7), 1, 0);
  near("nothing", dyno_sign_test(0, 0), 1, 0);
  near("either way round", dyno_sign_test(3, 12), dyno_sign_test(12, 3), 0);
  cr_assert(dyno_sign_test(2000, 0) == 0, "2^-1999 is below the smallest double");
}

Test(statistics, one_value_has_no_spread)
{
  dyno_summary summary = describe((const double[]){3.5}, 1);
  cr_assert(summary.mean == 3.5 && summary.median == 3.5 && summary.p99 == 3.5 &&
            summary.median_deviation == 0);
  cr_assert(isnan(summary.standard_deviation) && isnan(summary.variation) &&
            isnan(summary.median_interval.low));
}

Test(statistics, equal_values_have_spread_zero)
{
  double values[100];
  for (size_t i = 0; i < COUNT(values); i++)
    values[i] = 0.1;
  dyno_summary summary = describe(values, COUNT(values));
  cr_assert(summary.mean == 0.1 && summary.standard_deviation == 0 && summary.variation == 0 &&
                summary.median_deviation == 0,
            "mean %.17g, deviation %g", summary.mean, summary.standard_deviation);
  cr_assert(summary.median_interval.low == 0.1 && summary.median_interval.high == 0.1);
}

Test(statistics, mean_zero_has_no_variation)
{
  cr_assert(isnan(describe((const double[]){-1, 1}, 2).variation));
}

Test(statistics, refuses_what_is_no_number)
{
  static const struct {
    double values[3];
    size_t count;
    const char *message;
  } rows[] = {{{0}, 0, "no values"},
              {{1, NAN, 3}, 3, "value 2 of 3 is NaN"},
              {{1, 2, -INFINITY}, 3, "value 3 of 3 is infinite"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    dyno_summary summary;
    dyno_error error = {0};
    cr_assert(dyno_summarize(&summary, rows[i].values, rows[i].count, &error) == DYNO_ERROR_USAGE);
    cr_assert(strstr(error.message, rows[i].message) != NULL, "the message is '%s'", error.message);
  }
}

/* Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3. */
Test(statistics, proportions_match_newcombe)
{
  static const struct {
    size_t hits, count;
    double low, high;
  } cases[] = {{81, 263, 0.2553, 0.3662},
               {15, 148, 0.0624, 0.1605},
               {0, 20, 0, 0.1611},
               {1, 29, 0.0061, 0.1718}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    dyno_interval found = dyno_proportion_interval(cases[i].hits, cases[i].count, 0.95);
    cr_assert(fabs(found.low - cases[i].low) < 5e-5 && fabs(found.high - cases[i].high) < 5e-5,
              "%zu of %zu: %.5f to %.5f", cases[i].hits, cases[i].count, found.low, found.high);
  }
  dyno_interval all = dyno_proportion_interval(20, 20, 0.95);
  cr_assert(all.high == 1 && fabs(all.low - (1 - 0.1611)) < 5e-5, "%.5f to %.5f", all.low,
            all.high);
  cr_assert(isnan(dyno_proportion_interval(0, 0, 0.95).low), "an interval of nothing");
}
