/* `dyno quality`: what a model knows, and what a way of computing changes. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/engine_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/measure/respond.h"
#include "harness/report/progress.h"
#include "harness/report/quality_report.h"
#include "runtime/data.h"
#include "runtime/text/file.h"
#include "runtime/threads/topology.h"

typedef struct quality_arguments {
  dyno_engine_arguments engine;
  const char *heldout, *families, *text, *precision;
  size_t items, failures, random, seed;
  bool kl, json;
} quality_arguments;

enum {
  KEY_KL = 256,
  KEY_ABLATE,
  KEY_FAMILIES,
  KEY_ITEMS,
  KEY_HELDOUT,
  KEY_FAILURES,
  KEY_TEXT,
  KEY_RANDOM,
  KEY_SEED
};

enum { PIECE_TOKENS = 512, DEFAULT_RANDOM = 1024, DEFAULT_KL_ITEMS = 20, MOST_TEXT = 64 << 20 };

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
    {"seed", KEY_SEED, "N", 0, "Of the random tokens (1)", 2},
    {"json", 'j', NULL, 0, "Print JSON", 3},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  quality_arguments *arguments = state->input;
  dyno_error error = {0};
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->seed = 1;
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
  case KEY_SEED:
    arguments->seed = dyno_parse_count(state, "--seed", argument, 0, UINT32_MAX);
    return 0;
  case 'j':
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if (!arguments->kl && (arguments->text != NULL || arguments->random > 0))
      argp_error(state, "--text and --random go with --kl");
    if (arguments->text != NULL && arguments->random > 0)
      argp_error(state, "either --text or --random");
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

static const char *precision_name(dyno_precision precision)
{
  return precision == DYNO_PRECISION_REFERENCE ? "reference" : "fast";
}

static dyno_status read_items(dyno_items *items, const quality_arguments *arguments,
                              dyno_error *error)
{
  char *path = NULL;
  dyno_status status = DYNO_OK;
  size_t most = arguments->items == 0 && arguments->kl ? DEFAULT_KL_ITEMS : arguments->items;
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

static dyno_status print_json(json_t *root, dyno_error *error)
{
  if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "the result could not be printed");
  putchar('\n');
  json_decref(root);
  return DYNO_OK;
}

static dyno_status measure_knowledge(const quality_arguments *arguments,
                                     const dyno_engine_options *engine, dyno_error *error)
{
  dyno_items items;
  dyno_quality quality = {0};
  dyno_progress bar = {0};
  dyno_quality_run run = {.engine = engine,
                          .workers = engine->registry.threads,
                          .progress = show_progress,
                          .context = &bar};
  const dyno_quality_conditions conditions = {engine->model, precision_name(engine->precision),
                                              engine->ablate};
  dyno_status status = dyno_choose_threads(&run.workers, error);
  if (status != DYNO_OK)
    return status;
  status = read_items(&items, arguments, error);
  if (status == DYNO_OK)
    status = dyno_quality_measure(&quality, &items, &run, error);
  dyno_progress_clear(&bar);
  if (status == DYNO_OK && arguments->json)
    status = print_json(dyno_quality_json(&conditions, &quality), error);
  else if (status == DYNO_OK)
    status = dyno_quality_print(stdout, &conditions, &quality, error);
  if (status == DYNO_OK && arguments->failures > 0 && !arguments->json)
    dyno_quality_print_failures(stdout, &quality, &items, arguments->failures);
  dyno_quality_free(&quality);
  dyno_items_free(&items);
  return status;
}

/* Two ways of computing the same model. */
typedef struct pair {
  dyno_engine *reference, *other;
  dyno_divergence divergence;
} pair;

static dyno_status open_pair(pair *p, const dyno_engine_options *engine, dyno_error *error)
{
  dyno_engine_options reference = *engine;
  reference.precision = DYNO_PRECISION_REFERENCE;
  reference.ablate = 0;
  reference.rope_ggml = false;
  reference.logits = DYNO_LOGITS_FULL;
  dyno_status status = dyno_engine_open(&p->reference, &reference, error);
  return status == DYNO_OK ? dyno_engine_open(&p->other, engine, error) : status;
}

static void close_pair(pair *p)
{
  dyno_divergence_free(&p->divergence);
  dyno_engine_close(&p->reference);
  dyno_engine_close(&p->other);
}

/* In pieces, each a sequence of its own, so that long inputs fit any context. */
static dyno_status compare_tokens(pair *p, const int32_t *ids, size_t count, dyno_error *error)
{
  size_t context = dyno_engine_config(p->reference)->context_length;
  size_t piece = context < PIECE_TOKENS ? context : PIECE_TOKENS;
  dyno_status status = DYNO_OK;
  for (size_t at = 0; at < count && status == DYNO_OK && !dyno_interrupted(); at += piece)
    status = dyno_divergence_add(&p->divergence, p->reference, p->other, ids + at,
                                 count - at < piece ? count - at : piece, error);
  if (status == DYNO_OK && dyno_interrupted())
    status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
  return status;
}

static dyno_status compare_random(pair *p, size_t count, uint64_t seed, dyno_error *error)
{
  int32_t *ids = calloc(count, sizeof *ids);
  if (ids == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "random tokens: out of memory");
  uint64_t vocab = dyno_engine_config(p->reference)->vocab, state = seed;
  for (size_t i = 0; i < count; i++) {
    /* SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" */
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    ids[i] = (int32_t)((z ^ z >> 31) % vocab);
  }
  dyno_status status = compare_tokens(p, ids, count, error);
  free(ids);
  return status;
}

static dyno_status compare_text(pair *p, const char *path, dyno_error *error)
{
  char *text = NULL;
  size_t count;
  dyno_tokenizer *tokenizer = NULL;
  dyno_tokens tokens = {0};
  dyno_status status = dyno_file_read(&text, &count, path, MOST_TEXT, error);
  if (status == DYNO_OK)
    status = dyno_engine_tokenizer(&tokenizer, p->reference, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(tokenizer, &tokens, text, count, false, error);
  if (status == DYNO_OK)
    status = compare_tokens(p, tokens.ids, tokens.count, error);
  dyno_tokens_free(&tokens);
  dyno_tokenizer_free(tokenizer);
  free(text);
  return status;
}

static dyno_status compare_items(pair *p, const quality_arguments *arguments, dyno_error *error)
{
  dyno_items items;
  dyno_tokenizer *tokenizer = NULL;
  dyno_harmony harmony;
  dyno_tokens tokens = {0};
  dyno_status status = read_items(&items, arguments, error);
  if (status == DYNO_OK)
    status = dyno_engine_tokenizer(&tokenizer, p->reference, error);
  if (status == DYNO_OK)
    status = dyno_harmony_create(&harmony, tokenizer, error);
  for (size_t i = 0; i < items.count && status == DYNO_OK; i++) {
    size_t text, answer;
    tokens.count = 0;
    status = dyno_item_tokens(&tokens, &text, &answer, &items.items[i], &harmony, error);
    if (status == DYNO_OK && dyno_interrupted())
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    if (status == DYNO_OK)
      status = dyno_divergence_add(&p->divergence, p->reference, p->other, tokens.ids, tokens.count,
                                   error);
  }
  dyno_tokens_free(&tokens);
  dyno_tokenizer_free(tokenizer);
  dyno_items_free(&items);
  return status;
}

static dyno_status measure_divergence(const quality_arguments *arguments,
                                      const dyno_engine_options *engine, dyno_error *error)
{
  pair p = {0};
  bool mini = strcmp(arguments->engine.engine.model, "mini") == 0;
  const dyno_quality_conditions conditions = {engine->model, precision_name(engine->precision),
                                              engine->ablate};
  dyno_status status = open_pair(&p, engine, error);
  if (status != DYNO_OK)
    ;
  else if (arguments->text != NULL)
    status = compare_text(&p, arguments->text, error);
  else if (arguments->random > 0 || (!mini && arguments->heldout == NULL))
    status = compare_random(&p, arguments->random > 0 ? arguments->random : DEFAULT_RANDOM,
                            arguments->seed, error);
  else
    status = compare_items(&p, arguments, error);
  if (status == DYNO_OK && arguments->json)
    status = print_json(dyno_divergence_json(&conditions, &p.divergence), error);
  else if (status == DYNO_OK)
    status = dyno_divergence_print(stdout, &conditions, &p.divergence, error);
  close_pair(&p);
  return status;
}

int dyno_verb_quality(int argc, char **argv)
{
  quality_arguments arguments = {0};
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
    status = arguments.kl ? measure_divergence(&arguments, &engine, &error)
                          : measure_knowledge(&arguments, &engine, &error);
  }
  free(path);
  dyno_engine_arguments_free(&arguments.engine);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
