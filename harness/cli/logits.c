/* `dyno logits`: the most likely next tokens, for scripts and for comparing engines. */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/engine_options.h"
#include "harness/measure/logits.h"

typedef struct logits_arguments {
  dyno_engine_arguments engine;
  const char *tokens, *tokens_path;
  size_t top;
  bool json, all_positions;
} logits_arguments;

static const struct argp_option option_list[] = {
    {"tokens", 'n', "ID,...", 0, "The tokens, as numbers", 0},
    {"tokens-file", 'f', "FILE", 0, "The tokens from a file, separated by commas or white space",
     0},
    {"top", 'k', "N", 0, "How many of the most likely to print (10)", 0},
    {"all-positions", 'a', NULL, 0, "After every token, not only the last", 0},
    {"json", 'j', NULL, 0, "Print JSON", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  logits_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->top = 10;
    state->child_inputs[0] = &arguments->engine;
    return 0;
  case 'n':
    arguments->tokens = argument;
    return 0;
  case 'f':
    arguments->tokens_path = argument;
    return 0;
  case 'k':
    arguments->top = dyno_parse_count(state, "--top", argument, 1, 1000000);
    return 0;
  case 'a':
    arguments->all_positions = true;
    return 0;
  case 'j':
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if ((arguments->tokens == NULL) == (arguments->tokens_path == NULL))
      argp_error(state, "either --tokens or --tokens-file is wanted");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Print the most likely next tokens and the natural logarithms of their probabilities.",
    .children = (const struct argp_child[]){{&dyno_engine_arguments_parser, 0, "Model:", 1}, {0}},
};

typedef struct token_list {
  int32_t *ids;
  size_t count;
} token_list;

/* Numbers separated by commas, blanks and line ends. origin names the source in messages. */
static dyno_status parse_tokens(token_list *list, const char *text, const char *origin,
                                dyno_error *error)
{
  static const char separators[] = ", \t\r\n";
  list->ids = calloc(strlen(text) / 2 + 1, sizeof *list->ids);
  if (list->ids == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", origin);
  for (const char *at = text; at += strspn(at, separators), *at != '\0';) {
    char *end;
    errno = 0;
    long id = strtol(at, &end, 10);
    if (end == at || id < 0 || id > INT32_MAX || errno != 0 ||
        (*end != '\0' && strchr(separators, *end) == NULL))
      return dyno_fail(error, DYNO_ERROR_USAGE, "%s, character %zu: '%.20s' is no token id", origin,
                       (size_t)(at - text) + 1, at);
    list->ids[list->count++] = (int32_t)id;
    at = end;
  }
  if (list->count == 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: there are no tokens in it", origin);
  return DYNO_OK;
}

static dyno_status read_tokens(token_list *list, const logits_arguments *arguments,
                               dyno_error *error)
{
  if (arguments->tokens != NULL)
    return parse_tokens(list, arguments->tokens, "--tokens", error);
  FILE *file = fopen(arguments->tokens_path, "re");
  char *text = NULL;
  size_t capacity = 0;
  if (file == NULL || (getdelim(&text, &capacity, '\0', file) < 0 && ferror(file) != 0)) {
    dyno_fail(error, DYNO_ERROR_IO, "%s: %s", arguments->tokens_path, strerror(errno));
    if (file != NULL)
      fclose(file);
    free(text);
    return DYNO_ERROR_IO;
  }
  fclose(file);
  dyno_status status = parse_tokens(list, text != NULL ? text : "", arguments->tokens_path, error);
  free(text);
  return status;
}

/* What is printed, gathered position by position. */
typedef struct report {
  const dyno_kernel *top_k;
  size_t vocab, top;
  bool json;
  int32_t *index; /* [top] */
  float *value;   /* [top] */
  json_t *positions, *last;
} report;

static void add_position(void *context, size_t position, const float *logits)
{
  report *out = context;
  const dyno_top_k_args args = {out->index, out->value, logits, 1, out->vocab, out->top};
  out->top_k->run.top_k(&args, 0, 1);
  double total = dyno_log_sum_exp(logits, out->vocab);
  if (!out->json)
    printf("position %zu\n", position);
  json_t *top = json_array();
  for (size_t i = 0; i < out->top; i++) {
    double log_probability = (double)out->value[i] - total;
    if (out->json)
      json_array_append_new(top, json_pack("[i, f]", out->index[i], log_probability));
    else
      printf("  %8d  %.6f\n", out->index[i], log_probability);
  }
  json_array_append_new(out->positions,
                        json_pack("{s:I, s:O}", "position", (json_int_t)position, "top", top));
  json_decref(out->last);
  out->last = top;
}

static dyno_status compute(report *out, dyno_engine *engine, const logits_arguments *arguments,
                           const token_list *tokens, dyno_error *error)
{
  out->vocab = dyno_engine_config(engine)->vocab;
  if (out->top > out->vocab)
    out->top = out->vocab;
  out->index = calloc(out->top, sizeof *out->index);
  out->value = calloc(out->top, sizeof *out->value);
  if (out->index == NULL || out->value == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  const dyno_problem problem = {.op = DYNO_OP_TOP_K, .m = 1, .n = out->vocab, .k = out->top};
  dyno_choice choice;
  dyno_sequence *sequence = NULL;
  dyno_status status =
      dyno_select(&choice, dyno_engine_registry(engine), &problem, NULL, NULL, error);
  out->top_k = choice.kernel;
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequence, engine, tokens->count, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, tokens->ids, tokens->count,
                                  arguments->all_positions ? add_position : NULL, out, error);
  if (status == DYNO_OK && !arguments->all_positions)
    add_position(out, tokens->count - 1, dyno_sequence_logits(sequence));
  dyno_sequence_close(&sequence);
  return status;
}

static void print_json(const report *out, bool all_positions)
{
  json_t *root = json_object();
  json_object_set(root, "top", out->last);
  if (all_positions)
    json_object_set(root, "positions", out->positions);
  json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
  putchar('\n');
  json_decref(root);
}

int dyno_verb_logits(int argc, char **argv)
{
  logits_arguments arguments = {0};
  token_list tokens = {0};
  dyno_error error = {0};
  dyno_engine *engine = NULL;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  report out = {.top = arguments.top, .json = arguments.json, .positions = json_array()};
  dyno_status status = read_tokens(&tokens, &arguments, &error);
  if (status == DYNO_OK)
    status = dyno_open_engine(&engine, &arguments.engine, &error);
  if (status == DYNO_OK)
    status = compute(&out, engine, &arguments, &tokens, &error);
  if (status == DYNO_OK && arguments.json)
    print_json(&out, arguments.all_positions);

  json_decref(out.positions);
  json_decref(out.last);
  free(out.index);
  free(out.value);
  free(tokens.ids);
  dyno_engine_close(&engine);
  dyno_engine_arguments_free(&arguments.engine);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
