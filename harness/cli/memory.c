/* `dyno memory`: what a model's memory is for, and the subverbs that look at the allocator alone.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/engine_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/memory.h"
#include "harness/measure/memory_workload.h"
#include "harness/report/memory_report.h"
#include "harness/report/progress.h"
#include "kernels/base/atomic_file.h"

enum {
  OPTION_PROMPT_TOKENS = 2048,
  OPTION_DECODE_TOKENS,
  OPTION_REQUESTS,
  OPTION_OPEN,
  OPTION_SEED,
  OPTION_RECORD,
  OPTION_JSON
};

enum { MOST_TOKENS = 1 << 20, MOST_REQUESTS = 1 << 20, MOST_OPEN = 4096 };

typedef struct memory_arguments {
  dyno_engine_arguments engine;
  dyno_memory_workload workload;
  const char *record;
  bool json;
} memory_arguments;

static const struct argp_option option_list[] = {
    {"prompt-tokens", OPTION_PROMPT_TOKENS, "N", 0, "Tokens that a request reads (512)", 0},
    {"decode-tokens", OPTION_DECODE_TOKENS, "N", 0, "Tokens that it decodes then (64)", 0},
    {"requests", OPTION_REQUESTS, "N", 0,
     "Requests (1); of several, each has random lengths from a quarter of these up", 0},
    {"open", OPTION_OPEN, "N", 0, "Sequences that are open at once (1)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of tokens and lengths (1)", 0},
    {"record", OPTION_RECORD, "FILE", 0,
     "Write every allocation and release to FILE, for dyno memory replay", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of tables", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  memory_arguments *arguments = state->input;
  dyno_memory_workload *workload = &arguments->workload;
  switch (key) {
  case ARGP_KEY_INIT:
    *workload = (dyno_memory_workload){
        .requests = 1, .open = 1, .prompt_tokens = 512, .tokens = 64, .seed = 1};
    state->child_inputs[0] = &arguments->engine;
    state->child_inputs[1] = &arguments->engine;
    return 0;
  case OPTION_PROMPT_TOKENS:
    workload->prompt_tokens = dyno_parse_count(state, "--prompt-tokens", argument, 0, MOST_TOKENS);
    return 0;
  case OPTION_DECODE_TOKENS:
    workload->tokens = dyno_parse_count(state, "--decode-tokens", argument, 0, MOST_TOKENS);
    return 0;
  case OPTION_REQUESTS:
    workload->requests = dyno_parse_count(state, "--requests", argument, 1, MOST_REQUESTS);
    return 0;
  case OPTION_OPEN:
    workload->open = dyno_parse_count(state, "--open", argument, 1, MOST_OPEN);
    return 0;
  case OPTION_SEED:
    workload->seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case OPTION_RECORD:
    arguments->record = argument;
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if (workload->prompt_tokens + workload->tokens == 0)
      argp_error(state, "neither a prompt nor a decode is left");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc =
        "Runs requests of random tokens and shows what the memory is for, now, at most and on "
        "average, and how that agrees with what the kernel counts.\v"
        "`dyno memory replay FILE` runs recorded allocations on the buddy allocator and on "
        "malloc, `dyno memory fragmentation` shows how scattered keys and values become. They have "
        "a --help of their own.",
    .children =
        (const struct argp_child[]){
            {&dyno_engine_arguments_parser, 0, "Model:", 1},
            {&dyno_cache_options_parser, 0, "Caches (off by default):", 2},
            {0},
        },
};

static void show_progress(void *context, size_t done)
{
  dyno_progress_update(context, (double)done, "requests");
}

static dyno_status run(dyno_memory_account *account, dyno_engine **engine,
                       memory_arguments *arguments, dyno_error *error)
{
  dyno_progress bar;
  dyno_memory_workload *workload = &arguments->workload;
  dyno_status status = dyno_open_engine(engine, &arguments->engine, error);
  if (status != DYNO_OK)
    return status;
  workload->stop = dyno_catch_interrupts();
  workload->progress = show_progress;
  workload->progress_context = &bar;
  dyno_memory_account_begin(account, *engine);
  dyno_progress_start(&bar, stderr, (double)workload->requests);
  status = dyno_memory_workload_run(account, *engine, workload, error);
  dyno_progress_clear(&bar);
  return status;
}

static int show_account(int argc, char **argv)
{
  memory_arguments arguments = {0};
  dyno_memory_account account;
  dyno_engine *engine = NULL;
  dyno_atomic_file record = {0};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_engine_options *options = &arguments.engine.engine;
  options->alloc_timed = true;
  dyno_status status = DYNO_OK;
  if (arguments.record != NULL)
    status = dyno_atomic_file_open(&record, arguments.record, &error);
  options->alloc_record = record.stream;
  if (status == DYNO_OK)
    status = run(&account, &engine, &arguments, &error);
  if (status == DYNO_OK)
    status = dyno_memory_report(&account, stdout, arguments.json, &error);
  dyno_engine_close(&engine);
  if (record.stream != NULL && status == DYNO_OK)
    status = dyno_atomic_file_commit(&record, &error);
  else if (record.stream != NULL)
    dyno_atomic_file_discard(&record);
  dyno_engine_arguments_free(&arguments.engine);
  return status == DYNO_OK ? dyno_interrupt_exit_code() : dyno_report_error(&error);
}

static const dyno_verb subverbs[] = {
    {"replay", NULL, dyno_memory_replay},
    {"fragmentation", NULL, dyno_memory_fragmentation},
};

int dyno_verb_memory(int argc, char **argv)
{
  for (size_t i = 0; i < sizeof subverbs / sizeof *subverbs && argc > 1; i++)
    if (strcmp(argv[1], subverbs[i].name) == 0) {
      char program[64];
      snprintf(program, sizeof program, "dyno memory %s", subverbs[i].name);
      argv[1] = program;
      return subverbs[i].run(argc - 1, argv + 1);
    }
  return show_account(argc, argv);
}
