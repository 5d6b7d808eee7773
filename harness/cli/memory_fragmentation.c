/* `dyno memory fragmentation`: how scattered keys and values become, with and without moving them
 * together. */
#include "config.h"

#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/memory.h"
#include "harness/report/csv.h"
#include "harness/report/gnuplot.h"
#include "harness/report/memory_report.h"
#include "kernels/base/atomic_file.h"

enum { OPTION_REQUESTS = 2048, OPTION_OPEN, OPTION_BLOCKS, OPTION_MOVES, OPTION_SEED, OPTION_JSON };

typedef struct fragmentation_arguments {
  dyno_fragmentation_options options;
  const char *output, *plot;
  bool json;
} fragmentation_arguments;

static const struct argp_option option_list[] = {
    {"requests", OPTION_REQUESTS, "N", 0, "Requests (10000)", 0},
    {"open", OPTION_OPEN, "N", 0, "Sequences that are open at once (8)", 0},
    {"blocks", OPTION_BLOCKS, "N", 0, "Blocks of the longest sequence, of 128 KiB each (768)", 0},
    {"moves", OPTION_MOVES, "N", 0, "Blocks that may be moved after a request (16)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of the lengths (1)", 0},
    {"output", 'o', "FILE", 0, "Write what is used and held after each request to FILE, as CSV", 0},
    {"plot", 'p', "NAME", 0, "Draw that as NAME.svg and NAME.png; --output is wanted too", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON instead of a table", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  fragmentation_arguments *arguments = state->input;
  dyno_fragmentation_options *options = &arguments->options;
  switch (key) {
  case OPTION_REQUESTS:
    options->requests = dyno_parse_count(state, "--requests", argument, 1, 10000000);
    return 0;
  case OPTION_OPEN:
    options->open = dyno_parse_count(state, "--open", argument, 1, 1024);
    return 0;
  case OPTION_BLOCKS:
    options->most_blocks = dyno_parse_count(state, "--blocks", argument, 1, 1 << 16);
    return 0;
  case OPTION_MOVES:
    options->moves = dyno_parse_count(state, "--moves", argument, 1, 1 << 20);
    return 0;
  case OPTION_SEED:
    options->seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case 'p':
    arguments->plot = argument;
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if (arguments->plot != NULL && arguments->output == NULL)
      argp_error(state, "--plot draws the file of --output, which is missing");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc =
        "Opens and closes sequences of random lengths in the engine's own pool of blocks, without "
        "computing anything, and shows how much of what they hold is empty, with and without "
        "moving blocks together.",
};

static dyno_status write_csv(const dyno_fragmentation *found, const char *path, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  static const char *const titles[] = {"request", "scattered_used", "scattered_held", "moved_used",
                                       "moved_held"};
  dyno_csv csv = DYNO_CSV(file.stream);
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
    dyno_csv_text(&csv, titles[i]);
  dyno_csv_end_row(&csv);
  for (size_t i = 0; i < found->requests; i++) {
    dyno_csv_integer(&csv, i + 1);
    dyno_csv_integer(&csv, found->scattered.samples[i].used);
    dyno_csv_integer(&csv, found->scattered.samples[i].held);
    dyno_csv_integer(&csv, found->moved.samples[i].used);
    dyno_csv_integer(&csv, found->moved.samples[i].held);
    dyno_csv_end_row(&csv);
  }
  return dyno_atomic_file_commit(&file, error);
}

static dyno_status write_files(const dyno_fragmentation *found,
                               const fragmentation_arguments *arguments, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  if (arguments->output != NULL)
    status = write_csv(found, arguments->output, error);
  if (arguments->plot == NULL || status != DYNO_OK)
    return status;
  const char *const names[] = {arguments->output, arguments->plot, NULL};
  const dyno_gnuplot_run run = {.script = "fragmentation.gp", .folder = ".", .arguments = names};
  return dyno_gnuplot(&run, error);
}

int dyno_memory_fragmentation(int argc, char **argv)
{
  fragmentation_arguments arguments = {.options = DYNO_FRAGMENTATION_DEFAULTS};
  dyno_fragmentation found;
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  arguments.options.stop = dyno_catch_interrupts();
  dyno_status status = dyno_fragmentation_run(&found, &arguments.options, &error);
  if (status != DYNO_OK)
    return dyno_report_error(&error);
  status = write_files(&found, &arguments, &error);
  if (status == DYNO_OK)
    status = dyno_fragmentation_report(&found, stdout, arguments.json, &error);
  dyno_fragmentation_free(&found);
  return status == DYNO_OK ? dyno_interrupt_exit_code() : dyno_report_error(&error);
}
