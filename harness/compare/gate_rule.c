#include "harness/compare/gate_rule.h"

#include <math.h>

#include "runtime/sample/rng.h"

const dyno_gate_look dyno_gate_looks[DYNO_GATE_LOOKS] = {{10, 10}, {20, 18}, {40, 32}, {80, 57}};

const char *dyno_gate_verdict_name(dyno_gate_verdict verdict)
{
  static const char *const names[DYNO_GATE_VERDICT_COUNT] = {
      [DYNO_GATE_CONTINUE] = "continue",     [DYNO_GATE_PASS] = "pass",
      [DYNO_GATE_REGRESSION] = "regression", [DYNO_GATE_INCONCLUSIVE] = "inconclusive",
      [DYNO_GATE_UNFIT] = "unfit host",      [DYNO_GATE_WRONG] = "wrong output",
      [DYNO_GATE_ERROR] = "error",
  };
  return names[verdict];
}

size_t dyno_gate_look_at(size_t rounds)
{
  for (size_t i = 0; i < DYNO_GATE_LOOKS; i++)
    if (dyno_gate_looks[i].rounds == rounds)
      return i;
  return DYNO_GATE_LOOKS;
}

static size_t count_below(const double *series, size_t rounds, double limit)
{
  size_t count = 0;
  for (size_t i = 0; i < rounds; i++)
    count += series[i] < limit;
  return count;
}

static size_t count_above(const double *series, size_t rounds, double limit)
{
  size_t count = 0;
  for (size_t i = 0; i < rounds; i++)
    count += series[i] > limit;
  return count;
}

static bool all_finite(const double *series, size_t rounds)
{
  for (size_t i = 0; i < rounds; i++)
    if (!isfinite(series[i]))
      return false;
  return true;
}

dyno_gate_verdict dyno_gate_decide(size_t *which, const double *const *series,
                                   const double *const *control, size_t count, size_t rounds,
                                   const dyno_gate_rule *rule)
{
  double worse = log1p(-rule->tolerance), found = log1p(-rule->effect);
  double unfit = log1p(rule->unfit);
  size_t look = dyno_gate_look_at(rounds);
  bool pass = count > 0;
  for (*which = 0; *which < count; ++*which)
    if (!all_finite(series[*which], rounds) || !all_finite(control[*which], rounds))
      return DYNO_GATE_INCONCLUSIVE;
  if (look == DYNO_GATE_LOOKS)
    return DYNO_GATE_CONTINUE;
  size_t needed = dyno_gate_looks[look].needed;
  for (*which = 0; *which < count; ++*which)
    if (count_above(control[*which], rounds, unfit) >= needed ||
        count_below(control[*which], rounds, -unfit) >= needed)
      return DYNO_GATE_UNFIT;
  for (*which = 0; *which < count; ++*which) {
    if (count_below(series[*which], rounds, worse) >= needed)
      return DYNO_GATE_REGRESSION;
    pass = pass && count_above(series[*which], rounds, found) >= needed;
  }
  if (pass)
    return DYNO_GATE_PASS;
  return look + 1 == DYNO_GATE_LOOKS ? DYNO_GATE_INCONCLUSIVE : DYNO_GATE_CONTINUE;
}

/* A standard normal number: Box and Muller 1958. */
static double normal(uint64_t seed, uint64_t position)
{
  double radius = sqrt(-2 * log(1 - dyno_random_unit(seed, 2 * position)));
  return radius * cos(2 * acos(-1) * dyno_random_unit(seed, 2 * position + 1));
}

enum { MOST_ROUNDS = 80 };

/* Student's t from independent normal numbers; it takes `degrees` + 1 positions. */
static double heavy(uint64_t seed, uint64_t position, unsigned degrees)
{
  double squares = 0, above = normal(seed, position * (degrees + 1));
  for (unsigned i = 1; i <= degrees; i++) {
    double one = normal(seed, position * (degrees + 1) + i);
    squares += one * one;
  }
  return degrees == 0 ? above : above / sqrt(squares / degrees);
}

static size_t simulate_one(dyno_gate_verdict *verdict, const dyno_gate_simulation *s, size_t trial,
                           const dyno_gate_rule *rule)
{
  double values[DYNO_GATE_MOST_SERIES][MOST_ROUNDS];
  static const double still[MOST_ROUNDS];
  const double *series[DYNO_GATE_MOST_SERIES], *control[DYNO_GATE_MOST_SERIES];
  size_t which;
  for (size_t i = 0; i <= s->cases; i++) {
    series[i] = values[i];
    control[i] = still;
  }
  for (size_t round = 0; round < MOST_ROUNDS; round++) {
    double sum = 0;
    for (size_t i = 0; i < s->cases; i++) {
      uint64_t position = ((uint64_t)trial * MOST_ROUNDS + round) * s->cases + i;
      values[i][round] =
          (i < s->slower ? s->mean : 0) + s->sigma * heavy(s->seed, position, s->degrees);
      sum += values[i][round];
    }
    values[s->cases][round] = sum / (double)s->cases;
    *verdict = dyno_gate_decide(&which, series, control, s->cases + 1, round + 1, rule);
    if (*verdict != DYNO_GATE_CONTINUE)
      return round + 1;
  }
  return MOST_ROUNDS;
}

dyno_gate_power dyno_gate_simulate(const dyno_gate_simulation *simulation,
                                   const dyno_gate_rule *rule)
{
  dyno_gate_power power = {.trials = simulation->trials};
  for (size_t trial = 0; trial < simulation->trials; trial++) {
    dyno_gate_verdict verdict;
    power.mean_rounds += (double)simulate_one(&verdict, simulation, trial, rule);
    power.passed += verdict == DYNO_GATE_PASS;
    power.failed += verdict == DYNO_GATE_REGRESSION;
    power.inconclusive += verdict == DYNO_GATE_INCONCLUSIVE;
  }
  power.mean_rounds /= (double)(simulation->trials > 0 ? simulation->trials : 1);
  return power;
}
