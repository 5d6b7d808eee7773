/* What the parts of a comparison share. */
#ifndef DYNO_HARNESS_COMPARE_COMPARE_INTERNAL_H
#define DYNO_HARNESS_COMPARE_COMPARE_INTERNAL_H

#include "harness/compare/compare.h"

/* INTERRUPTED when the comparison was told to stop. */
dyno_status dyno_compare_go_on(const dyno_comparison *comparison, dyno_error *error);

/* Tells what is being done, if anybody wants to know. */
void dyno_compare_show(const dyno_comparison *comparison, const char *label);

/* Leaves every lane of both arms the first `length` tokens of a case; errors of the arms. */
dyno_status dyno_compare_rewind(dyno_comparison *comparison, size_t index, size_t length,
                                dyno_error *error);

/* Shows both arms all steps of all cases, keeps the tokens that they chose and how far their logits
 * are apart. MEMORY, INTERRUPTED, errors of the arms. */
dyno_status dyno_compare_outputs_of_all(dyno_comparison *comparison, dyno_error *error);

/* Adds the cases' outputs up. */
void dyno_compare_sum_outputs(dyno_comparison *comparison);

#endif
