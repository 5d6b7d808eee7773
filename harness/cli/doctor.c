/* `dyno doctor`: whether this machine, as it is now, is fit to be measured, and what mends it. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>

#include "harness/cli/cli.h"
#include "harness/measure/environment.h"
#include "harness/report/environment_report.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/reference.h"
#include "runtime/threads/topology.h"

enum { OPTION_JSON = 2048, OPTION_STRICT };

static const double watch_seconds = 1;

typedef struct doctor_arguments {
  const char *model;
  unsigned threads;
  bool json, strict;
} doctor_arguments;

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0, "Hold the memory against what this model needs", 0},
    {"threads", 't', "N", 0, "Threads that read for the bandwidth (all that dyno would use)", 0},
    {"strict", OPTION_STRICT, NULL, 0, "Exit with 4 when the machine is unfit", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of a table", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
  doctor_arguments *arguments = state->input;
  switch (key) {
  case 'm':
    arguments->model = argument;
    return 0;
  case 't':
    arguments->threads = (unsigned)dyno_parse_count(state, "--threads", argument, 1, 1024);
    return 0;
  case OPTION_STRICT:
    arguments->strict = true;
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse,
    .doc = "Tell what of this machine makes measurements slow or uncertain: its processors, "
           "memory, load, and what can be counted; and the commands that would mend it, which are "
           "printed and never run. Takes about two seconds, in which memory is read.",
};

/* The size of the model's file, which is about what its weights take. */
static dyno_status size_model(uint64_t *bytes, const char *model, dyno_error *error)
{
  char *path = NULL;
  dyno_checkpoint *checkpoint = NULL;
  *bytes = 0;
  if (model == NULL)
    return DYNO_OK;
  dyno_status status = dyno_model_resolve(&path, model, error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_open(&checkpoint, path, error);
  if (status == DYNO_OK)
    *bytes = dyno_checkpoint_file_bytes(checkpoint);
  dyno_checkpoint_close(&checkpoint);
  free(path);
  return status;
}

static dyno_status watch_machine(dyno_watch *watch, unsigned threads, dyno_error *error)
{
  dyno_pool *pool = NULL;
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  dyno_status status = dyno_choose_threads(&threads, error);
  if (status == DYNO_OK)
    status = dyno_pool_open(&pool, threads, error);
  if (status == DYNO_OK)
    status = dyno_watch_machine(watch, pool, cpu.isa, watch_seconds, error);
  dyno_pool_close(&pool);
  return status;
}

static dyno_status print(const dyno_environment *environment, bool as_json, dyno_error *error)
{
  if (!as_json)
    return dyno_environment_print(environment, stdout, error);
  json_t *list = dyno_environment_json(environment);
  json_t *object =
      json_pack("{s:s, s:s, s:o}", "schema", "dyno.doctor/1", "worst",
                dyno_severity_name(dyno_environment_worst(environment)), "environment", list);
  dyno_status status = DYNO_OK;
  if (object == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  else if (json_dumpf(object, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  json_decref(object);
  return status;
}

int dyno_verb_doctor(int argc, char **argv)
{
  doctor_arguments arguments = {0};
  dyno_environment environment = {0};
  dyno_environment_options options = {0};
  dyno_watch watch;
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = size_model(&options.model_bytes, arguments.model, &error);
  /* Before the watching, which would be found as load. */
  if (status == DYNO_OK)
    status = watch_machine(&watch, arguments.threads, &error);
  options.watch = &watch;
  if (status == DYNO_OK)
    status = dyno_environment_gather(&environment, &options, &error);
  if (status == DYNO_OK)
    status = print(&environment, arguments.json, &error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(&error, DYNO_ERROR_IO, "cannot write the report: %m");
  bool unfit = dyno_environment_worst(&environment) == DYNO_SEVERITY_UNFIT;
  dyno_environment_free(&environment);
  if (status != DYNO_OK)
    return dyno_report_error(&error);
  return arguments.strict && unfit ? DYNO_EXIT_UNFIT_HOST : DYNO_EXIT_OK;
}
