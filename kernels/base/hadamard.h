/* The rotation that keys in INT8 are kept after, and queries meet them after.
 *
 * A few elements of a key are often far larger than the rest, and a scale that suits them wastes
 * most of the 8 bits of the others. H / sqrt(n), H being Sylvester's Hadamard matrix of n rows,
 * spreads each element over all; it is orthogonal, so that products of vectors stay what they are
 * when both are rotated.
 *
 * Ashkboos et al. 2024, "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs". */
#ifndef DYNO_KERNELS_BASE_HADAMARD_H
#define DYNO_KERNELS_BASE_HADAMARD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* The longest vector that is rotated. */
enum { DYNO_HADAMARD_MOST = 1024 };

static inline bool dyno_hadamard_supports(size_t n)
{
  return n > 0 && n <= DYNO_HADAMARD_MOST && (n & (n - 1)) == 0;
}

/* Rotates x, [n], in place. The order of the additions is fixed: every tier has the same bits. */
static inline void dyno_hadamard(float *x, size_t n)
{
  for (size_t half = n / 2; half > 0; half /= 2)
    for (size_t i = 0; i < n; i += 2 * half)
      for (size_t j = i; j < i + half; j++) {
        float sum = x[j] + x[j + half];
        x[j + half] = x[j] - x[j + half];
        x[j] = sum;
      }
  const float factor = 1 / sqrtf((float)n);
  for (size_t i = 0; i < n; i++)
    x[i] *= factor;
}

#endif
