/* `dyno run`: text from a model, as a chat or raw. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/cli/chat.h"
#include "harness/cli/engine_options.h"
#include "harness/cli/generate.h"
#include "harness/cli/interrupt.h"
#include "harness/report/rounding_report.h"
#include "runtime/text/utf8.h"

typedef struct run_arguments {
  dyno_engine_arguments engine;
  dyno_sampler_settings sampler;
  const char *prompt, *developer;
  size_t most_tokens, context;
  dyno_effort effort;
  bool raw, statistics, date, track;
  enum { ANALYSIS_AUTO, ANALYSIS_SHOW, ANALYSIS_HIDE } analysis;
} run_arguments;

enum {
  KEY_RAW = 256,
  KEY_CHAT,
  KEY_CONTEXT,
  KEY_DEVELOPER,
  KEY_EFFORT,
  KEY_ANALYSIS,
  KEY_DATE,
  KEY_STATS,
  KEY_TRACK,
};

enum { DEFAULT_CONTEXT = 8192, DEFAULT_TOKENS = 1024 };

static const struct argp_option option_list[] = {
    {"prompt", 'p', "TEXT", 0, "What to answer or, with --raw, to go on with; else ask for it", 0},
    {"tokens", 'n', "N", 0, "Stop an answer after N tokens (1024)", 0},
    {"raw", KEY_RAW, NULL, 0, "Continue the text as it is", 0},
    {"chat", KEY_CHAT, NULL, 0, "Answer in the harmony chat format (the default)", 0},
    {"context", KEY_CONTEXT, "N", 0, "Tokens to have room for (8192, or what the model can)", 0},
    {"developer", KEY_DEVELOPER, "TEXT", 0, "Instructions for a chat", 0},
    {"effort", KEY_EFFORT, "WHICH", 0, "Reasoning effort of a chat: low, medium (default), high",
     0},
    {"analysis", KEY_ANALYSIS, "WHICH", 0,
     "show or hide what the model thinks; dimmed on a terminal, where it is shown by default", 0},
    {"date", KEY_DATE, NULL, 0, "Tell the model today's date", 0},
    {"stats", KEY_STATS, NULL, 0, "Print speed, memory and kernels on standard error", 0},
    {"track-quant", KEY_TRACK, NULL, 0,
     "Look at activations on the way, for at most 1 % of the time, and print what rounding them "
     "does "
     "in each layer",
     0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  run_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    arguments->sampler = dyno_sampler_defaults();
    arguments->most_tokens = DEFAULT_TOKENS;
    arguments->effort = DYNO_EFFORT_MEDIUM;
    arguments->engine.engine.cache.levels = DYNO_CACHE_ALL;
    state->child_inputs[0] = &arguments->engine;
    state->child_inputs[1] = &arguments->engine;
    state->child_inputs[2] = &arguments->sampler;
    return 0;
  case 'p':
    arguments->prompt = argument;
    return 0;
  case 'n':
    arguments->most_tokens = dyno_parse_count(state, "--tokens", argument, 1, 1 << 20);
    return 0;
  case KEY_RAW:
    arguments->raw = true;
    return 0;
  case KEY_CHAT:
    arguments->raw = false;
    return 0;
  case KEY_CONTEXT:
    arguments->context = dyno_parse_count(state, "--context", argument, 2, 1 << 24);
    return 0;
  case KEY_DEVELOPER:
    arguments->developer = argument;
    return 0;
  case KEY_EFFORT:
    arguments->effort = dyno_effort_parse(argument);
    if (arguments->effort == DYNO_EFFORT_COUNT)
      argp_error(state, "--effort=%s: low, medium or high is wanted", argument);
    return 0;
  case KEY_ANALYSIS:
    if (strcmp(argument, "show") != 0 && strcmp(argument, "hide") != 0)
      argp_error(state, "--analysis=%s: show or hide is wanted", argument);
    arguments->analysis = argument[0] == 's' ? ANALYSIS_SHOW : ANALYSIS_HIDE;
    return 0;
  case KEY_DATE:
    arguments->date = true;
    return 0;
  case KEY_STATS:
    arguments->statistics = true;
    return 0;
  case KEY_TRACK:
    arguments->track = true;
    return 0;
  case ARGP_KEY_END:
    if (arguments->raw && arguments->prompt == NULL)
      argp_error(state, "--raw needs a --prompt");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* Options of the sampler: those of dyno_sampler_fields, by the same names. */
static const struct argp_option sampler_options[] = {
    {"temperature", 'T' + 512, "X", 0, "0 takes the likeliest token (1)", 0},
    {"temp", 0, NULL, OPTION_ALIAS, NULL, 0},
    {"top-k", 'k' + 512, "N", 0, "Only the N likeliest tokens", 0},
    {"top-p", 'p' + 512, "X", 0, "Only the likeliest that have probability X together", 0},
    {"min-p", 'm' + 512, "X", 0, "Only tokens X times as likely as the likeliest", 0},
    {"repetition-penalty", 'r' + 512, "X", 0, "Make tokens that were there less likely (1)", 0},
    {"repetition-window", 'w' + 512, "N", 0, "Look that far back for them (everywhere)", 0},
    {"seed", 's' + 512, "N", 0, "The same seed gives the same text (0)", 0},
    {0},
};

static error_t parse_sampler_option(int key, char *argument, struct argp_state *state)
{
  for (const struct argp_option *option = sampler_options; option->name != NULL; option++) {
    dyno_error error = {0};
    if (option->key != key || key == 0)
      continue;
    if (dyno_sampler_set(state->input, option->name, argument, &error) != DYNO_OK)
      argp_error(state, "%s", error.message);
    return 0;
  }
  return ARGP_ERR_UNKNOWN;
}

static const struct argp sampler_parser = {.options = sampler_options,
                                           .parser = parse_sampler_option};

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Run a model: answer a question, continue a text, or chat.",
    .children =
        (const struct argp_child[]){
            {&dyno_engine_arguments_parser, 0, "Model:", 1},
            {&dyno_cache_options_parser, 0, "Caches (on by default):", 2},
            {&sampler_parser, 0, "Sampling:", 3},
            {0},
        },
};

/* Everything an answer needs. */
typedef struct runner {
  dyno_engine *engine;
  dyno_tokenizer *tokenizer;
  dyno_sequence *sequence;
  dyno_sampler *sampler;
  dyno_rounding rounding; /* where --track-quant asks for it */
} runner;

static dyno_status open_runner(runner *with, const run_arguments *arguments, dyno_error *error)
{
  dyno_status status = dyno_open_engine(&with->engine, &arguments->engine, error);
  if (status == DYNO_OK)
    status = dyno_engine_tokenizer(&with->tokenizer, with->engine, error);
  if (status != DYNO_OK)
    return status;
  const dyno_model_config *config = dyno_engine_config(with->engine);
  size_t context = arguments->context;
  if (context == 0)
    context = config->context_length < DEFAULT_CONTEXT ? config->context_length : DEFAULT_CONTEXT;
  status = dyno_sequence_open(&with->sequence, with->engine, context, error);
  if (status == DYNO_OK)
    status = dyno_sampler_create(&with->sampler, &arguments->sampler, config->vocab, error);
  if (status == DYNO_OK && arguments->track) {
    status = dyno_rounding_open(&with->rounding, config->layers, DYNO_ROUNDING_SHARE, error);
    const dyno_probe probe = dyno_rounding_probe(&with->rounding);
    if (status == DYNO_OK)
      dyno_engine_set_probe(with->engine, &probe);
  }
  return status;
}

static void close_runner(runner *with)
{
  dyno_sampler_free(with->sampler);
  dyno_sequence_close(&with->sequence);
  dyno_tokenizer_free(with->tokenizer);
  dyno_engine_close(&with->engine);
  dyno_rounding_free(&with->rounding);
}

/* Raw text as it comes out. */
typedef struct raw_output {
  const dyno_tokenizer *tokenizer;
  int32_t stops[3];
  dyno_utf8_stream stream;
} raw_output;

static bool print_raw(void *context, int32_t id)
{
  raw_output *out = context;
  for (size_t i = 0; i < sizeof out->stops / sizeof *out->stops; i++)
    if (id == out->stops[i])
      return false;
  size_t count;
  const char *bytes = dyno_tokenizer_bytes(out->tokenizer, id, &count);
  while (count > 0) {
    char text[DYNO_UTF8_STREAM_BYTES(256)];
    size_t piece = count < 256 ? count : 256;
    fwrite(text, 1, dyno_utf8_stream_push(&out->stream, text, bytes, piece), stdout);
    bytes += piece;
    count -= piece;
  }
  fflush(stdout);
  return true;
}

static dyno_status run_raw(const runner *with, const run_arguments *arguments, dyno_error *error)
{
  raw_output out = {
      .tokenizer = with->tokenizer,
      .stops = {dyno_tokenizer_special(with->tokenizer, "<|return|>"),
                dyno_tokenizer_special(with->tokenizer, "<|call|>"),
                dyno_tokenizer_special(with->tokenizer, "<|endoftext|>")},
  };
  dyno_tokens prompt = {0}, answer = {0};
  dyno_generation generation = {0};
  dyno_status status = dyno_tokenizer_encode(with->tokenizer, &prompt, arguments->prompt,
                                             strlen(arguments->prompt), false, error);
  if (status == DYNO_OK && prompt.count == 0)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "--prompt is empty");
  if (status == DYNO_OK) {
    fputs(arguments->prompt, stdout);
    fflush(stdout);
    status = dyno_generate(&generation, &answer, with->sequence, with->sampler, prompt.ids,
                           prompt.count, arguments->most_tokens, print_raw, &out, error);
  }
  if (status == DYNO_OK) {
    char text[DYNO_UTF8_STREAM_BYTES(0)];
    fwrite(text, 1, dyno_utf8_stream_finish(&out.stream, text), stdout);
    putchar('\n');
  }
  if (status == DYNO_OK && arguments->statistics)
    dyno_print_generation(stderr, &generation, with->engine, with->sequence);
  if (status == DYNO_OK && arguments->track)
    status = dyno_rounding_print(stderr, &with->rounding, error);
  dyno_tokens_free(&prompt);
  dyno_tokens_free(&answer);
  return status;
}

static dyno_status run_chat(const runner *with, const run_arguments *arguments, dyno_error *error)
{
  char date[16];
  time_t now = time(NULL);
  struct tm parts;
  strftime(date, sizeof date, "%Y-%m-%d", localtime_r(&now, &parts));
  bool terminal = isatty(STDOUT_FILENO);
  const dyno_chat_setup setup = {
      .engine = with->engine,
      .sequence = with->sequence,
      .sampler = with->sampler,
      .tokenizer = with->tokenizer,
      .effort = arguments->effort,
      .developer = arguments->developer,
      .current_date = arguments->date ? date : NULL,
      .most_tokens = arguments->most_tokens,
      .show_analysis = arguments->analysis == ANALYSIS_SHOW ||
                       (arguments->analysis == ANALYSIS_AUTO && terminal),
      .color = terminal,
      .statistics = arguments->statistics,
      .rounding = arguments->track ? &with->rounding : NULL,
  };
  return arguments->prompt != NULL ? dyno_chat_once(&setup, arguments->prompt, error)
                                   : dyno_chat_loop(&setup, error);
}

int dyno_verb_run(int argc, char **argv)
{
  run_arguments arguments = {0};
  runner with = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = open_runner(&with, &arguments, &error);
  if (status == DYNO_OK) {
    dyno_catch_interrupts();
    status =
        arguments.raw ? run_raw(&with, &arguments, &error) : run_chat(&with, &arguments, &error);
  }
  close_runner(&with);
  dyno_engine_arguments_free(&arguments.engine);
  if (status != DYNO_OK)
    return dyno_report_error(&error);
  return dyno_interrupt_exit_code();
}
