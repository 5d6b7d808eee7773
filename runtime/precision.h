/* How exactly the engine computes. */
#ifndef DYNO_RUNTIME_PRECISION_H
#define DYNO_RUNTIME_PRECISION_H

typedef enum dyno_precision {
  /* Activations of block-quantized weights are rounded to A8 (kernels/base/a8.h) where a kernel
   * takes them so; keys and values are kept in BF16 unless a dyno_kv_format says otherwise. */
  DYNO_PRECISION_FAST,
  /* Weights as they are, activations, keys and values in F32: what the published model code
   * computes, up to the order of sums. */
  DYNO_PRECISION_REFERENCE,
} dyno_precision;

/* What keys and values are kept in. */
typedef enum dyno_kv_format {
  DYNO_KV_OF_PRECISION, /* BF16, or F32 with the reference's precision */
  DYNO_KV_F32,
  DYNO_KV_BF16,
  DYNO_KV_INT8, /* a scale for each head of each token; keys rotated (kernels/base/hadamard.h) */
} dyno_kv_format;

#endif
