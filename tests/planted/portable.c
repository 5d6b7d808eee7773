/* Planted bugs in the other families, in portable C, each close to the reference otherwise; and
 * in layouts and descriptors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/kv_block.h"
#include "kernels/matmul/matmul.h"
#include "tests/planted/planted.h"

/* --- matmul of Q8_0 and A8, and its layouts --- */

static float a8_dot(const uint8_t *row, const void *activation, size_t k)
{
  const int8_t *quants = dyno_a8_quants(activation);
  const float *scales = dyno_a8_scales(activation, k);
  float sum = 0;
  for (size_t b = 0; b < k / 32; b++, row += 34) {
    int32_t products = 0;
    for (size_t i = 0; i < 32; i++)
      products += (int8_t)row[2 + i] * quants[32 * b + i];
    sum = fmaf((float)products, dyno_f16_to_float(dyno_load_u16(row)) * scales[b], sum);
  }
  return sum;
}

static void multiply_a8(const dyno_matmul_args *args, size_t row0, size_t row1, bool use_padding)
{
  size_t row_bytes = dyno_row_bytes(DYNO_Q8_0, args->k);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args))
    for (size_t t = walk.token_begin; t < walk.token_end; t++)
      for (size_t i = walk.begin; i < walk.end; i++) {
        const char *x = (const char *)args->activation + t * dyno_a8_row_bytes(args->k);
        float sum = a8_dot((const uint8_t *)walk.weight + i * row_bytes, x, args->k);
        if (use_padding && args->k / 32 % 16 != 0)
          sum += 0 * dyno_a8_scales(x, args->k)[args->k / 32];
        args->output[t * args->output_stride + i] = walk.bias == NULL ? sum : sum + walk.bias[i];
      }
}

static void a8_right(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  multiply_a8(args, row0, row1, false);
}

static void a8_uses_padding(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  multiply_a8(args, row0, row1, true);
}

/* Weights with an offset, times quants, summed by two in 16 bits as maddubs does: it saturates. */
static void a8_saturates(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  size_t row_bytes = dyno_row_bytes(DYNO_Q8_0, args->k);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args))
    for (size_t t = walk.token_begin; t < walk.token_end; t++)
      for (size_t i = walk.begin; i < walk.end; i++) {
        const char *x = (const char *)args->activation + t * dyno_a8_row_bytes(args->k);
        const uint8_t *row = (const uint8_t *)walk.weight + i * row_bytes;
        float sum = 0;
        for (size_t b = 0; b < args->k / 32; b++, row += 34) {
          int32_t products = -128 * dyno_a8_sums(x, args->k)[b];
          for (size_t j = 0; j < 32; j += 2) {
            const int8_t *quants = dyno_a8_quants(x) + 32 * b + j;
            int32_t two = ((int8_t)row[2 + j] + 128) * quants[0];
            two += ((int8_t)row[3 + j] + 128) * quants[1];
            products += two > 32767 ? 32767 : two < -32768 ? -32768 : two;
          }
          sum = fmaf((float)products,
                     dyno_f16_to_float(dyno_load_u16(row)) * dyno_a8_scales(x, args->k)[b], sum);
        }
        args->output[t * args->output_stride + i] = walk.bias == NULL ? sum : sum + walk.bias[i];
      }
}

static size_t padded_bytes(const dyno_layout *layout, size_t n, size_t k)
{
  return (n + 3) / 4 * 4 * dyno_row_bytes(layout->dtype, k);
}

static void pack_rows(const dyno_layout *layout, void *packed, const void *rows, size_t n, size_t k,
                      size_t n0, size_t n1)
{
  (void)n;
  size_t row_bytes = dyno_row_bytes(layout->dtype, k);
  memcpy((char *)packed + n0 * row_bytes, rows, (n1 - n0) * row_bytes);
}

static void pack_padded(const dyno_layout *layout, void *packed, const void *rows, size_t n,
                        size_t k, size_t n0, size_t n1)
{
  size_t row_bytes = dyno_row_bytes(layout->dtype, k);
  pack_rows(layout, packed, rows, n, k, n0, n1);
  if (n1 == n)
    memset((char *)packed + n1 * row_bytes, 0, ((n + 3) / 4 * 4 - n) * row_bytes);
}

static void pack_too_much(const dyno_layout *layout, void *packed, const void *rows, size_t n,
                          size_t k, size_t n0, size_t n1)
{
  size_t whole = n1 == n ? (n1 + 3) / 4 * 4 : n1; /* reads rows that are not there */
  pack_rows(layout, packed, rows, n, k, n0, whole);
}

static void unpack_rows(const dyno_layout *layout, void *rows, const void *packed, size_t n,
                        size_t k, size_t n0, size_t n1)
{
  (void)n;
  size_t row_bytes = dyno_row_bytes(layout->dtype, k);
  memcpy(rows, (const char *)packed + n0 * row_bytes, (n1 - n0) * row_bytes);
}

static void unpack_swapped(const dyno_layout *layout, void *rows, const void *packed, size_t n,
                           size_t k, size_t n0, size_t n1)
{
  unpack_rows(layout, rows, packed, n, k, n0, n1);
  if (n > 64 && n0 <= 1 && n1 > 1)
    ((char *)rows)[(1 - n0) * dyno_row_bytes(layout->dtype, k)] ^= 1;
}

/* Starts at row 0 whatever the range. */
static void unpack_first(const dyno_layout *layout, void *rows, const void *packed, size_t n,
                         size_t k, size_t n0, size_t n1)
{
  unpack_rows(layout, rows, packed, n, k, 0, n1 - n0);
}

#define LAYOUT(name_, pack_, unpack_)                                                              \
  {                                                                                                \
    .name = name_, .dtype = DYNO_Q8_0, .row_granule = 4, .alignment = 2, .bytes = padded_bytes,    \
    .pack = pack_, .unpack = unpack_,                                                              \
  }

static const dyno_layout right_layout = LAYOUT("right_v1", pack_padded, unpack_rows);
static const dyno_layout unwritten_layout = LAYOUT("unwritten_v1", pack_rows, unpack_rows);
static const dyno_layout greedy_layout = LAYOUT("greedy_v1", pack_too_much, unpack_rows);
static const dyno_layout swapped_layout = LAYOUT("swapped_v1", pack_padded, unpack_swapped);
static const dyno_layout first_layout = LAYOUT("first_v1", pack_padded, unpack_first);

static bool supports_nothing(const dyno_problem *problem)
{
  (void)problem;
  return false;
}

#define A8_VARIANT(name_, finding_, run_, ...)                                                     \
  {                                                                                                \
    .kernel = {.name = name_,                                                                      \
               .op = DYNO_OP_MATMUL,                                                               \
               .weight = DYNO_Q8_0,                                                                \
               .activation = DYNO_A8,                                                              \
               .tolerance = DYNO_TOLERANCE_EXACT,                                                  \
               .run.matmul = run_,                                                                 \
               __VA_ARGS__},                                                                       \
    .finding = finding_,                                                                           \
  }

/* --- attention --- */

typedef enum attention_bug {
  ATTENTION_RIGHT,
  WINDOW_TOO_LONG,
  SINK_FORGOTTEN,
  MASKS_BY_ZERO_WEIGHT,
  WRONG_KV_HEAD,
  USES_OLD_SCRATCH,
  RING_IGNORED,
} attention_bug;

/* The panel of a KV head's keys, or values, that holds a position. */
static const float *f32_panel(const dyno_attention_args *args, size_t position, size_t kv_head,
                              bool values, attention_bug bug)
{
  size_t block = position / args->block_tokens;
  if (bug != RING_IGNORED || block < args->block_count)
    block %= args->block_count;
  else
    block = args->block_count - 1;
  const dyno_kv_shape shape = {sizeof(float), args->block_tokens, args->kv_heads, args->head_size};
  size_t at = dyno_kv_panel_at(&shape, kv_head, position % args->block_tokens);
  at += values ? dyno_kv_plane_bytes(&shape) : 0;
  return (const float *)args->blocks[block] + at / sizeof(float);
}

static void attend_head(const dyno_attention_args *args, size_t t, size_t head, attention_bug bug)
{
  size_t size = args->head_size, kv_head = head * args->kv_heads / args->heads;
  if (bug == WRONG_KV_HEAD)
    kv_head = head % args->kv_heads;
  size_t end = args->first_position + t + 1, window = args->window;
  size_t begin = window != 0 && end > window ? end - window : 0;
  if (bug == WINDOW_TOO_LONG && begin > 0)
    begin--;
  size_t last = bug == MASKS_BY_ZERO_WEIGHT && end % 2 != 0 ? end + 1 : end;
  const float *query = args->query + (t * args->heads + head) * size;
  float *output = args->output + (t * args->heads + head) * size;
  double *sum = args->scratch;
  double denominator = 0, largest = -INFINITY;
  for (size_t i = 0; i < size && bug != USES_OLD_SCRATCH; i++)
    sum[i] = 0;
  if (args->sinks != NULL && bug != SINK_FORGOTTEN) {
    largest = (double)args->sinks[head];
    denominator = 1;
  }
  for (size_t p = begin; p < last; p++) {
    double score = 0;
    const float *key = f32_panel(args, p, kv_head, false, bug) + p % DYNO_KV_PANEL;
    const float *value = f32_panel(args, p, kv_head, true, bug) + p % DYNO_KV_PANEL * size;

    for (size_t i = 0; i < size; i++)
      score += (double)query[i] * (double)key[i * DYNO_KV_PANEL];
    score = p < end ? score * (double)args->scale : -INFINITY;
    double scale = score > largest ? exp(largest - score) : 1;
    largest = fmax(largest, score);
    double weight = exp(score - largest);
    denominator = denominator * scale + weight;
    for (size_t i = 0; i < size; i++)
      sum[i] = sum[i] * scale + weight * (double)value[i];
  }
  for (size_t i = 0; i < size; i++)
    output[i] = (float)(sum[i] / denominator);
}

static size_t attention_scratch(const dyno_problem *problem)
{
  return problem->k * sizeof(double);
}

#define ATTENTION(function, bug)                                                                   \
  static void function(const dyno_attention_args *args, size_t row0, size_t row1)                  \
  {                                                                                                \
    size_t per_kv_head = args->heads / args->kv_heads;                                             \
    for (size_t row = row0; row < row1; row++)                                                     \
      for (size_t i = 0; i < per_kv_head; i++)                                                     \
        attend_head(args, row % args->m, row / args->m * per_kv_head + i, bug);                    \
  }
ATTENTION(attention_right, ATTENTION_RIGHT)
ATTENTION(window_too_long, WINDOW_TOO_LONG)
ATTENTION(sink_forgotten, SINK_FORGOTTEN)
ATTENTION(masks_by_zero_weight, MASKS_BY_ZERO_WEIGHT)
ATTENTION(wrong_kv_head, WRONG_KV_HEAD)
ATTENTION(uses_old_scratch, USES_OLD_SCRATCH)
ATTENTION(ring_ignored, RING_IGNORED)

#define ATTENTION_VARIANT(function, finding_)                                                      \
  {                                                                                                \
    .kernel =                                                                                      \
        {                                                                                          \
            .name = #function,                                                                     \
            .op = DYNO_OP_ATTENTION,                                                               \
            .activation = DYNO_F32,                                                                \
            .tolerance = DYNO_TOLERANCE_F32,                                                       \
            .scratch_bytes = attention_scratch,                                                    \
            .run.attention = function,                                                             \
        },                                                                                         \
    .finding = finding_,                                                                           \
  }

/* --- quantize --- */

/* Multiplies by the reciprocal, and so rounds some quotients the other way. */
static void quantize_activation(const dyno_quantize_activation_args *args, size_t row0, size_t row1,
                                bool right_sum)
{
  for (size_t t = row0; t < row1; t++) {
    const float *input = args->input + t * args->k;
    char *row = (char *)args->output + t * dyno_a8_row_bytes(args->k);
    for (size_t b = args->column0 / 32; b < args->column1 / 32; b++) {
      float largest = 0;
      int32_t sum = 0;
      for (size_t i = 0; i < 32; i++)
        largest = fmaxf(largest, fabsf(input[32 * b + i]));
      float scale = largest / 127;
      float inverse = scale < 0x1p-120f ? 0 : 1 / scale;
      for (size_t i = 0; i < 32; i++) {
        float quotient = inverse != 0 ? input[32 * b + i] * inverse
                         : scale != 0 ? input[32 * b + i] / scale
                                      : 0;
        int8_t quant = (int8_t)rintf(fminf(fmaxf(quotient, -127), 127));
        ((int8_t *)row)[32 * b + i] = quant;
        sum += right_sum || i != 31 ? quant : 0;
      }
      memcpy(row + dyno_a8_scales_offset(args->k) + 4 * b, &scale, sizeof scale);
      memcpy(row + dyno_a8_sums_offset(args->k) + 4 * b, &sum, sizeof sum);
    }
  }
}

static void quantize_by_reciprocal(const dyno_quantize_activation_args *args, size_t row0,
                                   size_t row1)
{
  quantize_activation(args, row0, row1, true);
}

static void quantize_wrong_sum(const dyno_quantize_activation_args *args, size_t row0, size_t row1)
{
  quantize_activation(args, row0, row1, false);
}

static void truncate_to_bf16(const dyno_quantize_weight_args *args, size_t row0, size_t row1)
{
  for (size_t i = row0 * args->k; i < row1 * args->k; i++) {
    uint16_t bits = (uint16_t)(dyno_float_to_bits(args->input[i]) >> 16);
    memcpy((char *)args->output + 2 * i, &bits, sizeof bits);
  }
}

static void store_in_next_slot(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    size_t position = args->first_position + t + (args->block_count > 1);
    char *block = args->blocks[position / args->block_tokens % args->block_count];
    size_t slot = position % args->block_tokens, size = args->head_size;
    const dyno_kv_shape shape = {sizeof(float), args->block_tokens, args->kv_heads, size};
    for (size_t i = 0; i < args->kv_heads * size; i++) {
      size_t head = i / size, from = t * args->kv_heads * size + i;
      memcpy(block + dyno_kv_key_at(&shape, head, slot, i % size), args->key + from, sizeof(float));
      memcpy(block + dyno_kv_value_at(&shape, head, slot, i % size), args->value + from,
             sizeof(float));
    }
  }
}

/* --- elementwise --- */

static void rmsnorm_right(const dyno_rmsnorm_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    float squares = 0;
    for (size_t i = 0; i < args->k; i++)
      squares += args->input[t * args->k + i] * args->input[t * args->k + i];
    float scale = 1 / sqrtf(squares / (float)args->k + args->epsilon);
    for (size_t i = 0; i < args->k; i++)
      args->output[t * args->k + i] = args->input[t * args->k + i] * scale * args->weight[i];
  }
}

/* Uses the output as scratch, which destroys an input that is the same memory. */
static void rmsnorm_not_in_place(const dyno_rmsnorm_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    float *output = args->output + t * args->k, squares = 0;
    for (size_t i = 0; i < args->k; i++)
      output[i] = args->input[t * args->k + i] * args->input[t * args->k + i];
    for (size_t i = 0; i < args->k; i++)
      squares += output[i];
    float scale = 1 / sqrtf(squares / (float)args->k + args->epsilon);
    for (size_t i = 0; i < args->k; i++)
      output[i] = args->input[t * args->k + i] * scale * args->weight[i];
  }
}

static void rope_wrong_pairs(const dyno_rope_args *args, size_t row0, size_t row1)
{
  size_t half = args->head_size / 2;
  for (size_t t = row0; t < row1; t++)
    for (size_t head = 0; head < args->heads; head++)
      for (size_t i = 0; i < half; i++) { /* neighbours, as in the paper, instead of halves */
        float *pair = args->values + t * args->stride + head * args->head_size + 2 * i;
        float c = args->cosine[t * half + i], s = args->sine[t * half + i];
        float x = pair[0] * c - pair[1] * s;
        pair[1] = pair[1] * c + pair[0] * s;
        pair[0] = x;
      }
}

static void swiglu_right(const dyno_swiglu_args *args, size_t row0, size_t row1)
{
  for (size_t i = row0 * args->k; i < row1 * args->k; i++) {
    float gate = fminf(args->gate[i], args->limit);
    float up = fmaxf(-args->limit, fminf(args->up[i], args->limit));
    args->output[i] = gate / (1 + expf(-args->alpha * gate)) * (up + 1);
  }
}

static void swiglu_clamps_gate_below(const dyno_swiglu_args *args, size_t row0, size_t row1)
{
  for (size_t i = row0 * args->k; i < row1 * args->k; i++) {
    float gate = fmaxf(-args->limit, fminf(args->gate[i], args->limit));
    float up = fmaxf(-args->limit, fminf(args->up[i], args->limit));
    args->output[i] = gate / (1 + expf(-args->alpha * gate)) * (up + 1);
  }
}

/* Softmax over all experts, not over the chosen. */
static void router_softmax_first(const dyno_router_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *logits = args->logits + t * args->experts;
    float *weight = args->weight + t * args->chosen, sum = 0;
    int32_t *expert = args->expert + t * args->chosen;
    for (size_t c = 0; c < args->chosen; c++) {
      expert[c] = -1;
      for (size_t i = 0; i < args->experts; i++) {
        bool taken = false;
        for (size_t d = 0; d < c; d++)
          taken |= expert[d] == (int32_t)i;
        if (!taken && (expert[c] < 0 || logits[i] > logits[expert[c]]))
          expert[c] = (int32_t)i;
      }
    }
    for (size_t i = 0; i < args->experts; i++)
      sum += expf(logits[i] - logits[expert[0]]);
    for (size_t c = 0; c < args->chosen; c++)
      weight[c] = expf(logits[expert[c]] - logits[expert[0]]) / sum;
  }
}

/* --- sampling --- */

/* Of equal values the last, not the first. */
static void top_k_last_of_equals(const dyno_top_k_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++)
    for (size_t c = 0; c < args->chosen; c++) {
      const float *values = args->values + t * args->n;
      int32_t *index = args->index + t * args->chosen, best = -1;
      for (size_t i = 0; i < args->n; i++) {
        bool taken = false;
        for (size_t d = 0; d < c; d++)
          taken |= index[d] == (int32_t)i;
        if (!taken && (best < 0 || values[i] >= values[best]))
          best = (int32_t)i;
      }
      index[c] = best;
      args->value[t * args->chosen + c] = values[best];
    }
}

#define VARIANT(name_, finding_, op_, run_, ...)                                                   \
  {                                                                                                \
    .kernel = {.name = name_, .op = op_, .run.run_, __VA_ARGS__}, .finding = finding_,             \
  }

const planted_variant planted_portable[] = {
    A8_VARIANT("a8_right", NULL, a8_right, .layout = &right_layout),
    A8_VARIANT("a8_uses_padding", "the reference has", a8_uses_padding, .layout = NULL),
    A8_VARIANT("a8_saturates", "the reference has", a8_saturates, .layout = NULL),
    A8_VARIANT("a8_layout_unwritten", "leaves some unwritten", a8_right,
               .layout = &unwritten_layout),
    A8_VARIANT("a8_layout_greedy", "of rows to pack", a8_right, .layout = &greedy_layout),
    A8_VARIANT("a8_layout_swapped", "does not give the rows back", a8_right,
               .layout = &swapped_layout),
    A8_VARIANT("a8_layout_first", "does not give the rows back", a8_right, .layout = &first_layout),
    A8_VARIANT("a8_supports_nothing", "only 0 cases", a8_right, .supports = supports_nothing),
    ATTENTION_VARIANT(attention_right, NULL),
    ATTENTION_VARIANT(window_too_long, "the reference has"),
    ATTENTION_VARIANT(sink_forgotten, "the reference has"),
    ATTENTION_VARIANT(masks_by_zero_weight, "nan, the reference has"),
    ATTENTION_VARIANT(wrong_kv_head, "the reference has"),
    ATTENTION_VARIANT(uses_old_scratch, "nan, the reference has"),
    ATTENTION_VARIANT(ring_ignored, "the reference has"),
    VARIANT("quantize_by_reciprocal", NULL, DYNO_OP_QUANTIZE_ACTIVATION,
            quantize_activation = quantize_by_reciprocal, .activation = DYNO_A8,
            .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("quantize_by_reciprocal_claims_exact", "the reference has", DYNO_OP_QUANTIZE_ACTIVATION,
            quantize_activation = quantize_by_reciprocal, .activation = DYNO_A8,
            .tolerance = DYNO_TOLERANCE_EXACT),
    VARIANT("quantize_wrong_sum", "add up to", DYNO_OP_QUANTIZE_ACTIVATION,
            quantize_activation = quantize_wrong_sum, .activation = DYNO_A8,
            .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("truncate_to_bf16", "the reference has", DYNO_OP_QUANTIZE_WEIGHT,
            quantize_weight = truncate_to_bf16, .weight = DYNO_BF16),
    VARIANT("store_in_next_slot", "which it does not own", DYNO_OP_STORE_KV,
            store_kv = store_in_next_slot, .activation = DYNO_F32),
    VARIANT("rmsnorm_right", NULL, DYNO_OP_RMSNORM, rmsnorm = rmsnorm_right,
            .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("rmsnorm_not_in_place", "computed as a whole", DYNO_OP_RMSNORM,
            rmsnorm = rmsnorm_not_in_place, .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("rope_wrong_pairs", "the reference has", DYNO_OP_ROPE, rope = rope_wrong_pairs,
            .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("swiglu_right", NULL, DYNO_OP_SWIGLU, swiglu = swiglu_right,
            .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("swiglu_clamps_gate_below", "the reference has", DYNO_OP_SWIGLU,
            swiglu = swiglu_clamps_gate_below, .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("router_softmax_first", "the reference has", DYNO_OP_ROUTER,
            router = router_softmax_first, .tolerance = DYNO_TOLERANCE_F32),
    VARIANT("top_k_last_of_equals", "the reference has", DYNO_OP_TOP_K,
            top_k = top_k_last_of_equals, .tolerance = DYNO_TOLERANCE_F32),
    {.finding = NULL},
};
