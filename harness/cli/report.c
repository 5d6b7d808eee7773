/* `dyno report`: what a benchmark's raw files come to, worked out anew. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/report/bench_plots.h"
#include "harness/report/bench_report.h"

typedef struct report_options {
  const char *folder;
  bool json, term;
  dyno_bench_report_options report;
} report_options;

enum { OPTION_JSON = 256, OPTION_NO_WRITE, OPTION_NO_PLOTS, OPTION_TERM };

static const struct argp_option option_list[] = {
    {"json", OPTION_JSON, NULL, 0, "Print summary.json instead of tables", 0},
    {"no-plots", OPTION_NO_PLOTS, NULL, 0, "Make neither plots nor report.html", 0},
    {"no-write", OPTION_NO_WRITE, NULL, 0, "Leave the folder as it is, only print", 0},
    {"term", OPTION_TERM, NULL, 0, "Draw the main plots in the terminal, too", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  report_options *options = state->input;
  switch (key) {
  case OPTION_JSON:
    options->json = true;
    break;
  case OPTION_NO_PLOTS:
    options->report.no_plots = true;
    break;
  case OPTION_NO_WRITE:
    options->report.no_write = true;
    break;
  case OPTION_TERM:
    options->term = true;
    break;
  case ARGP_KEY_ARG:
    if (options->folder != NULL)
      argp_error(state, "one folder at a time");
    options->folder = argument;
    break;
  case ARGP_KEY_END:
    if (options->json && options->term)
      argp_error(state, "either --json or --term");
    break;
  case ARGP_KEY_NO_ARGS:
    argp_error(state, "which folder? `dyno bench` names the one that it wrote");
    break;
  default:
    return ARGP_ERR_UNKNOWN;
  }
  return 0;
}

static const struct argp parser = {
    option_list,
    parse_option,
    "FOLDER",
    "Reads what `dyno bench` left in FOLDER, a finished run or not, prints its tables, and makes "
    "summary.json, report.md, the plots and report.html anew.",
    NULL,
    NULL,
    NULL,
};

enum { USUAL_COLUMNS = 80, MOST_COLUMNS = 160 };

static unsigned terminal_columns(void)
{
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return USUAL_COLUMNS;
  return size.ws_col < MOST_COLUMNS ? size.ws_col : MOST_COLUMNS;
}

/* https://no-color.org */
static bool wants_colour(void)
{
  const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");
  return isatty(STDOUT_FILENO) && (off == NULL || off[0] == '\0') && terminal != NULL &&
         strcmp(terminal, "dumb") != 0;
}

int dyno_verb_report(int argc, char **argv)
{
  report_options options = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &options) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  if (options.json)
    options.report.json = stdout;
  else
    options.report.tables = stdout;
  dyno_status status = dyno_bench_report(options.folder, &options.report, &error);
  if (status == DYNO_OK && options.term)
    status = dyno_bench_plots_terminal(options.folder, terminal_columns(), wants_colour(), &error);
  if (status != DYNO_OK)
    return dyno_report_error(&error);
  return DYNO_EXIT_OK;
}
