#include "kernels/quantize/quantize.h"

static void round_to_f32(void *output, const float *input, size_t count)
{
  memcpy(output, input, count * sizeof *input);
}

static void round_to_bf16(void *output, const float *input, size_t count)
{
  for (size_t i = 0; i < count; i++)
    ((uint16_t *)output)[i] = dyno_float_to_bf16(input[i]);
}

typedef void round_function(void *output, const float *input, size_t count);

static void store(const dyno_store_kv_args *args, size_t row0, size_t row1, dyno_dtype kv,
                  round_function *round)
{
  size_t vector_bytes = dyno_row_bytes(kv, args->head_size);
  for (size_t t = row0; t < row1; t++) {
    size_t position = args->first_position + t;
    char *block = args->blocks[position / args->block_tokens % args->block_count];
    size_t slot = position % args->block_tokens;
    for (size_t head = 0; head < args->kv_heads; head++) {
      size_t input = (t * args->kv_heads + head) * args->head_size;
      size_t key_row = head * args->block_tokens + slot;
      size_t value_row = (args->kv_heads + head) * args->block_tokens + slot;
      round(block + key_row * vector_bytes, args->key + input, args->head_size);
      round(block + value_row * vector_bytes, args->value + input, args->head_size);
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
