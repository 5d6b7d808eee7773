/* `dyno gate`: stops a change that costs tokens per second, and does not cry wolf. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/arms.h"
#include "harness/cli/interrupt.h"
#include "harness/compare/gate.h"
#include "harness/compare/gate_base.h"
#include "harness/report/build_info.h"
#include "harness/report/gate_report.h"
#include "harness/report/progress.h"
#include "harness/report/results_manifest.h"
#include "kernels/base/atomic_file.h"

enum {
  OPTION_BASE = 4096,
  OPTION_REPOSITORY,
  OPTION_CACHE,
  OPTION_BASELINE,
  OPTION_SAVE,
  OPTION_SECONDS,
  OPTION_TOLERANCE,
  OPTION_EFFECT,
  OPTION_JSON,
  OPTION_SUMMARY,
  OPTION_ANNOTATIONS,
  OPTION_JUNIT,
  OPTION_BENCHMARK,
  OPTION_BENCHER
};

typedef struct gate_arguments {
  dyno_arms_arguments arms;
  dyno_gate_rule rule;
  const char *base, *repository, *cache, *baseline, *save;
  double seconds;
  bool json, annotations;
  const char *output, *summary, *junit, *benchmark, *bencher;
} gate_arguments;

static const struct argp_option option_list[] = {
    {"base", OPTION_BASE, "PROGRAM|REV", 0,
     "What to compare with: a build of dyno, or a revision, which is built first", 0},
    {"repository", OPTION_REPOSITORY, "FOLDER", 0, "Where the revision is looked for (.)", 0},
    {"cache", OPTION_CACHE, "FOLDER", 0, "Where revisions are built (~/.cache/dyno/gate)", 0},
    {"baseline", OPTION_BASELINE, "FILE", 0,
     "Second best: compare with speeds that --save-baseline stored on this host", 0},
    {"save-baseline", OPTION_SAVE, "FILE", 0, "Store the speeds of this build", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "Inconclusive after S seconds of rounds (no limit)", 0},
    {"tolerance", OPTION_TOLERANCE, "PERCENT", 0, "A loss that is no regression yet (2)", 0},
    {"effect", OPTION_EFFECT, "PERCENT", 0, "A loss that has to be found (5)", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of a table", 0},
    {"output", 'o', "FILE", 0, "Write the JSON to FILE too", 0},
    {"summary", OPTION_SUMMARY, "FILE", 0, "Append Markdown to FILE ($GITHUB_STEP_SUMMARY)", 0},
    {"annotations", OPTION_ANNOTATIONS, NULL, 0, "Print GitHub annotations", 0},
    {"junit", OPTION_JUNIT, "FILE", 0, "Write JUnit XML to FILE", 0},
    {"benchmark-action", OPTION_BENCHMARK, "FILE", 0,
     "Write JSON for github-action-benchmark (customBiggerIsBetter) to FILE", 0},
    {"bencher", OPTION_BENCHER, "FILE", 0, "Write JSON for Bencher to FILE", 0},
    {0},
};

static double parse_percent(struct argp_state *state, const char *option, const char *argument)
{
  char *end;
  double value = strtod(argument, &end);
  if (end == argument || *end != '\0' || !(value > 0 && value < 100))
    argp_error(state, "%s=%s: a number between 0 and 100 is wanted", option, argument);
  return value / 100;
}

static error_t check_arguments(const gate_arguments *arguments, struct argp_state *state)
{
  int given = (arguments->base != NULL) + (arguments->baseline != NULL);
  bool arms = arguments->arms.programs[0] != NULL || arguments->arms.switch_count[0] > 0 ||
              arguments->arms.switch_count[1] > 0;
  if (given > 1)
    argp_error(state, "--base and --baseline exclude each other");
  if (given == 0 && !arms && arguments->save == NULL)
    argp_error(state, "nothing to compare with: --base=PROGRAM, --base=REV or --baseline=FILE");
  if (arguments->rule.effect <= arguments->rule.tolerance)
    argp_error(state, "--effect must be larger than --tolerance");
  return 0;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  gate_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->rule = DYNO_GATE_RULE_DEFAULTS;
    arguments->repository = ".";
    state->child_inputs[0] = &arguments->arms;
    return 0;
  case OPTION_BASE:
    arguments->base = argument;
    return 0;
  case OPTION_REPOSITORY:
    arguments->repository = argument;
    return 0;
  case OPTION_CACHE:
    arguments->cache = argument;
    return 0;
  case OPTION_BASELINE:
    arguments->baseline = argument;
    return 0;
  case OPTION_SAVE:
    arguments->save = argument;
    return 0;
  case OPTION_SECONDS:
    arguments->seconds = (double)dyno_parse_count(state, "--seconds", argument, 1, 1000000);
    return 0;
  case OPTION_TOLERANCE:
    arguments->rule.tolerance = parse_percent(state, "--tolerance", argument);
    return 0;
  case OPTION_EFFECT:
    arguments->rule.effect = parse_percent(state, "--effect", argument);
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case OPTION_SUMMARY:
    arguments->summary = argument;
    return 0;
  case OPTION_ANNOTATIONS:
    arguments->annotations = true;
    return 0;
  case OPTION_JUNIT:
    arguments->junit = argument;
    return 0;
  case OPTION_BENCHMARK:
    arguments->benchmark = argument;
    return 0;
  case OPTION_BENCHER:
    arguments->bencher = argument;
    return 0;
  case ARGP_KEY_END:
    return check_arguments(arguments, state);
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Tells whether this build (arm B) is slower than a base (arm A), with as many rounds as "
           "that takes: 10, 20, 40 or 80.\v"
           "Exit codes: 0 pass, 1 regression (or it could not be measured), 3 inconclusive, 4 the "
           "host is too unsteady, 5 wrong output. Whatever goes wrong, it is not 0.",
    .children = (const struct argp_child[]){{&dyno_arms_parser, 0, NULL, 0}, {0}},
};

/* Running */

typedef struct watcher {
  dyno_progress bar;
} watcher;

static void show_rounds(void *context, size_t rounds, const char *label)
{
  watcher *watching = context;
  dyno_progress_update(&watching->bar, (double)rounds, label);
}

static void show_build(void *context, const char *label)
{
  watcher *watching = context;
  dyno_progress_update(&watching->bar, 0, label);
}

/* Against a baseline both arms are this program: the schedule is the same as when it was stored. */
static dyno_status choose_programs(gate_arguments *arguments, char **program, watcher *watching,
                                   dyno_error *error)
{
  const dyno_gate_base_options options = {
      .base = arguments->base,
      .repository = arguments->repository,
      .cache = arguments->cache,
      .configure = dyno_get_build_info().configure,
      .stop = arguments->arms.compare.stop,
      .progress = show_build,
      .progress_context = watching,
  };
  if (arguments->base == NULL) {
    if (arguments->arms.programs[1] == NULL)
      arguments->arms.programs[1] = DYNO_THIS_PROGRAM;
    return DYNO_OK;
  }
  dyno_status status = dyno_gate_base_find(program, &options, error);
  arguments->arms.programs[0] = *program;
  if (arguments->arms.programs[1] == NULL)
    arguments->arms.programs[1] = DYNO_THIS_PROGRAM;
  return status;
}

static int exit_code_of(const dyno_gate_run *run)
{
  static const int codes[DYNO_GATE_VERDICT_COUNT] = {
      [DYNO_GATE_CONTINUE] = DYNO_EXIT_INCONCLUSIVE,
      [DYNO_GATE_PASS] = DYNO_EXIT_OK,
      [DYNO_GATE_REGRESSION] = DYNO_EXIT_FAILURE,
      [DYNO_GATE_INCONCLUSIVE] = DYNO_EXIT_INCONCLUSIVE,
      [DYNO_GATE_UNFIT] = DYNO_EXIT_UNFIT_HOST,
      [DYNO_GATE_WRONG] = DYNO_EXIT_WRONG_OUTPUT,
      [DYNO_GATE_ERROR] = DYNO_EXIT_FAILURE,
  };
  return codes[run->verdict];
}

static dyno_status save(const dyno_gate_report *report, const char *path, dyno_gate_writer *write,
                        dyno_error *error)
{
  dyno_atomic_file file;
  if (path == NULL)
    return DYNO_OK;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = write(report, file.stream, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

/* A step's summary may have parts of other steps already. */
static dyno_status append_summary(const dyno_gate_report *report, const char *path,
                                  dyno_error *error)
{
  if (path == NULL)
    return DYNO_OK;
  FILE *file = fopen(path, "ae");
  if (file == NULL)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", path);
  dyno_status status = dyno_gate_report_md(report, file, error);
  if (fclose(file) != 0 && status == DYNO_OK)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: %m", path);
  return status;
}

static dyno_status write_reports(const gate_arguments *arguments, const dyno_gate_report *report,
                                 dyno_error *error)
{
  dyno_gate_writer *print = arguments->json ? dyno_gate_report_json : dyno_gate_report_table;
  dyno_status status = print(report, stdout, error);
  if (status == DYNO_OK && arguments->annotations)
    status = dyno_gate_report_annotations(report, stdout, error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  if (status == DYNO_OK)
    status = append_summary(report, arguments->summary, error);
  const struct {
    const char *path;
    dyno_gate_writer *write;
  } files[] = {
      {arguments->output, dyno_gate_report_json},
      {arguments->junit, dyno_gate_report_junit},
      {arguments->benchmark, dyno_gate_report_benchmark},
      {arguments->bencher, dyno_gate_report_bencher},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files && status == DYNO_OK; i++)
    status = save(report, files[i].path, files[i].write, error);
  return status;
}

static const char *base_name(const gate_arguments *arguments)
{
  if (arguments->base != NULL)
    return arguments->base;
  return arguments->baseline != NULL ? arguments->baseline : arguments->arms.described[0];
}

/* What cannot even begin is reported like any other verdict. */
static void run_gate(gate_arguments *arguments, dyno_gate_run *run, dyno_status status,
                     dyno_error *error, const dyno_baseline *baseline, watcher *watching)
{
  const dyno_gate_options options = {
      .rule = arguments->rule,
      .compare = arguments->arms.compare,
      .seconds = arguments->seconds,
      .baseline = baseline->root != NULL ? baseline : NULL,
      .progress = show_rounds,
      .progress_context = watching,
  };
  if (status == DYNO_OK) {
    dyno_gate_run_all(run, &arguments->arms.source, &options);
    return;
  }
  *run = (dyno_gate_run){
      .verdict = status == DYNO_ERROR_NOT_FOUND ? DYNO_GATE_INCONCLUSIVE : DYNO_GATE_ERROR,
      .status = status,
      .interrupted = status == DYNO_ERROR_INTERRUPTED,
  };
  snprintf(run->reason, sizeof run->reason, "%.390s", error->message);
}

static int gate(gate_arguments *arguments, dyno_error *error)
{
  dyno_gate_run run = {0};
  dyno_baseline baseline = {0};
  char *program = NULL;
  watcher watching;
  char started[32];
  dyno_results_format_now(started);
  dyno_progress_start(&watching.bar, stderr, 80);
  dyno_status status = choose_programs(arguments, &program, &watching, error);
  if (status == DYNO_OK && arguments->baseline != NULL)
    status = dyno_baseline_read(&baseline, arguments->baseline, error);
  if (status == DYNO_OK)
    status = dyno_arms_prepare(&arguments->arms, error);
  if (status == DYNO_ERROR_USAGE) {
    dyno_progress_clear(&watching.bar);
    free(program);
    return dyno_report_error(error);
  }
  run_gate(arguments, &run, status, error, &baseline, &watching);
  dyno_progress_clear(&watching.bar);
  dyno_gate_report report = {
      .run = &run,
      .rule = &arguments->rule,
      .base = base_name(arguments),
      .baseline = arguments->baseline != NULL,
      .described = {arguments->arms.described[0], arguments->arms.described[1]},
  };
  memcpy(report.started, started, sizeof started);
  status = write_reports(arguments, &report, error);
  if (status == DYNO_OK && arguments->save != NULL && run.verdict == DYNO_GATE_PASS)
    status = dyno_baseline_write(&run.comparison, arguments->save, error);
  int code = status != DYNO_OK ? dyno_report_error(error) : exit_code_of(&run);
  if (run.interrupted)
    code = dyno_interrupt_exit_code() != 0 ? dyno_interrupt_exit_code() : DYNO_EXIT_INCONCLUSIVE;
  dyno_gate_free(&run);
  dyno_baseline_free(&baseline);
  free(program);
  return code;
}

int dyno_verb_gate(int argc, char **argv)
{
  gate_arguments arguments = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  arguments.arms.compare.stop = dyno_catch_interrupts();
  int code = gate(&arguments, &error);
  dyno_arms_free(&arguments.arms);
  return code;
}
