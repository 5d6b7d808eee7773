#include <math.h>

#include "kernels/base/hadamard.h"
#include "kernels/base/kv_block.h"
#include "kernels/quantize/quantize.h"

static void round_to_f32(void *output, float value)
{
  memcpy(output, &value, sizeof value);
}

static void round_to_bf16(void *output, float value)
{
  uint16_t bits = dyno_float_to_bf16(value);
  memcpy(output, &bits, sizeof bits);
}

typedef void round_function(void *output, float value);

static void store(const dyno_store_kv_args *args, size_t row0, size_t row1, dyno_dtype kv,
                  round_function *round)
{
  const dyno_kv_shape shape = {dyno_row_bytes(kv, 1), args->block_tokens, args->kv_heads,
                               args->head_size};
  for (size_t t = row0; t < row1; t++) {
    size_t position = args->first_position + t, slot = position % args->block_tokens;
    char *block = args->blocks[position / args->block_tokens % args->block_count];
    for (size_t head = 0; head < args->kv_heads; head++) {
      const float *key = args->key + (t * args->kv_heads + head) * args->head_size;
      const float *value = args->value + (t * args->kv_heads + head) * args->head_size;
      for (size_t i = 0; i < args->head_size; i++) {
        round(block + dyno_kv_key_at(&shape, head, slot, i), key[i]);
        round(block + dyno_kv_value_at(&shape, head, slot, i), value[i]);
      }
    }
  }
}

void dyno_store_kv_f32__ref(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  store(args, row0, row1, DYNO_F32, round_to_f32);
}

void dyno_store_kv_bf16__ref(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  store(args, row0, row1, DYNO_BF16, round_to_bf16);
}

static int8_t quantize(float x, float scale)
{
  float quotient = scale != 0 ? x / scale : 0;
  return (int8_t)lrintf(fminf(fmaxf(quotient, -127), 127));
}

static float scale_of(const float *vector, size_t head_size)
{
  float largest = 0;
  for (size_t i = 0; i < head_size; i++)
    largest = fmaxf(largest, fabsf(vector[i]));
  return largest / 127;
}

void dyno_store_kv_i8__ref(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  const dyno_kv_shape shape = {1, args->block_tokens, args->kv_heads, args->head_size};
  for (size_t t = row0; t < row1; t++) {
    size_t position = args->first_position + t, slot = position % args->block_tokens;
    char *block = args->blocks[position / args->block_tokens % args->block_count];
    for (size_t head = 0; head < args->kv_heads; head++) {
      float key[DYNO_HADAMARD_MOST];
      const float *value = args->value + (t * args->kv_heads + head) * args->head_size;
      memcpy(key, args->key + (t * args->kv_heads + head) * args->head_size,
             args->head_size * sizeof *key);
      dyno_hadamard(key, args->head_size);
      const float key_scale = scale_of(key, args->head_size);
      const float value_scale = scale_of(value, args->head_size);
      for (size_t i = 0; i < args->head_size; i++) {
        block[dyno_kv_key_at(&shape, head, slot, i)] = (char)quantize(key[i], key_scale);
        block[dyno_kv_value_at(&shape, head, slot, i)] = (char)quantize(value[i], value_scale);
      }
      size_t at = dyno_kv_scale_at(&shape, head, slot);
      memcpy(block + at, &key_scale, sizeof key_scale);
      memcpy(block + at + dyno_kv_plane_bytes(&shape), &value_scale, sizeof value_scale);
    }
  }
}
