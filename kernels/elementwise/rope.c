#include "kernels/elementwise/rope.h"

#include <math.h>

/* The pair that turns `rotations` times over the original context. */
static double pair_of_rotations(const dyno_yarn *yarn, double rotations)
{
  double wavelengths = yarn->original_context / (2 * M_PI * rotations);
  return (double)yarn->head_size * log(wavelengths) / (2 * log(yarn->theta));
}

void dyno_yarn_ramp(double *low, double *high, const dyno_yarn *yarn)
{
  *low = pair_of_rotations(yarn, yarn->beta_fast);
  *high = pair_of_rotations(yarn, yarn->beta_slow);
  if (yarn->truncate) {
    *low = floor(*low);
    *high = ceil(*high);
  }
  *low = fmax(*low, 0);
  *high = fmin(*high, (double)yarn->head_size - 1);
}

void dyno_yarn_frequencies(double *inverse_frequency, float *attention_factor,
                           const dyno_yarn *yarn)
{
  double low, high;
  dyno_yarn_ramp(&low, &high, yarn);
  double width = fmax(high - low, 0.001); /* no division by 0, as in ggml and Transformers */
  bool stretched = yarn->factor > 1;
  *attention_factor = stretched ? (float)(0.1 * log(yarn->factor) + 1) : 1;
  for (size_t i = 0; i < yarn->head_size / 2; i++) {
    double kept = pow(yarn->theta, -2 * (double)i / (double)yarn->head_size);
    double slowed = kept / yarn->factor;
    double ramp = fmin(fmax(((double)i - low) / width, 0), 1);
    inverse_frequency[i] = stretched ? kept * (1 - ramp) + slowed * ramp : kept;
  }
}

void dyno_rope_tables(float *cosine, float *sine, const double *inverse_frequency, size_t pairs,
                      float attention_factor, size_t first_position, size_t m)
{
  for (size_t t = 0; t < m; t++) {
    for (size_t i = 0; i < pairs; i++) {
      double angle = (double)(first_position + t) * inverse_frequency[i];
      cosine[t * pairs + i] = (float)((double)attention_factor * cos(angle));
      sine[t * pairs + i] = (float)((double)attention_factor * sin(angle));
    }
  }
}
