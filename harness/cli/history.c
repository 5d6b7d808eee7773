/* `dyno history`: speeds over many results, and the commit at which they changed. */
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/report/gnuplot.h"
#include "harness/report/history_report.h"
#include "kernels/base/atomic_file.h"

enum {
  OPTION_JSON = 256,
  OPTION_PLOT,
  OPTION_METRIC,
  OPTION_LAST,
  OPTION_SIGNIFICANCE,
  OPTION_SEED
};

typedef struct history_arguments {
  dyno_history_options options;
  char **paths; /* those of argv that are no options */
  size_t path_count;
  bool json;
  const char *plot;
} history_arguments;

static const struct argp_option option_list[] = {
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of tables", 0},
    {"plot", OPTION_PLOT, "FILE", 0,
     "Draw FILE.svg and FILE.png from FILE.tsv; with several groups FILE-1 and so on", 0},
    {"metric", OPTION_METRIC, "NAME", 0, "decode, prefill or overall: tokens per second (decode)",
     0},
    {"last", OPTION_LAST, "N", 0, "Look at the last N runs of each group (200)", 0},
    {"significance", OPTION_SIGNIFICANCE, "P", 0,
     "How seldom noise alone may look like a change (0.01)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of the permutation test (1)", 0},
    {0},
};

static void parse_metric(history_arguments *arguments, const char *argument,
                         struct argp_state *state)
{
  static const char *const names[][2] = {
      {"decode", "decode_tps"}, {"prefill", "prefill_tps"}, {"overall", "overall_tps"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i][0], argument) == 0) {
      arguments->options.metric = names[i][1];
      return;
    }
  argp_error(state, "--metric=%s: decode, prefill or overall is wanted", argument);
}

static double parse_significance(const char *argument, struct argp_state *state)
{
  char *end;
  double value = strtod(argument, &end);
  if (end == argument || *end != '\0' || !(value > 0 && value < 1))
    argp_error(state, "--significance=%s: a number between 0 and 1 is wanted", argument);
  return value;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  history_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->options = DYNO_HISTORY_DEFAULTS;
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case OPTION_PLOT:
    arguments->plot = argument;
    return 0;
  case OPTION_METRIC:
    parse_metric(arguments, argument, state);
    return 0;
  case OPTION_LAST:
    arguments->options.last =
        dyno_parse_count(state, "--last", argument, 1, DYNO_CHANGES_MOST_VALUES);
    return 0;
  case OPTION_SIGNIFICANCE:
    arguments->options.changes.significance = parse_significance(argument, state);
    return 0;
  case OPTION_SEED:
    arguments->options.changes.seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case ARGP_KEY_ARGS:
    arguments->paths = state->argv + state->next;
    arguments->path_count = (size_t)(state->argc - state->next);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "[PATH...]",
    .doc = "Reads results (folders of `dyno bench`, JSON of `dyno gate -o`, folders that hold "
           "such; results), and tells for each machine, model and way to run it how the speed of "
           "each case went, and the first commit after each change of it.",
};

static dyno_status read_all(dyno_history *history, const history_arguments *arguments,
                            dyno_error *error)
{
  dyno_status status = DYNO_OK;
  history->options = arguments->options;
  if (arguments->path_count == 0)
    status = dyno_history_read(history, "results", error);
  for (size_t i = 0; i < arguments->path_count && status == DYNO_OK; i++)
    status = dyno_history_read(history, arguments->paths[i], error);
  if (status == DYNO_OK && history->run_count == 0)
    status = dyno_fail(
        error, DYNO_ERROR_NOT_FOUND,
        history->left_out_count > 0 ? "%s; none of %zu results can be used"
                                    : "there is no result of dyno bench or dyno gate",
        history->left_out_count > 0 ? history->left_out[0].reason : "", history->left_out_count);
  return status;
}

static dyno_status write_data(const dyno_history *history, size_t group, const char *path,
                              dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_history_report_tsv(history, group, file.stream, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status draw(const dyno_history *history, size_t group, const char *plot,
                        dyno_error *error)
{
  char *name = NULL, *data = NULL, *title = dyno_history_group_title(history, group);
  bool fine =
      title != NULL && (history->group_count > 1 ? asprintf(&name, "%s-%zu", plot, group + 1)
                                                 : asprintf(&name, "%s", plot)) >= 0;
  fine = fine && asprintf(&data, "%s.tsv", name) >= 0;
  dyno_status status = fine ? write_data(history, group, data, error)
                            : dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to draw the history");
  if (status == DYNO_OK)
    status =
        dyno_gnuplot(&(dyno_gnuplot_run){.script = "changes.gp",
                                         .folder = ".",
                                         .arguments = (const char *[]){data, name, title, NULL}},
                     error);
  free(name);
  free(data);
  free(title);
  return status;
}

static dyno_status show(dyno_history *history, const history_arguments *arguments,
                        dyno_error *error)
{
  dyno_status status = arguments->json ? dyno_history_report_json(history, stdout, error)
                                       : dyno_history_report_table(history, stdout, error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the history: %m");
  for (size_t i = 0; arguments->plot != NULL && i < history->group_count && status == DYNO_OK; i++)
    status = draw(history, i, arguments->plot, error);
  return status;
}

int dyno_verb_history(int argc, char **argv)
{
  history_arguments arguments = {0};
  dyno_history history = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = read_all(&history, &arguments, &error);
  if (status == DYNO_OK)
    status = dyno_history_analyse(&history, &error);
  if (status == DYNO_OK)
    status = show(&history, &arguments, &error);
  dyno_history_free(&history);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
