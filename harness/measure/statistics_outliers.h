/* Labels for values that lie far from the others. A label is for people to look at: nothing is
 * ever left out because of it. Thread-safe. */
#ifndef DYNO_HARNESS_MEASURE_STATISTICS_OUTLIERS_H
#define DYNO_HARNESS_MEASURE_STATISTICS_OUTLIERS_H

#include <stdbool.h>

#include "harness/measure/statistics.h"

typedef enum dyno_fence { DYNO_FENCE_INSIDE, DYNO_FENCE_MILD, DYNO_FENCE_SEVERE } dyno_fence;

typedef struct dyno_outlier {
  /* Tukey 1977, "Exploratory Data Analysis": more than 1.5 (mild) or 3 (severe) times the
   * distance between the quartiles beyond them. */
  dyno_fence fence;
  /* Iglewicz and Hoaglin 1993, "How to Detect and Handle Outliers": 0.6745 (value - median) /
   * MAD, an outlier beyond 3.5. Infinite for a value off a median that half the values share. */
  double score;
  bool far; /* |score| > 3.5 */
} dyno_outlier;

/* Labels values [count] in outliers [count]. With fewer than 4 values none is an outlier. USAGE
 * for no values or values that are not finite, MEMORY. */
dyno_status dyno_label_outliers(dyno_outlier *outliers, const double *values, size_t count,
                                dyno_error *error);

/* "mild", "severe", "mad" (only far by the second measure), "mild, mad", "severe, mad"; NULL for
 * none. */
const char *dyno_outlier_name(const dyno_outlier *outlier);

#endif
