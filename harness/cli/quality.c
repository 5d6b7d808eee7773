/* `dyno quality`: what a model knows, and what a way of computing changes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/cli/quality.h"
#include "harness/measure/respond.h"
#include "harness/report/progress.h"
#include "runtime/data.h"
#include "runtime/threads/topology.h"

enum {
  KEY_KL = 256,
  KEY_ABLATE,
  KEY_FAMILIES,
  KEY_ITEMS,
  KEY_HELDOUT,
  KEY_FAILURES,
  KEY_TEXT,
  KEY_RANDOM,
  KEY_SEED,
  KEY_REFERENCE,
  KEY_GREEDY,
  KEY_STORE,
  KEY_AGAINST
};

enum { DEFAULT_KL_ITEMS = 20, DEFAULT_GREEDY = 16 };

static const struct argp_option option_list[] = {
    {"families", KEY_FAMILIES, "NAME,...", 0, "Only these families of items", 1},
    {"items", KEY_ITEMS, "N", 0, "At most N items of each family (all; with --kl 20)", 1},
    {"heldout", KEY_HELDOUT, "FOLDER", 0, "Other items: FAMILY.jsonl files", 1},
    {"failures", KEY_FAILURES, "N", 0, "Show up to N wrong answers of each family", 1},
    {"ablate", KEY_ABLATE, "PART,...", 0, "Leave out sinks, window or yarn", 1},
    {"kl", KEY_KL, NULL, 0,
     "Compare with the reference path instead: over --text, --random tokens, the held-out items of "
     "dyno-mini, or random tokens for other models",
     2},
    {"text", KEY_TEXT, "FILE", 0, "With --kl: over this text, in pieces of 512 tokens", 2},
    {"random", KEY_RANDOM, "N", 0, "With --kl: over N random tokens (1024)", 2},
    {"reference", KEY_REFERENCE, "MODEL", 0,
     "With --kl: another file than --model for the reference path, as that which --model was "
     "quantized from",
     2},
    {"greedy", KEY_GREEDY, "N", 0,
     "With --kl: N greedy continuations of 48 tokens (16), 0 for none", 2},
    {"store", KEY_STORE, "FILE", 0,
     "Do not compare, but leave in FILE what the reference path of --model finds", 2},
    {"against", KEY_AGAINST, "FILE", 0,
     "Compare with what --store left in FILE, on the same tokens, instead of the reference path",
     2},
    {"seed", KEY_SEED, "N", 0, "Of the random tokens (1)", 2},
    {"json", 'j', NULL, 0, "Print JSON", 3},
    {0},
};

static void check_together(const dyno_quality_arguments *a, const struct argp_state *state)
{
  const char *quant = a->engine.engine.quant;
  bool tokens = a->text != NULL || a->random > 0;
  if (!a->kl && a->store == NULL && (tokens || a->reference != NULL))
    argp_error(state, "--text, --random and --reference go with --kl, the first two with --store");
  if (a->text != NULL && a->random > 0)
    argp_error(state, "either --text or --random");
  if (a->against != NULL && (tokens || a->reference != NULL || a->heldout != NULL || a->items > 0 ||
                             a->families != NULL || a->store != NULL))
    argp_error(state, "--against compares on the tokens that are in its file, with nothing else");
  if (a->store != NULL && (a->reference != NULL || (quant != NULL && strcmp(quant, "none") != 0)))
    argp_error(state, "--store runs the reference path of --model as that is; --reference and "
                      "--quant have no part in it");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  dyno_quality_arguments *arguments = state->input;
  dyno_error error = {0};
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->seed = 1;
    arguments->greedy = DEFAULT_GREEDY;
    state->child_inputs[0] = &arguments->engine;
    return 0;
  case KEY_FAMILIES:
    arguments->families = argument;
    return 0;
  case KEY_ITEMS:
    arguments->items = dyno_parse_count(state, "--items", argument, 1, 1000000);
    return 0;
  case KEY_HELDOUT:
    arguments->heldout = argument;
    return 0;
  case KEY_FAILURES:
    arguments->failures = dyno_parse_count(state, "--failures", argument, 1, 1000000);
    return 0;
  case KEY_ABLATE:
    if (dyno_parts_parse(&arguments->engine.engine.ablate, argument, &error) != DYNO_OK)
      argp_error(state, "--ablate: %s", error.message);
    return 0;
  case KEY_KL:
    arguments->kl = true;
    return 0;
  case KEY_TEXT:
    arguments->text = argument;
    return 0;
  case KEY_RANDOM:
    arguments->random = dyno_parse_count(state, "--random", argument, 1, 1 << 24);
    return 0;
  case KEY_REFERENCE:
    arguments->reference = argument;
    return 0;
  case KEY_GREEDY:
    arguments->greedy = dyno_parse_count(state, "--greedy", argument, 0, 1000000);
    return 0;
  case KEY_STORE:
    arguments->store = argument;
    return 0;
  case KEY_AGAINST:
    arguments->against = argument;
    return 0;
  case KEY_SEED:
    arguments->seed = dyno_parse_count(state, "--seed", argument, 0, UINT32_MAX);
    return 0;
  case 'j':
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    check_together(arguments, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Measure what a model knows on held-out items: accuracy, loss, perplexity."
           "\vThe items are those that come with dyno-mini, which was trained to answer them; "
           "other models can be asked with --heldout. An answer is exact when greedy decoding says "
           "it word for word; an essay or an explanation may also be right by its structure. "
           "Numbers depend neither on --threads nor on the machine beyond the kernels' rounding.",
    .children = (const struct argp_child[]){{&dyno_engine_arguments_parser, 0, "Model:", 4}, {0}},
};

dyno_quality_conditions dyno_quality_conditions_of(const dyno_engine_options *engine)
{
  return (dyno_quality_conditions){
      engine->model, engine->precision == DYNO_PRECISION_REFERENCE ? "reference" : "fast",
      engine->ablate};
}

static bool compares(const dyno_quality_arguments *arguments)
{
  return arguments->kl || arguments->store != NULL || arguments->against != NULL;
}

dyno_status dyno_quality_read_items(dyno_items *items, const dyno_quality_arguments *arguments,
                                    dyno_error *error)
{
  char *path = NULL;
  dyno_status status = DYNO_OK;
  size_t most = arguments->items == 0 && compares(arguments) ? DEFAULT_KL_ITEMS : arguments->items;
  *items = (dyno_items){0};
  if (arguments->heldout == NULL)
    status = dyno_data_path(&path, "mini/heldout", error);
  if (status == DYNO_OK)
    status = dyno_items_read(items, path != NULL ? path : arguments->heldout, arguments->families,
                             most, error);
  free(path);
  return status;
}

static bool show_progress(void *context, size_t done, size_t total)
{
  dyno_progress *bar = context;
  if (bar->total <= 0)
    dyno_progress_start(bar, stderr, (double)total);
  dyno_progress_update(bar, (double)done, "answering held-out items");
  return !dyno_interrupted();
}

dyno_status dyno_quality_print_json(json_t *root, dyno_error *error)
{
  if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "the result could not be printed");
  putchar('\n');
  json_decref(root);
  return DYNO_OK;
}

static dyno_status measure_knowledge(const dyno_quality_arguments *arguments,
                                     const dyno_engine_options *engine, dyno_error *error)
{
  dyno_items items;
  dyno_quality quality = {0};
  dyno_progress bar = {0};
  dyno_quality_run run = {.engine = engine,
                          .workers = engine->registry.threads,
                          .progress = show_progress,
                          .context = &bar};
  const dyno_quality_conditions conditions = dyno_quality_conditions_of(engine);
  dyno_status status = dyno_choose_threads(&run.workers, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_quality_read_items(&items, arguments, error);
  if (status == DYNO_OK)
    status = dyno_quality_measure(&quality, &items, &run, error);
  dyno_progress_clear(&bar);
  if (status == DYNO_OK && arguments->json)
    status = dyno_quality_print_json(dyno_quality_json(&conditions, &quality), error);
  else if (status == DYNO_OK)
    status = dyno_quality_print(stdout, &conditions, &quality, error);
  if (status == DYNO_OK && arguments->failures > 0 && !arguments->json)
    dyno_quality_print_failures(stdout, &quality, &items, arguments->failures);
  dyno_quality_free(&quality);
  dyno_items_free(&items);
  return status;
}

int dyno_verb_quality(int argc, char **argv)
{
  dyno_quality_arguments arguments = {0};
  dyno_error error = {0};
  char *path = NULL;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = dyno_find_model(&path, arguments.engine.engine.model, &error);
  if (status == DYNO_OK) {
    dyno_engine_options engine = arguments.engine.engine;
    engine.model = path;
    engine.registry = arguments.engine.kernels.registry;
    dyno_catch_interrupts();
    status = arguments.store != NULL ? dyno_quality_store(&arguments, &engine, &error)
             : compares(&arguments)  ? dyno_quality_compare(&arguments, &engine, &error)
                                     : measure_knowledge(&arguments, &engine, &error);
  }
  free(path);
  dyno_engine_arguments_free(&arguments.engine);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
