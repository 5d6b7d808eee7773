/* What a comparison came to: estimates, and a verdict in one word. */
#ifndef DYNO_HARNESS_COMPARE_RESULT_H
#define DYNO_HARNESS_COMPARE_RESULT_H

#include "harness/compare/compare.h"

typedef enum dyno_compare_verdict {
  DYNO_COMPARE_FASTER, /* B is: the whole interval of the geometric mean lies above 1 */
  DYNO_COMPARE_SLOWER, /* B is */
  DYNO_COMPARE_EQUAL,  /* no difference is resolved, and it could not be larger than asked for */
  DYNO_COMPARE_INCONCLUSIVE, /* no difference is resolved, but one might be there */
  DYNO_COMPARE_UNFIT,        /* an arm differs from itself: the host is too unsteady */
  DYNO_COMPARE_WRONG,        /* the outputs are too far apart */
  DYNO_COMPARE_VERDICT_COUNT
} dyno_compare_verdict;

/* "B is faster", "B is slower", "no difference", "inconclusive", "unfit host", "wrong output". */
const char *dyno_compare_verdict_name(dyno_compare_verdict verdict);

typedef struct dyno_compare_row {
  const char *name; /* of the case; "geometric mean" */
  dyno_estimate decode, prefill, control;
  /* Tokens per second, medians of the rounds; NaN without any, and of the mean. */
  double decode_rate[DYNO_COMPARE_ARMS], prefill_rate[DYNO_COMPARE_ARMS];
} dyno_compare_row;

typedef struct dyno_compare_result {
  dyno_compare_row *rows; /* owned: the cases, and after them the geometric mean */
  size_t count;           /* with the mean */
  dyno_compare_verdict verdict;
  char reason[200];
} dyno_compare_result;

/* The confidence of all intervals. */
#define DYNO_COMPARE_CONFIDENCE 0.95

/* An arm that differs from itself by more than this makes the host unfit. */
#define DYNO_COMPARE_UNFIT_MARGIN 0.01

/* precision is the half width, as a fraction, at which an interval says "equal". MEMORY. */
dyno_status dyno_compare_conclude(dyno_compare_result *result, const dyno_comparison *comparison,
                                  double precision, dyno_error *error);

/* The row of the geometric mean. */
const dyno_compare_row *dyno_compare_mean(const dyno_compare_result *result);

void dyno_compare_result_free(dyno_compare_result *result);

#endif
