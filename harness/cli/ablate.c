/* `dyno ablate`: every claim of the guide, with what tests it off and on. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/cli/engine_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/compare/ablate.h"
#include "harness/measure/engine_ceilings.h"
#include "harness/report/build_info.h"
#include "harness/report/claims_report.h"
#include "harness/report/gnuplot.h"
#include "harness/report/progress.h"
#include "harness/report/units.h"
#include "kernels/base/atomic_file.h"
#include "runtime/data.h"

enum {
  KEY_CLAIM = 4096,
  KEY_LIST,
  KEY_BUDGET,
  KEY_QUICK,
  KEY_LEDGER,
  KEY_PLAN,
  KEY_CASES,
  KEY_TOKENS,
  KEY_OUTPUT,
  KEY_FOLDER,
  KEY_JSON,
  KEY_MARKDOWN,
  KEY_PLOT
};

enum { DEFAULT_SECONDS = 600, DEFAULT_ITEMS = 40, QUICK_ITEMS = 4, MOST_ROUNDS = 400 };

typedef struct ablate_arguments {
  dyno_engine_arguments engine;
  dyno_ablation ablation;
  const char *chosen, *ledger, *output, *folder, *markdown, *plot;
  const char *runs[DYNO_CLAIMS_MOST_RUNS];
  size_t run_count;
  double budget;
  bool list, quick, json;
  int argc;
  char **argv;
} ablate_arguments;

static const struct argp_option option_list[] = {
    {"list", KEY_LIST, NULL, 0, "Print the claims and what tests them, and measure nothing", 1},
    {"claim", KEY_CLAIM, "ID,...", 0, "Only these claims", 1},
    {"budget", KEY_BUDGET, "TIME", 0,
     "About how long it may measure, beside loading: 90s, 10m (the default) or 2h", 1},
    {"quick", KEY_QUICK, NULL, 0,
     "A look only: one case, 4 tokens, 6 rounds, few questions; says little of speed", 1},
    {"cases", KEY_CASES, "NAME,...", 0, "The test cases that speed is measured on (all)", 1},
    {"tokens", KEY_TOKENS, "N", 0, "Tokens that are decoded after each prompt (8)", 1},
    {"plan", KEY_PLAN, "FILE", 0, "The plan that dynamic quantization is tested with", 1},
    {"ledger", KEY_LEDGER, "FILE", 0, "Another ledger than the one that comes with dyno", 1},
    {"output-dir", KEY_OUTPUT, "FOLDER", 0, "Make the folder of results there (results)", 2},
    {"folder", KEY_FOLDER, "FOLDER", 0,
     "Keep what is measured in FOLDER, and go on with what is there already", 2},
    {"json", KEY_JSON, NULL, 0, "Print JSON instead of tables", 3},
    {"md", KEY_MARKDOWN, "FILE", 0, "Write Markdown to FILE", 3},
    {"plot", KEY_PLOT, "FILE.svg", 0, "Draw measured ratios beside the claimed ones", 3},
    {0},
};

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

/* The engine's options ask for a model, which reports do without. */
static void need_no_model(ablate_arguments *arguments)
{
  if (arguments->engine.engine.model == NULL)
    arguments->engine.engine.model = "";
}

static void add_run(ablate_arguments *arguments, const char *folder, struct argp_state *state)
{
  if (arguments->run_count == DYNO_CLAIMS_MOST_RUNS)
    argp_error(state, "at most %d folders", DYNO_CLAIMS_MOST_RUNS);
  arguments->runs[arguments->run_count++] = folder;
  need_no_model(arguments);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  ablate_arguments *arguments = state->input;
  dyno_compare_options *compare = &arguments->ablation.compare;
  switch (key) {
  case ARGP_KEY_INIT:
    *compare = DYNO_COMPARE_DEFAULTS;
    compare->workload.steps = 8;
    arguments->budget = DEFAULT_SECONDS;
    arguments->output = "results";
    state->child_inputs[0] = &arguments->engine;
    return 0;
  case KEY_LIST:
    arguments->list = true;
    need_no_model(arguments);
    return 0;
  case KEY_CLAIM:
    arguments->chosen = argument;
    return 0;
  case KEY_BUDGET:
    arguments->budget = parse_time(argument, state);
    return 0;
  case KEY_QUICK:
    arguments->quick = true;
    compare->workload.steps = 4;
    if (compare->workload.cases == NULL)
      compare->workload.cases = "questions";
    return 0;
  case KEY_CASES:
    compare->workload.cases = argument;
    return 0;
  case KEY_TOKENS:
    compare->workload.steps = dyno_parse_count(state, "--tokens", argument, 1, 4096);
    return 0;
  case KEY_PLAN:
    arguments->ablation.plan = argument;
    return 0;
  case KEY_LEDGER:
    arguments->ledger = argument;
    return 0;
  case KEY_OUTPUT:
    arguments->output = argument;
    return 0;
  case KEY_FOLDER:
    arguments->folder = argument;
    return 0;
  case KEY_JSON:
    arguments->json = true;
    return 0;
  case KEY_MARKDOWN:
    arguments->markdown = argument;
    return 0;
  case KEY_PLOT:
    arguments->plot = argument;
    return 0;
  case ARGP_KEY_ARG:
    add_run(arguments, argument, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "[FOLDER...]",
    .doc = "Tests what the guide claims: runs each technique off and on, step by step in turn, and "
           "tells measured figure, interval and verdict.\v"
           "Given FOLDERs, which earlier runs filled, it measures nothing and reports what is in "
           "them, side by side. What was measured is kept line by line, and a run that was "
           "stopped is gone on with by --folder.",
    .children = (const struct argp_child[]){{&dyno_engine_arguments_parser, 0, "Model:", 4}, {0}},
};

/* Reports */

static dyno_status save(const dyno_claims_report *report, const char *path,
                        dyno_claims_writer *write, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = write(report, file.stream, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

/* "docs/results/claims.svg" from "docs/claims.md" is "results/claims.svg". */
static const char *seen_from(const char *plot, const char *page)
{
  const char *slash = page != NULL ? strrchr(page, '/') : NULL;
  size_t length = slash != NULL ? (size_t)(slash - page) + 1 : 0;
  return plot != NULL && strncmp(plot, page != NULL ? page : "", length) == 0 ? plot + length
                                                                              : plot;
}

/* The data, in a file of its own beside the picture until that is drawn. */
static dyno_status draw(const dyno_claims_report *report, const char *plot, dyno_error *error)
{
  size_t rows = 0, length = strlen(plot);
  char *data = NULL, *base = NULL, *here = realpath(".", NULL);
  FILE *stream = NULL;
  dyno_status status = DYNO_OK;
  if (length < 5 || strcmp(plot + length - 4, ".svg") != 0)
    status =
        dyno_fail(error, DYNO_ERROR_USAGE, "--plot=%s: a name that ends in .svg is wanted", plot);
  if (status == DYNO_OK && (here == NULL || asprintf(&data, "%s.tsv", plot) < 0 ||
                            (base = strndup(plot, length - 4)) == NULL))
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK && (stream = fopen(data, "we")) == NULL)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: it cannot be written: %s", data, strerror(errno));
  if (status == DYNO_OK)
    status = dyno_claims_report_plot(&rows, report, stream, error);
  if (stream != NULL && fclose(stream) != 0 && status == DYNO_OK)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: it cannot be written: %s", data, strerror(errno));
  if (status == DYNO_OK && rows > 0)
    status = dyno_gnuplot(&(dyno_gnuplot_run){.script = "claims.gp",
                                              .folder = here,
                                              .arguments = (const char *const[]){data, base, NULL}},
                          error);
  else if (status == DYNO_OK)
    fprintf(stderr, "dyno: %s: there is nothing to draw yet\n", plot);
  if (stream != NULL)
    remove(data);
  free(data);
  free(base);
  free(here);
  return status;
}

static dyno_status write_reports(const ablate_arguments *arguments,
                                 const dyno_claims_report *report, dyno_error *error)
{
  dyno_status status =
      (arguments->json ? dyno_claims_report_json : dyno_claims_report_table)(report, stdout, error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  if (status == DYNO_OK && arguments->plot != NULL)
    status = draw(report, arguments->plot, error);
  if (status == DYNO_OK && arguments->markdown != NULL)
    status = save(report, arguments->markdown, dyno_claims_report_md, error);
  return status;
}

static dyno_status report_folders(const ablate_arguments *arguments, const dyno_claims *claims,
                                  dyno_error *error)
{
  dyno_claims_run runs[DYNO_CLAIMS_MOST_RUNS] = {0};
  const dyno_claims_report report = {claims, runs, arguments->run_count,
                                     seen_from(arguments->plot, arguments->markdown)};
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < arguments->run_count && status == DYNO_OK; i++)
    status = dyno_claims_run_read(&runs[i], claims, arguments->runs[i], error);
  if (status == DYNO_OK)
    status = write_reports(arguments, &report, error);
  for (size_t i = 0; i < arguments->run_count; i++)
    dyno_claims_run_free(&runs[i]);
  return status;
}

/* Measuring */

typedef struct measuring {
  ablate_arguments *arguments;
  const dyno_claims *claims;
  dyno_results_folder folder;
  dyno_results_log log;
  dyno_claims_run run;
  dyno_progress bar;
  size_t pairs, done; /* to be measured, and measured now */
} measuring;

static void show_progress(void *context, const char *label)
{
  measuring *m = context;
  m->bar.total = (double)m->pairs;
  dyno_progress_update(&m->bar, (double)m->done, label);
}

/* mkdir of the last part only: what is before it is the user's. */
static dyno_status open_folder(measuring *m, dyno_error *error)
{
  const char *folder = m->arguments->folder;
  if (folder == NULL)
    return dyno_results_folder_create(&m->folder, m->arguments->output,
                                      dyno_get_build_info().commit, error);
  if (mkdir(folder, 0777) != 0 && errno != EEXIST)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: the folder cannot be made: %s", folder,
                     strerror(errno));
  return dyno_results_folder_open(&m->folder, folder, error);
}

static double rate(dyno_read_sample sample)
{
  return sample.seconds > 0 ? sample.bytes / sample.seconds : (double)NAN;
}

/* What the engine runs on, and whether it has gpt-oss-20b's shapes. */
static dyno_status look(json_t **manifest, measuring *m, dyno_error *error)
{
  enum { READ_BYTES = 128 << 20 };
  ablate_arguments *arguments = m->arguments;
  dyno_engine *engine = NULL;
  dyno_engine_ceilings ceilings = {0};
  dyno_claims_conditions conditions = {.model = arguments->engine.engine.model,
                                       .argc = arguments->argc,
                                       .argv = arguments->argv,
                                       .read_one = NAN,
                                       .read_all = NAN};
  dyno_status status = dyno_open_engine(&engine, &arguments->engine, error);
  if (status == DYNO_OK)
    status = dyno_engine_ceilings_open(&ceilings, engine, READ_BYTES, error);
  if (status == DYNO_OK) {
    const dyno_model_config *config = dyno_engine_config(engine);
    conditions.engine = engine;
    conditions.read_all = rate(dyno_profile_reader_all(ceilings.reader, 1));
    conditions.read_one = rate(dyno_profile_reader_one(ceilings.reader, 2));
    arguments->ablation.is_20b =
        config->layers == 24 && config->vocab == 201088 && config->experts == 32;
    status = dyno_claims_manifest(manifest, &conditions, error);
  }
  dyno_engine_ceilings_close(&ceilings);
  dyno_engine_close(&engine);
  return status;
}

static dyno_status open_manifest(measuring *m, dyno_error *error)
{
  json_t *now = NULL, *then = NULL;
  dyno_error none;
  dyno_status status = look(&now, m, error);
  if (status != DYNO_OK)
    return status;
  if (dyno_results_read_object(&then, &m->folder, "manifest.json", &none) == DYNO_OK)
    status = dyno_claims_manifest_same(then, now, error);
  else
    status = dyno_results_write_object(now, &m->folder, "manifest.json", error);
  if (status == DYNO_OK)
    status =
        dyno_claims_run_make(&m->run, m->claims, json_incref(then != NULL ? then : now), error);
  json_decref(now);
  json_decref(then);
  if (status == DYNO_OK)
    status = dyno_results_log_open(&m->log, &m->folder, DYNO_CLAIMS_FILE, DYNO_GO_ON_WITH_CLAIMS,
                                   dyno_claims_run_add, &m->run, error);
  return status;
}

/* The claims that are still to be measured with the pair of the index-th. */
static size_t same_pair(const dyno_claim **list, const measuring *m, size_t index)
{
  size_t count = 0;
  for (size_t i = index; i < m->claims->count; i++)
    if (m->run.figures[i].state == DYNO_FIGURE_PENDING &&
        dyno_claims_same_pair(&m->claims->list[index], &m->claims->list[i]))
      list[count++] = &m->claims->list[i];
  return count;
}

/* Pairs of arms that are still to be run, as far as can be told beforehand. */
static size_t count_pairs(const measuring *m)
{
  size_t pairs = 0;
  for (size_t i = 0; i < m->claims->count; i++) {
    const dyno_claim *claim = &m->claims->list[i];
    bool wanted = m->run.figures[i].state == DYNO_FIGURE_PENDING &&
                  claim->metric != DYNO_METRIC_NONE &&
                  (!claim->only_20b || m->arguments->ablation.is_20b);
    for (size_t j = 0; j < i && wanted; j++)
      wanted = !(m->run.figures[j].state == DYNO_FIGURE_PENDING &&
                 m->claims->list[j].metric != DYNO_METRIC_NONE &&
                 (!m->claims->list[j].only_20b || m->arguments->ablation.is_20b) &&
                 dyno_claims_same_pair(&m->claims->list[j], claim));
    pairs += wanted;
  }
  return pairs;
}

static dyno_status keep(measuring *m, const dyno_claim *const *claims,
                        const dyno_claim_figure *figures, size_t count, dyno_error *error)
{
  json_t *lines = json_array();
  for (size_t i = 0; i < count; i++) {
    m->run.figures[claims[i] - m->claims->list] = figures[i];
    json_array_append_new(lines, dyno_claims_line(claims[i], &figures[i]));
  }
  dyno_status status = dyno_results_log_append(&m->log, lines, error);
  json_decref(lines);
  return status;
}

static dyno_status measure_pair(measuring *m, size_t index, dyno_error *error)
{
  const dyno_claim *claims[DYNO_CLAIMS_MOST] = {0};
  dyno_claim_figure figures[DYNO_CLAIMS_MOST];
  size_t count = same_pair(claims, m, index);
  dyno_status status = dyno_ablate_pair(figures, claims, count, &m->arguments->ablation, error);
  return status == DYNO_OK ? keep(m, claims, figures, count, error) : status;
}

static dyno_status measure_all(measuring *m, dyno_error *error)
{
  dyno_ablation *ablation = &m->arguments->ablation;
  char budget[DYNO_UNIT_TEXT];
  dyno_status status = DYNO_OK;
  m->pairs = count_pairs(m);
  ablation->seconds = m->arguments->budget / (double)(m->pairs > 0 ? m->pairs : 1);
  dyno_format_seconds(budget, m->arguments->budget);
  fprintf(stderr,
          "dyno: %zu pairs of arms to run, in about %s and the time to load them; results in %s\n",
          m->pairs, m->arguments->quick ? "a few seconds each" : budget, m->folder.path);
  dyno_progress_start(&m->bar, stderr, 1);
  for (size_t i = 0; i < m->claims->count && status == DYNO_OK; i++)
    if (m->run.figures[i].state == DYNO_FIGURE_PENDING) {
      status = measure_pair(m, i, error);
      m->done += m->claims->list[i].metric != DYNO_METRIC_NONE;
    }
  dyno_progress_clear(&m->bar);
  return status;
}

static dyno_status measure(ablate_arguments *arguments, const dyno_claims *claims,
                           dyno_error *error)
{
  measuring m = {
      .arguments = arguments, .claims = claims, .folder = {.descriptor = -1}, .log = {.file = -1}};
  arguments->ablation.compare.progress = show_progress;
  arguments->ablation.compare.progress_context = &m;
  dyno_status status = open_folder(&m, error);
  if (status == DYNO_OK)
    status = open_manifest(&m, error);
  if (status == DYNO_OK)
    status = measure_all(&m, error);
  const dyno_claims_report report = {claims, &m.run, 1,
                                     seen_from(arguments->plot, arguments->markdown)};
  if (status == DYNO_OK)
    status = write_reports(arguments, &report, error);
  else if (status == DYNO_ERROR_INTERRUPTED && m.folder.path != NULL)
    dyno_fail(error, status,
              "stopped; what was measured is kept. Go on with the same command and\n"
              "  --folder=%s",
              m.folder.path);
  dyno_results_log_close(&m.log);
  dyno_claims_run_free(&m.run);
  dyno_results_folder_close(&m.folder);
  return status;
}

/* What every pair has in common. */
static dyno_status prepare(ablate_arguments *arguments, char **model, char **heldout,
                           dyno_error *error)
{
  dyno_ablation *ablation = &arguments->ablation;
  bool mini = strcmp(arguments->engine.engine.model, "mini") == 0;
  dyno_status status = dyno_find_model(model, arguments->engine.engine.model, error);
  if (status == DYNO_OK && mini)
    status = dyno_data_path(heldout, "mini/heldout", error);
  ablation->heldout = *heldout;
  ablation->items = arguments->quick ? QUICK_ITEMS : DEFAULT_ITEMS;
  ablation->least = DYNO_ABLATE_LEAST_ROUNDS;
  ablation->most = arguments->quick ? DYNO_ABLATE_LEAST_ROUNDS : MOST_ROUNDS;
  ablation->precision = 0.002;
  ablation->compare.stop = dyno_catch_interrupts();
  return status;
}

static dyno_status ablate(ablate_arguments *arguments, const dyno_claims *claims, dyno_error *error)
{
  char *model = NULL, *heldout = NULL;
  if (arguments->list)
    return dyno_claims_list(claims, stdout, error);
  if (arguments->run_count > 0)
    return report_folders(arguments, claims, error);
  dyno_status status = prepare(arguments, &model, &heldout, error);
  dyno_engine_options engine = arguments->engine.engine;
  engine.model = model;
  engine.registry = arguments->engine.kernels.registry;
  arguments->ablation.engine = &engine;
  if (status == DYNO_OK)
    status = measure(arguments, claims, error);
  free(model);
  free(heldout);
  return status;
}

int dyno_verb_ablate(int argc, char **argv)
{
  ablate_arguments arguments = {.argc = argc, .argv = argv};
  dyno_claims claims = {0};
  dyno_error error = {0};
  char *path = NULL;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status =
      arguments.ledger == NULL ? dyno_data_path(&path, "claims.json", &error) : DYNO_OK;
  if (status == DYNO_OK)
    status = dyno_claims_read(&claims, path != NULL ? path : arguments.ledger, &error);
  if (status == DYNO_OK && arguments.chosen != NULL)
    status = dyno_claims_choose(&claims, arguments.chosen, &error);
  if (status == DYNO_OK)
    status = ablate(&arguments, &claims, &error);
  dyno_claims_free(&claims);
  free(path);
  dyno_engine_arguments_free(&arguments.engine);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
