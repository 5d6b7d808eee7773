/* Attention in chunks of positions, with an online softmax: the walk that the SIMD variants share.
 *
 * Chunks begin at multiples of DYNO_CHUNK positions. Within a chunk a query head has a softmax of
 * its own over the positions that it sees; the chunks' results are merged in the order of
 * positions, and the sink last. So what a query gets depends neither on its neighbours nor on
 * where the caller cut. All query heads of a KV head, and up to DYNO_CHUNK_QUERIES queries, go over
 * a chunk while its keys and values are in the cache.
 *
 * Scores are kept in units of ln 2, so that weights are powers of two.
 *
 * Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"; Dao et al. 2022,
 * "FlashAttention". */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_H

#include "kernels/base/kv_block.h"
#include "kernels/kernel.h"

enum {
  DYNO_CHUNK = 256, /* positions */
  DYNO_CHUNK_PANELS = DYNO_CHUNK / DYNO_KV_PANEL,
  DYNO_CHUNK_PART = 2 * DYNO_KV_PANEL, /* scores are computed for whole parts of a chunk only */
  DYNO_CHUNK_QUERIES = 32,             /* that share a chunk */
};

/* Positions [begin, end) of a chunk, counted from its start. */
typedef struct dyno_chunk_range {
  size_t begin, end;
} dyno_chunk_range;

/* The softmax of the heads of a KV head over some positions: the largest score, and the sum of the
 * weights 2^(score - largest). Arrays of whole multiples of 16 heads. */
typedef struct dyno_softmax {
  float *largest, *sum;
} dyno_softmax;

/* The inner loops of a variant. Arrays are aligned to 64; head_size is a multiple of 32. Panels
 * are as in kv_block.h; those that the range does not touch may be any.
 *
 * `ahead` are panels that will be wanted after these, NULL where they are in the cache already: to
 * be prefetched at the same pace. Values while keys are multiplied, and the next chunk's keys
 * while values are, keep the memory busy all the time. */
typedef struct dyno_attention_steps {
  dyno_dtype kv;
  /* Writes a query, [heads][head_size], as score wants it, in no more bytes; times scale. */
  void (*take_query)(void *taken, const float *query, size_t heads, size_t head_size, float scale);
  /* scores[h][p] = taken query of h . key p, for all p of the range's parts. */
  void (*score)(float *scores, const void *query, size_t heads, const uint8_t *const *keys,
                const uint8_t *const *ahead, dyno_chunk_range range, size_t head_size);
  /* Turns the scores into the weights of positions in the range, in place and in the format that
   * add_values wants, and 0 for the other positions of the range's parts. */
  void (*soften)(float *scores, dyno_softmax softmax, size_t heads, dyno_chunk_range range);
  /* Merges the softmax of more positions into that of all before. Sums before must be multiplied
   * by keep[h], and new ones by take[h]. */
  void (*merge)(dyno_softmax all, dyno_softmax more, float *keep, float *take, size_t heads);
  /* sums[h][i] = sums[h][i] * keep[h] + take[h] * sum over the range of weight[h][p] value[p][i] */
  void (*add_values)(float *sums, const float *keep, const float *take, const float *weights,
                     size_t heads, const uint8_t *const *values, const uint8_t *const *ahead,
                     dyno_chunk_range range, size_t head_size);
  /* output[h][i] = sums[h][i] / (softmax.sum[h] + the weight of sinks[h]); sinks may be NULL. */
  void (*finish)(float *output, const float *sums, dyno_softmax softmax, const float *sinks,
                 size_t heads, size_t head_size);
} dyno_attention_steps;

void dyno_attention_in_chunks(const dyno_attention_args *args, size_t row0, size_t row1,
                              const dyno_attention_steps *steps);

size_t dyno_attention_chunks_scratch_bytes(const dyno_problem *problem);
bool dyno_attention_chunks_supports(const dyno_problem *problem);

#endif
