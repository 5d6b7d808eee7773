/* `dyno selftest`: the power and the false alarms of the gate, as seen here and now. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/arms.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/host.h"
#include "harness/report/progress.h"
#include "harness/report/results_manifest.h"
#include "harness/report/selftest_log.h"
#include "kernels/base/atomic_file.h"
#include "kernels/base/cpu.h"

enum {
  OPTION_TRIALS = 4096,
  OPTION_DROPS,
  OPTION_LOAD,
  OPTION_LOAD_PROCESSORS,
  OPTION_LOG,
  OPTION_LABEL,
  OPTION_REPORT,
  OPTION_MARKDOWN,
  OPTION_JSON
};

typedef struct selftest_arguments {
  dyno_arms_arguments arms;
  dyno_selftest_options test;
  bool report, markdown, json;
  const char *log, *label, *output;
} selftest_arguments;

static const struct argp_option option_list[] = {
    {"trials", OPTION_TRIALS, "N", 0, "Gates of each slow-down and load (10)", 0},
    {"drops", OPTION_DROPS, "PERCENT[,PERCENT...]", 0,
     "Losses of speed to put in (0,1,2,5,10); 0: a false alarm is all there could be", 0},
    {"load", OPTION_LOAD, "WHICH", 0, "quiet, stress (stress-ng beside it) or both (quiet)", 0},
    {"load-processors", OPTION_LOAD_PROCESSORS, "N", 0, "Processors that stress-ng keeps busy (1)",
     0},
    {"log", OPTION_LOG, "FILE", 0,
     "Keep every gate as a line of FILE, and run only those that it does not have yet", 0},
    {"label", OPTION_LABEL, "TEXT", 0,
     "What the machine was doing, to keep such gates apart in the log and the table", 0},
    {"report", OPTION_REPORT, NULL, 0, "Run no gate: show what the log has", 0},
    {"markdown", OPTION_MARKDOWN, NULL, 0, "Print the table as Markdown", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of a table", 0},
    {"output", 'o', "FILE", 0, "Write the JSON to FILE too", 0},
    {0},
};

static void parse_drops(dyno_selftest_options *test, const char *argument, struct argp_state *state)
{
  test->drop_count = 0;
  for (const char *rest = argument; rest != NULL;) {
    char *end;
    double drop = strtod(rest, &end);
    if (end == rest || (*end != ',' && *end != '\0') || !(drop >= 0 && drop < 90) ||
        test->drop_count == DYNO_SELFTEST_MOST_DROPS)
      argp_error(state, "--drops=%s: at most %d numbers from 0 to 90 are wanted", argument,
                 DYNO_SELFTEST_MOST_DROPS);
    test->drops[test->drop_count++] = drop / 100;
    rest = *end == ',' ? end + 1 : NULL;
  }
}

static void parse_load(dyno_selftest_options *test, const char *argument, struct argp_state *state)
{
  bool both = strcmp(argument, "both") == 0;
  test->quiet = both || strcmp(argument, "quiet") == 0;
  test->loaded = both || strcmp(argument, "stress") == 0;
  if (!test->quiet && !test->loaded)
    argp_error(state, "--load=%s: quiet, stress or both is wanted", argument);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  selftest_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->test.trials = 10;
    arguments->test.quiet = true;
    arguments->test.load_processors = 1;
    parse_drops(&arguments->test, "0,1,2,5,10", state);
    state->child_inputs[0] = &arguments->arms;
    return 0;
  case OPTION_TRIALS:
    arguments->test.trials = dyno_parse_count(state, "--trials", argument, 1, 100000);
    return 0;
  case OPTION_DROPS:
    parse_drops(&arguments->test, argument, state);
    return 0;
  case OPTION_LOAD:
    parse_load(&arguments->test, argument, state);
    return 0;
  case OPTION_LOAD_PROCESSORS:
    arguments->test.load_processors =
        (unsigned)dyno_parse_count(state, "--load-processors", argument, 1, 1024);
    return 0;
  case OPTION_LOG:
    arguments->log = argument;
    return 0;
  case OPTION_LABEL:
    if (strlen(argument) >= sizeof(dyno_selftest_conditions){0}.label)
      argp_error(state, "--label: at most %zu characters are wanted",
                 sizeof(dyno_selftest_conditions){0}.label - 1);
    arguments->label = argument;
    return 0;
  case OPTION_REPORT:
    arguments->report = true;
    if (arguments->arms.engine.engine.model == NULL) /* none is loaded */
      arguments->arms.engine.engine.model = "";
    return 0;
  case OPTION_MARKDOWN:
    arguments->markdown = true;
    return 0;
  case ARGP_KEY_END:
    if (arguments->report && arguments->log == NULL)
      argp_error(state, "--report: which log? --log=FILE");
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Puts slow-downs into one of two processes of this program, and none, runs the gate on "
           "them and tells how often it saw what was there.",
    .children = (const struct argp_child[]){{&dyno_arms_parser, 0, NULL, 0}, {0}},
};

/* A campaign: its log, and what its trials have in common. */
typedef struct campaign {
  dyno_selftest_log log;
  dyno_selftest_conditions conditions;
  FILE *stream; /* of the log; NULL: none is kept */
} campaign;

static void describe(dyno_selftest_conditions *conditions, const selftest_arguments *arguments)
{
  const dyno_compare_options *compare = &arguments->arms.compare;
  const dyno_engine_options *engine = &arguments->arms.settings[1].engine;
  const dyno_gate_rule rule = DYNO_GATE_RULE_DEFAULTS;
  char switches[160], threads[32] = "";
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  dyno_settings_describe(switches, sizeof switches, engine);
  if (engine->registry.threads > 0)
    snprintf(threads, sizeof threads, ", threads=%u", engine->registry.threads);
  *conditions = (dyno_selftest_conditions){0};
  snprintf(conditions->label, sizeof conditions->label, "%s",
           arguments->label != NULL ? arguments->label : "");
  dyno_host_name(conditions->host);
  memcpy(conditions->processor, cpu.name, sizeof cpu.name);
  const char *model = arguments->arms.engine.engine.model, *slash = strrchr(model, '/');
  snprintf(conditions->model, sizeof conditions->model, "%s", slash != NULL ? slash + 1 : model);
  snprintf(conditions->settings, sizeof conditions->settings,
           "%zu tokens of %s, tolerance %.3g %%, effect %.3g %%%s%s%s", compare->workload.steps,
           compare->workload.cases != NULL ? compare->workload.cases : "all cases",
           100 * rule.tolerance, 100 * rule.effect, threads, switches[0] != '\0' ? ", " : "",
           switches);
}

static dyno_status open_log(campaign *c, const selftest_arguments *arguments, dyno_error *error)
{
  long sound = 0;
  if (arguments->log == NULL)
    return DYNO_OK;
  dyno_status status = dyno_selftest_log_read(&c->log, arguments->log, &sound, error);
  if (status != DYNO_OK || arguments->report)
    return status;
  c->stream = fopen(arguments->log, "ae");
  /* What a crash cut off would spoil the next line. */
  if (c->stream == NULL || ftruncate(fileno(c->stream), sound) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", arguments->log);
  return DYNO_OK;
}

static size_t count_done(void *context, double drop, bool loaded)
{
  const campaign *c = context;
  return dyno_selftest_log_count(&c->log, &c->conditions, drop, loaded);
}

static dyno_status take(void *context, const dyno_selftest_trial *trial, dyno_error *error)
{
  campaign *c = context;
  dyno_selftest_entry entry = {.conditions = c->conditions, .trial = *trial};
  dyno_results_format_now(entry.started);
  return dyno_selftest_log_add(&c->log, c->stream, &entry, error);
}

static void show_progress(void *context, size_t done, size_t all, const char *label)
{
  dyno_progress *bar = context;
  bar->total = (double)all;
  dyno_progress_update(bar, (double)done, label);
}

static dyno_status run_gates(selftest_arguments *arguments, campaign *c, dyno_error *error)
{
  dyno_progress bar;
  arguments->arms.programs[0] = arguments->arms.programs[1] = DYNO_THIS_PROGRAM;
  dyno_status status = dyno_arms_prepare(&arguments->arms, error);
  if (status != DYNO_OK)
    return status;
  describe(&c->conditions, arguments);
  arguments->arms.compare.probed_passes = 0;
  arguments->test.gate =
      (dyno_gate_options){.rule = DYNO_GATE_RULE_DEFAULTS, .compare = arguments->arms.compare};
  arguments->test.arms = arguments->arms.workers;
  arguments->test.stop = arguments->arms.compare.stop;
  arguments->test.done = count_done;
  arguments->test.take = take;
  arguments->test.context = c;
  arguments->test.progress = show_progress;
  arguments->test.progress_context = &bar;
  dyno_progress_start(&bar, stderr, 1);
  status = dyno_selftest_run(&arguments->test, error);
  dyno_progress_clear(&bar);
  return status;
}

static dyno_status save_json(const char *path, const dyno_selftest_cell *cells, size_t count,
                             dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_selftest_json(cells, count, file.stream, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status write_reports(const selftest_arguments *arguments, const campaign *c,
                                 dyno_error *error)
{
  dyno_selftest_cell *cells = NULL;
  size_t count;
  dyno_status status = dyno_selftest_cells(&cells, &count, &c->log, error);
  if (status == DYNO_OK && arguments->json)
    status = dyno_selftest_json(cells, count, stdout, error);
  else if (status == DYNO_OK)
    status = dyno_selftest_table(cells, count, arguments->markdown, stdout, error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  if (status == DYNO_OK && arguments->output != NULL)
    status = save_json(arguments->output, cells, count, error);
  free(cells);
  return status;
}

/* An interrupt is no failure: what was done is told. */
static dyno_status selftest(selftest_arguments *arguments, dyno_error *error)
{
  campaign c = {0};
  dyno_status status = open_log(&c, arguments, error);
  if (status == DYNO_OK && !arguments->report)
    status = run_gates(arguments, &c, error);
  if (status == DYNO_OK || status == DYNO_ERROR_INTERRUPTED)
    status = write_reports(arguments, &c, error);
  if (c.stream != NULL && fclose(c.stream) != 0 && status == DYNO_OK)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: %m", arguments->log);
  dyno_selftest_log_free(&c.log);
  return status;
}

int dyno_verb_selftest(int argc, char **argv)
{
  selftest_arguments arguments = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  arguments.arms.compare.stop = dyno_catch_interrupts();
  dyno_status status = selftest(&arguments, &error);
  int code = status == DYNO_OK ? dyno_interrupt_exit_code() : dyno_report_error(&error);
  dyno_arms_free(&arguments.arms);
  return code;
}
