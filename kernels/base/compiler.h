/* What the SIMD variants ask of the compiler beyond C. */
#ifndef DYNO_KERNELS_BASE_COMPILER_H
#define DYNO_KERNELS_BASE_COMPILER_H

/* For bodies that take their tile's size as a constant: each size becomes a function of its own. */
#define DYNO_ALWAYS_INLINE static inline __attribute__((always_inline))

/* Before a loop over an array of vectors whose bounds are constant once inlined: only when it is
 * unrolled completely can the array live in registers. */
#if defined(__clang__)
#define DYNO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define DYNO_UNROLL _Pragma("GCC unroll 16")
#endif

#endif
