/* `dyno cache`: what caches make of a trace of requests, by running it, and what caches of other
 * sizes would have made of it. */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cache.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/report/gnuplot.h"
#include "harness/report/progress.h"
#include "runtime/cache/budget.h"
#include "runtime/cache/embedding_cache.h"
#include "runtime/cache/kv.h"
#include "runtime/data.h"

enum {
  KEY_TRACE = 256,
  KEY_REQUESTS,
  KEY_CONTEXT,
  KEY_SIMULATE,
  KEY_COMPARE,
  KEY_PREFIX,
  KEY_ROUNDS,
  KEY_CSV,
  KEY_PLOT
};

enum { DEFAULT_ROUNDS = 5, MOST_ROUNDS = 1000 };

static const struct argp_option option_list[] = {
    {"trace", KEY_TRACE, "NAME|FILE", 0,
     "What comes: chat (the default), chats, documents, edits, mixed, one-shots; a file like "
     "theirs; or a .jsonl of recorded requests, a list of tokens a line",
     1},
    {"requests", KEY_REQUESTS, "N", 0, "So many of them (what the trace says; all recorded ones)",
     1},
    {"context", KEY_CONTEXT, "N", 0, "Shrink requests to contexts of N tokens (the model's)", 1},
    {"compare-uncached", KEY_COMPARE, NULL, 0,
     "Answer each request without caches, too: how much faster, and whether the logits are the "
     "same",
     1},
    {"simulate", KEY_SIMULATE, NULL, 0,
     "Run nothing: only what caches of these sizes would have had (without --model: of "
     "gpt-oss-20b's sizes)",
     1},
    {"prefix-tokens", KEY_PREFIX, "N", 0,
     "Instead of a trace: the time to a first token behind a prefix of N tokens, uncached, from L2 "
     "and from L3, in turns",
     2},
    {"rounds", KEY_ROUNDS, "N", 0, "Turns of that (5)", 2},
    {"json", 'j', NULL, 0, "Print JSON", 3},
    {"csv", KEY_CSV, "FILE", 0, "Write the hits of caches of other sizes", 3},
    {"plot", KEY_PLOT, "BASE", 0, "Draw them: BASE.tsv, BASE.svg and BASE.png", 3},
    {0},
};

/* Where no model is named: --simulate knows what that means. */
static const char no_model[] = "";

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  dyno_cache_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->rounds = DEFAULT_ROUNDS;
    arguments->trace = "chat";
    arguments->engine.engine.model = no_model;
    arguments->engine.engine.cache.levels = DYNO_CACHE_ALL;
    state->child_inputs[0] = &arguments->engine;
    state->child_inputs[1] = &arguments->engine;
    return 0;
  case KEY_TRACE:
    arguments->trace = argument;
    return 0;
  case KEY_REQUESTS:
    arguments->requests =
        dyno_parse_count(state, "--requests", argument, 1, DYNO_TRACE_MOST_REQUESTS);
    return 0;
  case KEY_CONTEXT:
    arguments->context = dyno_parse_count(state, "--context", argument, DYNO_TRACE_LEAST_CONTEXT,
                                          DYNO_TRACE_MOST_TOKENS);
    return 0;
  case KEY_COMPARE:
    arguments->compare = true;
    return 0;
  case KEY_SIMULATE:
    arguments->simulate = true;
    return 0;
  case KEY_PREFIX:
    arguments->prefix =
        dyno_parse_count(state, "--prefix-tokens", argument, 1, DYNO_TRACE_MOST_TOKENS);
    return 0;
  case KEY_ROUNDS:
    arguments->rounds = dyno_parse_count(state, "--rounds", argument, 1, MOST_ROUNDS);
    return 0;
  case KEY_CSV:
    arguments->csv = argument;
    return 0;
  case KEY_PLOT:
    arguments->plot = argument;
    return 0;
  case 'j':
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if (arguments->engine.engine.model == no_model && !arguments->simulate)
      argp_error(state, "--model is missing; only --simulate does without");
    if (arguments->engine.engine.cache.levels == 0)
      argp_error(state, "--cache=off: there is nothing to look at then");
    if (arguments->simulate && (arguments->compare || arguments->prefix > 0))
      argp_error(state, "--simulate runs nothing that --compare-uncached or --prefix-tokens needs");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Run a trace of requests through the caches, and tell what each level had, how long the "
           "first tokens took, and what caches of other sizes would have had.",
    .children =
        (const struct argp_child[]){{&dyno_engine_arguments_parser, 0, "Model:", 5},
                                    {&dyno_cache_options_parser, 0, "Caches (on by default):", 4},
                                    {0}},
};

/* What a run is made of. */
typedef struct work {
  const dyno_cache_arguments *arguments;
  dyno_model_config config;
  const char *model;
  dyno_trace trace; /* zeroed for a recorded one */
  bool recorded;
  dyno_trace_player *player;
  size_t requests; /* 0: until it ends */
  dyno_engine *engine, *plain;
  dyno_cache_lane lane, plain_lane;
  dyno_cache_answers answers, plain_answers;
  dyno_cache_simulation simulation;
  dyno_cache_sizes sizes;
  dyno_cache_statistics statistics;
} work;

static bool ends_with(const char *text, const char *end)
{
  size_t length = strlen(text), wanted = strlen(end);
  return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* A name is that of a shipped trace, everything else a path. */
static dyno_status open_trace(work *w, size_t context, dyno_error *error)
{
  const char *trace = w->arguments->trace;
  w->recorded = ends_with(trace, ".jsonl");
  if (w->recorded)
    return dyno_trace_player_open_recorded(&w->player, trace, w->config.vocab, context, error);
  char *path = NULL, name[128];
  dyno_status status;
  bool shipped = strpbrk(trace, "/.") == NULL;
  if (shipped) {
    snprintf(name, sizeof name, "traces/%.100s.json", trace);
    status = dyno_data_path(&path, name, error);
  } else {
    path = strdup(trace);
    status =
        path != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", trace);
  }
  if (status == DYNO_OK)
    status = dyno_trace_read(&w->trace, path, error);
  free(path);
  return status == DYNO_OK
             ? dyno_trace_player_open(&w->player, &w->trace, w->config.vocab, context, error)
             : status;
}

/* The model's sizes, without its weights. */
static dyno_status read_config(work *w, dyno_error *error)
{
  const char *reference = w->arguments->engine.engine.model;
  dyno_synth_spec spec;
  dyno_checkpoint *checkpoint = NULL;
  char *path = NULL;
  dyno_status status;
  if (reference == no_model) {
    status = dyno_synth_spec_init(&spec, "gpt-oss-20b", error);
    w->config = spec.config;
    w->model = spec.shape;
    return status;
  }
  w->model = reference;
  status = dyno_find_model(&path, reference, error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_open(&checkpoint, path, error);
  if (status == DYNO_OK)
    w->config = *dyno_checkpoint_config(checkpoint);
  dyno_checkpoint_close(&checkpoint);
  free(path);
  return status;
}

static dyno_status open_engines(work *w, dyno_error *error)
{
  dyno_engine_arguments plain = w->arguments->engine;
  dyno_status status = dyno_open_engine(&w->engine, &w->arguments->engine, error);
  if (status != DYNO_OK)
    return status;
  w->config = *dyno_engine_config(w->engine);
  w->model = dyno_engine_model_path(w->engine);
  plain.engine.cache = (dyno_cache_options){0};
  plain.engine.share = w->engine;
  return w->arguments->compare || w->arguments->prefix > 0
             ? dyno_open_engine(&w->plain, &plain, error)
             : DYNO_OK;
}

/* Of the curve: L1's rows as the engine has them, and as many nodes as the rest would hold if none
 * were compressed. */
static dyno_status find_sizes(work *w, dyno_error *error)
{
  const dyno_engine_options *engine = &w->arguments->engine.engine;
  dyno_budget budget, level3;
  dyno_status status = dyno_budget_open(&budget, &engine->cache, error);
  if (status != DYNO_OK)
    return status;
  size_t batch = engine->batch > 0 ? engine->batch : DYNO_DEFAULT_BATCH;
  size_t vocab = w->config.vocab, k = w->config.d_model;
  dyno_dtype kv = engine->precision == DYNO_PRECISION_REFERENCE ? DYNO_F32 : DYNO_BF16;
  w->sizes = (dyno_cache_sizes){
      .limit = budget.limit,
      .row_bytes = k * sizeof(float),
      .node_bytes = w->config.layers * dyno_kv_layer_block_bytes(&w->config, kv),
  };
  if ((engine->cache.levels & DYNO_CACHE_L3) != 0)
    dyno_budget_split(&level3, &budget, DYNO_BUDGET_LEVEL3_SHARE);
  uint64_t rows = 0;
  if ((engine->cache.levels & DYNO_CACHE_L1) != 0)
    rows = dyno_embedding_cache_part(budget.limit, vocab, k, batch);
  w->sizes.rows = dyno_embedding_cache_room(rows, vocab, k, batch);
  if ((engine->cache.levels & DYNO_CACHE_L2) != 0 && rows < w->sizes.limit)
    w->sizes.nodes = (w->sizes.limit - rows) / w->sizes.node_bytes;
  return DYNO_OK;
}

static dyno_status answer(work *w, const dyno_trace_request *request, dyno_error *error)
{
  dyno_cache_answer made;
  dyno_status status = DYNO_OK;
  if (w->lane.sequence != NULL) {
    status = dyno_cache_lane_answer(&w->lane, &made, request, error);
    if (status == DYNO_OK)
      status = dyno_cache_answers_add(&w->answers, &made, error);
  }
  if (status == DYNO_OK && w->plain_lane.sequence != NULL) {
    status = dyno_cache_lane_answer(&w->plain_lane, &made, request, error);
    if (status == DYNO_OK)
      status = dyno_cache_answers_add(&w->plain_answers, &made, error);
  }
  return status;
}

static dyno_status play(work *w, dyno_error *error)
{
  dyno_trace_request request;
  dyno_progress bar;
  bool ended = false;
  dyno_status status = DYNO_OK;
  if (w->requests > 0)
    dyno_progress_start(&bar, stderr, (double)w->requests);
  for (size_t i = 0; status == DYNO_OK && (w->requests == 0 || i < w->requests); i++) {
    status = dyno_trace_player_next(w->player, &request, &ended, error);
    if (status != DYNO_OK || ended)
      break;
    status = answer(w, &request, error);
    if (status == DYNO_OK)
      status = dyno_cache_simulation_add(&w->simulation, &request, error);
    if (status == DYNO_OK && dyno_interrupted())
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    if (w->requests > 0)
      dyno_progress_update(&bar, (double)(i + 1), "requests");
  }
  if (w->requests > 0)
    dyno_progress_clear(&bar);
  if (status == DYNO_OK && w->simulation.requests == 0)
    status =
        dyno_fail(error, DYNO_ERROR_FORMAT, "%s: there is no request in it", w->arguments->trace);
  return status;
}

static dyno_status run_trace(work *w, dyno_error *error)
{
  const dyno_cache_arguments *arguments = w->arguments;
  size_t context = w->config.context_length;
  if (arguments->context > 0 && arguments->context < context)
    context = arguments->context;
  dyno_status status = open_trace(w, context, error);
  if (status == DYNO_OK && !w->recorded && w->trace.context < context)
    context = w->trace.context;
  w->requests = arguments->requests > 0 ? arguments->requests : w->trace.requests;
  if (status == DYNO_OK)
    status = find_sizes(w, error);
  if (status == DYNO_OK)
    status = dyno_cache_simulation_open(&w->simulation, w->sizes.nodes, error);
  if (status == DYNO_OK && w->engine != NULL)
    status = dyno_cache_lane_open(&w->lane, w->engine, context, error);
  if (status == DYNO_OK && w->plain != NULL)
    status = dyno_cache_lane_open(&w->plain_lane, w->plain, context, error);
  if (status == DYNO_OK)
    status = play(w, error);
  if (status == DYNO_OK && w->engine != NULL)
    w->statistics = dyno_engine_get_cache(w->engine);
  return status;
}

static dyno_status write_curve(const char *path, const dyno_cache_report *report,
                               void (*write)(FILE *, const dyno_cache_report *), dyno_error *error)
{
  FILE *file = fopen(path, "we");
  if (file == NULL)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %s", path, strerror(errno));
  write(file, report);
  bool failed = ferror(file) != 0;
  failed = fclose(file) != 0 || failed;
  return failed ? dyno_fail(error, DYNO_ERROR_IO, "%s: %s", path, strerror(errno)) : DYNO_OK;
}

static dyno_status draw(const char *base, const dyno_cache_report *report, dyno_error *error)
{
  char data[4096];
  if (snprintf(data, sizeof data, "%s.tsv", base) >= (int)sizeof data)
    return dyno_fail(error, DYNO_ERROR_USAGE, "--plot: the path is too long");
  dyno_status status = write_curve(data, report, dyno_cache_report_tsv, error);
  if (status != DYNO_OK)
    return status;
  const char *const arguments[] = {data, base, report->trace, NULL};
  const dyno_gnuplot_run run = {.script = "cache.gp", .folder = ".", .arguments = arguments};
  return dyno_gnuplot(&run, error);
}

static dyno_status print_json(json_t *root)
{
  if (root == NULL)
    return DYNO_ERROR_MEMORY;
  json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  putchar('\n');
  json_decref(root);
  return DYNO_OK;
}

static dyno_status report_trace(const work *w, size_t *different, dyno_error *error)
{
  const dyno_cache_arguments *arguments = w->arguments;
  const dyno_cache_report report = {
      .trace = arguments->trace,
      .title = w->recorded ? "" : w->trace.title,
      .model = w->model,
      .seed = w->trace.seed,
      .sizes = w->sizes,
      .simulation = &w->simulation,
      .cached = w->engine != NULL ? &w->answers : NULL,
      .plain = w->plain != NULL ? &w->plain_answers : NULL,
      .statistics = &w->statistics,
  };
  *different = w->plain != NULL ? dyno_cache_different(&report) : 0;
  dyno_status status = arguments->json ? print_json(dyno_cache_report_json(&report, error))
                                       : dyno_cache_report_print(stdout, &report, error);
  if (status == DYNO_OK && arguments->csv != NULL)
    status = write_curve(arguments->csv, &report, dyno_cache_report_csv, error);
  if (status == DYNO_OK && arguments->plot != NULL)
    status = draw(arguments->plot, &report, error);
  return status;
}

static void close_work(work *w)
{
  dyno_cache_lane_close(&w->lane);
  dyno_cache_lane_close(&w->plain_lane);
  dyno_cache_answers_free(&w->answers);
  dyno_cache_answers_free(&w->plain_answers);
  dyno_cache_simulation_close(&w->simulation);
  dyno_trace_player_close(&w->player);
  dyno_trace_free(&w->trace);
  dyno_engine_close(&w->plain);
  dyno_engine_close(&w->engine);
}

/* Prefix rounds: L3's engine lets go of all that it can between two of them. */
static dyno_status run_prefix(work *w, size_t *different, dyno_error *error)
{
  const dyno_cache_arguments *arguments = w->arguments;
  dyno_engine_arguments deep = arguments->engine;
  dyno_engine *deep_engine = NULL;
  dyno_prefix_rounds rounds = {0};
  dyno_status status = DYNO_OK;
  deep.engine.share = w->engine;
  deep.engine.cache.threshold = DYNO_CACHE_LEAST_THRESHOLD;
  if ((deep.engine.cache.levels & DYNO_CACHE_L3) != 0)
    status = dyno_open_engine(&deep_engine, &deep, error);
  if (status == DYNO_OK)
    status = dyno_prefix_measure(&rounds, w->plain, w->engine, deep_engine, arguments->prefix,
                                 arguments->rounds, 1, error);
  if (status == DYNO_OK)
    status = arguments->json ? print_json(dyno_prefix_report_json(&rounds, w->model, error))
                             : dyno_prefix_report_print(stdout, &rounds, w->model, error);
  *different = !rounds.equal;
  dyno_prefix_rounds_free(&rounds);
  dyno_engine_close(&deep_engine);
  return status;
}

int dyno_verb_cache(int argc, char **argv)
{
  dyno_cache_arguments arguments = {0};
  dyno_error error = {0};
  size_t different = 0;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  work w = {.arguments = &arguments};
  dyno_catch_interrupts();
  dyno_status status = arguments.simulate ? read_config(&w, &error) : open_engines(&w, &error);
  if (status == DYNO_OK && arguments.prefix > 0)
    status = run_prefix(&w, &different, &error);
  else if (status == DYNO_OK)
    status = run_trace(&w, &error);
  if (status == DYNO_OK && arguments.prefix == 0)
    status = report_trace(&w, &different, &error);
  close_work(&w);
  dyno_engine_arguments_free(&arguments.engine);
  if (status != DYNO_OK)
    return dyno_report_error(&error);
  return different > 0 ? DYNO_EXIT_WRONG_OUTPUT : DYNO_EXIT_OK;
}
