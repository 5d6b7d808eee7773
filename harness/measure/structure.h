/* Whether an essay or an explanation is built as it has to be, whatever its sentences say.
 *
 * A rule has
 *   "title"   the first paragraph, word for word
 *   "points"  the points in their order, or how many there are to be
 *   "lead"    what the passage on point i begins with: "{ordinal}, {point}." for a paragraph
 *             each, "{number}. The {point} " for the lines of one paragraph
 *
 * The second paragraph names the points after its last colon: "two points: fish and boats.", with
 * or without "the" before each. These are the points when the rule only counts them. The last
 * paragraph names them all again, in the same order and words. */
#ifndef DYNO_HARNESS_MEASURE_STRUCTURE_H
#define DYNO_HARNESS_MEASURE_STRUCTURE_H

#include <jansson.h>
#include <stdbool.h>

#include "kernels/base/status.h"

/* FORMAT, naming the field, when the rule is malformed. Else *holds says whether the text follows
 * it, and *why what is missing first ("" when nothing is): a string of static lifetime. */
dyno_status dyno_structure_check(bool *holds, const char **why, const json_t *rule,
                                 const char *text, dyno_error *error);

#endif
