#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/sampler.h"
#include "tests/unit/random.h"

static dyno_sampler *make(const dyno_sampler_settings *settings, size_t vocabulary)
{
  dyno_sampler *sampler = NULL;
  dyno_error error = {0};
  cr_assert(dyno_sampler_create(&sampler, settings, vocabulary, &error) == DYNO_OK, "%s",
            error.message);
  return sampler;
}

static int32_t choose(dyno_sampler *sampler, const float *logits, uint64_t position)
{
  int32_t id = -1;
  dyno_error error = {0};
  cr_assert(dyno_sampler_choose(sampler, &id, logits, position, &error) == DYNO_OK, "%s",
            error.message);
  return id;
}

enum { TOKENS = 8, DRAWS = 100000 };

/* Of probabilities 0.4, 0.3, 0.15, 0.08, 0.04, 0.02, 0.01 and 0, in another order. */
static const double shares[TOKENS] = {0.15, 0.4, 0.02, 0, 0.08, 0.3, 0.01, 0.04};

static void fill_logits(float logits[TOKENS])
{
  for (size_t i = 0; i < TOKENS; i++)
    logits[i] = (float)log(shares[i]) + 3; /* log 0 is minus infinity */
}

/* The expected counts against those of DRAWS draws. The 99.9 % points of chi-square are 24.3 for 7
 * degrees of freedom, and less for fewer; the draws are always the same ones. */
static void expect_shares(const dyno_sampler_settings *settings, const float *logits,
                          const double *wanted)
{
  dyno_sampler *sampler = make(settings, TOKENS);
  double count[TOKENS] = {0}, sum = 0, chi_square = 0;
  for (uint64_t i = 0; i < DRAWS; i++)
    count[choose(sampler, logits, i)]++;
  for (size_t i = 0; i < TOKENS; i++)
    sum += wanted[i];
  for (size_t i = 0; i < TOKENS; i++) {
    double expected = wanted[i] / sum * DRAWS;
    if (wanted[i] == 0)
      cr_assert(count[i] == 0, "token %zu was chosen %g times, wanted never", i, count[i]);
    else
      chi_square += (count[i] - expected) * (count[i] - expected) / expected;
  }
  cr_assert(chi_square < 24.3, "chi-square %g", chi_square);
  dyno_sampler_free(sampler);
}

Test(sampler, draws_the_models_distribution)
{
  float logits[TOKENS];
  fill_logits(logits);
  for (uint64_t seed = 0; seed < 5; seed++) {
    dyno_sampler_settings settings = dyno_sampler_defaults();
    settings.seed = seed;
    expect_shares(&settings, logits, shares);
  }
}

Test(sampler, temperature_sharpens_and_flattens)
{
  float logits[TOKENS];
  fill_logits(logits);
  static const double temperatures[] = {0.5, 2, 7};
  for (size_t t = 0; t < 3; t++) {
    double wanted[TOKENS];
    for (size_t i = 0; i < TOKENS; i++)
      wanted[i] = pow(shares[i], 1 / temperatures[t]);
    dyno_sampler_settings settings = dyno_sampler_defaults();
    settings.temperature = temperatures[t];
    expect_shares(&settings, logits, wanted);
  }
}

typedef struct cut_case {
  uint64_t top_k;
  double top_p, min_p;
  double staying; /* tokens below this share are gone */
} cut_case;

static const cut_case cut_cases[] = {
    {3, 1, 0, 0.15},
    {1, 1, 0, 0.4},
    {0, 0.5, 0, 0.3},
    {0, 0.39, 0, 0.4},
    {0, 0, 0, 0.4},
    {0, 0.86, 0, 0.08},
    {0, 0.9999, 0, 0.01},
    {0, 1, 0.3, 0.15},
    {0, 1, 1, 0.4},
    {0, 1, 0.099, 0.04},
    {100, 1, 0, 0},
    /* top-p counts what top-k left: 0.4 / 0.7 is more than a half */
    {2, 0.5, 0, 0.4},
    {2, 0.6, 0, 0.3},
    /* and min-p what top-p left */
    {0, 0.9, 0.5, 0.3},
    {5, 0.9, 0.25, 0.15},
};

Test(sampler, cuts_in_the_documented_order)
{
  float logits[TOKENS];
  fill_logits(logits);
  for (size_t c = 0; c < sizeof cut_cases / sizeof *cut_cases; c++) {
    dyno_sampler_settings settings = dyno_sampler_defaults();
    settings.top_k = cut_cases[c].top_k;
    settings.top_p = cut_cases[c].top_p;
    settings.min_p = cut_cases[c].min_p;
    double wanted[TOKENS];
    for (size_t i = 0; i < TOKENS; i++)
      wanted[i] = shares[i] >= cut_cases[c].staying - 1e-9 ? shares[i] : 0;
    expect_shares(&settings, logits, wanted);
  }
}

Test(sampler, greedy_takes_the_first_of_the_largest)
{
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.temperature = 0;
  dyno_sampler *sampler = make(&settings, 5);
  static const float logits[][5] = {{1, 3, 3, 2, 3},
                                    {-1, -2, -3, -4, -5},
                                    {-INFINITY, -INFINITY, -7, -INFINITY, -INFINITY},
                                    {0, -0.0f, 0, 0, 0},
                                    {-FLT_MAX, FLT_MAX, 0, 0, 0}};
  static const int32_t wanted[] = {1, 0, 2, 0, 1};
  for (size_t i = 0; i < 5; i++)
    cr_assert(choose(sampler, logits[i], i) == wanted[i], "case %zu", i);
  dyno_sampler_free(sampler);
}

Test(sampler, ties_at_the_cut_go_to_lower_ids)
{
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.top_k = 3;
  static const float logits[TOKENS] = {1, 1, 1, 1, 1, 1, 1, 1};
  static const double wanted[TOKENS] = {1, 1, 1, 0, 0, 0, 0, 0};
  expect_shares(&settings, logits, wanted);
  settings.top_k = 0;
  settings.top_p = 0.5;
  static const double half[TOKENS] = {1, 1, 1, 1, 0, 0, 0, 0};
  expect_shares(&settings, logits, half);
}

/* The same settings, seed, position and tokens: the same choice, whatever was chosen in between. */
Test(sampler, is_a_function_of_its_inputs)
{
  enum { VOCABULARY = 5000, POSITIONS = 40 };
  float *logits = malloc(VOCABULARY * sizeof *logits);
  uint64_t state = 3;
  random_fill(&state, PATTERN_UNIFORM, logits, VOCABULARY);
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.seed = 0x123456789abcdefu;
  settings.top_p = 0.7;
  dyno_sampler *forwards = make(&settings, VOCABULARY), *backwards = make(&settings, VOCABULARY);
  int32_t ids[POSITIONS];
  size_t repeats = 0;
  for (uint64_t i = 0; i < POSITIONS; i++)
    ids[i] = choose(forwards, logits, i);
  for (uint64_t i = POSITIONS; i-- > 0;)
    cr_assert(choose(backwards, logits, i) == ids[i], "position %d", (int)i);
  for (size_t i = 1; i < POSITIONS; i++)
    repeats += ids[i] == ids[i - 1];
  cr_assert(repeats < 5, "positions hardly matter");
  dyno_sampler_free(forwards);
  settings.seed++;
  forwards = make(&settings, VOCABULARY);
  size_t same = 0;
  for (uint64_t i = 0; i < POSITIONS; i++)
    same += choose(forwards, logits, i) == ids[i];
  cr_assert(same < 5, "the seed hardly matters");
  dyno_sampler_free(forwards);
  dyno_sampler_free(backwards);
  free(logits);
}

Test(sampler, penalises_what_was_there)
{
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.temperature = 0;
  settings.repetition_penalty = 2;
  settings.repetition_window = 2;
  dyno_sampler *sampler = make(&settings, 4);
  static const float positive[4] = {1, 4, 3, 2.5f}, negative[4] = {-3, -1, -1.5f, -1.9f};
  cr_assert(choose(sampler, positive, 0) == 1, "nothing was there yet");
  dyno_sampler_accept(sampler, 1);
  cr_assert(choose(sampler, positive, 1) == 2, "4 / 2 is less than 3");
  cr_assert(choose(sampler, negative, 1) == 2, "-1 * 2 is less than -1.5");
  dyno_sampler_accept(sampler, 2);
  cr_assert(choose(sampler, positive, 2) == 3, "both are penalised");
  dyno_sampler_accept(sampler, 2);
  cr_assert(choose(sampler, positive, 3) == 1, "token 1 has left the window");
  dyno_sampler_accept(sampler, 0);
  cr_assert(choose(sampler, positive, 4) == 1, "token 2 is still in it, once");
  cr_assert(choose(sampler, negative, 4) == 1, "of the others, -1 is the largest");
  dyno_sampler_accept(sampler, -1);
  dyno_sampler_accept(sampler, 4);
  dyno_sampler_accept(sampler, INT32_MAX);
  cr_assert(choose(sampler, positive, 5) == 1, "ids that are none are ignored");
  dyno_sampler_reset(sampler);
  dyno_sampler_accept(sampler, 1);
  dyno_sampler_accept(sampler, 3);
  cr_assert(choose(sampler, positive, 6) == 2, "after a reset only what is new counts");
  dyno_sampler_free(sampler);

  settings.repetition_window = 0;
  settings.repetition_penalty = 100;
  sampler = make(&settings, 4);
  for (int i = 0; i < 1000; i++)
    dyno_sampler_accept(sampler, i % 3);
  cr_assert(choose(sampler, positive, 0) == 3, "without a window, everything counts");
  static const float extreme[4] = {-FLT_MAX, -FLT_MAX, -FLT_MAX, -INFINITY};
  cr_assert(choose(sampler, extreme, 0) == 0, "a penalty stays finite");
  dyno_sampler_free(sampler);
}

Test(sampler, broken_logits_are_an_error)
{
  static const float broken[][3] = {
      {0, NAN, 1}, {0, INFINITY, 1}, {-INFINITY, -INFINITY, -INFINITY}};
  static const char *const complaints[] = {"token 1 is not a number", "token 1 is infinite",
                                           "minus infinity"};
  for (int greedy = 0; greedy < 2; greedy++) {
    dyno_sampler_settings settings = dyno_sampler_defaults();
    settings.temperature = greedy ? 0 : 1;
    dyno_sampler *sampler = make(&settings, 3);
    for (size_t i = 0; i < 3; i++) {
      int32_t id;
      dyno_error error = {0};
      dyno_status status = dyno_sampler_choose(sampler, &id, broken[i], 0, &error);
      cr_assert(status == DYNO_ERROR_WRONG_OUTPUT, "case %zu: status %d", i, (int)status);
      cr_assert(strstr(error.message, complaints[i]) != NULL, "%s", error.message);
    }
    dyno_sampler_free(sampler);
  }
}

Test(sampler, extreme_but_sound_logits_are_fine)
{
  static const float logits[][3] = {
      {-FLT_MAX, FLT_MAX, 0}, {FLT_TRUE_MIN, 0, -FLT_TRUE_MIN}, {1e30f, 1e30f, -INFINITY}};
  static const double temperatures[] = {1e-300, 1e-6, 1, 100};
  for (size_t t = 0; t < 4; t++) {
    dyno_sampler_settings settings = dyno_sampler_defaults();
    settings.temperature = temperatures[t];
    for (size_t top_k = 0; top_k < 3; top_k++) {
      settings.top_k = top_k;
      dyno_sampler *sampler = make(&settings, 3);
      for (uint64_t i = 0; i < 300; i++) {
        size_t c = i % 3;
        int32_t id = choose(sampler, logits[c], i);
        cr_assert(id >= 0 && id < 3, "id %d", (int)id);
        cr_assert(c != 0 || id == 1, "another than the only possible one");
        cr_assert(c != 2 || id != 2, "an impossible one");
      }
      dyno_sampler_free(sampler);
    }
  }
}

Test(sampler, one_token_leaves_no_choice)
{
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.top_p = 0.3;
  dyno_sampler *sampler = make(&settings, 1);
  cr_assert(choose(sampler, &(float){-3}, 9) == 0, "not the only one");
  dyno_sampler_free(sampler);
}

typedef struct value_case {
  const char *name, *value;
  bool fine;
} value_case;

static const value_case value_cases[] = {
    {"temperature", "0", true},
    {"temperature", "0.7", true},
    {"temperature", "1e-3", true},
    {"temperature", "100", true},
    {"temperature", "100.001", false},
    {"temperature", "-0.1", false},
    {"temperature", "nan", false},
    {"temperature", "NAN", false},
    {"temperature", "inf", false},
    {"temperature", "1e999", false},
    {"temperature", "", false},
    {"temperature", "1x", false},
    {"temperature", "0x1p3", false},
    {"temperature", " 1", false},
    {"temperature", "1,5", false},
    {"temperature", "e", false},
    {"top-k", "0", true},
    {"top-k", "1", true},
    {"top-k", "16777216", true},
    {"top-k", "16777217", false},
    {"top-k", "-1", false},
    {"top-k", "1.5", false},
    {"top-k", "9223372036854775808", false},
    {"top-k", "18446744073709551616", false},
    {"top-p", "0", true},
    {"top-p", "1", true},
    {"top-p", "1.0001", false},
    {"top-p", "-1", false},
    {"min-p", "0.05", true},
    {"min-p", "2", false},
    {"repetition-penalty", "0", false},
    {"repetition-penalty", "1.1", true},
    {"repetition-penalty", "101", false},
    {"repetition-window", "1048576", true},
    {"repetition-window", "1048577", false},
    {"seed", "18446744073709551615", true},
    {"seed", "18446744073709551616", false},
    {"seed", "-1", false},
    {"nonsense", "1", false},
};

Test(sampler, settings_have_ranges)
{
  for (size_t i = 0; i < sizeof value_cases / sizeof *value_cases; i++) {
    const value_case *c = &value_cases[i];
    dyno_sampler_settings settings = dyno_sampler_defaults(), before = settings;
    dyno_error error = {0};
    dyno_status status = dyno_sampler_set(&settings, c->name, c->value, &error);
    cr_assert((status == DYNO_OK) == c->fine, "%s=%s: %s", c->name, c->value, error.message);
    if (c->fine)
      cr_assert(dyno_sampler_check(&settings, &error) == DYNO_OK, "%s", error.message);
    else
      cr_assert(status == DYNO_ERROR_USAGE && strstr(error.message, c->name) != NULL &&
                    memcmp(&settings, &before, sizeof settings) == 0,
                "%s=%s: %s", c->name, c->value, error.message);
  }
}

/* Settings from a program, not through dyno_sampler_set: every field at values it must not have. */
Test(sampler, refuses_settings_out_of_range)
{
  size_t count;
  const dyno_sampler_field *fields = dyno_sampler_fields(&count);
  for (size_t i = 0; i < count; i++) {
    const double bad_reals[] = {
        NAN, -1, INFINITY, -INFINITY, fields[i].greatest * 1.001, fields[i].least - 0.001};
    for (size_t b = 0; b < 6; b++) {
      dyno_sampler_settings settings = dyno_sampler_defaults();
      char *member = (char *)&settings + fields[i].offset;
      if (fields[i].kind == DYNO_SAMPLER_REAL) {
        memcpy(member, &bad_reals[b], sizeof bad_reals[b]);
      } else {
        uint64_t bad = b % 2 == 0 ? fields[i].greatest_whole + 1 : (uint64_t)1 << 63;
        if (bad <= fields[i].greatest_whole)
          continue; /* the seed may be anything */
        memcpy(member, &bad, sizeof bad);
      }
      dyno_sampler *sampler = NULL;
      dyno_error error = {0};
      cr_assert(dyno_sampler_create(&sampler, &settings, 10, &error) == DYNO_ERROR_USAGE,
                "%s: value %zu taken", fields[i].name, b);
      cr_assert(sampler == NULL && strstr(error.message, fields[i].name) == error.message, "%s",
                error.message);
    }
  }
  dyno_sampler_settings settings = dyno_sampler_defaults();
  dyno_sampler *sampler = NULL;
  static const size_t bad_sizes[] = {0, ((size_t)1 << 24) + 1, SIZE_MAX};
  for (size_t i = 0; i < 3; i++)
    cr_assert(dyno_sampler_create(&sampler, &settings, bad_sizes[i], NULL) == DYNO_ERROR_USAGE,
              "a vocabulary of %zu taken", bad_sizes[i]);
}

/* A big vocabulary against a sampler that sorts everything. */
typedef struct ranked {
  float logit;
  int32_t id;
} ranked;

static int by_likelihood(const void *a, const void *b)
{
  const ranked *x = a, *y = b;
  return x->logit != y->logit ? (x->logit < y->logit) - (x->logit > y->logit)
                              : (x->id > y->id) - (x->id < y->id);
}

enum { MANY = 20000, FEW = 300 };

/* Fills logits with many ties, and the first `wanted` of sorted with the likeliest of them. */
static void fill_ranked(float *logits, ranked *sorted, size_t count, float scale)
{
  uint64_t state = 17;
  for (size_t i = 0; i < count; i++) {
    logits[i] = (float)random_below(&state, 500) * scale;
    sorted[i] = (ranked){logits[i], (int32_t)i};
  }
  qsort(sorted, count, sizeof *sorted, by_likelihood);
}

/* Every one of the first `staying` is drawn sooner or later, and nothing else. */
static void expect_set(const dyno_sampler_settings *settings, const float *logits,
                       const ranked *sorted, size_t count, size_t staying, uint64_t draws)
{
  bool *chosen = calloc(count, sizeof *chosen);
  dyno_sampler *sampler = make(settings, count);
  size_t different = 0;
  for (uint64_t i = 0; i < draws; i++) {
    int32_t id = choose(sampler, logits, i);
    different += !chosen[id];
    chosen[id] = true;
  }
  cr_assert(different == staying, "%zu different tokens, wanted %zu", different, staying);
  for (size_t i = 0; i < staying; i++)
    cr_assert(chosen[sorted[i].id], "the %zu-th likeliest was never chosen", i);
  dyno_sampler_free(sampler);
  free(chosen);
}

Test(sampler, top_k_finds_the_same_set_as_sorting)
{
  static float logits[MANY];
  static ranked sorted[MANY];
  fill_ranked(logits, sorted, MANY, 0.01f);
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.top_k = 37;
  expect_set(&settings, logits, sorted, MANY, 37, 1500);
}

Test(sampler, top_p_finds_the_same_set_as_sorting)
{
  static float logits[FEW];
  static ranked sorted[FEW];
  fill_ranked(logits, sorted, FEW, 0.005f);
  double all = 0;
  for (size_t i = 0; i < FEW; i++)
    all += exp((double)logits[i]);
  for (int percent = 1; percent < 100; percent += 7) {
    double mass = 0;
    size_t staying = 0;
    while (mass < percent / 100.0 * all)
      mass += exp((double)sorted[staying++].logit);
    dyno_sampler_settings settings = dyno_sampler_defaults();
    settings.top_p = percent / 100.0;
    expect_set(&settings, logits, sorted, FEW, staying, 12000);
  }
}
