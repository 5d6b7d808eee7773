#include "tests/unit/oracle.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/base/a8.h"

/* An IEEE 754 binary16 at the bytes, by its definition. */
static double half_at(const uint8_t *bytes)
{
  int bits = bytes[0] | bytes[1] << 8;
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

static double single_at(const uint8_t *bytes)
{
  uint32_t bits =
      bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
  int exponent = (int)(bits >> 23 & 255), fraction = (int)(bits & 0x7fffff);
  double magnitude =
      exponent == 0 ? ldexp(fraction, -149) : ldexp(0x800000 + fraction, exponent - 150);
  return bits >> 31 ? -magnitude : magnitude;
}

static int nibble(const uint8_t *bytes, size_t i)
{
  return i < 16 ? bytes[i] % 16 : bytes[i - 16] / 16;
}

static oracle_value exact(double value)
{
  return (oracle_value){value, fabs(value)};
}

static oracle_value rounded_sum(double a, double b)
{
  return (oracle_value){(double)(float)(a + b), fabs(a) + fabs(b)};
}

static oracle_value element_f32(const uint8_t *block, size_t i)
{
  (void)i;
  return exact(single_at(block));
}

static oracle_value element_f16(const uint8_t *block, size_t i)
{
  (void)i;
  return exact(half_at(block));
}

static oracle_value element_bf16(const uint8_t *block, size_t i)
{
  (void)i;
  return exact(single_at((const uint8_t[4]){0, 0, block[0], block[1]}));
}

static oracle_value element_q8_0(const uint8_t *block, size_t i)
{
  int q = block[2 + i];
  return exact(half_at(block) * (q < 128 ? q : q - 256));
}

static oracle_value element_q4_0(const uint8_t *block, size_t i)
{
  return exact(half_at(block) * (nibble(block + 2, i) - 8));
}

static oracle_value element_q4_1(const uint8_t *block, size_t i)
{
  return rounded_sum(half_at(block) * nibble(block + 4, i), half_at(block + 2));
}

static oracle_value element_q5_0(const uint8_t *block, size_t i)
{
  int high = block[2 + i / 8] >> i % 8 & 1;
  return exact(half_at(block) * (nibble(block + 6, i) + 16 * high - 16));
}

/* Field j of the twelve bytes of 6-bit fields of Q4_K and Q5_K: scales are 0 to 7, minima 8 to
 * 15. Fields 0-3 and 8-11 are the low six bits of bytes 0-7. Of the others, the low four bits are
 * nibbles of bytes 8-11 and the high two are the top of bytes 0-7. */
static int six_bits(const uint8_t *bytes, int j)
{
  int run = j % 8, is_minimum = j / 8;
  if (run < 4)
    return bytes[run + 4 * is_minimum] % 64;
  int low = bytes[run + 4] >> (4 * is_minimum) & 15;
  return low + 16 * (bytes[run - 4 + 4 * is_minimum] / 64);
}

static oracle_value element_k(const uint8_t *block, size_t i, int q)
{
  int run = (int)(i / 32);
  double scale = half_at(block) * six_bits(block + 4, run);
  double minimum = half_at(block + 2) * six_bits(block + 4, 8 + run);
  return rounded_sum(scale * q, -minimum);
}

static oracle_value element_q4_k(const uint8_t *block, size_t i)
{
  int byte = block[16 + i / 64 * 32 + i % 32];
  return element_k(block, i, i % 64 < 32 ? byte % 16 : byte / 16);
}

static oracle_value element_q5_k(const uint8_t *block, size_t i)
{
  int byte = block[48 + i / 64 * 32 + i % 32];
  int high = block[16 + i % 32] >> i / 32 & 1;
  return element_k(block, i, (i % 64 < 32 ? byte % 16 : byte / 16) + 16 * high);
}

static oracle_value element_q6_k(const uint8_t *block, size_t i)
{
  size_t half = i / 128, within = i % 128;
  int byte = block[64 * half + within % 64];
  int low = within < 64 ? byte % 16 : byte / 16;
  int high = block[128 + 32 * half + within % 32] >> 2 * (within / 32) & 3;
  int scale = block[192 + i / 16];
  return exact(half_at(block + 208) * (scale < 128 ? scale : scale - 256) * (low + 16 * high - 32));
}

static oracle_value element_mxfp4(const uint8_t *block, size_t i)
{
  int code = nibble(block + 1, i), exponent = code >> 1 & 3, fraction = code & 1;
  double magnitude = exponent == 0 ? 0.5 * fraction : ldexp(1 + 0.5 * fraction, exponent - 1);
  return exact(ldexp(code < 8 ? magnitude : -magnitude, block[0] - 127));
}

typedef struct element_format {
  size_t elements, bytes;
  oracle_value (*element)(const uint8_t *block, size_t i);
} element_format;

static const element_format formats[DYNO_DTYPE_COUNT] = {
    [DYNO_F32] = {1, 4, element_f32},       [DYNO_F16] = {1, 2, element_f16},
    [DYNO_BF16] = {1, 2, element_bf16},     [DYNO_Q8_0] = {32, 34, element_q8_0},
    [DYNO_Q4_0] = {32, 18, element_q4_0},   [DYNO_Q4_1] = {32, 20, element_q4_1},
    [DYNO_Q5_0] = {32, 22, element_q5_0},   [DYNO_Q4_K] = {256, 144, element_q4_k},
    [DYNO_Q5_K] = {256, 176, element_q5_k}, [DYNO_Q6_K] = {256, 210, element_q6_k},
    [DYNO_MXFP4] = {32, 17, element_mxfp4},
};

oracle_value oracle_weight(dyno_dtype dtype, const void *row, size_t j)
{
  const element_format *format = &formats[dtype];
  const uint8_t *block = (const uint8_t *)row + j / format->elements * format->bytes;
  return format->element(block, j % format->elements);
}

double oracle_activation(dyno_dtype dtype, const void *row, size_t k, size_t j)
{
  if (dtype == DYNO_F32)
    return (double)((const float *)row)[j];
  return (double)dyno_a8_scales(row, k)[j / 32] * dyno_a8_quants(row)[j];
}

oracle_value oracle_matmul(const dyno_matmul_args *args, dyno_dtype weight, dyno_dtype activation,
                           size_t group, size_t token, size_t i)
{
  const element_format *format = &formats[weight];
  size_t row_bytes = args->k / format->elements * format->bytes;
  const char *weights = (const char *)args->weight[group] + i * row_bytes;
  size_t token_bytes = activation == DYNO_A8 ? dyno_a8_row_bytes(args->k) : args->k * sizeof(float);
  const char *activations = (const char *)args->activation + token * token_bytes;
  oracle_value sum = {0, 0};
  for (size_t j = args->k; j-- > 0;) {
    oracle_value w = oracle_weight(weight, weights, j);
    double x = oracle_activation(activation, activations, args->k, j);
    sum.value += w.value * x;
    sum.magnitude += w.magnitude * fabs(x);
  }
  if (args->bias != NULL) {
    sum.value += (double)args->bias[group][i];
    sum.magnitude += fabs((double)args->bias[group][i]);
  }
  return sum;
}

/* Element i of the key (plane 0) or value (plane 1) of a KV head at a position. A head has
 * block_tokens * head_size keys and as many values; those of 16 positions make a panel. */
static double cached(const dyno_attention_args *args, dyno_dtype kv, size_t plane, size_t position,
                     size_t kv_head, size_t i)
{
  size_t capacity = args->block_count * args->block_tokens, slot = position % capacity;
  const uint8_t *block = args->blocks[slot / args->block_tokens];
  slot %= args->block_tokens;
  size_t packed = 4 / formats[kv].bytes;
  size_t head = (2 * kv_head + plane) * args->block_tokens * args->head_size;
  size_t panel = slot / 16 * 16 * args->head_size;
  size_t in_panel = plane == 0
                        ? (i / packed * 16 + slot % 16) * packed + i % packed
                        : (slot % 16 / packed * args->head_size + i) * packed + slot % packed;
  return formats[kv].element(block + (head + panel + in_panel) * formats[kv].bytes, 0).value;
}

/* Unshifted, as the formula stands: a long double holds the exponential of up to 11356. */
oracle_value oracle_attention(const dyno_attention_args *args, dyno_dtype kv, size_t t, size_t head,
                              size_t i)
{
  const float *query = args->query + (t * args->heads + head) * args->head_size;
  size_t kv_head = head / (args->heads / args->kv_heads), at = args->first_position + t;
  long double sum = 0, denominator = 0;
  double largest = 0;
  for (size_t p = at + 1; p-- > 0;) {
    if (args->window != 0 && at - p >= args->window)
      break;
    long double dot = 0;
    for (size_t j = 0; j < args->head_size; j++)
      dot += (long double)query[j] * cached(args, kv, 0, p, kv_head, j);
    long double weight = expl(dot * (long double)args->scale);
    double value = cached(args, kv, 1, p, kv_head, i);
    sum += weight * value;
    denominator += weight;
    largest = fmax(largest, fabs(value));
  }
  if (args->sinks != NULL)
    denominator += expl((long double)args->sinks[head]);
  return (oracle_value){(double)(sum / denominator), largest};
}

double oracle_rmsnorm(const dyno_rmsnorm_args *args, size_t t, size_t i)
{
  long double mean = 0;
  for (size_t j = args->k; j-- > 0;) {
    long double x = (long double)args->input[t * args->k + j];
    mean += x * x / (long double)args->k;
  }
  return (double)((long double)args->input[t * args->k + i] *
                  powl(mean + (long double)args->epsilon, -0.5L) * (long double)args->weight[i]);
}

/* With the sigmoid as e^x / (e^x + 1). */
double oracle_swiglu(const dyno_swiglu_args *args, size_t t, size_t i)
{
  long double gate = (long double)args->gate[t * args->k + i];
  long double up = (long double)args->up[t * args->k + i];
  long double limit = (long double)args->limit;
  if (gate > limit)
    gate = limit;
  if (up > limit)
    up = limit;
  if (up < -limit)
    up = -limit;
  long double sigmoid = expl((long double)args->alpha * gate);
  sigmoid = sigmoid / (sigmoid + 1);
  return (double)((up + 1) * gate * sigmoid);
}

typedef struct ranked {
  int64_t key;
  size_t index;
} ranked;

/* Integers in the order of the floats; the zeros are one, NaNs are below all else. */
static int64_t rank_key(float value)
{
  if (value != value)
    return INT64_MIN;
  int32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits >= 0 ? bits : -(int64_t)(bits & 0x7fffffff);
}

static int compare_ranked(const void *a, const void *b)
{
  const ranked *x = a, *y = b;
  if (x->key != y->key)
    return x->key < y->key ? 1 : -1;
  return x->index < y->index ? -1 : 1;
}

void oracle_rank(size_t *order, const float *values, size_t n)
{
  ranked *all = malloc((n + 1) * sizeof *all);
  for (size_t i = 0; i < n; i++)
    all[i] = (ranked){rank_key(values[i]), i};
  qsort(all, n, sizeof *all, compare_ranked);
  for (size_t i = 0; i < n; i++)
    order[i] = all[i].index;
  free(all);
}
