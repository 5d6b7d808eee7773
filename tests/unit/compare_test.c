/* The parts of a comparison that are arithmetic: who goes when, estimates, explanations, switches.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/compare/estimate.h"
#include "harness/compare/explain.h"
#include "harness/compare/schedule.h"
#include "harness/measure/switches.h"
#include "runtime/sample/rng.h"

static void check_turn(const dyno_compare_slot order[DYNO_COMPARE_TURN], const char *when)
{
  unsigned seen[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES] = {{0}};
  for (int i = 0; i < DYNO_COMPARE_TURN; i++)
    seen[order[i].arm][order[i].lane]++;
  cr_assert(seen[0][0] == 1 && seen[0][1] == 1 && seen[1][0] == 1 && seen[1][1] == 1,
            "%s: not every lane had its step", when);
  cr_assert(order[0].arm != order[1].arm && order[2].arm != order[3].arm,
            "%s: neighbours are of one arm", when);
  cr_assert(order[0].lane == order[1].lane, "%s: a pair is of two lanes", when);
}

Test(schedule, every_turn_has_two_pairs_of_neighbours)
{
  for (size_t round = 0; round < 50; round++)
    for (size_t turn = 0; turn < 8; turn++) {
      dyno_compare_slot order[DYNO_COMPARE_TURN];
      dyno_compare_order(order, 1, round, 0, turn);
      check_turn(order, "a turn");
    }
}

Test(schedule, arms_and_lanes_take_turns_in_going_first)
{
  for (size_t round = 0; round < 20; round++) {
    unsigned first[DYNO_COMPARE_ARMS][DYNO_COMPARE_LANES] = {{0}};
    for (size_t turn = 0; turn < 8; turn++) {
      dyno_compare_slot order[DYNO_COMPARE_TURN];
      dyno_compare_order(order, 7, round, 3, turn);
      first[order[0].arm][order[0].lane]++;
    }
    for (int arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
      for (int lane = 0; lane < DYNO_COMPARE_LANES; lane++)
        cr_assert(first[arm][lane] == 2, "arm %d, lane %d went first in %u of 8 turns", arm, lane,
                  first[arm][lane]);
  }
}

Test(schedule, rounds_and_cases_start_at_random_and_by_the_seed)
{
  unsigned starts[4] = {0}, other = 0;
  for (size_t round = 0; round < 1000; round++) {
    dyno_compare_slot order[DYNO_COMPARE_TURN], again[DYNO_COMPARE_TURN];
    dyno_compare_order(order, 1, round, 0, 0);
    dyno_compare_order(again, 1, round, 0, 0);
    cr_assert(memcmp(order, again, sizeof order) == 0, "the same seed gave another order");
    starts[2 * order[0].arm + order[0].lane]++;
    dyno_compare_order(again, 2, round, 0, 0);
    other += memcmp(order, again, sizeof order) != 0;
  }
  /* 250 expected of each, with a standard deviation of 14. */
  for (int i = 0; i < 4; i++)
    cr_assert(starts[i] > 180 && starts[i] < 320, "start %d came %u times of 1000", i, starts[i]);
  cr_assert(other > 650 && other < 850, "another seed changed %u of 1000 starts", other);
}

Test(schedule, cases_are_shuffled)
{
  unsigned first[5] = {0};
  for (size_t round = 0; round < 1000; round++) {
    size_t order[5], seen = 0;
    dyno_compare_shuffle(order, 5, 3, round);
    for (int i = 0; i < 5; i++)
      seen |= (size_t)1 << order[i];
    cr_assert(seen == 31, "round %zu: no permutation", round);
    first[order[0]]++;
  }
  for (int i = 0; i < 5; i++)
    cr_assert(first[i] > 140 && first[i] < 260, "case %d came first %u times of 1000", i, first[i]);
}

static dyno_estimate estimate(const double *series, size_t count)
{
  dyno_estimate made;
  dyno_error error = {0};
  cr_assert(dyno_estimate_series(&made, series, count, 0.95, &error) == DYNO_OK, "%s",
            error.message);
  return made;
}

Test(estimate, is_the_sign_tests)
{
  /* Ranks 2 and 9 of ten: 97.9 % (Conover 1999, table of the binomial). */
  const double logs[] = {0.03, 0.01, 0.05, 0.02, 0.04, 0.10, 0.07, 0.06, 0.09, 0.08};
  dyno_estimate made = estimate(logs, 10);
  cr_assert(made.valid);
  cr_assert(fabs(made.ratio - exp(0.055)) < 1e-12, "ratio %.17g", made.ratio);
  cr_assert(fabs(made.interval.low - exp(0.02)) < 1e-12, "low %.17g", made.interval.low);
  cr_assert(fabs(made.interval.high - exp(0.09)) < 1e-12, "high %.17g", made.interval.high);
  cr_assert(fabs(made.interval.coverage - 0.978515625) < 1e-9, "%.17g", made.interval.coverage);
  cr_assert(fabs(made.sigma - 1.4826 * 0.025) < 1e-12, "sigma %.17g", made.sigma);
  cr_assert(dyno_estimate_direction(&made) == DYNO_FASTER);
  cr_assert(dyno_estimate_beyond(&made, 0.01) && !dyno_estimate_beyond(&made, 0.03));
}

Test(estimate, has_no_interval_from_five_rounds)
{
  const double logs[] = {-0.5, -0.5, -0.4, -0.6, -0.5};
  dyno_estimate made = estimate(logs, 5);
  cr_assert(made.valid && isnan(made.interval.low));
  cr_assert(dyno_estimate_direction(&made) == DYNO_UNRESOLVED);
  cr_assert(!dyno_estimate_beyond(&made, 0.01));
}

Test(estimate, is_nothing_when_a_round_is_not_a_number)
{
  const double logs[] = {0.1, 0.1, 0.1, 0.1, NAN, 0.1, 0.1, 0.1, 0.1, 0.1};
  dyno_estimate made = estimate(logs, 10);
  cr_assert(!made.valid && isnan(made.ratio) && isnan(made.interval.low));
  cr_assert(dyno_estimate_direction(&made) == DYNO_UNRESOLVED);
  made = estimate(logs, 0);
  cr_assert(!made.valid && made.rounds == 0);
}

/* A standard normal number, from two uniform ones: Box and Muller. */
static double normal(uint64_t seed, uint64_t position)
{
  double u = 1 - dyno_random_unit(seed, 2 * position), v = dyno_random_unit(seed, 2 * position + 1);
  return sqrt(-2 * log(u)) * cos(2 * acos(-1) * v);
}

Test(estimate, covers_and_detects_what_it_says)
{
  enum { TRIALS = 2000, ROUNDS = 20 };
  unsigned covered = 0, found = 0;
  for (uint64_t trial = 0; trial < TRIALS; trial++) {
    double logs[ROUNDS];
    for (uint64_t i = 0; i < ROUNDS; i++)
      logs[i] = 0.02 * normal(5, trial * ROUNDS + i);
    dyno_estimate made = estimate(logs, ROUNDS);
    covered += made.interval.low <= 1 && made.interval.high >= 1;
    /* The true detectable effect, with the true sigma. */
    double effect = (1.959964 + 0.841621) * sqrt(acos(-1) / 2) * 0.02 / sqrt(ROUNDS);
    for (uint64_t i = 0; i < ROUNDS; i++)
      logs[i] += effect;
    made = estimate(logs, ROUNDS);
    found += dyno_estimate_direction(&made) == DYNO_FASTER;
  }
  cr_assert(covered > 0.94 * TRIALS, "95 %% intervals covered %u of %d", covered, TRIALS);
  cr_assert(found > 0.70 * TRIALS && found < 0.90 * TRIALS, "found %u of %d", found, TRIALS);
}

Test(estimate, pairs_are_reduced_by_their_median)
{
  double scratch[4];
  const double a[] = {2, 8, 3, 1}, b[] = {1, 1, 1, 1}, zero[] = {1, 0, 1, 1};
  double ratio = dyno_median_log_ratio(scratch, a, b, 4);
  cr_assert(fabs(ratio - (log(2) + log(3)) / 2) < 1e-12, "%.17g", ratio);
  cr_assert(isnan(dyno_median_log_ratio(scratch, a, zero, 4)));
  cr_assert(isnan(dyno_median_log_ratio(scratch, a, b, 0)));
}

/* Passes of two ops, the second of which takes `more` more in B. */
static void make_passes(dyno_arm_profile (*profiles)[DYNO_COMPARE_ARMS], size_t passes, double more,
                        double noise)
{
  for (size_t p = 0; p < passes; p++)
    for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
      dyno_arm_profile *profile = &profiles[p][arm];
      double jitter = noise * normal(11, 4 * p + arm), slow = arm == 1 ? more : 0;
      *profile = (dyno_arm_profile){.count = 2, .seconds = 3 + slow + jitter};
      profile->ops[0] = (dyno_arm_op){.op = "attention", .seconds = 1 + jitter, .bytes = 100};
      profile->ops[1] = (dyno_arm_op){.op = "moe_gate_up", .seconds = 2 + slow, .bytes = 1000};
      strcpy(profile->ops[1].kernel, arm == 1 ? "two" : "one");
    }
}

static dyno_explanation explain(double more, double noise, size_t passes, double ratio)
{
  dyno_explanation explanation;
  dyno_error error = {0};
  dyno_arm_profile(*profiles)[DYNO_COMPARE_ARMS] = calloc(passes + 1, sizeof *profiles);
  make_passes(profiles, passes, more, noise);
  const dyno_estimate timed = {
      .rounds = 10, .valid = true, .ratio = ratio, .interval = {ratio * 0.99, ratio * 1.01, 0.95}};
  dyno_status status =
      dyno_explain(&explanation, (const dyno_arm_profile(*)[DYNO_COMPARE_ARMS])profiles, passes, 10,
                   &timed, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  free(profiles);
  return explanation;
}

Test(explanation, names_the_op_that_is_slower)
{
  dyno_explanation e = explain(0.6, 0.01, 6, 3 / 3.6);
  cr_assert(!e.abstained, "%s", e.reason);
  cr_assert_str_eq(e.ops[0].op, "moe_gate_up");
  cr_assert(e.ops[0].sure && fabs(e.ops[0].share - 1) < 0.05, "share %g", e.ops[0].share);
  cr_assert(fabs(e.ops[0].delta - 0.06) < 1e-9, "delta %g a token", e.ops[0].delta);
  cr_assert_str_eq(e.ops[0].kernel[1], "two");
  cr_assert(fabs(e.ops[0].bytes[0] - 100) < 1e-9 && fabs(e.ops[0].bytes[1] - 100) < 1e-9);
  dyno_explanation_free(&e);
}

Test(explanation, abstains)
{
  const struct {
    double more, noise;
    size_t passes;
    double ratio;
    const char *reason;
  } cases[] = {
      {0.6, 0.01, 5, 3 / 3.6, "too few"},
      {0.6, 0.01, 0, 3 / 3.6, "too few"},
      {0.6, 0.01, 6, 1.0, "no difference is resolved"},
      {0.0, 0.01, 6, 3 / 3.6, "do not show"},
      {0.6, 0.01, 6, 3.6 / 3, "do not show"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_explanation e = explain(cases[i].more, cases[i].noise, cases[i].passes, cases[i].ratio);
    cr_assert(e.abstained && strstr(e.reason, cases[i].reason) != NULL, "case %zu: '%s'", i,
              e.reason);
    for (size_t op = 0; op < e.count; op++)
      cr_assert(isnan(e.ops[op].share), "case %zu: a share all the same", i);
    dyno_explanation_free(&e);
  }
}

static const char *const examples[][2] = {
    {"model", "mini"},
    {"precision", "reference"},
    {"rope", "ggml"},
    {"logits", "two-stage"},
    {"batch", "17"},
    {"pool", "mutex"},
    {"huge-pages", "off"},
    {"numa", "off"},
    {"ablate", "sinks,yarn"},
    {"isa", "avx2"},
    {"threads", "3"},
    {"plugin", "./one.so"},
    {"kernel", "matmul=avx2"},
    {"quant", "int4"},
    {"tuned", "/tmp/tuned"},
    {"kv", "int8"},
    {"prefetch", "experts"},
    {"alloc", "malloc"},
    {"alloc-checks", "on"},
    {"cache", "l1,l2"},
    {"cache-size", "17"},
    {"cache-file", "/tmp/cache"},
    {"cache-threshold", "0.5"},
    {"defragment", "off"},
};

Test(switches, every_one_is_set_and_told_again)
{
  size_t count = 0;
  for (const dyno_switch *one = dyno_switches; one->name != NULL; one++)
    count++;
  cr_assert(count == sizeof examples / sizeof *examples, "%zu switches", count);
  for (size_t i = 0; i < count; i++) {
    dyno_settings settings = DYNO_SETTINGS_DEFAULTS;
    dyno_error error = {0};
    char text[DYNO_SWITCH_TEXT];
    const dyno_switch *one = dyno_switch_find(examples[i][0]);
    cr_assert(one != NULL, "there is no switch %s", examples[i][0]);
    cr_assert(dyno_settings_set(&settings, examples[i][0], examples[i][1], &error) == DYNO_OK,
              "%s: %s", examples[i][0], error.message);
    cr_assert(one->get(&settings, 0, text), "%s is not told", one->name);
    cr_assert_str_eq(text, examples[i][1]);
    cr_assert(!one->get(&settings, 1, text), "%s is told twice", one->name);
    dyno_settings_free(&settings);
  }
}

Test(switches, lists_are_copied)
{
  dyno_settings one = DYNO_SETTINGS_DEFAULTS, other;
  dyno_error error = {0};
  char text[DYNO_SWITCH_TEXT];
  cr_assert(dyno_settings_apply(&one, "kernel=matmul=avx2", &error) == DYNO_OK);
  cr_assert(dyno_settings_copy(&other, &one.engine, &error) == DYNO_OK);
  cr_assert(dyno_settings_apply(&other, "kernel=attention=ref", &error) == DYNO_OK);
  cr_assert(one.engine.registry.force_count == 1 && other.engine.registry.force_count == 2);
  cr_assert(dyno_switch_find("kernel")->get(&other, 1, text));
  cr_assert_str_eq(text, "attention=ref");
  dyno_settings_free(&one);
  dyno_settings_free(&other);
}

Test(switches, nonsense_is_refused)
{
  static const char *const wrong[] = {
      "pool", "pool=fast",     "threads=0",   "threads=-1",     "threads=2x", "isa=avx3",
      "isa=", "kernel=matmul", "batch=99999", "ablate=weights", "colour=red", "=1",
      ""};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    dyno_settings settings = DYNO_SETTINGS_DEFAULTS;
    dyno_error error = {0};
    cr_assert(dyno_settings_apply(&settings, wrong[i], &error) == DYNO_ERROR_USAGE, "'%s'",
              wrong[i]);
    cr_assert(error.message[0] != '\0');
    dyno_settings_free(&settings);
  }
}
