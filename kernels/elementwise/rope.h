/* Rotary position embedding with YaRN: the angles that dyno_rope_args rotates by.
 *
 * Peng et al. 2023, "YaRN: Efficient Context Window Extension of Large Language Models"; the
 * formulas as in OpenAI's gpt_oss/torch/model.py, RotaryEmbedding. */
#ifndef DYNO_KERNELS_ELEMENTWISE_ROPE_H
#define DYNO_KERNELS_ELEMENTWISE_ROPE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct dyno_yarn {
  double theta;                /* base of the frequencies, > 1 */
  double factor;               /* stretch of the context; 1 or less: plain rotary embedding */
  double beta_fast, beta_slow; /* rotations over the original context that bound the ramp, > 0 */
  double original_context;     /* tokens the model was trained on before stretching, > 0 */
  size_t head_size;            /* even */
  /* Round the bounds of the ramp outwards to whole pairs, as ggml does. The published gpt-oss
   * does not. */
  bool truncate;
} dyno_yarn;

/* The bounds of the ramp, as pair numbers: pairs up to *low keep their frequency, those from
 * *high on are slowed down by the factor.
 *
 *   head_size ln(original_context / (2 pi beta)) / (2 ln theta)
 *
 * with beta_fast for low and beta_slow for high, kept within 0 and head_size - 1. */
void dyno_yarn_ramp(double *low, double *high, const dyno_yarn *yarn);

/* Writes the head_size / 2 frequencies, in radians per position, and the factor that cosine and
 * sine are multiplied by: 0.1 ln(factor) + 1, or 1 for a plain embedding. Thread-safe. */
void dyno_yarn_frequencies(double *inverse_frequency, float *attention_factor,
                           const dyno_yarn *yarn);

/* Writes attention_factor * cos and sin of position * inverse_frequency, [m][pairs] each, for the
 * m positions from first_position on; worked out in double and rounded to float once.
 * Thread-safe. */
void dyno_rope_tables(float *cosine, float *sine, const double *inverse_frequency, size_t pairs,
                      float attention_factor, size_t first_position, size_t m);

#endif
