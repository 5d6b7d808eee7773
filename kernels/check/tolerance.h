/* How far a variant may be from the reference: bounds from arithmetic, scaled by the operands.
 *
 * u = 2^-24 is the rounding error of one float operation, and gamma(n) = n u / (1 - n u) that of
 * n of them in a row (Higham 2002, "Accuracy and Stability of Numerical Algorithms", lemma 3.1).
 * Both sides may err, so every bound counts its errors twice. Every bound holds for any order
 * of summation, with or without fused multiply-add. With EXACT there is no bound: the bits must
 * be equal.
 *
 * What a class adds, per rounding or call:
 *
 *   F32     nothing. exp as in a C library: within 2 units in the last place, 4 u.
 *   APPROX  exp, reciprocals and roots by polynomials or Newton steps: 16 u each.
 *   BF16    APPROX, and each operand of a product is rounded to 8 bits: 2^-9 each; numbers below
 *           2^-126 count as 0, as vdpbf16ps has it.
 *
 * Results below the smallest normal float are rounded absolutely: by 2^-150 per operation. */
#ifndef DYNO_KERNELS_CHECK_TOLERANCE_H
#define DYNO_KERNELS_CHECK_TOLERANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernel.h"

/* gamma(n); infinite when n u reaches 1. */
double dyno_gamma(double n);

typedef struct dyno_product_sums {
  size_t terms;
  double magnitude;         /* sum of |w||x|, and of what is added besides */
  double weight_magnitude;  /* sum of |w| */
  double operand_magnitude; /* sum of |x| */
  bool integer;             /* x are quants with a scale, and so may be w */
} dyno_product_sums;

/* A sum of products, such as an output of matmul or a score. A term is rounded as a product, for
 * up to two scales, and in the sum:
 *
 *   2 gamma(terms + 4) magnitude
 *
 * BF16 rounds w and x: (2 2^-9 + 2^-18) magnitude, and loses up to 2^-126 of each. Of the
 * products of integers with two scales the scales' product may come first; rounded absolutely,
 * it is then multiplied by up to 2^14 per term. */
double dyno_bound_products(dyno_tolerance tolerance, const dyno_product_sums *sums);

/* x w / sqrt(mean of x^2 + epsilon): the mean is rounded k + 2 times, which the root halves, the
 * rest three times. */
double dyno_bound_rmsnorm(dyno_tolerance tolerance, size_t k, double want, double largest_weight);

/* x c - y s: two products and a difference, magnitude being |x c| + |y s|. */
double dyno_bound_rope(dyno_tolerance tolerance, double magnitude);

/* g sigmoid(a g) (u + 1): the argument of exp is rounded, which moves the sigmoid by up to |a g| u
 * of itself; where the sigmoid underflows (a polynomial exp may stop at 2^-126), its absolute
 * error is that; u + 1 may cancel, so |u| + 1 counts. */
double dyno_bound_swiglu(dyno_tolerance tolerance, double gate, double up, double alpha);

/* An entry of a softmax over n numbers that are at most `spread` apart: n + 1 exps, whose
 * arguments are rounded, n additions and a division. */
double dyno_bound_softmax(dyno_tolerance tolerance, size_t n, double spread, double want);

/* The relative error of one attention weight exp(s - largest) before it is divided by the sum.
 *
 * score_error is the bound of s (dyno_bound_products, with the scale as one more factor); the
 * difference is rounded to u of itself. Online softmax rescales what it has whenever the
 * maximum grows, `rescales` times at most, an exp and a product each. */
double dyno_bound_attention_weight(dyno_tolerance tolerance, double score_error, double difference,
                                   size_t rescales);

#endif
