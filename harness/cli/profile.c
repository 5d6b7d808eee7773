/* `dyno profile`: how fast a model runs here, where the time goes, and what the machine allows. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/engine_options.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/profile.h"
#include "harness/report/profile_report.h"
#include "harness/report/progress.h"
#include "kernels/base/atomic_file.h"
#include "kernels/base/clock.h"
#include "runtime/text/tokenizer.h"

enum {
  OPTION_PROMPT_TOKENS = 2048,
  OPTION_DECODE_TOKENS,
  OPTION_DEPTH,
  OPTION_DEPTH_FILL,
  OPTION_ROUNDS,
  OPTION_SEED,
  OPTION_READ,
  OPTION_JSON,
  OPTION_FOLDED,
  OPTION_TRACE
};

enum { MOST_TOKENS = 1 << 20 };

typedef struct profile_arguments {
  dyno_engine_arguments engine;
  dyno_profile_options profile;
  unsigned threads[DYNO_PROFILE_MOST_SIZES]; /* 0: all usable */
  size_t thread_count;
  const char *prompt;
  bool prompts_given, json;
  const char *output, *folded, *trace;
} profile_arguments;

static const struct argp_option option_list[] = {
    {"prompt-tokens", OPTION_PROMPT_TOKENS, "N[,N...]", 0,
     "Tokens of a prefill (512); several sizes are phases of their own; 0: no prefill", 0},
    {"decode-tokens", OPTION_DECODE_TOKENS, "N", 0, "Tokens of a decode (64); 0: no decode", 0},
    {"depth", OPTION_DEPTH, "N[,N...]", 0, "Decode after so many tokens (0,4096)", 0},
    {"depth-fill", OPTION_DEPTH_FILL, "WHICH", 0,
     "Get to a depth by a prefill, or beyond 512 tokens by copy: their keys and values again and "
     "again, as fast to read as others, which saves the time and makes the answers meaningless",
     0},
    {"prompt", 'p', "TEXT", 0,
     "Take the tokens of TEXT, again and again, instead of random ones; a prefill is as long as "
     "it, "
     "unless --prompt-tokens is given",
     0},
    {"rounds", OPTION_ROUNDS, "N", 0, "How often each phase is timed (5)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of the tokens, and of the pages that are read (1)", 0},
    {"read", OPTION_READ, "MIB", 0,
     "Read so much of the weights' pages for a sample of the ceiling (400)", 0},
    {"threads", 't', "N[,N...]", 0,
     "Threads to use; with several numbers the model is loaded for each", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of tables", 0},
    {"output", 'o', "FILE", 0, "Write the JSON to FILE too", 0},
    {"folded", OPTION_FOLDED, "FILE", 0, "Write folded stacks for a flame graph to FILE", 0},
    {"trace", OPTION_TRACE, "FILE", 0,
     "Write a trace of every op and thread to FILE, for Perfetto or about:tracing", 0},
    {0},
};

/* Numbers from least to most, with commas between, none twice. Returns how many. */
static size_t parse_list(size_t numbers[DYNO_PROFILE_MOST_SIZES], struct argp_state *state,
                         const char *option, const char *argument, size_t least, size_t most)
{
  size_t count = 0;
  for (const char *rest = argument; rest != NULL;) {
    char number[24];
    size_t length = strcspn(rest, ",");
    if (count == DYNO_PROFILE_MOST_SIZES)
      argp_error(state, "%s=%s: at most %d numbers", option, argument, DYNO_PROFILE_MOST_SIZES);
    snprintf(number, sizeof number, "%.*s", (int)(length < 23 ? length : 23), rest);
    numbers[count] = dyno_parse_count(state, option, number, least, most);
    for (size_t i = 0; i < count; i++)
      if (numbers[i] == numbers[count])
        argp_error(state, "%s=%s: %zu is there twice", option, argument, numbers[i]);
    count++;
    rest = rest[length] == ',' ? rest + length + 1 : NULL;
  }
  return count;
}

static void parse_prompts(profile_arguments *arguments, const char *argument,
                          struct argp_state *state)
{
  dyno_profile_options *profile = &arguments->profile;
  profile->prompt_count =
      parse_list(profile->prompts, state, "--prompt-tokens", argument, 0, MOST_TOKENS);
  arguments->prompts_given = true;
  for (size_t i = 0; i < profile->prompt_count; i++)
    if (profile->prompts[i] == 0 && profile->prompt_count > 1)
      argp_error(state, "--prompt-tokens=%s: 0 stands for no prefill at all", argument);
  if (profile->prompts[0] == 0)
    profile->prompt_count = 0;
}

static void parse_threads(profile_arguments *arguments, const char *argument,
                          struct argp_state *state)
{
  size_t numbers[DYNO_PROFILE_MOST_SIZES];
  arguments->thread_count = parse_list(numbers, state, "--threads", argument, 1, 1024);
  for (size_t i = 0; i < arguments->thread_count; i++)
    arguments->threads[i] = (unsigned)numbers[i];
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  profile_arguments *arguments = state->input;
  dyno_profile_options *profile = &arguments->profile;
  switch (key) {
  case ARGP_KEY_INIT:
    *profile = DYNO_PROFILE_DEFAULTS;
    arguments->thread_count = 1;
    state->child_inputs[0] = &arguments->engine;
    return 0;
  case OPTION_PROMPT_TOKENS:
    parse_prompts(arguments, argument, state);
    return 0;
  case OPTION_DECODE_TOKENS:
    profile->decode_tokens = dyno_parse_count(state, "--decode-tokens", argument, 0, MOST_TOKENS);
    return 0;
  case OPTION_DEPTH:
    profile->depth_count = parse_list(profile->depths, state, "--depth", argument, 0, MOST_TOKENS);
    return 0;
  case OPTION_DEPTH_FILL:
    profile->depth_copied = strcmp(argument, "copy") == 0;
    if (!profile->depth_copied && strcmp(argument, "prefill") != 0)
      argp_error(state, "--depth-fill=%s: prefill or copy is wanted", argument);
    return 0;
  case 'p':
    arguments->prompt = argument;
    return 0;
  case OPTION_ROUNDS:
    profile->rounds =
        (unsigned)dyno_parse_count(state, "--rounds", argument, 1, DYNO_PROFILE_MOST_ROUNDS);
    return 0;
  case OPTION_SEED:
    profile->seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case OPTION_READ:
    profile->read_bytes = dyno_parse_count(state, "--read", argument, 1, 1ul << 20) << 20;
    return 0;
  case 't':
    parse_threads(arguments, argument, state);
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case OPTION_FOLDED:
    arguments->folded = argument;
    return 0;
  case OPTION_TRACE:
    arguments->trace = argument;
    return 0;
  case ARGP_KEY_END:
    if (profile->prompt_count == 0 && profile->decode_tokens == 0)
      argp_error(state, "neither a prefill nor a decode is left to measure");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Measures a model: prefill and decode in tokens per second, against a plain read of the "
           "same weights in the same seconds, and where the time goes, op by op.\v"
           "Speeds are taken without a probe; the tables of ops come from one more pass of each "
           "phase with a probe.",
    .children = (const struct argp_child[]){{&dyno_engine_choice_parser, 0, "Model:", 1}, {0}},
};

/* Files */

typedef struct output_file {
  const char *path;
  dyno_profile_writer *write;
} output_file;

enum { OUTPUT_FILES = 3 };

static void list_outputs(output_file files[OUTPUT_FILES], const profile_arguments *arguments)
{
  files[0] = (output_file){arguments->output, dyno_profile_report_json};
  files[1] = (output_file){arguments->folded, dyno_profile_report_folded};
  files[2] = (output_file){arguments->trace, dyno_profile_report_trace};
}

/* Before minutes are spent: whether the files can be written at all. */
static dyno_status check_outputs(const profile_arguments *arguments, dyno_error *error)
{
  output_file files[OUTPUT_FILES];
  list_outputs(files, arguments);
  for (size_t i = 0; i < OUTPUT_FILES; i++) {
    dyno_atomic_file file;
    if (files[i].path == NULL)
      continue;
    dyno_status status = dyno_atomic_file_open(&file, files[i].path, error);
    if (status != DYNO_OK)
      return status;
    dyno_atomic_file_discard(&file);
  }
  return DYNO_OK;
}

static dyno_status write_outputs(const profile_arguments *arguments,
                                 const dyno_profile_report *report, dyno_error *error)
{
  output_file files[OUTPUT_FILES];
  list_outputs(files, arguments);
  dyno_profile_writer *print =
      arguments->json ? dyno_profile_report_json : dyno_profile_report_table;
  dyno_status status = print(report, stdout, error);
  if (status == DYNO_OK && fflush(stdout) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  for (size_t i = 0; i < OUTPUT_FILES && status == DYNO_OK; i++) {
    if (files[i].path == NULL)
      continue;
    status = dyno_profile_report_save(report, files[i].path, files[i].write, error);
    if (status == DYNO_OK)
      fprintf(stderr, "dyno: wrote %s\n", files[i].path);
  }
  return status;
}

/* Measuring */

static void show_progress(void *context, double done, const char *label)
{
  dyno_progress_update(context, done, label);
}

/* The tokens that --prompt spells, once; a prefill is as long, unless something else was asked
 * for. */
static dyno_status read_text(dyno_tokens *text, profile_arguments *arguments, dyno_engine *engine,
                             dyno_error *error)
{
  dyno_profile_options *profile = &arguments->profile;
  dyno_tokenizer *tokenizer = NULL;
  if (arguments->prompt == NULL || text->count > 0)
    return DYNO_OK;
  dyno_status status = dyno_engine_tokenizer(&tokenizer, engine, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(tokenizer, text, arguments->prompt, strlen(arguments->prompt),
                                   true, error);
  dyno_tokenizer_free(tokenizer);
  if (status == DYNO_OK && text->count == 0)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "--prompt is empty");
  if (status != DYNO_OK)
    return status;
  profile->text = text->ids;
  profile->text_count = text->count;
  if (!arguments->prompts_given)
    profile->prompts[0] = text->count;
  return DYNO_OK;
}

static dyno_status describe_model(dyno_profile_report *report, const dyno_engine *engine,
                                  dyno_error *error)
{
  if (report->path != NULL)
    return DYNO_OK;
  report->path = strdup(dyno_engine_model_path(engine));
  report->dialect = strdup(dyno_engine_dialect(engine));
  return report->path != NULL && report->dialect != NULL
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

/* Opens the engine for a number of threads, profiles and closes it. */
static dyno_status profile_threads(dyno_profile_run *run, dyno_profile_report *report,
                                   profile_arguments *arguments, dyno_tokens *text,
                                   dyno_error *error)
{
  dyno_engine *engine = NULL;
  dyno_progress bar;
  uint64_t start = dyno_clock_ns();
  dyno_status status = dyno_open_engine(&engine, &arguments->engine, error);
  run->load_seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  if (status == DYNO_OK)
    status = describe_model(report, engine, error);
  if (status == DYNO_OK)
    status = read_text(text, arguments, engine, error);
  if (status == DYNO_OK) {
    dyno_profile_options options = arguments->profile;
    options.stop = dyno_catch_interrupts();
    options.progress = show_progress;
    options.progress_context = &bar;
    dyno_progress_start(&bar, stderr, 1);
    status = dyno_profile_engine(run, engine, &options, error);
    dyno_progress_clear(&bar);
  }
  dyno_engine_close(&engine);
  return status;
}

static dyno_status profile_all(dyno_profile_report *report, profile_arguments *arguments,
                               dyno_tokens *text, dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  dyno_status status = DYNO_OK;
  report->runs = calloc(arguments->thread_count, sizeof *report->runs);
  if (report->runs == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < arguments->thread_count && status == DYNO_OK && !dyno_interrupted(); i++) {
    dyno_profile_run *run = &report->runs[report->run_count++];
    arguments->engine.kernels.registry.threads = arguments->threads[i];
    status = profile_threads(run, report, arguments, text, error);
    if (i > 0) /* the process has done other things before */
      run->first_token_age = NAN;
  }
  report->options = arguments->profile;
  report->text = arguments->profile.text_count > 0;
  report->seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  report->interrupted = dyno_interrupted();
  return status;
}

/* Kernels are named in the report after the engine is gone; those of plug-ins would be gone with
 * it, but for this registry. */
static dyno_status hold_kernels(dyno_registry **registry, const profile_arguments *arguments,
                                dyno_error *error)
{
  dyno_registry_options options = arguments->engine.kernels.registry;
  options.skip_plugin_check = true;
  options.tuned_path = NULL;
  return dyno_registry_open(registry, &options, error);
}

int dyno_verb_profile(int argc, char **argv)
{
  profile_arguments arguments = {0};
  dyno_profile_report report = {0};
  dyno_registry *registry = NULL;
  dyno_tokens text = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  report.model = arguments.engine.engine.model;
  report.precision =
      arguments.engine.engine.precision == DYNO_PRECISION_FAST ? "fast" : "reference";
  report.batch = arguments.engine.engine.batch;
  dyno_profile_report_begin(&report);
  dyno_status status = check_outputs(&arguments, &error);
  if (status == DYNO_OK)
    status = hold_kernels(&registry, &arguments, &error);
  if (status == DYNO_OK) {
    report.cpu = dyno_registry_cpu(registry);
    status = profile_all(&report, &arguments, &text, &error);
  }
  if (status == DYNO_OK)
    status = write_outputs(&arguments, &report, &error);
  int exit_code = status == DYNO_OK ? dyno_interrupt_exit_code() : dyno_report_error(&error);
  dyno_profile_report_free(&report);
  dyno_registry_close(&registry);
  dyno_tokens_free(&text);
  dyno_engine_arguments_free(&arguments.engine);
  return exit_code;
}
