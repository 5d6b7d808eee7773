/* `dyno kernels check`: every variant beside the reference; none passes that was not run. */
#include "config.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/cli/cli.h"
#include "harness/cli/kernels.h"
#include "harness/cli/variants.h"
#include "harness/report/progress.h"
#include "harness/report/units.h"
#include "kernels/base/clock.h"
#include "kernels/check/check.h"
#include "kernels/table.h"

enum { OPTION_SEED = 256, OPTION_PROBLEM, OPTION_QUICK, OPTION_JSON };

typedef struct check_options {
  dyno_kernel_options kernels;
  dyno_variant_filter filter;
  bool has_problem, quick, json;
  dyno_problem problem;
  uint64_t seed;
} check_options;

static const struct argp_option option_list[] = {
    {"kernel", 'k', "PART", 0, "Check only variants with PART in their name", 0},
    {"seed", OPTION_SEED, "N", 0, "Make the inputs from this number, as in an earlier run", 0},
    {"problem", OPTION_PROBLEM, "TEXT", 0,
     "Check this problem only, with every kind of input, as in \"matmul weight=q8_0 activation=a8 "
     "m=1 n=17 k=64\"",
     0},
    {"quick", OPTION_QUICK, NULL, 0, "Check fewer problems: seconds instead of a minute", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    {0},
};

static const struct argp_child children[] = {
    {&dyno_variant_filter_parser, 0, NULL, 0},
    {&dyno_variant_options_parser, 0, NULL, 0},
    {0},
};

static void set_problem(check_options *options, const char *text, struct argp_state *state)
{
  dyno_error error = {0};
  if (dyno_problem_parse(&options->problem, text, &error) != DYNO_OK ||
      dyno_problem_check(&options->problem, &error) != DYNO_OK)
    argp_error(state, "--problem: %s", error.message);
  options->has_problem = true;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  check_options *options = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &options->filter;
    state->child_inputs[1] = &options->kernels;
    return 0;
  case 'k':
    dyno_variant_filter_part(&options->filter, argument, state);
    return 0;
  case OPTION_SEED:
    options->seed = dyno_parse_count(state, "--seed", argument, 0, INT64_MAX);
    return 0;
  case OPTION_PROBLEM:
    set_problem(options, argument, state);
    return 0;
  case OPTION_QUICK:
    options->quick = true;
    return 0;
  case OPTION_JSON:
    options->json = true;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .children = children,
    .doc =
        "Runs every kernel variant beside the reference: random and pathological inputs, all "
        "tails, the shapes of gpt-oss-20b, any alignment, row range and batch, in buffers that end "
        "at a page nobody may touch. Each variant is ok, FAILED, or skipped with the reason; the "
        "exit code is 5 when one failed.",
};

typedef enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_SKIPPED } outcome;

static const char *const outcome_names[] = {"ok", "failed", "skipped"};

typedef struct variant_result {
  const dyno_kernel *kernel;
  outcome outcome;
  char reason[DYNO_REASON_TEXT]; /* skipped */
  dyno_check_summary summary;
  dyno_error error; /* failed */
  double seconds;
} variant_result;

typedef struct check_run {
  const check_options *options;
  const dyno_registry *registry;
  variant_result *results; /* in the order they are checked: tier by tier */
  size_t count, now;
  dyno_progress bar;
} check_run;

static bool show_progress(void *context, const dyno_check_summary *so_far)
{
  check_run *run = context;
  double done = (double)run->now;
  if (so_far->expected != 0)
    done += (double)so_far->cases / (double)so_far->expected;
  dyno_progress_update(&run->bar, done, so_far->kernel->name);
  return true;
}

/* The file a variant was loaded from: with one plug-in there is no doubt, with more none is
 * named. */
static const char *plugin_path(const check_run *run, const dyno_kernel *kernel)
{
  const dyno_registry_options *options = &run->options->kernels.registry;
  bool known = dyno_registry_origin(run->registry, kernel) != NULL && options->plugin_count == 1;
  return known ? options->plugins[0] : NULL;
}

/* Only INTERRUPTED is returned; everything else that goes wrong is a failure of the variant. */
static dyno_status check_variant(check_run *run, variant_result *result)
{
  const check_options *options = run->options;
  const dyno_problem *only = options->has_problem ? &options->problem : NULL;
  if (!dyno_registry_usable(run->registry, result->kernel, only, result->reason)) {
    result->outcome = OUTCOME_SKIPPED;
    return DYNO_OK;
  }
  dyno_check_options check = {
      .seed = options->seed,
      .only = only,
      .quick = options->quick,
      .plugin = plugin_path(run, result->kernel),
      .observe = show_progress,
      .context = run,
  };
  dyno_check_find_twins(&check, run->registry, result->kernel);
  uint64_t start = dyno_clock_ns();
  dyno_status status =
      dyno_check_kernel(&result->summary, result->kernel, dyno_reference_kernel(result->kernel),
                        &check, &result->error);
  result->seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  result->outcome = status == DYNO_OK ? OUTCOME_OK : OUTCOME_FAILED;
  return status == DYNO_ERROR_INTERRUPTED ? status : DYNO_OK;
}

static void format_worst(char text[32], const dyno_check_summary *summary)
{
  if (summary->kernel->tolerance == DYNO_TOLERANCE_EXACT)
    snprintf(text, 32, "exact");
  else
    snprintf(text, 32, "%.3f of bound", summary->worst);
}

/* The lines below the first are indented. */
static void print_indented(const char *text)
{
  for (const char *line = text; line != NULL && *line != '\0';) {
    const char *end = strchr(line, '\n');
    printf("      %.*s\n", end == NULL ? (int)strlen(line) : (int)(end - line), line);
    line = end == NULL ? NULL : end + 1;
  }
}

static void print_result(const variant_result *result, int width)
{
  const dyno_check_summary *summary = &result->summary;
  char worst[32];
  if (result->outcome == OUTCOME_SKIPPED) {
    printf("  %-*s  skipped: %s\n", width, result->kernel->name, result->reason);
    return;
  }
  format_worst(worst, summary);
  printf("  %-*s  %5zu of %zu cases  %-15s  %s\n", width, result->kernel->name, summary->cases,
         summary->expected, worst, result->outcome == OUTCOME_OK ? "ok" : "FAILED");
  if (result->outcome == OUTCOME_FAILED)
    print_indented(result->error.message);
  fflush(stdout);
}

static size_t count_outcome(const check_run *run, outcome wanted)
{
  size_t count = 0;
  for (size_t i = 0; i < run->count; i++)
    count += run->results[i].outcome == wanted;
  return count;
}

static void print_totals(const check_run *run)
{
  size_t cases = 0;
  double seconds = 0;
  for (size_t i = 0; i < run->count; i++) {
    cases += run->results[i].summary.cases;
    seconds += run->results[i].seconds;
  }
  char time[DYNO_UNIT_TEXT];
  dyno_format_seconds(time, seconds);
  printf("%zu variants: %zu ok, %zu FAILED, %zu skipped; %zu cases in %s; seed %llu\n", run->count,
         count_outcome(run, OUTCOME_OK), count_outcome(run, OUTCOME_FAILED),
         count_outcome(run, OUTCOME_SKIPPED), cases, time, (unsigned long long)run->options->seed);
}

/* JSON has no NaN and no infinity. */
static json_t *number_json(double value)
{
  return isfinite(value) ? json_real(value) : json_string(isnan(value) ? "nan" : "infinity");
}

static json_t *failure_json(const variant_result *result)
{
  const dyno_check_failure *first = &result->summary.first;
  char rerun[DYNO_RERUN_TEXT];
  dyno_check_rerun(rerun, &result->summary);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "problem", first->problem,
                   "input", first->input, "what", first->what, "message", result->error.message,
                   "element", first->element, "got", number_json(first->got), "want",
                   number_json(first->want), "bound", number_json(first->bound), "rerun", rerun);
}

static json_t *result_json(const variant_result *result)
{
  const dyno_kernel *kernel = result->kernel;
  const dyno_check_summary *summary = &result->summary;
  json_t *object = json_pack("{s:s, s:s, s:s}", "name", kernel->name, "tier",
                             dyno_isa_name(kernel->isa), "result", outcome_names[result->outcome]);
  if (result->outcome == OUTCOME_SKIPPED) {
    json_object_set_new(object, "reason", json_string(result->reason));
    return object;
  }
  json_t *numbers = json_pack("{s:I, s:I, s:I, s:o, s:s, s:f}", "cases", (json_int_t)summary->cases,
                              "expected", (json_int_t)summary->expected, "failures",
                              (json_int_t)summary->failures, "worst", number_json(summary->worst),
                              "worst_problem", summary->worst_problem, "seconds", result->seconds);
  json_object_update(object, numbers);
  json_decref(numbers);
  if (result->outcome == OUTCOME_FAILED)
    json_object_set_new(object, "failure", failure_json(result));
  return object;
}

static dyno_status print_json(const check_run *run, dyno_error *error)
{
  json_t *variants = json_array();
  for (size_t i = 0; i < run->count; i++)
    json_array_append_new(variants, result_json(&run->results[i]));
  json_t *root =
      json_pack("{s:I, s:s, s:b, s:I, s:I, s:I, s:o}", "seed", (json_int_t)run->options->seed,
                "tier", dyno_isa_name(dyno_registry_isa(run->registry)), "quick",
                run->options->quick, "ok", (json_int_t)count_outcome(run, OUTCOME_OK), "failed",
                (json_int_t)count_outcome(run, OUTCOME_FAILED), "skipped",
                (json_int_t)count_outcome(run, OUTCOME_SKIPPED), "variants", variants);
  int failed = root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) != 0;
  puts("");
  json_decref(root);
  return failed ? dyno_fail(error, DYNO_ERROR_MEMORY,
                            "no memory for the JSON, or it cannot be "
                            "written")
                : DYNO_OK;
}

/* Tier by tier, so that a broken tier is seen before those that build on it. */
static void list_variants(check_run *run)
{
  for (dyno_isa isa = DYNO_ISA_REF; isa < DYNO_ISA_COUNT; isa++)
    for (size_t i = 0; i < dyno_registry_count(run->registry); i++) {
      const dyno_kernel *kernel = dyno_registry_kernel(run->registry, i);
      const dyno_problem *problem = &run->options->problem;
      if (kernel->isa != isa || !dyno_variant_matches(&run->options->filter, kernel))
        continue;
      if (run->options->has_problem &&
          (kernel->op != problem->op || kernel->weight != problem->weight ||
           kernel->activation != problem->activation))
        continue;
      run->results[run->count++].kernel = kernel;
    }
}

static int name_width(const check_run *run)
{
  size_t width = 0;
  for (size_t i = 0; i < run->count; i++) {
    size_t length = strlen(run->results[i].kernel->name);
    width = length > width ? length : width;
  }
  return (int)width;
}

static dyno_status check_all(check_run *run, dyno_error *error)
{
  bool text = !run->options->json;
  int width = name_width(run);
  const dyno_cpu *cpu = dyno_registry_cpu(run->registry);
  if (text)
    printf("%s, tier %s; using %s; seed %llu%s\n", cpu->name, dyno_isa_name(cpu->isa),
           dyno_isa_name(dyno_registry_isa(run->registry)), (unsigned long long)run->options->seed,
           run->options->quick ? "; quick" : "");
  dyno_progress_start(&run->bar, stderr, (double)run->count);
  for (run->now = 0; run->now < run->count; run->now++) {
    variant_result *result = &run->results[run->now];
    dyno_status status = check_variant(run, result);
    dyno_progress_clear(&run->bar);
    if (status != DYNO_OK) {
      if (error != NULL)
        *error = result->error;
      return status;
    }
    if (!text)
      continue;
    if (run->now == 0 || result[-1].kernel->isa != result->kernel->isa)
      printf("%s\n", dyno_isa_name(result->kernel->isa));
    print_result(result, width);
  }
  return DYNO_OK;
}

static dyno_status judge(const check_run *run, dyno_error *error)
{
  size_t failed = count_outcome(run, OUTCOME_FAILED);
  if (failed != 0)
    return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT, "%zu of %zu variants failed", failed,
                     run->count);
  if (count_outcome(run, OUTCOME_OK) == 0)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "no variant was run, so nothing is proved%s%s",
                     run->count == 0 ? "" : ": ", run->count == 0 ? "" : run->results[0].reason);
  return DYNO_OK;
}

static dyno_status check(const check_options *options, const dyno_registry *registry,
                         dyno_error *error)
{
  check_run run = {.options = options, .registry = registry};
  dyno_status status = dyno_variant_filter_check(&options->filter, registry, error);
  if (status != DYNO_OK)
    return status;
  run.results = calloc(dyno_registry_count(registry), sizeof *run.results);
  if (run.results == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  list_variants(&run);
  status = check_all(&run, error);
  if (status == DYNO_OK && options->json)
    status = print_json(&run, error);
  else if (status == DYNO_OK)
    print_totals(&run);
  if (status == DYNO_OK)
    status = judge(&run, error);
  free(run.results);
  return status;
}

int dyno_kernels_check(int argc, char **argv)
{
  uint32_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
    seed = (uint32_t)dyno_clock_ns();
  check_options options = {.filter = DYNO_VARIANT_FILTER_ALL, .seed = seed};
  if (dyno_parse_arguments(&parser, argc, argv, &options) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_error error = {0};
  dyno_registry *registry = NULL;
  options.kernels.registry.skip_plugin_check = true; /* this is the check */
  dyno_status status = dyno_registry_open(&registry, &options.kernels.registry, &error);
  if (status == DYNO_OK)
    status = check(&options, registry, &error);
  dyno_registry_close(&registry);
  dyno_kernel_options_free(&options.kernels);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
