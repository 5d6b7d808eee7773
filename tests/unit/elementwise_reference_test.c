#include "kernels/elementwise/rope.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const size_t lengths[] = {0, 1, 2, 3, 31, 64, 129};

static const dyno_kernel *rmsnorm(void)
{
  return reference_of(DYNO_OP_RMSNORM, DYNO_NONE, DYNO_NONE);
}

static void check_rmsnorm(input_pattern pattern, size_t k, float epsilon)
{
  uint64_t random = k + 1;
  const size_t m = 3;
  dyno_rmsnorm_args args = {.output = allocate_nan(m * k),
                            .input = allocate_random(&random, pattern, m * k),
                            .weight = allocate_random(&random, PATTERN_UNIFORM, k),
                            .epsilon = epsilon,
                            .m = m,
                            .k = k};
  rmsnorm()->run.rmsnorm(&args, 1, m);
  for (size_t i = 0; i < k; i++)
    cr_assert(isnan(args.output[i]), "row 0 was written");
  for (size_t t = 1; t < m; t++) {
    for (size_t i = 0; i < k; i++) {
      double expected = oracle_rmsnorm(&args, t, i);
      double error = rounding(expected) + fabs(expected) * ((double)k + 8) * 0x1p-53;
      cr_assert(is_close(args.output[t * k + i], expected, error),
                "pattern %d k=%zu element %zu: %.9g, not %.17g", (int)pattern, k, i,
                (double)args.output[t * k + i], expected);
    }
  }
  /* In place. */
  float *copy = allocate((m * k) * sizeof *copy);
  memcpy(copy, args.input, m * k * sizeof *copy);
  dyno_rmsnorm_args in_place = args;
  in_place.input = in_place.output = copy;
  rmsnorm()->run.rmsnorm(&in_place, 1, m);
  cr_assert(memcmp(copy + k, args.output + k, (m - 1) * k * sizeof *copy) == 0,
            "k=%zu: other bits in place", k);
  free(copy);
  free(args.output);
  free((void *)(uintptr_t)args.input);
  free((void *)(uintptr_t)args.weight);
}

Test(elementwise_reference, rmsnorm_agrees_with_the_oracle)
{
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++)
    for (size_t i = 0; i < COUNT(lengths); i++)
      check_rmsnorm(pattern, lengths[i], 1e-5f);
}

/* Mean of squares 12.5; with epsilon 12.5 the root is 5. */
Test(elementwise_reference, rmsnorm_by_hand)
{
  float output[2];
  rmsnorm()->run.rmsnorm(&(dyno_rmsnorm_args){.output = output,
                                              .input = (const float[]){3, -4},
                                              .weight = (const float[]){10, 0.5f},
                                              .epsilon = 12.5f,
                                              .m = 1,
                                              .k = 2},
                         0, 1);
  cr_assert(output[0] == 6 && output[1] == -0.4f, "%g %g", (double)output[0], (double)output[1]);
}

static void check_swiglu(input_pattern pattern, size_t k, float alpha, float limit)
{
  uint64_t random = k + 1;
  const size_t m = 3;
  float *gate = allocate_random(&random, pattern, m * k);
  float *up = allocate_random(&random, pattern, m * k);
  for (size_t i = 0; i < m * k && pattern == PATTERN_UNIFORM; i++)
    gate[i] *= 16;
  dyno_swiglu_args args = {.output = allocate_nan(m * k),
                           .gate = gate,
                           .up = up,
                           .alpha = alpha,
                           .limit = limit,
                           .m = m,
                           .k = k};
  const dyno_kernel *kernel = reference_of(DYNO_OP_SWIGLU, DYNO_NONE, DYNO_NONE);
  kernel->run.swiglu(&args, 0, 2);
  for (size_t t = 0; t < m; t++) {
    for (size_t i = 0; i < k; i++) {
      float actual = args.output[t * k + i];
      if (t == 2) {
        cr_assert(isnan(actual), "row 2 was written");
        continue;
      }
      double expected = oracle_swiglu(&args, t, i);
      /* The error of the exponent's argument, up to 745, is a factor of the exponential. */
      double error = rounding(expected) + fabs(expected) * 1000 * 0x1p-53;
      cr_assert(is_close(actual, expected, error), "pattern %d gate %g up %g: %.9g, not %.17g",
                (int)pattern, (double)gate[t * k + i], (double)up[t * k + i], (double)actual,
                expected);
    }
  }
  free(args.output);
  free(gate);
  free(up);
}

Test(elementwise_reference, swiglu_agrees_with_the_oracle)
{
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++)
    for (size_t i = 0; i < COUNT(lengths); i++)
      check_swiglu(pattern, lengths[i], 1.702f, 7);
}

/* The published clamps: a gate above 7 counts as 7 and is not clamped below; up is, both ways. */
Test(elementwise_reference, swiglu_by_hand)
{
  static const float gate[] = {0, 100, 7, -100, 1, 1, 1};
  static const float up[] = {5, 0, 0, 3, 100, -100, -1};
  float output[COUNT(gate)];
  reference_of(DYNO_OP_SWIGLU, DYNO_NONE, DYNO_NONE)
      ->run.swiglu(&(dyno_swiglu_args){.output = output,
                                       .gate = gate,
                                       .up = up,
                                       .alpha = 1.702f,
                                       .limit = 7,
                                       .m = 1,
                                       .k = COUNT(gate)},
                   0, 1);
  double alpha = (double)1.702f, one = 1 / (1 + exp(-alpha));
  const double expected[] = {0,
                             7 / (1 + exp(-7 * alpha)),
                             7 / (1 + exp(-7 * alpha)),
                             -400 / (1 + exp(100 * alpha)),
                             8 * one,
                             -6 * one,
                             0};
  for (size_t i = 0; i < COUNT(gate); i++)
    cr_assert(is_close(output[i], expected[i], 2 * rounding(expected[i])), "%zu: %.9g, not %.17g",
              i, (double)output[i], expected[i]);
}

/* The pairs by complex numbers. */
Test(elementwise_reference, rope_rotates_halves_and_leaves_the_rest)
{
  const size_t m = 4, heads = 3, head_size = 6, half = 3, stride = 25;
  uint64_t random = 1;
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
    float *before = allocate_random(&random, pattern, m * stride);
    float *values = allocate(m * stride * sizeof *values);
    float *cosine = allocate_random(&random, PATTERN_UNIFORM, m * half);
    float *sine = allocate_random(&random, PATTERN_UNIFORM, m * half);
    memcpy(values, before, m * stride * sizeof *values);
    reference_of(DYNO_OP_ROPE, DYNO_NONE, DYNO_NONE)
        ->run.rope(&(dyno_rope_args){.values = values,
                                     .stride = stride,
                                     .cosine = cosine,
                                     .sine = sine,
                                     .m = m,
                                     .heads = heads,
                                     .head_size = head_size},
                   1, m);
    for (size_t at = 0; at < m * stride; at++) {
      size_t t = at / stride, column = at % stride;
      double expected = (double)before[at], magnitude = 0;
      if (t >= 1 && column < heads * head_size) {
        size_t i = column % half, first = at - column % head_size + i;
        double x = (double)before[first], y = (double)before[first + half];
        double c = (double)cosine[t * half + i], s = (double)sine[t * half + i];
        expected = column % head_size < half ? x * c - y * s : x * s + y * c;
        magnitude = fabs(x) + fabs(y);
        cr_assert(is_close(values[at], expected, rounding(expected) + magnitude * 0x1p-50),
                  "pattern %d at %zu: %.9g, not %.17g", (int)pattern, at, (double)values[at],
                  expected);
      } else {
        cr_assert(memcmp(&values[at], &before[at], sizeof *values) == 0, "%zu was changed", at);
      }
    }
    free(before);
    free(values);
    free(cosine);
    free(sine);
  }
}

static void check_router(input_pattern pattern, size_t experts, size_t chosen, size_t seed)
{
  const size_t m = 3;
  uint64_t random = seed;
  float *logits = allocate_random(&random, pattern, m * experts);
  float *weight = allocate_nan(m * chosen);
  int32_t *expert = allocate(m * chosen * sizeof *expert);
  memset(expert, 0xff, m * chosen * sizeof *expert);
  reference_of(DYNO_OP_ROUTER, DYNO_NONE, DYNO_NONE)
      ->run.router(&(dyno_router_args){.expert = expert,
                                       .weight = weight,
                                       .logits = logits,
                                       .m = m,
                                       .experts = experts,
                                       .chosen = chosen},
                   1, m);
  for (size_t t = 0; t < m; t++) {
    size_t order[130];
    oracle_rank(order, logits + t * experts, experts);
    long double sum = 0;
    for (size_t c = 0; c < chosen; c++)
      sum += expl((long double)logits[t * experts + order[c]] -
                  (long double)logits[t * experts + order[0]]);
    for (size_t c = 0; c < chosen; c++) {
      if (t == 0) {
        cr_assert(expert[c] == -1 && isnan(weight[c]), "row 0 was written");
        continue;
      }
      double expected = (double)(expl((long double)logits[t * experts + order[c]] -
                                      (long double)logits[t * experts + order[0]]) /
                                 sum);
      cr_assert(expert[t * chosen + c] == (int32_t)order[c], "pattern %d: place %zu is %d, not %zu",
                (int)pattern, c, expert[t * chosen + c], order[c]);
      cr_assert(is_close(weight[t * chosen + c], expected,
                         rounding(expected) + fabs(expected) * 1000 * 0x1p-53),
                "pattern %d: weight %zu is %.9g, not %.17g", (int)pattern, c,
                (double)weight[t * chosen + c], expected);
    }
  }
  free(logits);
  free(weight);
  free(expert);
}

Test(elementwise_reference, router_agrees_with_the_oracle)
{
  static const size_t sizes[][2] = {{1, 0}, {1, 1}, {4, 4}, {32, 4}, {128, 4}, {33, 33}};
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++)
    for (size_t i = 0; i < COUNT(sizes); i++)
      for (size_t seed = 0; seed < 20; seed++)
        check_router(pattern, sizes[i][0], sizes[i][1], seed);
}

Test(elementwise_reference, router_breaks_ties_by_lower_id)
{
  static const float logits[6] = {1, 2, 0, 2, -0.0f, 2};
  int32_t expert[5];
  float weight[5];
  reference_of(DYNO_OP_ROUTER, DYNO_NONE, DYNO_NONE)
      ->run.router(&(dyno_router_args){.expert = expert,
                                       .weight = weight,
                                       .logits = logits,
                                       .m = 1,
                                       .experts = 6,
                                       .chosen = 5},
                   0, 1);
  static const int32_t expected[5] = {1, 3, 5, 0, 2};
  for (size_t i = 0; i < 5; i++)
    cr_assert(expert[i] == expected[i], "place %zu is %d", i, expert[i]);
  cr_assert(weight[0] == weight[1] && weight[1] == weight[2], "equal logits, other weights");
}

/* Whatever the logits are, the experts exist and are different ones. */
Test(elementwise_reference, router_chooses_existing_experts_from_nan_and_infinity)
{
  static const float special[] = {NAN, INFINITY, -INFINITY, 0, 1};
  uint64_t random = 1;
  for (int repetition = 0; repetition < 200; repetition++) {
    float logits[8], weight[4];
    int32_t expert[4];
    for (size_t i = 0; i < 8; i++)
      logits[i] = special[random_below(&random, repetition < 20 ? 1 : COUNT(special))];
    reference_of(DYNO_OP_ROUTER, DYNO_NONE, DYNO_NONE)
        ->run.router(&(dyno_router_args){.expert = expert,
                                         .weight = weight,
                                         .logits = logits,
                                         .m = 1,
                                         .experts = 8,
                                         .chosen = 4},
                     0, 1);
    for (size_t i = 0; i < 4; i++) {
      cr_assert(expert[i] >= 0 && expert[i] < 8, "expert %d", expert[i]);
      for (size_t j = 0; j < i; j++)
        cr_assert(expert[i] != expert[j], "expert %d twice", expert[i]);
    }
  }
}

static const dyno_yarn gpt_oss = {.theta = 150000,
                                  .factor = 32,
                                  .beta_fast = 32,
                                  .beta_slow = 1,
                                  .original_context = 4096,
                                  .head_size = 64};

/* The published numbers, to the digits they are published with. */
Test(rope, yarn_of_gpt_oss)
{
  double low, high, frequency[32];
  float factor;
  dyno_yarn_ramp(&low, &high, &gpt_oss);
  cr_assert(fabs(low - 8.09278) < 5e-6 && fabs(high - 17.39802) < 5e-6, "%.6f %.6f", low, high);
  dyno_yarn_frequencies(frequency, &factor, &gpt_oss);
  cr_assert(fabs((double)factor - 1.34657) < 5e-6, "%.6f", (double)factor);
  for (size_t i = 0; i < 32; i++) {
    double plain = exp(-(double)i / 32 * log(150000.0));
    double kept = i <= 8 ? 1 : i >= 18 ? 0 : 1 - ((double)i - low) / (high - low);
    double expected = plain * kept + plain / 32 * (1 - kept);
    cr_assert(fabs(frequency[i] - expected) < 1e-14 * plain, "pair %zu: %.17g, not %.17g", i,
              frequency[i], expected);
  }
}

Test(rope, yarn_truncated_as_ggml_does)
{
  dyno_yarn yarn = gpt_oss;
  double low, high, frequency[32];
  float factor;
  yarn.truncate = true;
  dyno_yarn_ramp(&low, &high, &yarn);
  cr_assert(low == 8 && high == 18, "%g %g", low, high);
  dyno_yarn_frequencies(frequency, &factor, &yarn);
  double plain = pow(150000, -13.0 / 32);
  cr_assert(fabs(frequency[13] - (plain * 0.5 + plain / 32 * 0.5)) < 1e-14, "%.17g", frequency[13]);
}

Test(rope, without_a_stretch_it_is_plain)
{
  dyno_yarn yarn = gpt_oss;
  double frequency[32];
  float factor;
  yarn.factor = 1;
  dyno_yarn_frequencies(frequency, &factor, &yarn);
  cr_assert(factor == 1, "%g", (double)factor);
  for (size_t i = 0; i < 32; i++)
    cr_assert(fabs(frequency[i] * pow(150000, (double)i / 32) - 1) < 1e-14, "pair %zu: %.17g", i,
              frequency[i]);
}

/* A ramp without width is a step, and bounds outside the head are cut off. */
Test(rope, a_degenerate_ramp_stays_finite)
{
  static const struct {
    double fast, slow, context;
  } cases[] = {{1, 1, 4096}, {32, 1, 1e-3}, {1e-9, 1e-9, 4096}, {32, 1, 1e12}};
  for (size_t n = 0; n < COUNT(cases); n++) {
    for (int truncate = 0; truncate <= 1; truncate++) {
      dyno_yarn yarn = gpt_oss;
      double frequency[32];
      float factor;
      yarn.beta_fast = cases[n].fast;
      yarn.beta_slow = cases[n].slow;
      yarn.original_context = cases[n].context;
      yarn.truncate = truncate;
      dyno_yarn_frequencies(frequency, &factor, &yarn);
      for (size_t i = 0; i < 32; i++) {
        double plain = pow(150000, -(double)i / 32);
        cr_assert(frequency[i] <= plain * (1 + 1e-15) && frequency[i] >= plain / 32 * (1 - 1e-15),
                  "case %zu pair %zu: %.17g", n, i, frequency[i]);
      }
    }
  }
}

Test(rope, the_ramp_is_kept_within_the_head)
{
  dyno_yarn yarn = gpt_oss;
  double low, high, frequency[32];
  float factor;
  yarn.beta_fast = 4096; /* the first pair turns less often */
  yarn.beta_slow = 1e-9; /* the last one more often */
  dyno_yarn_ramp(&low, &high, &yarn);
  cr_assert(low == 0 && high == 63, "%g %g", low, high);

  yarn = gpt_oss;
  yarn.original_context = 1e-3; /* all of the ramp is before the first pair: a step after it */
  dyno_yarn_frequencies(frequency, &factor, &yarn);
  cr_assert(frequency[0] == 1, "%.17g", frequency[0]);
  for (size_t i = 1; i < 32; i++)
    cr_assert(fabs(frequency[i] * pow(150000, (double)i / 32) * 32 - 1) < 1e-14, "pair %zu: %.17g",
              i, frequency[i]);
}

/* Positions to the end of the context, against long double, and the same whatever the range. */
Test(rope, tables_are_cosines_and_sines_of_the_position)
{
  static const size_t positions[] = {0, 1, 127, 4096, 131071};
  double frequency[32];
  float factor, cosine[2 * 32], sine[2 * 32], next_cosine[32], next_sine[32];
  dyno_yarn_frequencies(frequency, &factor, &gpt_oss);
  for (size_t n = 0; n < COUNT(positions); n++) {
    dyno_rope_tables(cosine, sine, frequency, 32, factor, positions[n], 2);
    for (size_t i = 0; i < 64; i++) {
      long double angle = (long double)(positions[n] + i / 32) * (long double)frequency[i % 32];
      double c = (double)((long double)factor * cosl(angle));
      double s = (double)((long double)factor * sinl(angle));
      /* The product of position and frequency is rounded to double. */
      double error = (double)angle * 0x1p-52;
      cr_assert(is_close(cosine[i], c, rounding(c) + error), "position %zu pair %zu: %.9g",
                positions[n] + i / 32, i % 32, (double)cosine[i]);
      cr_assert(is_close(sine[i], s, rounding(s) + error), "position %zu pair %zu: %.9g",
                positions[n] + i / 32, i % 32, (double)sine[i]);
    }
    dyno_rope_tables(next_cosine, next_sine, frequency, 32, factor, positions[n] + 1, 1);
    cr_assert(memcmp(next_cosine, cosine + 32, sizeof next_cosine) == 0, "other cosines alone");
    cr_assert(memcmp(next_sine, sine + 32, sizeof next_sine) == 0, "other sines alone");
  }
}
