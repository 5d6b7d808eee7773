/* Intervals, labels and trends against published examples, and with hostile samples. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "harness/measure/statistics_bootstrap.h"
#include "harness/measure/statistics_distribution.h"
#include "harness/measure/statistics_outliers.h"
#include "harness/measure/statistics_steady.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static dyno_interval bootstrap(const double *values, size_t count, double confidence)
{
  dyno_interval interval;
  dyno_error error = {0};
  dyno_status status =
      dyno_bootstrap_interval(&interval, values, count, dyno_mean, confidence, 999, 7, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return interval;
}

/* NIST Statistical Reference Datasets, univariate: Michelso, the speed of light in km/ms. */
Test(statistics_inference, moments_match_nist)
{
  static const double hundredths[] = {
      85, 74, 90, 107, 93, 85, 95, 98, 98, 88, 100, 98, 93, 65, 76, 81, 100, 100, 96, 96,
      96, 94, 96, 94,  88, 80, 85, 88, 90, 84, 83,  79, 81, 88, 88, 83, 80,  79,  76, 80,
      88, 88, 88, 86,  72, 72, 62, 86, 97, 95, 88,  91, 85, 87, 84, 84, 85,  84,  84, 84,
      89, 81, 81, 82,  80, 77, 76, 74, 75, 76, 91,  92, 89, 86, 88, 72, 84,  85,  85, 78,
      89, 84, 78, 81,  76, 81, 79, 81, 82, 85, 87,  87, 81, 74, 81, 94, 95,  80,  81, 87};
  double values[COUNT(hundredths)];
  dyno_summary summary;
  for (size_t i = 0; i < COUNT(values); i++)
    values[i] = 299 + hundredths[i] / 100;
  cr_assert(dyno_summarize(&summary, values, COUNT(values), NULL) == DYNO_OK);
  cr_assert(fabs(summary.mean - 299.8524) < 1e-12, "mean %.15g", summary.mean);
  cr_assert(fabs(summary.standard_deviation - 0.0790105478190518) < 1e-13, "sd %.15g",
            summary.standard_deviation);
}

/* Efron and Tibshirani 1993, table 14.2: the variance of the spatial test data A; of 2,000
 * resamples, so that another 2,000 come only near. The percentile interval is 100.8 to 233.9. */
Test(statistics_inference, bootstrap_matches_the_textbook)
{
  static const double spatial[] = {48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6,
                                   0,  33, 28, 34, 4,  32, 24, 47, 41, 24, 26, 30, 41};
  dyno_interval interval;
  cr_assert(fabs(dyno_plain_variance(spatial, COUNT(spatial)) - 171.5) < 0.05);
  cr_assert(dyno_bootstrap_interval(&interval, spatial, COUNT(spatial), dyno_plain_variance, 0.9,
                                    20000, 1, NULL) == DYNO_OK);
  cr_assert(fabs(interval.low - 115.8) < 3 && fabs(interval.high - 259.6) < 5, "%.1f to %.1f",
            interval.low, interval.high);
}

/* The example of Sen 1968, as SciPy and R's deming quote it. */
Test(statistics_inference, slope_matches_sen)
{
  static const double at[] = {1, 2, 3, 4, 10, 12, 18}, values[] = {9, 15, 19, 20, 45, 55, 78};
  double slope;
  cr_assert(dyno_theil_sen(&slope, at, values, COUNT(at), NULL) == DYNO_OK && slope == 4,
            "slope %.17g", slope);
  static const double same[] = {3, 3, 3};
  cr_assert(dyno_theil_sen(&slope, same, values, 3, NULL) == DYNO_OK && isnan(slope));
}

Test(statistics_inference, normal_distribution)
{
  /* Tables of the normal; and far out, where 1 - p would have no digits left. */
  cr_assert(fabs(dyno_normal_quantile(0.975) - 1.959963984540054) < 1e-14);
  cr_assert(fabs(dyno_normal_quantile(0.025) + 1.959963984540054) < 1e-14);
  cr_assert(fabs(dyno_normal_cdf(1.959963984540054) - 0.975) < 1e-15);
  cr_assert(fabs(dyno_normal_cdf(-10) / 7.61985302416047e-24 - 1) < 1e-12);
  cr_assert(fabs(dyno_normal_quantile(0.5)) < 1e-15);
}

/* Tukey's fences by hand: quartiles 3 and 7 give -3 and 13, -9 and 19. */
Test(statistics_inference, fences)
{
  static const double values[] = {1, 3, 3, 5, 5, 7, 7, 14, -10};
  dyno_outlier outliers[COUNT(values)];
  cr_assert(dyno_label_outliers(outliers, values, COUNT(values), NULL) == DYNO_OK);
  for (size_t i = 0; i < 7; i++)
    cr_assert(dyno_outlier_name(&outliers[i]) == NULL, "%g", values[i]);
  cr_assert_str_eq(dyno_outlier_name(&outliers[7]), "mild");
  cr_assert_str_eq(dyno_outlier_name(&outliers[8]), "severe, mad");
}

Test(statistics_inference, steady_and_not)
{
  static const double noise[] = {0.2, -0.1, 0.3, -0.3, 0.1, -0.2, 0.25, -0.15, 0, 0.05};
  double steady[10], stepped[10], drifting[10];
  dyno_trend trend;
  for (size_t i = 0; i < 10; i++) {
    steady[i] = 100 + noise[i];
    stepped[i] = (i < 4 ? 100 : 96) + noise[i];
    drifting[i] = 100 + 0.4 * (double)i + noise[i];
  }
  cr_assert(dyno_judge_steadiness(&trend, steady, 10, 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_STEADY, "drift %g, change %g", trend.drift, trend.change_size);
  cr_assert(dyno_judge_steadiness(&trend, stepped, 10, 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_UNSTEADY && trend.change == 4 &&
            fabs(trend.change_size + 0.04) < 0.005 && trend.change_p < 0.05);
  cr_assert(dyno_judge_steadiness(&trend, drifting, 10, 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_UNSTEADY && fabs(trend.drift - 0.036) < 0.005);
  /* Large differences in no order are noise, not a trend. */
  static const double noisy[] = {100, 120, 90, 115, 80, 118, 95, 111, 85, 119};
  cr_assert(dyno_judge_steadiness(&trend, noisy, 10, 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_UNDECIDED, "p %g, %g", trend.drift_p, trend.change_p);
  cr_assert(dyno_judge_steadiness(&trend, stepped, 5, 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_UNDECIDED && trend.change == 0);
}

/* Hostile samples */

Test(statistics_inference, equal_values_have_no_width)
{
  static const double values[] = {5, 5, 5, 5, 5, 5, 5, 5};
  dyno_interval interval = bootstrap(values, COUNT(values), 0.95);
  cr_assert(interval.low == 5 && interval.high == 5);
  dyno_trend trend;
  cr_assert(dyno_judge_steadiness(&trend, values, COUNT(values), 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_STEADY && trend.slope == 0 && trend.drift_p == 1 &&
            trend.change_p == 1);
  dyno_outlier outliers[COUNT(values)];
  cr_assert(dyno_label_outliers(outliers, values, COUNT(values), NULL) == DYNO_OK);
  cr_assert(dyno_outlier_name(&outliers[0]) == NULL && outliers[0].score == 0);
  dyno_histogram histogram;
  dyno_bin_values(&histogram, values, COUNT(values));
  cr_assert(histogram.bins == 1 && histogram.counts[0] == 8 && histogram.above == 0);
  dyno_ecdf_point points[DYNO_ECDF_MOST_POINTS];
  cr_assert(dyno_ecdf_points(points, values, COUNT(values)) == 1 && points[0].share == 1);
}

Test(statistics_inference, one_value_is_not_a_distribution)
{
  const double value = 3;
  dyno_interval interval = bootstrap(&value, 1, 0.95);
  cr_assert(isnan(interval.low) && isnan(interval.high) && isnan(interval.coverage));
  dyno_trend trend;
  cr_assert(dyno_judge_steadiness(&trend, &value, 1, 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict == DYNO_UNDECIDED && isnan(trend.slope));
  dyno_outlier outlier;
  cr_assert(dyno_label_outliers(&outlier, &value, 1, NULL) == DYNO_OK);
  cr_assert(dyno_outlier_name(&outlier) == NULL);
  dyno_ecdf_point points[DYNO_ECDF_MOST_POINTS];
  cr_assert(dyno_ecdf_points(points, &value, 1) == 1);
}

Test(statistics_inference, one_huge_value)
{
  static const double values[] = {5, 5.1, 4.9, 5, 5.05, 4.95, 5, 5.1, 4.9, 1e140};
  dyno_interval interval = bootstrap(values, COUNT(values), 0.95);
  cr_assert(isfinite(interval.low) && isfinite(interval.high) && interval.low < interval.high);
  dyno_outlier outliers[COUNT(values)];
  cr_assert(dyno_label_outliers(outliers, values, COUNT(values), NULL) == DYNO_OK);
  cr_assert_str_eq(dyno_outlier_name(&outliers[9]), "severe, mad");
  cr_assert(dyno_outlier_name(&outliers[0]) == NULL);
  dyno_trend trend;
  cr_assert(dyno_judge_steadiness(&trend, values, COUNT(values), 1, NULL) == DYNO_OK);
  cr_assert(trend.verdict != DYNO_UNSTEADY, "one value is no trend: %g", trend.change_p);
  double sorted[COUNT(values)];
  memcpy(sorted, values, sizeof sorted);
  dyno_sort(sorted, COUNT(sorted));
  dyno_histogram histogram;
  dyno_bin_values(&histogram, sorted, COUNT(sorted));
  cr_assert(histogram.above == 1 && histogram.bins > 1);
}

Test(statistics_inference, refusals)
{
  static const double cases[][3] = {
      {1, NAN, 2}, {1, 2, INFINITY}, {-INFINITY, 1, 2}, {1, 1e200, 2}};
  static const char *const words[] = {"value 2 of 3 is NaN", "value 3 of 3 is infinite",
                                      "value 1 of 3 is infinite", "too large"};
  for (size_t i = 0; i < COUNT(cases); i++) {
    dyno_error error = {0};
    dyno_interval interval;
    dyno_outlier outliers[3];
    dyno_trend trend;
    double mean;
    cr_assert(dyno_bootstrap_interval(&interval, cases[i], 3, dyno_mean, 0.95, 999, 1, &error) ==
              DYNO_ERROR_USAGE);
    cr_assert(strstr(error.message, words[i]) != NULL, "%s", error.message);
    cr_assert(isnan(interval.low));
    cr_assert(dyno_label_outliers(outliers, cases[i], 3, NULL) == DYNO_ERROR_USAGE);
    cr_assert(dyno_judge_steadiness(&trend, cases[i], 3, 1, NULL) == DYNO_ERROR_USAGE);
    cr_assert(dyno_geometric_mean(&mean, cases[i], 3, NULL) == DYNO_ERROR_USAGE && isnan(mean));
  }
}

Test(statistics_inference, nothing_is_refused)
{
  dyno_interval interval;
  dyno_trend trend;
  double mean;
  cr_assert(dyno_bootstrap_interval(&interval, NULL, 0, dyno_mean, 0.95, 999, 1, NULL) ==
            DYNO_ERROR_USAGE);
  cr_assert(dyno_judge_steadiness(&trend, NULL, 0, 1, NULL) == DYNO_ERROR_USAGE);
  cr_assert(dyno_geometric_mean(&mean, NULL, 0, NULL) == DYNO_ERROR_USAGE);
  static const double zero[] = {1, 0};
  cr_assert(dyno_geometric_mean(&mean, zero, 2, NULL) == DYNO_ERROR_USAGE);
  cr_assert(dyno_bootstrap_interval(&interval, zero, 2, dyno_mean, 1, 999, 1, NULL) ==
            DYNO_ERROR_USAGE);
}
