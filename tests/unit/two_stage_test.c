/* Two-stage logits retain exactly what all logits would say, over many hidden states and heads that
 * are hard on them, and give up where they must. */
#include "tests/unit/fixtures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/rank.h"
#include "kernels/sampling/screen.h"
#include "runtime/forward/two_stage.h"

/* k is no whole number of the screen's blocks, n none of its panels. */
enum { N = 1203, K = 224, THREADS = 2 };

typedef enum head_kind {
  HEAD_RANDOM,
  HEAD_TWINS,     /* every row is there four times, twice with one weight changed a little */
  HEAD_UNEVEN,    /* rows of very different sizes, some of them zero */
  HEAD_OUTLIERS,  /* columns that are much larger than others */
  HEAD_TERNARY,   /* weights at both ends of the range and 0 */
  HEAD_ALL_EQUAL, /* nothing can be retained */
  HEAD_COUNT
} head_kind;

typedef struct fixture {
  dyno_registry *registry;
  dyno_pool *pool;
  dyno_allocator *allocator;
  dyno_linear head;
  dyno_head_screen screen;
  dyno_two_stage two_stage;
  const dyno_kernel *quantize;
  float *rows; /* [N][K], what the head holds */
  float *scratch, *all, *x;
  void *a8_row, *packed;
} fixture;

static float normal(uint64_t *state)
{
  float sum = 0;
  for (int i = 0; i < 6; i++)
    sum += random_float(state, -1, 1);
  return sum * 0.7071068f;
}

static void fill_row(float *row, head_kind kind, size_t i, uint64_t *state)
{
  for (size_t j = 0; j < K; j++) {
    row[j] = normal(state);
    if (kind == HEAD_UNEVEN)
      row[j] *= i % 50 == 7 ? 0 : ldexpf(1, (int)(i % 23) - 20);
    if (kind == HEAD_OUTLIERS && j % 71 == 3)
      row[j] *= 40;
    if (kind == HEAD_TERNARY)
      row[j] = row[j] > 0.5f ? 1 : row[j] < -0.5f ? -1 : 0;
  }
}

static void make_rows(float *rows, head_kind kind, uint64_t *state)
{
  for (size_t i = 0; i < N; i++) {
    float *row = rows + i * K;
    if ((kind == HEAD_TWINS && i % 4 != 0) || (kind == HEAD_ALL_EQUAL && i > 0))
      memcpy(row, row - K, K * sizeof *row);
    else
      fill_row(row, kind, i, state);
    if (kind == HEAD_TWINS && i % 4 > 1)
      row[random_below(state, K)] *= 1.01f;
  }
}

/* The rows as the format has them, packed for the kernels that are chosen. */
static void make_head(fixture *f, dyno_dtype weight, dyno_dtype activation)
{
  const dyno_problem problems[2] = {
      {DYNO_OP_MATMUL, weight, activation, 1, N, K, 1, 0, 0, 0},
      {DYNO_OP_MATMUL, weight, activation, 64, N, K, 1, 0, 0, 0},
  };
  dyno_choice choices[2];
  dyno_error error;
  f->head = (dyno_linear){
      .name = "head", .groups = 1, .n = N, .k = K, .weight = weight, .activation = activation};
  cr_assert(dyno_select_layout(&f->head.layout, choices, f->registry, problems, 2, &error) ==
                DYNO_OK,
            "%s", error.message);
  f->head.decode = choices[0];
  size_t row_bytes = dyno_row_bytes(weight, K);
  uint8_t *stored = allocate(N * row_bytes);
  const dyno_quantize_weight_args quantize = {stored, f->rows, N, K};
  reference_of(DYNO_OP_QUANTIZE_WEIGHT, weight, DYNO_NONE)->run.quantize_weight(&quantize, 0, N);
  for (size_t i = 0; i < N; i++)
    dyno_row_to_float(f->rows + i * K, stored + i * row_bytes, weight, K);
  f->packed = allocate(f->head.layout->bytes(f->head.layout, N, K));
  f->head.layout->pack(f->head.layout, f->packed, stored, N, K, 0, N);
  f->head.group_weight = allocate(sizeof *f->head.group_weight);
  f->head.group_weight[0] = f->packed;
  free(stored);
}

static void open_registry(fixture *f, dyno_isa isa)
{
  const dyno_problem quantize = {.op = DYNO_OP_QUANTIZE_ACTIVATION, .activation = DYNO_A8, .k = K};
  dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
  options.isa = isa;
  dyno_choice choice;
  dyno_error error;
  cr_assert(dyno_registry_open(&f->registry, &options, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_pool_open(&f->pool, THREADS, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_allocator_open(&f->allocator, NULL, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_select(&choice, f->registry, &quantize, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  f->quantize = choice.kernel;
  f->rows = allocate((size_t)N * K * sizeof *f->rows);
  f->scratch = allocate(N * sizeof *f->scratch);
  f->all = allocate(N * sizeof *f->all);
  f->x = allocate(K * sizeof *f->x);
  f->a8_row = allocate(dyno_a8_row_bytes(K));
  memset(f->a8_row, 0, dyno_a8_row_bytes(K));
}

/* From f->rows. */
static void open_head(fixture *f, dyno_dtype weight, dyno_dtype activation)
{
  dyno_error error;
  make_head(f, weight, activation);
  const dyno_linear_source source = {.registry = f->registry, .pool = f->pool};
  cr_assert(dyno_head_screen_make(&f->screen, &f->head, &source, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_two_stage_open(&f->two_stage, &f->head, &f->screen, THREADS, f->allocator,
                                &error) == DYNO_OK,
            "%s", error.message);
}

static void close_head(fixture *f)
{
  dyno_two_stage_close(&f->two_stage);
  dyno_head_screen_free(&f->screen);
  free(f->packed);
  free(f->head.group_weight);
}

static void close_registry(fixture *f)
{
  free(f->rows);
  free(f->scratch);
  free(f->all);
  free(f->x);
  free(f->a8_row);
  dyno_pool_close(&f->pool);
  dyno_allocator_close(&f->allocator);
  dyno_registry_close(&f->registry);
}

enum { STATE_KINDS = 8 };

/* Hidden states: of all sizes, along rows of the head, between two of them, sparse, uneven. */
static void make_state(fixture *f, size_t kind, uint64_t *state)
{
  const float *row = f->rows + random_below(state, N) * K;
  const float *other = f->rows + random_below(state, N) * K;
  for (size_t j = 0; j < K; j++) {
    float noise = normal(state);
    const float value[STATE_KINDS] = {noise,
                                      noise * 1e12f,
                                      noise * 1e-12f,
                                      row[j] + 0.3f * noise,
                                      row[j] + other[j],
                                      j % 40 == 11 ? noise : 0,
                                      j == 5 ? 1000 * noise : noise,
                                      ldexpf(noise, -(int)(j / 32) * 4)};
    f->x[j] = value[kind];
  }
}

static void compute_all(fixture *f)
{
  const size_t group_begin[2] = {0, 1};
  const dyno_quantize_activation_args quantize = {
      .output = f->a8_row, .input = f->x, .m = 1, .k = K, .column0 = 0, .column1 = K};
  f->quantize->run.quantize_activation(&quantize, 0, 1);
  const dyno_matmul_args args = {
      .output = f->all,
      .output_stride = N,
      .weight = f->head.group_weight,
      .activation = f->head.activation == DYNO_A8 ? f->a8_row : f->x,
      .group_begin = group_begin,
      .groups = 1,
      .m = 1,
      .n = N,
      .k = K,
  };
  f->head.decode.kernel->run.matmul(&args, 0, N);
}

static bool retain(fixture *f, dyno_retained *retained, const dyno_retain_request *request)
{
  const dyno_two_stage_vector vector = {f->x, f->a8_row};
  const dyno_two_stage_crew crew = {f->pool, NULL};
  for (size_t i = 0; i < N; i++)
    f->scratch[i] = NAN;
  return dyno_two_stage_retain(&f->two_stage, retained, f->scratch, &vector, &crew, request);
}

static size_t likeliest(const float *logits)
{
  return dyno_next_ranked(logits, N, N);
}

/* Against all logits: those that are retained are the largest, with their bits, and the others are
 * below the floor and have no more than the tail together. */
static void check_retained(const fixture *f, const dyno_retained *retained,
                           const dyno_retain_request *request)
{
  size_t at = 0, larger = 0;
  double tail = 0, largest = (double)f->all[likeliest(f->all)];
  for (size_t i = 0; i < N; i++) {
    if (at < retained->count && retained->id[at] == (int32_t)i) {
      cr_assert(memcmp(&retained->logit[at], &f->all[i], sizeof(float)) == 0, "row %zu: %g, not %g",
                i, (double)retained->logit[at], (double)f->all[i]);
      cr_assert(retained->logit[at] >= retained->floor, "row %zu is below the floor", i);
      at++;
      continue;
    }
    cr_assert(f->all[i] < retained->floor, "row %zu with %g is missing above %g", i,
              (double)f->all[i], (double)retained->floor);
    larger += f->all[i] >= retained->floor;
    if (request->temperature > 0)
      tail += exp(((double)f->all[i] - largest) / request->temperature);
  }
  cr_assert(at == retained->count && larger == 0, "ids out of order");
  cr_assert(at >= request->top, "%zu retained, not %zu", at, request->top);
  cr_assert(tail <= retained->tail * (1 + 1e-9), "a tail of %g, not %g", tail, retained->tail);
  if (request->within > 0) {
    size_t wide = 0;
    for (size_t i = 0; i < N; i++)
      wide += (double)f->all[i] >= largest - request->within;
    cr_assert(request->top > 1 || at >= wide, "%zu retained of %zu", at, wide);
  }
}

/* How many of the states got an answer. */
static size_t run_states(fixture *f, size_t states, uint64_t seed)
{
  size_t answers = 0;
  uint64_t state = seed;
  for (size_t i = 0; i < states; i++) {
    make_state(f, i % STATE_KINDS, &state);
    compute_all(f);
    double spread = (double)(f->all[likeliest(f->all)] - f->all[0]);
    const dyno_retain_request requests[] = {
        {.top = 1},
        {.top = 40},
        {.top = 1, .within = 0.2 * fabs(spread), .temperature = fabs(spread) / 20 + 1e-30},
    };
    const dyno_retain_request *request = &requests[i / STATE_KINDS % 3];
    dyno_retained retained;
    f->two_stage.pass = 0;
    if (!retain(f, &retained, request))
      continue;
    answers++;
    check_retained(f, &retained, request);
    size_t first = 0;
    for (size_t r = 1; r < retained.count; r++)
      if (retained.logit[r] > retained.logit[first])
        first = r;
    cr_assert((size_t)retained.id[first] == likeliest(f->all), "another token is the likeliest");
  }
  return answers;
}

typedef struct test_head {
  head_kind kind;
  dyno_dtype weight, activation;
  size_t states, least_answers;
} test_head;

static void run_heads(dyno_isa isa, const test_head *heads, size_t count)
{
  fixture f = {0};
  open_registry(&f, isa);
  for (size_t i = 0; i < count; i++) {
    uint64_t state = 100 + i;
    make_rows(f.rows, heads[i].kind, &state);
    open_head(&f, heads[i].weight, heads[i].activation);
    size_t answers = run_states(&f, heads[i].states, i);
    cr_assert(answers >= heads[i].least_answers, "head %zu: %zu answers for %zu states", i, answers,
              heads[i].states);
    cr_assert(f.two_stage.counts.violated == 0, "head %zu: %" PRIu64 " bounds did not hold", i,
              f.two_stage.counts.violated);
    close_head(&f);
  }
  close_registry(&f);
}

Test(two_stage, same_largest_logits_as_the_full_head)
{
  static const test_head heads[] = {
      {HEAD_RANDOM, DYNO_Q8_0, DYNO_A8, 3600, 3000},
      {HEAD_TWINS, DYNO_Q8_0, DYNO_A8, 1800, 1300},
      {HEAD_UNEVEN, DYNO_Q8_0, DYNO_A8, 1800, 1300},
      {HEAD_OUTLIERS, DYNO_Q8_0, DYNO_A8, 1800, 600},
      {HEAD_TERNARY, DYNO_Q8_0, DYNO_A8, 1800, 1300},
      {HEAD_RANDOM, DYNO_BF16, DYNO_F32, 1200, 900},
      {HEAD_UNEVEN, DYNO_BF16, DYNO_F32, 1200, 800},
      {HEAD_TWINS, DYNO_BF16, DYNO_F32, 600, 400},
      {HEAD_ALL_EQUAL, DYNO_Q8_0, DYNO_A8, 24, 0},
  };
  run_heads(DYNO_ISA_COUNT, heads, sizeof heads / sizeof *heads);
}

Test(two_stage, and_with_portable_kernels)
{
  static const test_head heads[] = {
      {HEAD_RANDOM, DYNO_Q8_0, DYNO_A8, 24, 20},
      {HEAD_TWINS, DYNO_Q8_0, DYNO_A8, 24, 18},
  };
  run_heads(DYNO_ISA_REF, heads, sizeof heads / sizeof *heads);
}

/* All rows are the largest: too many. The next ones are not tried, twice as many each time. */
Test(two_stage, gives_up_on_a_crowd_and_backs_off)
{
  fixture f = {0};
  uint64_t state = 1;
  const dyno_retain_request request = {.top = 1};
  dyno_retained retained;
  open_registry(&f, DYNO_ISA_COUNT);
  make_rows(f.rows, HEAD_ALL_EQUAL, &state);
  open_head(&f, DYNO_Q8_0, DYNO_A8);
  make_state(&f, 0, &state);
  compute_all(&f);
  for (size_t i = 0; i < 1 + 1 + 1 + 2 + 1 + 4 + 1; i++)
    cr_assert(!retain(&f, &retained, &request), "nothing stands out");
  cr_assert(f.two_stage.counts.screens == 4, "%" PRIu64 " screens", f.two_stage.counts.screens);
  cr_assert(f.two_stage.counts.crowded == 4, "%" PRIu64 " crowds", f.two_stage.counts.crowded);
  cr_assert(f.two_stage.counts.passed == 7, "%" PRIu64 " passed", f.two_stage.counts.passed);
  close_head(&f);
  close_registry(&f);
}

/* Vectors of which nothing can be said, and weights of which nothing can be said. */
Test(two_stage, gives_up_where_nothing_is_promised)
{
  static const float bad[] = {0, NAN, INFINITY, 1e30f, 1e-30f};
  fixture f = {0};
  uint64_t state = 2;
  const dyno_retain_request request = {.top = 1};
  dyno_retained retained;
  open_registry(&f, DYNO_ISA_COUNT);
  make_rows(f.rows, HEAD_RANDOM, &state);
  open_head(&f, DYNO_Q8_0, DYNO_A8);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    for (size_t j = 0; j < K; j++)
      f.x[j] = bad[i];
    compute_all(&f);
    f.two_stage.pass = 0;
    cr_assert(!retain(&f, &retained, &request), "a vector of %g", (double)bad[i]);
    cr_assert(f.two_stage.counts.unbounded == i + 1, "a vector of %g", (double)bad[i]);
  }
  close_head(&f);
  f.rows[100 * K + 3] = NAN;
  open_head(&f, DYNO_BF16, DYNO_F32);
  make_state(&f, 0, &state);
  compute_all(&f);
  cr_assert(!retain(&f, &retained, &request), "a weight that is not a number");
  cr_assert(f.two_stage.counts.violated == 1, "it is seen in the second stage");
  close_head(&f);
  close_registry(&f);
}

/* A row made with knowledge of the dither, so that all its errors point along the vector: the
 * promise does not hold for it. It looks larger than it is, so it is computed, and that shows. */
static void align_with_errors(float *row, const float *x, const float *dither)
{
  for (size_t j = 0; j < K; j++) {
    float best = 0, best_error = 2;
    /* Q8_0 with a scale of 1 (an element of 127 in each block), and the step that makes. */
    float step = dyno_bf16_to_float(dyno_float_to_bf16(127 / 7.5f * 1.002f));
    for (int w = 40; w < 100; w++) {
      float signed_w = x[j] < 0 ? -(float)w : (float)w;
      float place = signed_w / step + 7.5f + dither[j];
      float error = place - floorf(place) - 0.5f; /* of w = D (u - 7 - d + e) */
      error = x[j] < 0 ? -error : error;
      if (error < best_error) {
        best_error = error;
        best = signed_w;
      }
    }
    row[j] = j % 32 == 0 ? 127 : best;
  }
}

Test(two_stage, sees_when_its_promise_was_broken)
{
  fixture f = {0};
  uint64_t state = 3;
  float dither[K];
  const dyno_retain_request request = {.top = 1};
  dyno_retained retained;
  open_registry(&f, DYNO_ISA_COUNT);
  make_rows(f.rows, HEAD_RANDOM, &state);
  dyno_screen_dither(dither, K);
  for (size_t j = 0; j < K; j++)
    f.x[j] = random_float(&state, -1, 1) < 0 ? -1 : 1;
  align_with_errors(f.rows + 777 * K, f.x, dither);
  open_head(&f, DYNO_Q8_0, DYNO_A8);
  compute_all(&f);
  cr_assert(!retain(&f, &retained, &request), "the row was taken for larger than it is");
  cr_assert(f.two_stage.counts.violated == 1, "and that was seen");
  close_head(&f);
  close_registry(&f);
}
