/* `dyno bench`: the documented protocol on a model, and what follows from it. */
#include "config.h"

#include "harness/cli/bench.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/interrupt.h"
#include "runtime/data.h"

enum {
  KEY_PROFILE = 4096,
  KEY_CASE,
  KEY_CASES,
  KEY_WARMUP,
  KEY_ITERS,
  KEY_PRESET,
  KEY_BUDGET,
  KEY_SEED,
  KEY_OUTPUT,
  KEY_RESUME,
  KEY_NO_TEXTS,
  KEY_COUNTERS,
  KEY_READ,
  KEY_TRACK
};

enum { MOST_CASE_PATHS = 16, NOT_GIVEN = -1 };

typedef struct bench_arguments {
  dyno_bench_plan plan;
  const char *chosen; /* --case */
  const char *paths[MOST_CASE_PATHS];
  size_t path_count;
  long warmup, iterations; /* NOT_GIVEN: the profile's */
  bool no_texts;
} bench_arguments;

static const struct argp_option option_list[] = {
    {"profile", KEY_PROFILE, "WHICH", 0,
     "quick (1 warm-up, 3 iterations, a quarter of each answer), standard (5 and 10, the default) "
     "or full (5 and 30)",
     1},
    {"case", KEY_CASE, "NAME,...", 0, "Only these cases", 1},
    {"cases", KEY_CASES, "PATH", 0, "Cases of your own too: a file or a folder; may be repeated",
     1},
    {"preset", KEY_PRESET, "WHICH", 0,
     "short, long, batch or interactive: the switches and cases that fit such a use", 1},
    {"warmup", KEY_WARMUP, "N", 0, "Warm-ups of each case (5)", 2},
    {"iters", KEY_ITERS, "N", 0, "Measured iterations of each case (10)", 2},
    {"budget", KEY_BUDGET, "TIME", 0,
     "Do less so that it fits into 90s, 10m or 2h: shorter answers first, then fewer iterations",
     2},
    {"seed", KEY_SEED, "N", 0, "Of the order of the cases and of the pages that are read (1)", 2},
    {"no-texts", KEY_NO_TEXTS, NULL, 0, "Do not let the model answer by itself", 2},
    {"counters", KEY_COUNTERS, "LIST", 0,
     "Hardware counters: default, none, or names with commas between", 2},
    {"read", KEY_READ, "MIB", 0, "Read so much of the weights' pages before an iteration (128)", 2},
    {"track-quant", KEY_TRACK, NULL, 0,
     "Look at activations on the way, for at most 1 % of the time, and print at the end what "
     "rounding "
     "them does in each layer",
     2},
    {"output-dir", KEY_OUTPUT, "FOLDER", 0, "Make the folder of results there (results)", 3},
    {"resume", KEY_RESUME, "FOLDER", 0,
     "Go on with a run that was stopped; without other options, with those it was begun with", 3},
    {0},
};

/* A number of warm-ups, iterations, ... for each name of --profile. */
static const struct profile {
  const char *name;
  dyno_bench_extent extent;
} profiles[] = {
    {"quick", {.warmup = 1, .iterations = 3, .scale = 0.25, .texts = true, .text_prompts = 1}},
    {"standard",
     {.warmup = 5, .iterations = 10, .scale = 1, .texts = true, .text_prompts = SIZE_MAX}},
    {"full", {.warmup = 5, .iterations = 30, .scale = 1, .texts = true, .text_prompts = SIZE_MAX}},
};

/* What a use calls for of what the engine can switch today, and the cases that are like it. */
static const struct preset {
  const char *name;
  dyno_logits_mode logits;
  size_t batch;
  const char *cases;
} presets[] = {
    {"short", DYNO_LOGITS_TWO_STAGE, 128, "questions,code,translation"},
    {"long", DYNO_LOGITS_FULL, 1024, "explanations,essays"},
    {"batch", DYNO_LOGITS_FULL, 1024, NULL},
    {"interactive", DYNO_LOGITS_TWO_STAGE, 256, "questions,explanations"},
};

static const struct profile *find_profile(const char *name)
{
  for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
    if (strcmp(profiles[i].name, name) == 0)
      return &profiles[i];
  return NULL;
}

static const struct preset *find_preset(const char *name)
{
  for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
    if (strcmp(presets[i].name, name) == 0)
      return &presets[i];
  return NULL;
}

/* "90", "90s", "10m", "2h" */
static double parse_time(const char *argument, struct argp_state *state)
{
  char *unit;
  double number = strtod(argument, &unit);
  double factor = strcmp(unit, "h") == 0                      ? 3600
                  : strcmp(unit, "m") == 0                    ? 60
                  : strcmp(unit, "s") == 0 || unit[0] == '\0' ? 1
                                                              : 0;
  double seconds = number * factor;
  if (unit == argument || !(seconds >= 1 && seconds <= 1e7))
    argp_error(state, "--budget=%s: a time is wanted, such as 90s, 10m or 2h", argument);
  return seconds;
}

static void finish_arguments(bench_arguments *arguments)
{
  dyno_bench_plan *plan = &arguments->plan;
  dyno_engine_options *engine = &plan->engine.engine;
  const struct preset *preset = plan->preset != NULL ? find_preset(plan->preset) : NULL;
  plan->extent = find_profile(plan->profile)->extent;
  if (arguments->warmup != NOT_GIVEN)
    plan->extent.warmup = (size_t)arguments->warmup;
  if (arguments->iterations != NOT_GIVEN)
    plan->extent.iterations = (size_t)arguments->iterations;
  if (arguments->no_texts)
    plan->extent.texts = false;
  if (preset == NULL)
    return;
  if (!plan->engine.logits_given)
    engine->logits = preset->logits;
  if (engine->batch == 0)
    engine->batch = preset->batch;
  if (arguments->chosen == NULL)
    arguments->chosen = preset->cases;
}

static void begin_arguments(bench_arguments *arguments)
{
  arguments->plan.profile = "standard";
  arguments->plan.seed = 1;
  arguments->plan.output = "results";
  arguments->plan.read_bytes = (size_t)128 << 20;
  arguments->warmup = arguments->iterations = NOT_GIVEN;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  bench_arguments *arguments = state->input;
  dyno_bench_plan *plan = &arguments->plan;
  switch (key) {
  case ARGP_KEY_INIT:
    begin_arguments(arguments);
    state->child_inputs[0] = &plan->engine;
    state->child_inputs[1] = &plan->engine;
    return 0;
  case KEY_PROFILE:
    if (find_profile(argument) == NULL)
      argp_error(state, "--profile=%s: quick, standard or full is wanted", argument);
    plan->profile = argument;
    return 0;
  case KEY_CASE:
    arguments->chosen = argument;
    return 0;
  case KEY_CASES:
    if (arguments->path_count == MOST_CASE_PATHS)
      argp_error(state, "--cases: at most %d", MOST_CASE_PATHS);
    arguments->paths[arguments->path_count++] = argument;
    return 0;
  case KEY_PRESET:
    if (find_preset(argument) == NULL)
      argp_error(state, "--preset=%s: short, long, batch or interactive is wanted", argument);
    plan->preset = argument;
    return 0;
  case KEY_WARMUP:
    arguments->warmup = (long)dyno_parse_count(state, "--warmup", argument, 0, 1000);
    return 0;
  case KEY_ITERS:
    arguments->iterations = (long)dyno_parse_count(state, "--iters", argument, 1, 10000);
    return 0;
  case KEY_BUDGET:
    plan->budget_seconds = parse_time(argument, state);
    return 0;
  case KEY_SEED:
    plan->seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case KEY_NO_TEXTS:
    arguments->no_texts = true;
    return 0;
  case KEY_TRACK:
    plan->track = true;
    return 0;
  case KEY_COUNTERS:
    plan->counters = argument;
    return 0;
  case KEY_READ:
    plan->read_bytes = dyno_parse_count(state, "--read", argument, 1, 1ul << 20) << 20;
    return 0;
  case KEY_OUTPUT:
    plan->output = argument;
    return 0;
  case KEY_RESUME:
    plan->resume = argument;
    return 0;
  case ARGP_KEY_END:
    finish_arguments(arguments);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Measures a model by the documented protocol: the five cases of the guide, each warmed "
           "up 5 times and measured 10 times, in an order of their own in every round.\v"
           "Everything that was measured is kept in a new folder, line by line as it comes, and a "
           "run that was stopped can be gone on with. Wrong output ends with exit code 5.",
    .children = (const struct argp_child[]){{&dyno_engine_arguments_parser, 0, "Model:", 4},
                                            {&dyno_cache_options_parser, 0, "Caches (off):", 5},
                                            {0}},
};

static dyno_status read_cases(bench_arguments *arguments, dyno_error *error)
{
  dyno_testcases *cases = &arguments->plan.cases;
  char *folder = NULL;
  dyno_status status = dyno_data_path(&folder, "cases", error);
  if (status == DYNO_OK)
    status = dyno_testcases_read(cases, folder, error);
  free(folder);
  for (size_t i = 0; i < arguments->path_count && status == DYNO_OK; i++)
    status = dyno_testcases_read(cases, arguments->paths[i], error);
  if (status == DYNO_OK && arguments->chosen != NULL)
    status = dyno_testcases_choose(cases, arguments->chosen, error);
  return status;
}

/* A command line that an earlier run wrote into its manifest, and --resume. */
typedef struct command {
  json_t *manifest;
  char **argv;
  int argc;
} command;

static dyno_status recall_command(command *made, int argc, char **argv, dyno_error *error)
{
  char path[4096];
  json_error_t reason;
  const char *folder = argc == 2 ? strchr(argv[1], '=') + 1 : argv[2];
  int length = snprintf(path, sizeof path, "%s/manifest.json", folder);
  made->manifest = length < (int)sizeof path ? json_load_file(path, 0, &reason) : NULL;
  const json_t *words = json_object_get(made->manifest, "command");
  size_t count = json_array_size(words);
  made->argv = calloc(count + (size_t)argc + 1, sizeof *made->argv);
  if (made->argv == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  made->argv[made->argc++] = argv[0];
  for (size_t i = 1; i < count; i++) {
    const char *word = json_string_value(json_array_get(words, i));
    if (word != NULL)
      made->argv[made->argc++] = (char *)word;
  }
  for (int i = 1; i < argc; i++)
    made->argv[made->argc++] = argv[i];
  return count > 0 ? DYNO_OK
                   : dyno_fail(error, DYNO_ERROR_USAGE,
                               "%s: there is no run that could be gone on with: it has no "
                               "manifest.json that names its command",
                               folder);
}

/* `dyno bench --resume FOLDER` and nothing else. */
static bool only_resumes(int argc, char **argv)
{
  return (argc == 2 && strncmp(argv[1], "--resume=", 9) == 0) ||
         (argc == 3 && strcmp(argv[1], "--resume") == 0);
}

int dyno_verb_bench(int argc, char **argv)
{
  bench_arguments arguments = {0};
  dyno_error error = {0};
  command recalled = {0};
  dyno_status status = DYNO_OK;
  if (only_resumes(argc, argv)) {
    status = recall_command(&recalled, argc, argv, &error);
    argc = recalled.argc;
    argv = recalled.argv;
  }
  arguments.plan.argc = argc;
  arguments.plan.argv = argv;
  if (status == DYNO_OK && dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  if (status == DYNO_OK)
    status = read_cases(&arguments, &error);
  if (status == DYNO_OK)
    status = dyno_bench_execute(&arguments.plan, &error);
  dyno_testcases_free(&arguments.plan.cases);
  dyno_engine_arguments_free(&arguments.plan.engine);
  free(recalled.argv);
  json_decref(recalled.manifest);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
