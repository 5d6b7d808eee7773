/* Goldens: what the published model code says about the small models in tests/oracle/models.
 *
 * A golden file holds prompts and, for every position of each, the likeliest next tokens with
 * their natural-log probabilities. README.md has the format and how the files are made.
 *
 *   dyno_golden *golden;
 *   dyno_golden_difference difference = {0};
 *   dyno_golden_open(&golden, ".../goldens/f32.golden.gz", &error);
 *   dyno_golden_check_model(golden, ".../models/f32", &error);
 *   for each golden->prompts[p], run the model on its tokens, and for each position
 *     dyno_golden_compare(golden, &difference, p, position, logits, 2e-3);
 *   difference.largest <= 2e-3 && difference.argmax_differences == 0
 *
 * A golden is only read after opening, so that several threads may use it. */
#ifndef DYNO_TESTS_ORACLE_GOLDEN_H
#define DYNO_TESTS_ORACLE_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_golden_entry {
  uint32_t id;
  float log_probability; /* natural logarithm, finite, at most 0 */
} dyno_golden_entry;

typedef struct dyno_golden_prompt {
  size_t length;                    /* positions, at least 1 */
  const uint32_t *tokens;           /* [length], each below vocab */
  const dyno_golden_entry *entries; /* [length][top], likeliest first, equal ones by lower id */
} dyno_golden_prompt;

typedef struct dyno_golden {
  size_t vocab;
  size_t top;           /* entries per position, at least 2 */
  uint32_t model_crc32; /* of config.json and the weights; see dyno_golden_check_model */
  size_t prompt_count;
  const dyno_golden_prompt *prompts;
} dyno_golden;

/* Reads the file at path. The golden and everything in it belongs to the caller until
 * dyno_golden_close. On failure *golden is NULL: NOT_FOUND, IO, MEMORY, or FORMAT with the offset
 * in the inflated stream. */
dyno_status dyno_golden_open(dyno_golden **golden, const char *path, dyno_error *error);

/* Frees, and sets *golden to NULL. NULL is fine. */
void dyno_golden_close(dyno_golden **golden);

/* Fails (WRONG_OUTPUT) unless config.json and the *.safetensors files of the folder are those the
 * golden was made from. Errors of reading are NOT_FOUND, IO, MEMORY. */
dyno_status dyno_golden_check_model(const dyno_golden *golden, const char *folder,
                                    dyno_error *error);

/* What comparing has found so far. All zero before the first position. */
typedef struct dyno_golden_difference {
  size_t positions;          /* compared */
  double largest;            /* max |d log p| over the entries of all positions; infinite on NaN */
  size_t prompt, position;   /* where that was */
  uint32_t id;               /* and for which token */
  size_t argmax_differences; /* positions where another token than the golden's is likeliest,
                              * though the golden's first two lie further apart than tolerance */
} dyno_golden_difference;

/* Compares logits [vocab], not normalised, that a model gave at a position of a prompt. The
 * log-softmax is taken in double. prompt < prompt_count, position < the prompt's length. */
void dyno_golden_compare(const dyno_golden *golden, dyno_golden_difference *difference,
                         size_t prompt, size_t position, const float *logits, double tolerance);

#endif
