/* Kernels: the contract of each op, the descriptor of a variant, and the plug-in interface.
 *
 * A kernel is a pure function. It computes the rows [row0, row1) of its problem, reads only its
 * arguments and writes only those rows of the output; it never allocates, locks, logs or fails.
 * Whoever calls it partitions the rows between threads. A row's result must not depend on the
 * range it was computed in, nor on m: the same bits come out for any partition and any batch.
 *
 * Pointers are aligned to their element type unless a comment asks for more; nothing overlaps
 * unless a comment allows it. Strides count elements. Padding between k and a stride is neither
 * read nor written. Infinities and NaNs in the input give unspecified values, never a fault. */
#ifndef DYNO_KERNELS_KERNEL_H
#define DYNO_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/cpu.h"
#include "kernels/base/dtype.h"
#include "kernels/layout.h"
#include "kernels/problem.h"

/* output[t][i] = bias[g][i] + sum over j of weight[g][i][j] * activation[t][j]
 *
 * for every token t of group g, that is group_begin[g] <= t < group_begin[g + 1]. Rows are
 * numbered through the groups: row g * n + i. Row ranges obey the layout's granule within each
 * group. */
typedef struct dyno_matmul_args {
  float *output; /* [m][output_stride], output_stride >= n */
  size_t output_stride;
  /* In the kernel's layout. The pointer of each group, [groups]; aligned as the layout says. */
  const void *const *weight;
  /* f32: [m][k] floats. a8: rows as in a8.h, aligned to 64. */
  const void *activation;
  const float *const *bias;  /* [groups], each [n]; NULL when there is none */
  const size_t *group_begin; /* [groups + 1]; group_begin[0] is 0 and the last is m */
  size_t groups;
  size_t m, n, k;
} dyno_matmul_args;

/* Scaled dot-product attention with sinks over a KV cache that is kept in blocks.
 *
 * Query t stands at position first_position + t and sees the positions p with
 * p <= first_position + t, and, if window is not 0, p > first_position + t - window.
 *
 *   s[p] = scale * query[t][h] . K[p][h * kv_heads / heads]
 *   output[t][h] = sum over p of exp(s[p]) V[p] / (exp(sinks[h]) + sum over p of exp(s[p]))
 *
 * Position p lies in blocks[p / block_tokens % block_count], slot p % block_tokens. A block holds
 * K and V in the problem's dtype, arranged as in base/kv_block.h, and is aligned to 64;
 * block_tokens is a multiple of 16. Slots of positions that no query sees may hold anything, and
 * blocks of such positions may be NULL.
 *
 * In INT8 (i8) a key or value is its quants times its scale, and K[p] is the key that was rotated:
 * the query is rotated as well (base/hadamard.h), which leaves s[p] what it was.
 *
 * Rows are numbered kv_head * m + t; a contiguous range of them shares the keys and values it
 * reads. Every query goes over the positions in chunks that begin at multiples of a constant, each
 * with a softmax of its own, which are merged in the order of positions; so where there are more
 * threads than rows, chunks could be computed apart and merged in that order, to the same bits. */
typedef struct dyno_attention_args {
  float *output;      /* [m][heads * head_size] */
  const float *query; /* [m][heads * head_size] */
  const void *const *blocks;
  size_t block_count, block_tokens;
  size_t first_position;
  const float *sinks; /* [heads]; NULL when there are none */
  float scale;
  size_t m, heads, kv_heads, head_size, window;
  void *scratch; /* scratch_bytes(problem) bytes, aligned to 64, one per calling thread */
} dyno_attention_args;

/* The rows of a weight matrix to a block format, row-major (layout.h). */
typedef struct dyno_quantize_weight_args {
  void *output;       /* [n] rows of dyno_row_bytes(dtype, k) bytes */
  const float *input; /* [n][k] */
  size_t n, k;        /* k whole blocks */
} dyno_quantize_weight_args;

/* The same with the scale, and the zero point, that suit a block best: of those that are tried
 * (quantize/fit_weight.h), the ones for which the sum over the block of importance[j] times the
 * square of what is lost at element j is least, as far as can be told before the scale is rounded
 * to its own format. Where no importance is known, all are 1. */
typedef struct dyno_fit_weight_args {
  void *output;            /* [n] rows of dyno_row_bytes(dtype, k) bytes */
  const float *input;      /* [n][k] */
  const float *importance; /* [k], finite, not negative */
  size_t n, k;             /* k whole blocks */
} dyno_fit_weight_args;

/* Activations to A8 (a8.h): scale = max |x| / 127 over each block of 32, quant = x / scale
 * rounded to nearest even and kept within -127 and 127. Both divisions are rounded to float
 * first, so that there is one right answer. Where the scale is 0, as for an all-zero block, so
 * are the quants. */
typedef struct dyno_quantize_activation_args {
  void *output;       /* m rows as in a8.h, aligned to 64 */
  const float *input; /* [m][k] */
  size_t m, k;        /* k a multiple of 32 */
  /* Only these columns, whole blocks: multiples of 32. What belongs to others is left alone. */
  size_t column0, column1;
} dyno_quantize_activation_args;

/* Rounds the keys and values of m tokens into their slots of a KV cache (dyno_attention_args). To
 * INT8, keys are rotated (base/hadamard.h), and each vector then gets scale = max |x| / 127 and
 * quants as activations get (dyno_quantize_activation_args), a vector being one block.
 * m <= block_count * block_tokens, so that each has a slot of its own. Slots that share a dword may
 * be written at the same time, by calls for different rows. */
typedef struct dyno_store_kv_args {
  void *const *blocks;
  size_t block_count, block_tokens;
  size_t first_position;
  const float *key, *value; /* [m][kv_heads * head_size] */
  size_t m, kv_heads, head_size;
} dyno_store_kv_args;

/* output[t][i] = input[t][i] * weight[i] / sqrt(mean over i of input[t][i]^2 + epsilon)
 * output may be input. Zhang and Sennrich 2019, "Root Mean Square Layer Normalization". */
typedef struct dyno_rmsnorm_args {
  float *output;       /* [m][k] */
  const float *input;  /* [m][k] */
  const float *weight; /* [k] */
  float epsilon;
  size_t m, k;
} dyno_rmsnorm_args;

/* Rotates the pairs (x[i], x[i + head_size / 2]) of every head in place:
 *   x'[i] = x[i] cosine[t][i] - x[i + half] sine[t][i]
 *   x'[i + half] = x[i + half] cosine[t][i] + x[i] sine[t][i]
 * Su et al. 2021, "RoFormer", in the half-split order of GPT-NeoX. Tables: elementwise/rope.h. */
typedef struct dyno_rope_args {
  float *values;              /* [m][stride], the heads first */
  size_t stride;              /* >= heads * head_size */
  const float *cosine, *sine; /* [m][head_size / 2] */
  size_t m, heads, head_size; /* head_size even */
} dyno_rope_args;

/* output = g * sigmoid(alpha * g) * (u + 1), g = min(gate, limit), u = clamp(up, -limit, limit)
 * An element's bits do not depend on its place in the row, nor on the row's length.
 * OpenAI, gpt_oss/torch/model.py, swiglu. output may be gate or up. */
typedef struct dyno_swiglu_args {
  float *output;          /* [m][k] */
  const float *gate, *up; /* [m][k] */
  float alpha, limit;
  size_t m, k;
} dyno_swiglu_args;

/* For each token the `chosen` experts of the largest logits, largest first, equal ones by lower
 * id, and the softmax over those. */
typedef struct dyno_router_args {
  int32_t *expert;           /* [m][chosen] */
  float *weight;             /* [m][chosen] */
  const float *logits;       /* [m][experts] */
  size_t m, experts, chosen; /* chosen <= experts */
} dyno_router_args;

/* For each row the `chosen` largest values, largest first, equal ones by lower index. A NaN is
 * smaller than everything. */
typedef struct dyno_top_k_args {
  int32_t *index;      /* [m][chosen] */
  float *value;        /* [m][chosen] */
  const float *values; /* [m][n] */
  size_t m, n, chosen; /* chosen <= n < 2^31 */
} dyno_top_k_args;

/* Bounds for the products of rows with a vector, from a screen (sampling/screen.h):
 *
 *   dots[b] = sum over the half block of nibble * quant - offset
 *   estimate += step * (second dot * its scale + first dot * its scale)    block by block
 *   variance += step^2 * energy
 *   bound = spread * sqrt(variance) + margin * norm
 *   lower = estimate - bound, upper = estimate + bound
 *
 * Rows are those of the matrix; a range begins at a multiple of 16 and ends at one or at n. All
 * tiers agree to the last bit. */
typedef struct dyno_screen_args {
  float *lower, *upper; /* of row i at i - first_row */
  size_t first_row;     /* <= row0 */
  const void *screen;   /* aligned to 64 */
  /* A dyno_screen_query: */
  const int8_t *quants;          /* [k rounded up to 64], aligned to 64; 0 beyond k */
  const float *scales, *offsets; /* of halves of blocks, [2 * ceil(k / 64)]; 0 beyond k */
  const float *energies;         /* of blocks */
  float spread, margin;
  size_t n, k; /* k a multiple of 32 */
} dyno_screen_args;

/* How far a variant may be from the reference. The bounds are worked out in
 * kernels/check/tolerance.h, from the operands of each case. */
typedef enum dyno_tolerance {
  DYNO_TOLERANCE_EXACT,  /* bit for bit */
  DYNO_TOLERANCE_F32,    /* a reordered sum in float */
  DYNO_TOLERANCE_BF16,   /* operands rounded to bfloat16, summed in float */
  DYNO_TOLERANCE_APPROX, /* a polynomial exp or the like: a few units in the last place */
} dyno_tolerance;

typedef struct dyno_kernel {
  /* Unique and stable: op, formats, tile, two underscores, tier:
   * "matmul_mxfp4_a8_m1n16__avx512vnni". */
  const char *name;
  dyno_op op;
  dyno_dtype weight, activation; /* as in the problem; DYNO_NONE where it has none */
  dyno_isa isa;                  /* the tier it needs */
  uint32_t avoid;                /* dyno_quirk bits that make it a poor choice */
  int rank;                      /* among usable variants of a tier, the higher is preferred */
  dyno_tolerance tolerance;
  /* Variants with the same non-NULL string give the same bits for the same problem. A tensor's
   * decode and prefill kernels must share it. NULL: the variant's own. */
  const char *numerics;
  /* The weights' layout; NULL for plain rows, and for ops without weights. */
  const dyno_layout *layout;
  /* Whether it handles these sizes; NULL when it handles all. */
  bool (*supports)(const dyno_problem *problem);
  /* Scratch needed by each calling thread; NULL when none is. */
  size_t (*scratch_bytes)(const dyno_problem *problem);
  union {
    void (*matmul)(const dyno_matmul_args *args, size_t row0, size_t row1);
    void (*attention)(const dyno_attention_args *args, size_t row0, size_t row1);
    void (*quantize_weight)(const dyno_quantize_weight_args *args, size_t row0, size_t row1);
    void (*fit_weight)(const dyno_fit_weight_args *args, size_t row0, size_t row1);
    void (*quantize_activation)(const dyno_quantize_activation_args *args, size_t row0,
                                size_t row1);
    void (*store_kv)(const dyno_store_kv_args *args, size_t row0, size_t row1);
    void (*rmsnorm)(const dyno_rmsnorm_args *args, size_t row0, size_t row1);
    void (*rope)(const dyno_rope_args *args, size_t row0, size_t row1);
    void (*swiglu)(const dyno_swiglu_args *args, size_t row0, size_t row1);
    void (*router)(const dyno_router_args *args, size_t row0, size_t row1);
    void (*top_k)(const dyno_top_k_args *args, size_t row0, size_t row1);
    void (*screen)(const dyno_screen_args *args, size_t row0, size_t row1);
  } run;
} dyno_kernel;

/* The layout a kernel reads: its own, or the plain rows of its weight dtype; NULL for ops
 * without weights. */
const dyno_layout *dyno_kernel_layout(const dyno_kernel *kernel);

/* How many rows the problem has, to be partitioned: n * groups for matmul, kv_heads * m for
 * attention, n for quantize_weight, fit_weight and screen, else m. */
size_t dyno_problem_rows(const dyno_problem *problem);

/* A plug-in is a shared object that exports `const dyno_plugin_table dyno_plugin`. It is accepted
 * when abi equals DYNO_KERNEL_ABI and every variant passes the checks of `dyno kernels check`. */
#define DYNO_KERNEL_ABI 2

typedef struct dyno_plugin_table {
  uint32_t abi;
  uint32_t kernel_bytes; /* sizeof(dyno_kernel) when it was compiled */
  const char *name;
  const dyno_kernel *kernels;
  size_t count;
} dyno_plugin_table;

#endif
