/* `dyno compare`: two arms, step by step in turn, and what the difference is. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "harness/cli/arms.h"
#include "harness/cli/interrupt.h"
#include "harness/compare/result.h"
#include "harness/report/compare_report.h"
#include "harness/report/progress.h"
#include "kernels/base/atomic_file.h"
#include "kernels/base/clock.h"

enum {
  OPTION_ROUNDS = 4096,
  OPTION_SECONDS,
  OPTION_HALF_WIDTH,
  OPTION_PROBED,
  OPTION_JSON,
  OPTION_MARKDOWN,
  OPTION_FOREST
};

typedef struct compare_arguments {
  dyno_arms_arguments arms;
  size_t least, most;
  double seconds, half_width;
  bool json;
  const char *output, *markdown, *forest;
} compare_arguments;

static const struct argp_option option_list[] = {
    {"rounds", OPTION_ROUNDS, "N[,MOST]", 0,
     "Rounds at least, and at most (10,400); between them it goes on until the interval is narrow "
     "enough",
     0},
    {"seconds", OPTION_SECONDS, "S", 0, "No more rounds after S seconds (180)", 0},
    {"half-width", OPTION_HALF_WIDTH, "PERCENT", 0,
     "The half width of the interval to go on for, and at which B counts as equal (1)", 0},
    {"probed", OPTION_PROBED, "N", 0, "Probed passes for the explanation (12, at least 6); 0: none",
     0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of tables", 0},
    {"output", 'o', "FILE", 0, "Write the JSON to FILE too", 0},
    {"md", OPTION_MARKDOWN, "FILE", 0, "Write Markdown to FILE", 0},
    {"forest", OPTION_FOREST, "FILE", 0, "Write the rows of a forest plot to FILE", 0},
    {0},
};

static double parse_number(struct argp_state *state, const char *option, const char *argument)
{
  char *end;
  double value = strtod(argument, &end);
  if (end == argument || *end != '\0' || !(value > 0) || !isfinite(value))
    argp_error(state, "%s=%s: a number above 0 is wanted", option, argument);
  return value;
}

static void parse_rounds(compare_arguments *arguments, const char *argument,
                         struct argp_state *state)
{
  char least[24];
  size_t length = strcspn(argument, ",");
  snprintf(least, sizeof least, "%.*s", (int)(length < 23 ? length : 23), argument);
  arguments->least = dyno_parse_count(state, "--rounds", least, 1, 100000);
  arguments->most = arguments->least;
  if (argument[length] == ',')
    arguments->most =
        dyno_parse_count(state, "--rounds", argument + length + 1, arguments->least, 100000);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  compare_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->least = 10;
    arguments->most = 400;
    arguments->seconds = 180;
    arguments->half_width = 0.01;
    state->child_inputs[0] = &arguments->arms;
    return 0;
  case OPTION_ROUNDS:
    parse_rounds(arguments, argument, state);
    return 0;
  case OPTION_SECONDS:
    arguments->seconds = parse_number(state, "--seconds", argument);
    return 0;
  case OPTION_HALF_WIDTH:
    arguments->half_width = parse_number(state, "--half-width", argument) / 100;
    return 0;
  case OPTION_PROBED:
    arguments->arms.compare.probed_passes = dyno_parse_count(state, "--probed", argument, 0, 100);
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case OPTION_MARKDOWN:
    arguments->markdown = argument;
    return 0;
  case OPTION_FOREST:
    arguments->forest = argument;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Compares two ways to run a model, A and B: step by step in turn, so that whatever else "
           "the machine does meets both.\v"
           "Exit codes: 0 a difference or its absence is certain, 3 inconclusive, 4 the host is "
           "too unsteady, 5 the outputs are too far apart.",
    .children = (const struct argp_child[]){{&dyno_arms_parser, 0, NULL, 0}, {0}},
};

static void show_progress(void *context, const char *label)
{
  dyno_progress_update(context, ((dyno_progress *)context)->total, label);
}

static void host_line(char *line, size_t room)
{
  struct utsname name;
  snprintf(line, room, "unknown");
  if (uname(&name) == 0)
    snprintf(line, room, "%s, %s %s", name.nodename, name.sysname, name.release);
}

/* Whether more rounds are wanted. */
static dyno_status enough(bool *done, const compare_arguments *arguments,
                          const dyno_comparison *comparison, uint64_t start, dyno_error *error)
{
  dyno_estimate mean;
  *done = comparison->rounds >= arguments->most;
  if (*done || comparison->rounds < arguments->least)
    return DYNO_OK;
  dyno_status status = dyno_estimate_series(
      &mean, comparison->decode.values, comparison->decode.count, DYNO_COMPARE_CONFIDENCE, error);
  double elapsed = (double)(dyno_clock_ns() - start) * 1e-9;
  *done = elapsed > arguments->seconds || dyno_estimate_precision(&mean) <= arguments->half_width;
  return status;
}

/* An interrupt after some rounds is no failure: there is a result, on fewer of them. */
static dyno_status run_rounds(dyno_comparison *comparison, const compare_arguments *arguments,
                              dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  bool done = dyno_compare_wrong_output(comparison);
  dyno_status status = DYNO_OK;
  while (!done && status == DYNO_OK) {
    status = dyno_compare_round(comparison, error);
    if (status == DYNO_OK)
      status = enough(&done, arguments, comparison, start, error);
  }
  if (status == DYNO_OK && comparison->rounds > 0)
    status = dyno_compare_explain(comparison, error);
  return status == DYNO_ERROR_INTERRUPTED && comparison->rounds > 0 ? DYNO_OK : status;
}

static dyno_status save(const dyno_compare_report *report, const char *path,
                        dyno_compare_writer *write, dyno_error *error)
{
  dyno_atomic_file file;
  if (path == NULL)
    return DYNO_OK;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = write(report, file.stream, error);
  if (status == DYNO_OK)
    status = dyno_atomic_file_commit(&file, error);
  else
    dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status write_reports(const compare_arguments *arguments,
                                 const dyno_compare_report *report, dyno_error *error)
{
  dyno_status status = (arguments->json ? dyno_compare_report_json
                                        : dyno_compare_report_table)(report, stdout, error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  if (status == DYNO_OK)
    status = save(report, arguments->output, dyno_compare_report_json, error);
  if (status == DYNO_OK)
    status = save(report, arguments->markdown, dyno_compare_report_md, error);
  if (status == DYNO_OK)
    status = save(report, arguments->forest, dyno_compare_report_forest, error);
  return status;
}

static int exit_code_of(dyno_compare_verdict verdict)
{
  static const int codes[DYNO_COMPARE_VERDICT_COUNT] = {
      [DYNO_COMPARE_INCONCLUSIVE] = DYNO_EXIT_INCONCLUSIVE,
      [DYNO_COMPARE_UNFIT] = DYNO_EXIT_UNFIT_HOST,
      [DYNO_COMPARE_WRONG] = DYNO_EXIT_WRONG_OUTPUT,
  };
  return codes[verdict];
}

static dyno_status compare(compare_arguments *arguments, int *exit_code, dyno_error *error)
{
  dyno_comparison comparison = {0};
  dyno_compare_result result = {0};
  dyno_progress bar;
  dyno_compare_options *options = &arguments->arms.compare;
  char host[256];
  options->progress = show_progress;
  options->progress_context = &bar;
  host_line(host, sizeof host);
  dyno_progress_start(&bar, stderr, 1);
  dyno_status status = dyno_compare_open(&comparison, &arguments->arms.source, options, error);
  if (status == DYNO_OK)
    status = run_rounds(&comparison, arguments, error);
  if (status == DYNO_OK)
    status = dyno_compare_conclude(&result, &comparison, arguments->half_width, error);
  dyno_progress_clear(&bar);
  if (status == DYNO_OK) {
    const dyno_compare_report report = {
        .comparison = &comparison,
        .result = &result,
        .described = {arguments->arms.described[0], arguments->arms.described[1]},
        .host = host,
    };
    *exit_code = exit_code_of(result.verdict);
    status = write_reports(arguments, &report, error);
  }
  dyno_compare_result_free(&result);
  dyno_compare_close(&comparison);
  return status;
}

int dyno_verb_compare(int argc, char **argv)
{
  compare_arguments arguments = {0};
  dyno_error error = {0};
  int exit_code = DYNO_EXIT_OK;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  arguments.arms.compare.stop = dyno_catch_interrupts();
  dyno_status status = dyno_arms_prepare(&arguments.arms, &error);
  if (status == DYNO_OK)
    status = compare(&arguments, &exit_code, &error);
  if (status != DYNO_OK)
    exit_code = dyno_report_error(&error);
  else if (dyno_interrupted())
    exit_code = dyno_interrupt_exit_code();
  dyno_arms_free(&arguments.arms);
  return exit_code;
}
