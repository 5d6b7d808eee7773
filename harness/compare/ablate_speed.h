/* The figures of a pair that are times. */
#ifndef DYNO_HARNESS_COMPARE_ABLATE_SPEED_H
#define DYNO_HARNESS_COMPARE_ABLATE_SPEED_H

#include "harness/compare/ablate.h"

/* Runs rounds, and probed passes where a claim [count] is about ops, and fills the figures that
 * these tell: the others stay as they are. INTERRUPTED, MEMORY, and errors of the arms. */
dyno_status dyno_ablate_speed(dyno_claim_figure *figures, const dyno_claim *const *claims,
                              size_t count, dyno_comparison *comparison,
                              const dyno_ablation *ablation, dyno_error *error);

#endif
