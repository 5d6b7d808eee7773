/* The claims ledger: that it lists every figure of the guide and every switch, that bad ledgers are
 * refused with their line and field, and what verdicts follow from a measurement. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/compare/ablate.h"
#include "harness/compare/claim_rule.h"
#include "harness/measure/switches.h"
#include "harness/report/claims_results.h"

static void read_shipped(dyno_claims *claims)
{
  char path[4096];
  dyno_error error = {0};
  const char *folder = getenv("top_srcdir");
  snprintf(path, sizeof path, "%s/testcases/claims.json", folder != NULL ? folder : ".");
  cr_assert(dyno_claims_read(claims, path, &error) == DYNO_OK, "%s", error.message);
}

/* Every figure that the guide has, in its order. */
static const struct {
  const char *id;
  double figure;
} figures[] = {
    {"target-baseline", 30},    {"target-tps", 30},
    {"allocator-overhead", 40}, {"prefetch-latency", 60},
    {"prefetch-tps", 15},       {"int8-memory", 4},
    {"int8-accuracy", 1},       {"int8-tps", 25},
    {"int4-memory", 8},         {"int4-accuracy", 3},
    {"int4-tps", 40},           {"dynamic-tps", 30},
    {"cache-l1-hits", 90},      {"cache-l2-hits", 75},
    {"cache-l3-hits", 60},      {"attention-cache-tps", 20},
    {"compression-memory", 50}, {"simd-matrices", 4},
    {"simd-tps", 35},           {"threads-tps", 20},
    {"layout-tps", 15},         {"tokenizer-rate", 1200},
    {"tokenizer-gain", 20},     {"embedding-rate", 1200},
    {"embedding-gain", 50},     {"attention-rate", 80},
    {"attention-gain", 60},     {"feed-forward-rate", 70},
    {"feed-forward-gain", 56},  {"sampling-rate", 250},
    {"sampling-gain", 25},      {"overall-rate", 45},
    {"overall-gain", 50},       {"weights-size", 10},
    {"weights-saving", 75},     {"kv-size", 4},
    {"kv-saving", 50},          {"hidden-size", 1},
    {"hidden-saving", 50},      {"total-size", 15},
    {"total-saving", 70},       {"latency-prefill", 150},
    {"latency-decode", 15},     {"latency-management", 5},
    {"latency-total", 170},     {"latency-shares", 100},
    {"criterion-tps", 30},      {"criterion-memory", 32},
};

/* And what it promises without one. */
static const char *const without_figure[] = {"defragmentation-speed", "tuning-huge-pages",
                                             "dynamic-accuracy", "criterion-consistency"};

Test(ledger, it_has_every_figure_of_the_guide_and_nothing_else)
{
  dyno_claims claims;
  read_shipped(&claims);
  size_t count = sizeof figures / sizeof *figures;
  size_t others = sizeof without_figure / sizeof *without_figure;
  for (size_t i = 0; i < count; i++) {
    const dyno_claim *claim = dyno_claims_find(&claims, figures[i].id);
    cr_expect(claim != NULL, "%s is missing", figures[i].id);
    cr_expect(claim == NULL || claim->figure == figures[i].figure, "%s", figures[i].id);
  }
  for (size_t i = 0; i < others; i++)
    cr_expect(dyno_claims_find(&claims, without_figure[i]) != NULL, "%s is missing",
              without_figure[i]);
  cr_expect(claims.count == count + others, "%zu claims, but %zu figures are known here",
            claims.count, count + others);
  dyno_claims_free(&claims);
}

Test(ledger, every_switch_has_a_claim_or_a_reason_why_not)
{
  dyno_claims claims;
  read_shipped(&claims);
  for (const dyno_switch *one = dyno_switches; one->name != NULL; one++)
    cr_expect(dyno_claims_mention_switch(&claims, one->name),
              "no claim of testcases/claims.json switches '%s': add one, or say under \"switches\" "
              "why there is none",
              one->name);
  for (size_t i = 0; i < claims.switch_count; i++)
    cr_expect(dyno_switch_find(claims.switches[i].name) != NULL, "there is no switch '%s'",
              claims.switches[i].name);
  dyno_claims_free(&claims);
}

/* Ledgers that are wrong */

static void write_file(char path[64], const char *text, size_t count)
{
  snprintf(path, 64, "/tmp/dyno-claims-XXXXXX");
  int file = mkstemp(path);
  cr_assert(file >= 0 && write(file, text, count) == (ssize_t)count);
  close(file);
}

static dyno_status read_text(dyno_claims *claims, dyno_error *error, const char *text, size_t count)
{
  char path[64];
  write_file(path, text, count);
  dyno_status status = dyno_claims_read(claims, path, error);
  unlink(path);
  return status;
}

#define START "{\"schema\": \"dyno.claims/1\", \"guide\": \"g\",\n\"switches\": [], \"claims\": ["
#define ID "{\"id\": \"x\", \"section\": \"s\", \"guide\": \"+1\",\n\"claim\": \"c\", "
#define SOUND ID "\"unit\": \"% more\", \"rule\": \"effect\", \"metric\": \"decode\", \"figure\": 1"
#define END "}]}"

static const struct {
  const char *text, *message;
} bad_ledgers[] = {
    {"", "line 1: "},
    {"[]", "line 1: an object is wanted"},
    {"{\"schema\": \"dyno.claims/9\"}", "schema: 'dyno.claims/9': this dyno reads dyno.claims/1"},
    {"{\"schema\": \"dyno.claims/1\", \"guide\": \"g\"}", "\"claims\" is missing: a list"},
    {"{\"schema\": \"dyno.claims/1\", \"guide\": \"g\", \"claims\": []}",
     "\"switches\" is missing"},
    {"{\"schema\": \"dyno.claims/1\", \"guide\": \"g\", \"claims\": {}}",
     "claims: a list of at most"},
    {"{\"schema\": \"dyno.claims/1\", \"guide\": \"g\", \"claims\": [], \"switches\": [3]}",
     "switches[0]: an object with switch and why"},
    {"{\"schema\": \"dyno.claims/1\", \"guide\": \"g\", \"claims\": [], \"switches\": "
     "[{\"switch\": "
     "\"a\"}]}",
     "switches[0]: \"why\" is missing"},
    {START "\n7]}", "line 3: claims[0]: an object is wanted"},
    {START SOUND ", \"figur\": 3" END, "line 3: claims[0].figur: there is no such field"},
    {START SOUND ", \"a\": \"isa=ref\"" END, "claims[0].a: a list of at most"},
    {START SOUND ", \"a\": [\"isa\"]" END, "claims[0].a: [0]: NAME=VALUE is wanted"},
    {START SOUND ", \"b\": [\"=ref\"]" END, "claims[0].b: [0]: NAME=VALUE is wanted"},
    {START SOUND ", \"tokens\": 0" END, "claims[0].tokens: a number from 1 to 4096"},
    {START SOUND ", \"only_20b\": 1" END, "claims[0].only_20b: true or false"},
    {START SOUND ", \"of\": \"attention\"" END,
     "claims[0].of: 'attention': the metric decode is not"},
    {START SOUND ", \"why\": \"because\"" END, "claims[0].why: \"why\" goes with the metric none"},
    {START SOUND "}, " SOUND END, "claims[1].id: 'x' is there already"},
    {START "{\"id\": \"X y\", \"section\": \"s\"" END, "claims[0].id: 'X y': up to 64"},
    {START "{\"section\": \"s\"" END, "claims[0]: \"id\" is missing"},
    {START ID "\"unit\": \"% more\", \"rule\": \"effect\", \"metric\": \"speed\"" END,
     "claims[0].metric: 'speed': one of none, decode"},
    {START ID "\"unit\": \"%\", \"rule\": \"perhaps\", \"metric\": \"decode\"" END,
     "claims[0].rule: 'perhaps': one of effect, at-least, at-most"},
    {START ID "\"unit\": \"GB\", \"rule\": \"at-most\", \"metric\": \"decode\", \"figure\": 1" END,
     "claims[0].unit: the metric decode does not come in 'GB'"},
    {START ID "\"unit\": \"ms\", \"rule\": \"effect\", \"metric\": \"decode\", \"figure\": 1" END,
     "claims[0].unit: an effect is"},
    {START ID "\"unit\": \"ms\", \"rule\": \"at-most\", \"metric\": \"decode\"" END,
     "claims[0]: \"figure\" is missing"},
    {START ID "\"unit\": \"ms\", \"rule\": \"at-most\", \"metric\": \"none\"" END,
     "claims[0]: \"why\" goes with the metric none"},
    {START ID "\"unit\": \"%\", \"rule\": \"at-least\", \"metric\": \"hits\", \"figure\": 1" END,
     "claims[0]: \"of\" is missing"},
    {START ID
     "\"unit\": \"ms\", \"rule\": \"at-most\", \"metric\": \"decode\", \"figure\": \"1\"" END,
     "claims[0].figure: a number from"},
    {START ID
     "\"unit\": \"ms\", \"rule\": \"at-most\", \"metric\": \"decode\", \"figure\": 1e300" END,
     "claims[0].figure: a number from"},
};

Test(ledger, what_is_wrong_is_told_with_its_line_and_field)
{
  for (size_t i = 0; i < sizeof bad_ledgers / sizeof *bad_ledgers; i++) {
    dyno_claims claims;
    dyno_error error = {0};
    const char *text = bad_ledgers[i].text;
    cr_expect(read_text(&claims, &error, text, strlen(text)) == DYNO_ERROR_FORMAT, "%zu", i);
    cr_expect(strstr(error.message, bad_ledgers[i].message) != NULL, "%zu: '%s' lacks '%s'", i,
              error.message, bad_ledgers[i].message);
    cr_expect(strstr(error.message, "/tmp/dyno-claims-") == error.message, "%s", error.message);
    cr_expect(claims.list == NULL && claims.root == NULL);
  }
}

Test(ledger, every_cut_of_a_ledger_is_refused)
{
  static const char text[] = START SOUND ", \"a\": [\"isa=ref\"]" END;
  dyno_claims claims;
  dyno_error error = {0};
  for (size_t count = 0; count < sizeof text - 1; count++)
    cr_expect(read_text(&claims, &error, text, count) == DYNO_ERROR_FORMAT, "cut at %zu", count);
  cr_assert(read_text(&claims, &error, text, sizeof text - 1) == DYNO_OK, "%s", error.message);
  cr_assert(claims.count == 1 && claims.list[0].a_count == 1 && claims.list[0].b_count == 0);
  dyno_claims_free(&claims);
}

Test(ledger, choosing_names_what_is_not_there)
{
  dyno_claims claims;
  dyno_error error = {0};
  read_shipped(&claims);
  cr_expect(dyno_claims_choose(&claims, "int8-tps,nonsense", &error) == DYNO_ERROR_USAGE);
  cr_expect(strstr(error.message, "'nonsense'") != NULL, "%s", error.message);
  cr_assert(dyno_claims_choose(&claims, "int8-tps,prefetch-tps", &error) == DYNO_OK);
  cr_assert(claims.count == 2 && strcmp(claims.list[0].id, "prefetch-tps") == 0,
            "the ledger's order stays");
  dyno_claims_free(&claims);
}

Test(ledger, pairs_are_the_same_only_with_the_same_workload)
{
  dyno_claims claims;
  read_shipped(&claims);
  const dyno_claim *memory = dyno_claims_find(&claims, "int8-memory");
  const dyno_claim *speed = dyno_claims_find(&claims, "int8-tps");
  const dyno_claim *other = dyno_claims_find(&claims, "int4-tps");
  dyno_claim longer = *speed;
  longer.tokens = 99;
  cr_expect(dyno_claims_same_pair(memory, speed));
  cr_expect(!dyno_claims_same_pair(speed, other));
  cr_expect(!dyno_claims_same_pair(speed, &longer));
  dyno_claims_free(&claims);
}

/* Verdicts */

#define MORE DYNO_UNIT_MORE
#define NO_FIGURE ((double)NAN)

static const struct {
  dyno_claim_rule rule;
  dyno_claim_unit unit;
  double figure, low, high;
  dyno_claim_verdict verdict;
} judged[] = {
    {DYNO_RULE_EFFECT, MORE, 20, 18, 22, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_EFFECT, MORE, 20, 25, 30, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_EFFECT, MORE, 20, 5, 19.9, DYNO_CLAIM_SMALLER},
    {DYNO_RULE_EFFECT, MORE, 20, -1, 1, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_EFFECT, MORE, 20, -30, -10, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_EFFECT, MORE, 20, -10, 40, DYNO_CLAIM_OPEN},
    {DYNO_RULE_EFFECT, MORE, 20, 0, 25, DYNO_CLAIM_OPEN},
    {DYNO_RULE_EFFECT, DYNO_UNIT_TIMES, 4, 3.5, 4.1, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_EFFECT, DYNO_UNIT_TIMES, 4, 3.76, 3.76, DYNO_CLAIM_SMALLER},
    {DYNO_RULE_EFFECT, DYNO_UNIT_TIMES, 4, 0.9, 1, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_EFFECT, DYNO_UNIT_LESS, 60, 10, 20, DYNO_CLAIM_SMALLER},
    {DYNO_RULE_EFFECT, MORE, NO_FIGURE, 0.1, 0.2, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_EFFECT, MORE, NO_FIGURE, -0.5, 0.5, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_EFFECT, MORE, NO_FIGURE, -5, 5, DYNO_CLAIM_OPEN},
    {DYNO_RULE_EFFECT, MORE, 20, NO_FIGURE, NO_FIGURE, DYNO_CLAIM_OPEN},
    {DYNO_RULE_EFFECT, MORE, 20, 25, INFINITY, DYNO_CLAIM_OPEN},
    {DYNO_RULE_AT_LEAST, DYNO_UNIT_RATE, 30, 29, 31, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_AT_LEAST, DYNO_UNIT_RATE, 30, 11, 12, DYNO_CLAIM_SMALLER},
    {DYNO_RULE_AT_LEAST, DYNO_UNIT_PERCENT, 90, 0, 0, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_AT_LEAST, MORE, 0, -3, 0.1, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_AT_LEAST, MORE, 0, -3, -1, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_AT_MOST, DYNO_UNIT_POINTS, 1, -0.5, 0.9, DYNO_CLAIM_CONFIRMED},
    {DYNO_RULE_AT_MOST, DYNO_UNIT_POINTS, 1, -0.5, 1.5, DYNO_CLAIM_OPEN},
    {DYNO_RULE_AT_MOST, DYNO_UNIT_POINTS, 1, 1.1, 3, DYNO_CLAIM_REFUTED},
    {DYNO_RULE_AT_MOST, DYNO_UNIT_GB, 15, 12.2, 12.2, DYNO_CLAIM_CONFIRMED},
};

Test(verdict, follows_from_the_interval)
{
  for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
    const dyno_claim claim = {.rule = judged[i].rule,
                              .unit = judged[i].unit,
                              .figure = judged[i].figure,
                              .metric = DYNO_METRIC_DECODE};
    dyno_claim_figure figure = DYNO_CLAIM_FIGURE_NONE;
    figure.state = DYNO_FIGURE_MEASURED;
    figure.low = judged[i].low;
    figure.high = judged[i].high;
    cr_expect(dyno_claim_judge(&claim, &figure) == judged[i].verdict, "%zu: %s instead of %s", i,
              dyno_claim_verdict_name(dyno_claim_judge(&claim, &figure)),
              dyno_claim_verdict_name(judged[i].verdict));
  }
}

Test(verdict, needs_a_measurement_on_a_steady_machine)
{
  dyno_claim claim = {
      .rule = DYNO_RULE_EFFECT, .unit = MORE, .figure = 20, .metric = DYNO_METRIC_DECODE};
  dyno_claim_figure figure = DYNO_CLAIM_FIGURE_NONE;
  cr_expect(dyno_claim_judge(&claim, &figure) == DYNO_CLAIM_PENDING);
  dyno_figure_untestable(&figure, "no such CPU");
  cr_expect(dyno_claim_judge(&claim, &figure) == DYNO_CLAIM_UNTESTABLE);
  figure.state = DYNO_FIGURE_MEASURED;
  figure.low = 19;
  figure.high = 21;
  figure.control_low = 0.99;
  figure.control_high = 1.02;
  cr_expect(dyno_claim_judge(&claim, &figure) == DYNO_CLAIM_CONFIRMED);
  figure.control_low = 1.015;
  cr_expect(dyno_claim_judge(&claim, &figure) == DYNO_CLAIM_OPEN, "an arm differs from itself");
  claim.metric = DYNO_METRIC_NONE;
  cr_expect(dyno_claim_judge(&claim, &figure) == DYNO_CLAIM_UNTESTABLE);
}

Test(verdict, figures_follow_from_logarithms)
{
  static const double logs[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
  const dyno_claim more = {.unit = MORE}, less = {.unit = DYNO_UNIT_LESS};
  const dyno_claim rate = {.unit = DYNO_UNIT_RATE};
  dyno_claim_figure figure = DYNO_CLAIM_FIGURE_NONE;
  dyno_error error = {0};
  cr_assert(dyno_figure_from_logs(&figure, &more, logs, 6, 7, &error) == DYNO_OK);
  cr_expect_float_eq(figure.value, 100 * (exp(0.35) - 1), 1e-9);
  cr_expect_float_eq(figure.low, 100 * (exp(0.1) - 1), 1e-9);
  cr_expect_float_eq(figure.high, 100 * (exp(0.6) - 1), 1e-9);
  cr_assert(dyno_figure_from_logs(&figure, &less, logs, 6, 7, &error) == DYNO_OK);
  cr_expect_float_eq(figure.high, 100 * (1 - exp(-0.6)), 1e-9);
  cr_assert(dyno_figure_from_logs(&figure, &rate, logs, 6, 7, &error) == DYNO_OK);
  cr_expect_float_eq(figure.value, 7 * exp(0.35), 1e-9);
  cr_assert(dyno_figure_from_logs(&figure, &more, logs, 5, 1, &error) == DYNO_OK);
  cr_expect(isnan(figure.low) && strstr(figure.reason, "too few") != NULL, "%s", figure.reason);
}

/* What was kept */

Test(run, a_line_is_read_as_it_was_written)
{
  dyno_claims claims;
  dyno_claims_run run;
  dyno_error error = {0};
  read_shipped(&claims);
  cr_assert(dyno_claims_run_make(&run, &claims, NULL, &error) == DYNO_OK);
  dyno_claim_figure figure = DYNO_CLAIM_FIGURE_NONE;
  figure.state = DYNO_FIGURE_MEASURED;
  figure.value = 12.5;
  figure.low = 11;
  figure.high = 14;
  figure.samples = 8;
  strcpy(figure.reason, "so");
  json_t *line = dyno_claims_line(&claims.list[3], &figure);
  cr_assert(dyno_claims_run_add(&run, line));
  cr_expect(run.figures[3].state == DYNO_FIGURE_MEASURED && run.figures[3].value == 12.5);
  cr_expect(run.figures[3].high == 14 && run.figures[3].samples == 8);
  cr_expect(isnan(run.figures[3].nats) && strcmp(run.figures[3].reason, "so") == 0);

  json_object_set_new(line, "claim", json_string(claims.list[4].id));
  dyno_claims_run_add(&run, line);
  cr_expect(run.figures[4].state == DYNO_FIGURE_PENDING, "the entry is another one's");
  json_object_clear(line);
  cr_expect(dyno_claims_run_add(&run, line), "a line of something else is passed over");
  json_decref(line);
  dyno_claims_run_free(&run);
  dyno_claims_free(&claims);
}
