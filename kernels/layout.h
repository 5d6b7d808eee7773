/* How a weight matrix lies in memory.
 *
 * Weights arrive as rows: row-major blocks of their dtype, as in a GGUF file, row i at byte
 * i * dyno_row_bytes(dtype, k). A layout rearranges them for the kernels that read it; the
 * decode and the prefill kernels of a tensor share one packed copy. Packing moves bits and never
 * rounds: unpack gives the rows back bit for bit.
 *
 * The name ends in a version that changes whenever the bytes do, because packed files store
 * it. */
#ifndef DYNO_KERNELS_LAYOUT_H
#define DYNO_KERNELS_LAYOUT_H

#include <stddef.h>

#include "kernels/base/dtype.h"

typedef struct dyno_layout dyno_layout;

struct dyno_layout {
  const char *name; /* "mxfp4_panel16_v1" */
  dyno_dtype dtype; /* the format of the rows it is packed from */
  /* Kernels take row ranges that start, and end unless at n, at a multiple of this. */
  size_t row_granule;
  size_t alignment; /* of the packed data, in bytes; a power of two, at most 4096 */
  /* Bytes of a packed matrix of n rows and k columns (k whole blocks), a multiple of alignment
   * unless the layout is plain rows. */
  size_t (*bytes)(const dyno_layout *layout, size_t n, size_t k);
  /* Packs rows [n0, n1) of the n; rows points at row n0. n0 is a multiple of row_granule, and so
   * is n1 unless it is n (then the padding, if any, is written too). Ranges may be packed in any
   * order and from several threads. Reads nothing outside the given rows. */
  void (*pack)(const dyno_layout *layout, void *packed, const void *rows, size_t n, size_t k,
               size_t n0, size_t n1);
  /* Writes rows [n0, n1) of the n, any range; rows points at row n0. */
  void (*unpack)(const dyno_layout *layout, void *rows, const void *packed, size_t n, size_t k,
                 size_t n0, size_t n1);
};

/* The layout that leaves rows as they are, of each weight dtype ("mxfp4_rows"); NULL for dtypes
 * that are no weights. Any alignment will do. Static lifetime. */
const dyno_layout *dyno_layout_rows(dyno_dtype dtype);

#endif
