/* Attention in chunks of positions, with an online softmax: the walk that the SIMD variants share.
 *
 * Keys and values of a chunk are decoded to floats once, the keys transposed so that a lane is a
 * position, and meet all query heads of their KV head and up to DYNO_CHUNK_QUERIES queries. Chunks
 * begin at multiples of DYNO_CHUNK positions, so what a query gets depends neither on its
 * neighbours nor on where the caller cut.
 *
 * Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"; Dao et al. 2022,
 * "FlashAttention". */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_H

#include "kernels/kernel.h"

enum {
  DYNO_CHUNK = 64,        /* positions */
  DYNO_CHUNK_PART = 32,   /* scores are computed for whole parts of a chunk only */
  DYNO_CHUNK_QUERIES = 8, /* that share the decoded chunk */
};

/* Positions [begin, end) of a chunk, counted from its start. */
typedef struct dyno_chunk_range {
  size_t begin, end;
} dyno_chunk_range;

/* The inner loops of a variant. Arrays are aligned to 64; head_size is a multiple of 32. */
typedef struct dyno_attention_steps {
  dyno_dtype kv;
  /* keys[i][p] = element i of rows[p], i < head_size, for all p of the range's parts. */
  void (*load_keys)(float *keys, const uint8_t *const *rows, dyno_chunk_range range,
                    size_t head_size);
  /* values[p][i] = element i of rows[p], for the range. */
  void (*load_values)(float *values, const uint8_t *const *rows, dyno_chunk_range range,
                      size_t head_size);
  /* scores[h][p] = scale * query[h] . keys[.][p], for all p of the range's parts. */
  void (*score)(float *scores, const float *query, size_t heads, const float *keys, float scale,
                dyno_chunk_range range, size_t head_size);
  /* Turns the scores of the range into weights exp(score - largest). Of each head: largest is the
   * largest score so far, denominator the sum of the weights so far, and rescale becomes what all
   * sums before must be multiplied by. */
  void (*soften)(float *scores, float *largest, float *denominator, float *rescale, size_t heads,
                 dyno_chunk_range range);
  /* sums[h][i] = sums[h][i] * rescale[h] + sum over the range of scores[h][p] * values[p][i] */
  void (*add_values)(float *sums, const float *rescale, const float *scores, size_t heads,
                     const float *values, dyno_chunk_range range, size_t head_size);
  /* output[h][i] = sums[h][i] / denominator[h] */
  void (*divide)(float *output, const float *sums, const float *denominator, size_t heads,
                 size_t head_size);
} dyno_attention_steps;

void dyno_attention_in_chunks(const dyno_attention_args *args, size_t row0, size_t row1,
                              const dyno_attention_steps *steps);

size_t dyno_attention_chunks_scratch_bytes(const dyno_problem *problem);
bool dyno_attention_chunks_supports(const dyno_problem *problem);

#endif
