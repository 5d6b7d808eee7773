/* How exactly the engine computes. */
#ifndef DYNO_RUNTIME_PRECISION_H
#define DYNO_RUNTIME_PRECISION_H

typedef enum dyno_precision {
  /* Activations of block-quantized weights are rounded to A8 (kernels/base/a8.h) where a kernel
   * takes them so; keys and values are kept in BF16. */
  DYNO_PRECISION_FAST,
  /* Weights as they are, activations, keys and values in F32: what the published model code
   * computes, up to the order of sums. */
  DYNO_PRECISION_REFERENCE,
} dyno_precision;

#endif
