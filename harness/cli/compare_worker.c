/* `dyno compare-worker`: an arm of a comparison that another process makes. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/compare/worker.h"

enum { OPTION_SET = 256, OPTION_SLOWDOWN };

typedef struct worker_arguments {
  dyno_settings settings;
  double slowdown;
} worker_arguments;

static const struct argp_option option_list[] = {
    {"set", OPTION_SET, "NAME=VALUE", 0, "A switch of the engine; may be repeated", 0},
    {"slowdown", OPTION_SLOWDOWN, "PERCENT", 0,
     "Wait after every step for this part of the time it took", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  worker_arguments *arguments = state->input;
  dyno_error error = {0};
  switch (key) {
  case OPTION_SET:
    if (dyno_settings_apply(&arguments->settings, argument, &error) != DYNO_OK)
      argp_error(state, "--set=%s: %s", argument, error.message);
    return 0;
  case OPTION_SLOWDOWN:
    arguments->slowdown = strtod(argument, NULL) / 100;
    if (!(arguments->slowdown >= 0 && arguments->slowdown <= 100))
      argp_error(state, "--slowdown=%s: percent are wanted", argument);
    return 0;
  case ARGP_KEY_END:
    if (arguments->settings.engine.model == NULL)
      argp_error(state, "--set=model=MODEL is missing");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Serves a comparison that another dyno makes: requests come on standard input, a "
           "socket.",
};

int dyno_verb_compare_worker(int argc, char **argv)
{
  worker_arguments arguments = {.settings = DYNO_SETTINGS_DEFAULTS};
  dyno_error error = {0};
  dyno_arm *arm;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  const dyno_arm_engine_options options = {
      .label = "worker",
      .engine = &arguments.settings.engine,
      .slowdown = arguments.slowdown,
      .alone = true,
  };
  dyno_status status = dyno_arm_open_engine(&arm, &options, &error);
  if (status == DYNO_OK)
    status = dyno_worker_serve(arm, STDIN_FILENO, DYNO_WORKER_MEMORY_FD, &error);
  dyno_arm_close(&arm);
  dyno_settings_free(&arguments.settings);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
