/* fit_weight: what is tried for a block, the same in all tiers (kernel.h has the contract). */
#ifndef DYNO_KERNELS_QUANTIZE_FIT_WEIGHT_H
#define DYNO_KERNELS_QUANTIZE_FIT_WEIGHT_H

/* Q4_0: the quant, before it is rounded, of the value of the largest magnitude. The first one is
 * what quantize_weight takes; the others spread the values over more or fewer of the 16 steps, with
 * the longer side of the scale, -8, at one end or the other. */
#define DYNO_FIT_Q4_0_RATIOS                                                                       \
  {                                                                                                \
    -8, -9, -8.5f, -7.5f, -7, -6.5f, -6, -5.5f, 8.25f, 7.75f, 7.25f, 6.75f, 6.25f, 5.75f, 5.25f,   \
        -5                                                                                         \
  }

/* Q4_1: how much of the range is left to be cut off, at either end. */
#define DYNO_FIT_Q4_1_CUTS                                                                         \
  {                                                                                                \
    0, 0.02f, 0.045f, 0.08f                                                                        \
  }

/* Q4_1: as a share of the quants' mean square, the least variance that a slope is taken from: where
 * nearly all of the importance is on equal quants, what is left of it are rounding errors, or
 * nothing. */
#define DYNO_FIT_Q4_1_VARIANCE 0x1p-13f

/* MXFP4: powers of two beside the exponent that quantize_weight takes, that one first. */
#define DYNO_FIT_MXFP4_STEPS                                                                       \
  {                                                                                                \
    0, 1, -1                                                                                       \
  }

#endif
