/* Attention over keys and values of any format whose elements stand alone, or have one scale. One
 * query head at a time goes twice over the positions it sees: for the largest score, and for the
 * sums. */
#include <math.h>

#include "kernels/attention/attention.h"
#include "kernels/base/hadamard.h"
#include "kernels/base/kv_block.h"

/* A query's value sums, the query and one key or value as floats, all [head_size]. */
size_t dyno_attention__ref_scratch_bytes(const dyno_problem *problem)
{
  return problem->k * (sizeof(double) + 2 * sizeof(float));
}

typedef enum vector_kind { KEY, VALUE } vector_kind;

/* Decodes the key or value of a KV head at a position. */
static void load(float *vector, const dyno_attention_args *args, dyno_dtype kv, vector_kind kind,
                 size_t position, size_t kv_head)
{
  const char *block = args->blocks[position / args->block_tokens % args->block_count];
  const dyno_kv_shape shape = {dyno_row_bytes(kv, 1), args->block_tokens, args->kv_heads,
                               args->head_size};
  size_t slot = position % args->block_tokens;
  float scale = 1;
  if (kv == DYNO_I8)
    memcpy(&scale,
           block + dyno_kv_scale_at(&shape, kv_head, slot) +
               (kind == KEY ? 0 : dyno_kv_plane_bytes(&shape)),
           sizeof scale);
  for (size_t i = 0; i < args->head_size; i++) {
    size_t at = kind == KEY ? dyno_kv_key_at(&shape, kv_head, slot, i)
                            : dyno_kv_value_at(&shape, kv_head, slot, i);
    if (kv == DYNO_I8)
      vector[i] = scale * (float)(int8_t)block[at];
    else
      dyno_row_to_float(vector + i, block + at, kv, 1);
  }
}

static double score(const dyno_attention_args *args, dyno_dtype kv, const float *query, float *key,
                    size_t position, size_t kv_head)
{
  load(key, args, kv, KEY, position, kv_head);
  double sum = 0;
  for (size_t i = 0; i < args->head_size; i++)
    sum += (double)query[i] * (double)key[i];
  return (double)args->scale * sum;
}

static void attend_head(const dyno_attention_args *args, dyno_dtype kv, size_t t, size_t head)
{
  double *sum = args->scratch;
  float *query = (float *)(sum + args->head_size), *vector = query + args->head_size;
  size_t kv_head = head * args->kv_heads / args->heads;
  size_t offset = (t * args->heads + head) * args->head_size;
  memcpy(query, args->query + offset, args->head_size * sizeof *query);
  if (kv == DYNO_I8)
    dyno_hadamard(query, args->head_size);
  size_t end = args->first_position + t + 1;
  size_t begin = args->window != 0 && end > args->window ? end - args->window : 0;

  double largest = args->sinks == NULL ? -INFINITY : (double)args->sinks[head];
  for (size_t p = begin; p < end; p++)
    largest = fmax(largest, score(args, kv, query, vector, p, kv_head));

  double denominator = args->sinks == NULL ? 0 : exp((double)args->sinks[head] - largest);
  for (size_t i = 0; i < args->head_size; i++)
    sum[i] = 0;
  for (size_t p = begin; p < end; p++) {
    double weight = exp(score(args, kv, query, vector, p, kv_head) - largest);
    denominator += weight;
    load(vector, args, kv, VALUE, p, kv_head);
    for (size_t i = 0; i < args->head_size; i++)
      sum[i] += weight * (double)vector[i];
  }
  for (size_t i = 0; i < args->head_size; i++)
    args->output[offset + i] = (float)(sum[i] / denominator);
}

static void attend(const dyno_attention_args *args, dyno_dtype kv, size_t row0, size_t row1)
{
  size_t heads_per_kv_head = args->heads / args->kv_heads;
  for (size_t row = row0; row < row1; row++) {
    size_t kv_head = row / args->m, t = row % args->m;
    for (size_t i = 0; i < heads_per_kv_head; i++)
      attend_head(args, kv, t, kv_head * heads_per_kv_head + i);
  }
}

void dyno_attention_f32__ref(const dyno_attention_args *args, size_t row0, size_t row1)
{
  attend(args, DYNO_F32, row0, row1);
}

void dyno_attention_bf16__ref(const dyno_attention_args *args, size_t row0, size_t row1)
{
  attend(args, DYNO_BF16, row0, row1);
}

void dyno_attention_i8__ref(const dyno_attention_args *args, size_t row0, size_t row1)
{
  attend(args, DYNO_I8, row0, row1);
}
