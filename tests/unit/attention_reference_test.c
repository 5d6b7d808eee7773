#include "tests/unit/fixtures.h"
#include "tests/unit/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* An attention with its cache: positions 0 to first_position + m - 1 are stored in order, so that
 * a ring holds the latest. */
typedef struct attention_case {
  dyno_attention_args args;
  const dyno_kernel *kernel;
  void *blocks[16];
  float *query, *sinks;
  size_t scratch_bytes;
} attention_case;

typedef struct attention_shape {
  size_t first_position, m, heads, kv_heads, head_size, window, block_count, block_tokens;
} attention_shape;

static void store(attention_case *c, uint64_t *random, input_pattern pattern,
                  const attention_shape *s)
{
  const dyno_kernel *kernel = reference_of(DYNO_OP_STORE_KV, DYNO_NONE, c->kernel->activation);
  size_t width = s->kv_heads * s->head_size;
  for (size_t p = 0; p < s->first_position + s->m; p++) {
    float *key = allocate_random(random, pattern, width);
    float *value = allocate_random(random, pattern, width);
    kernel->run.store_kv(&(dyno_store_kv_args){.blocks = c->blocks,
                                               .block_count = s->block_count,
                                               .block_tokens = s->block_tokens,
                                               .first_position = p,
                                               .key = key,
                                               .value = value,
                                               .m = 1,
                                               .kv_heads = s->kv_heads,
                                               .head_size = s->head_size},
                         0, 1);
    free(key);
    free(value);
  }
}

static void make_case(attention_case *c, uint64_t *random, const dyno_kernel *kernel,
                      input_pattern pattern, const attention_shape *s, bool has_sinks)
{
  size_t width = s->heads * s->head_size;
  c->kernel = kernel;
  for (size_t i = 0; i < s->block_count; i++) {
    size_t vectors = 2 * s->kv_heads * s->block_tokens;
    size_t bytes = vectors * dyno_row_bytes(kernel->activation, s->head_size);
    c->blocks[i] = allocate(bytes);
    memset(c->blocks[i], 0xff, bytes); /* NaN */
  }
  store(c, random, pattern, s);
  c->query = allocate_random(random, pattern, s->m * width);
  c->sinks = allocate_random(random, PATTERN_UNIFORM, s->heads);
  const dyno_problem problem = {.op = DYNO_OP_ATTENTION,
                                .activation = kernel->activation,
                                .m = s->m,
                                .n = s->first_position + s->m,
                                .k = s->head_size,
                                .heads = s->heads,
                                .kv_heads = s->kv_heads,
                                .window = s->window};
  c->scratch_bytes = kernel->scratch_bytes == NULL ? 0 : kernel->scratch_bytes(&problem);
  c->args = (dyno_attention_args){
      .output = allocate_nan(s->m * width),
      .query = c->query,
      .blocks = (const void *const *)c->blocks,
      .block_count = s->block_count,
      .block_tokens = s->block_tokens,
      .first_position = s->first_position,
      .sinks = has_sinks ? c->sinks : NULL,
      .scale = 0.125f,
      .m = s->m,
      .heads = s->heads,
      .kv_heads = s->kv_heads,
      .head_size = s->head_size,
      .window = s->window,
      .scratch = allocate(c->scratch_bytes),
  };
}

static void free_case(attention_case *c)
{
  for (size_t i = 0; i < c->args.block_count; i++)
    free(c->blocks[i]);
  free(c->query);
  free(c->sinks);
  free(c->args.output);
  free(c->args.scratch);
}

/* The largest magnitude that the terms of a score may have: its error in double makes a factor of
 * the weight. */
static double score_magnitude(input_pattern pattern, size_t head_size)
{
  double value = pattern == PATTERN_SPIKE ? 20 : 2;
  return 0.125 * (double)head_size * value * value;
}

static void check_case(const attention_case *c, input_pattern pattern)
{
  const dyno_attention_args *a = &c->args;
  double relative =
      4 * ((double)a->head_size + 4) * score_magnitude(pattern, a->head_size) * 0x1p-53 +
      4 * (double)(a->first_position + a->m + 2) * 0x1p-53;
  for (size_t t = 0; t < a->m; t++) {
    for (size_t head = 0; head < a->heads; head++) {
      for (size_t i = 0; i < a->head_size; i++) {
        oracle_value expected = oracle_attention(a, c->kernel->activation, t, head, i);
        float actual = a->output[(t * a->heads + head) * a->head_size + i];
        double error = rounding(expected.value) + relative * expected.magnitude;
        cr_assert(
            is_close(actual, expected.value, error),
            "%s pattern %d at %zu+%zu window %zu heads %zu/%zu: head %zu element %zu is %.9g, "
            "should be %.17g",
            c->kernel->name, (int)pattern, a->first_position, t, a->window, a->heads, a->kv_heads,
            head, i, (double)actual, expected.value);
      }
    }
  }
}

static const dyno_dtype formats[] = {DYNO_F32, DYNO_BF16};

static void run_and_check(dyno_dtype kv, input_pattern pattern, const attention_shape *shape,
                          bool has_sinks)
{
  const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, kv);
  uint64_t random = shape->first_position + 1;
  attention_case c;
  make_case(&c, &random, kernel, pattern, shape, has_sinks);
  kernel->run.attention(&c.args, 0, shape->kv_heads * shape->m);
  check_case(&c, pattern);
  free_case(&c);
}

static const attention_shape shapes[] = {
    /* first, m, heads, kv_heads, head_size, window, blocks of tokens */
    {0, 1, 1, 1, 2, 0, 1, 16},    /* a token sees itself */
    {0, 1, 8, 8, 64, 0, 1, 16},   /* one query head per KV head */
    {0, 20, 8, 1, 64, 0, 3, 16},  /* eight */
    {30, 1, 16, 2, 64, 0, 2, 16}, /* decode */
    {0, 40, 4, 2, 16, 5, 3, 16},  /* prefill in a window, nothing overwritten */
    {17, 3, 4, 2, 16, 1, 2, 16},  /* a window of the token alone */
    {50, 1, 4, 2, 16, 32, 2, 16}, /* decode in a ring of exactly the window, wrapped */
    {70, 4, 4, 2, 16, 20, 2, 16}, /* several in a ring with room for them */
    {7, 2, 4, 2, 16, 8, 1, 48},   /* the window begins to bite */
    {20, 1, 4, 4, 6, 100, 2, 16}, /* a window that is not full; a head of no vector's size */
    {9, 0, 4, 4, 8, 0, 3, 16},    /* no queries */
    {63, 1, 1, 1, 2, 0, 4, 16},   /* a head of a dword, all blocks */
};

Test(attention_reference, agrees_with_the_oracle)
{
  for (size_t f = 0; f < COUNT(formats); f++)
    for (size_t s = 0; s < COUNT(shapes); s++)
      for (int has_sinks = 0; has_sinks <= 1; has_sinks++)
        run_and_check(formats[f], PATTERN_UNIFORM, &shapes[s], has_sinks);
}

/* Scores stay within what a long double's exponential holds: no huge ones. */
Test(attention_reference, agrees_with_the_oracle_on_pathological_inputs)
{
  static const input_pattern patterns[] = {PATTERN_ZEROS, PATTERN_DENORMAL, PATTERN_SPIKE,
                                           PATTERN_REPEATED};
  for (size_t f = 0; f < COUNT(formats); f++)
    for (size_t s = 0; s < COUNT(shapes); s++)
      for (size_t p = 0; p < COUNT(patterns); p++)
        run_and_check(formats[f], patterns[p], &shapes[s], true);
}

/* Slots that no query sees hold NaN: the first block of a window that has moved on. */
Test(attention_reference, reads_nothing_outside_the_window)
{
  const attention_shape shape = {80, 2, 4, 2, 16, 8, 6, 16};
  for (size_t f = 0; f < COUNT(formats); f++) {
    const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, formats[f]);
    uint64_t random = 1;
    attention_case c;
    make_case(&c, &random, kernel, PATTERN_UNIFORM, &shape, true);
    for (size_t block = 0; block < 4; block++) { /* positions 0 to 63; 73 is the first seen */
      size_t vectors = 2 * shape.kv_heads * shape.block_tokens;
      memset(c.blocks[block], 0xff, vectors * dyno_row_bytes(formats[f], shape.head_size));
    }
    kernel->run.attention(&c.args, 0, shape.kv_heads * shape.m);
    check_case(&c, PATTERN_UNIFORM);
    free_case(&c);
  }
}

Test(attention_reference, gives_the_same_bits_for_every_partition_and_writes_only_its_rows)
{
  const attention_shape shape = {30, 3, 4, 2, 8, 7, 3, 16};
  const size_t rows = shape.kv_heads * shape.m, count = shape.m * shape.heads * shape.head_size;
  for (size_t f = 0; f < COUNT(formats); f++) {
    const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, formats[f]);
    uint64_t random = 1;
    attention_case c;
    make_case(&c, &random, kernel, PATTERN_UNIFORM, &shape, true);
    kernel->run.attention(&c.args, 0, rows);
    float *whole = c.args.output;
    for (size_t row0 = 0; row0 <= rows; row0++) {
      for (size_t row1 = row0; row1 <= rows; row1++) {
        c.args.output = allocate_nan(count);
        kernel->run.attention(&c.args, row0, row1);
        for (size_t at = 0; at < count; at++) {
          size_t t = at / (shape.heads * shape.head_size);
          size_t head = at / shape.head_size % shape.heads;
          size_t row = head / (shape.heads / shape.kv_heads) * shape.m + t;
          bool inside = row >= row0 && row < row1;
          cr_assert(inside ? memcmp(&c.args.output[at], &whole[at], sizeof(float)) == 0
                           : isnan(c.args.output[at]),
                    "%s rows %zu to %zu: element %zu", kernel->name, row0, row1, at);
        }
        free(c.args.output);
      }
    }
    c.args.output = whole;
    free_case(&c);
  }
}

Test(attention_reference, gives_the_same_bits_alone_and_in_a_batch)
{
  const attention_shape shape = {30, 5, 4, 2, 8, 7, 3, 16};
  const size_t width = shape.heads * shape.head_size;
  for (size_t f = 0; f < COUNT(formats); f++) {
    const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, formats[f]);
    uint64_t random = 1;
    attention_case c;
    make_case(&c, &random, kernel, PATTERN_UNIFORM, &shape, true);
    kernel->run.attention(&c.args, 0, shape.kv_heads * shape.m);
    for (size_t t = 0; t < shape.m; t++) {
      float *alone = allocate_nan(width);
      dyno_attention_args one = c.args;
      one.output = alone;
      one.query += t * width;
      one.first_position += t;
      one.m = 1;
      kernel->run.attention(&one, 0, shape.kv_heads);
      cr_assert(memcmp(alone, c.args.output + t * width, width * sizeof *alone) == 0,
                "%s: query %zu differs from the query alone", kernel->name, t);
      free(alone);
    }
    free_case(&c);
  }
}

/* One head of one element; scores ln 2 and ln 6, sink ln 8: weights 2, 6 and 8 of 16. */
Test(attention_reference, by_hand_with_a_sink)
{
  float block[32] = {(float)log(2), (float)log(6), [16] = 40, 80}, query = 1, sink = (float)log(8);
  float output = NAN, output_without = NAN;
  double scratch[16];
  dyno_attention_args args = {.output = &output,
                              .query = &query,
                              .blocks = (const void *const[]){block},
                              .block_count = 1,
                              .block_tokens = 16,
                              .first_position = 1,
                              .sinks = &sink,
                              .scale = 1,
                              .m = 1,
                              .heads = 1,
                              .kv_heads = 1,
                              .head_size = 1,
                              .scratch = scratch};
  const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, DYNO_F32);
  kernel->run.attention(&args, 0, 1);
  cr_assert(fabs((double)output - 35) < 1e-5, "%.9g, not 35", (double)output);
  args.output = &output_without;
  args.sinks = NULL;
  kernel->run.attention(&args, 0, 1);
  cr_assert(fabs((double)output_without - 70) < 1e-5, "%.9g, not 70", (double)output_without);
}

/* Scores of hundreds of thousands, and a sink above or below all of them. */
Test(attention_reference, does_not_overflow)
{
  float block[32] = {600000, 700000, [16] = 40, 80}, query = 1, output = NAN;
  double scratch[16];
  static const struct {
    float sink, expected;
  } cases[] = {{-1e30f, 80}, {700000, 40}, {800000, 0}};
  const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, DYNO_F32);
  for (size_t i = 0; i < COUNT(cases); i++) {
    dyno_attention_args args = {.output = &output,
                                .query = &query,
                                .blocks = (const void *const[]){block},
                                .block_count = 1,
                                .block_tokens = 16,
                                .first_position = 1,
                                .sinks = &cases[i].sink,
                                .scale = 1,
                                .m = 1,
                                .heads = 1,
                                .kv_heads = 1,
                                .head_size = 1,
                                .scratch = scratch};
    kernel->run.attention(&args, 0, 1);
    cr_assert(output == cases[i].expected, "sink %g: %.9g, not %g", (double)cases[i].sink,
              (double)output, (double)cases[i].expected);
  }
}
