/* `dyno memory replay FILE`: recorded allocations on the buddy allocator and on malloc. */
#include "config.h"

#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/memory.h"
#include "harness/report/memory_report.h"

enum { OPTION_ROUNDS = 2048, OPTION_PAGES, OPTION_JSON };

typedef struct replay_arguments {
  dyno_replay_options options;
  const char *path;
  bool json;
} replay_arguments;

static const struct argp_option option_list[] = {
    {"rounds", OPTION_ROUNDS, "N", 0, "Rounds of both in turn (21)", 0},
    {"pages", OPTION_PAGES, "WHICH", 0, "Of the buddy allocator: huge (the default) or small", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of a table", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  replay_arguments *arguments = state->input;
  switch (key) {
  case OPTION_ROUNDS:
    arguments->options.rounds =
        dyno_parse_count(state, "--rounds", argument, 1, DYNO_REPLAY_MOST_ROUNDS);
    return 0;
  case OPTION_PAGES:
    arguments->options.pages = strcmp(argument, "small") == 0 ? DYNO_PAGES_SMALL : DYNO_PAGES_HUGE;
    if (arguments->options.pages == DYNO_PAGES_HUGE && strcmp(argument, "huge") != 0)
      argp_error(state, "--pages=%s: huge or small is wanted", argument);
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (arguments->path != NULL)
      argp_error(state, "one file is wanted");
    arguments->path = argument;
    return 0;
  case ARGP_KEY_END:
    if (arguments->path == NULL)
      argp_error(state, "a file of dyno memory --record is wanted");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "FILE",
    .doc = "Runs the allocations that `dyno memory --record FILE` wrote on the buddy allocator and "
           "on the system's malloc, in turns, and shows what an operation takes.",
};

int dyno_memory_replay(int argc, char **argv)
{
  replay_arguments arguments = {.options = {.rounds = 21, .pages = DYNO_PAGES_HUGE}};
  dyno_allocation_trace trace;
  dyno_replay replay;
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = dyno_allocation_trace_read(&trace, arguments.path, &error);
  if (status != DYNO_OK)
    return dyno_report_error(&error);
  arguments.options.stop = dyno_catch_interrupts();
  status = dyno_allocation_replay(&replay, &trace, &arguments.options, &error);
  if (status == DYNO_OK)
    status = dyno_replay_report(&replay, &trace, stdout, arguments.json, &error);
  dyno_allocation_trace_free(&trace);
  return status == DYNO_OK ? dyno_interrupt_exit_code() : dyno_report_error(&error);
}
