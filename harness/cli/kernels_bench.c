/* `dyno kernels bench`: times the variants against each other and against the machine. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/kernels.h"
#include "harness/cli/measuring.h"
#include "harness/report/kernel_report.h"
#include "kernels/base/atomic_file.h"

enum { OPTION_COLD = 512, OPTION_WARM, OPTION_COUNTERS, OPTION_FORMAT };

enum { MOST_OUTPUTS = 8 };

typedef struct command {
  dyno_measuring measuring;
  dyno_report_format format;
  const char *outputs[MOST_OUTPUTS];
  size_t output_count;
} command;

static const struct argp_option option_list[] = {
    {"cold", OPTION_COLD, NULL, 0, "Measure with weights from memory; both unless one is asked for",
     0},
    {"warm", OPTION_WARM, NULL, 0, "Measure with everything in the caches that fits there", 0},
    {"counters", OPTION_COUNTERS, NULL, 0,
     "Count instructions and cycles of a call, in samples of their own", 0},
    {"format", OPTION_FORMAT, "FORMAT", 0, "Print a table (the default), csv or json", 0},
    {"output", 'o', "FILE", 0,
     "Write FILE too, in the format that its name ends in (.txt, .csv, .json) or else that of "
     "--format; may be repeated",
     0},
    {0},
};

static const struct argp_child children[] = {
    {&dyno_measuring_parser, 0, NULL, 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  command *options = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &options->measuring;
    return 0;
  case OPTION_COLD:
    options->measuring.conditions[DYNO_BENCH_COLD] = true;
    return 0;
  case OPTION_WARM:
    options->measuring.conditions[DYNO_BENCH_WARM] = true;
    return 0;
  case OPTION_COUNTERS:
    options->measuring.bench.counters = true;
    return 0;
  case OPTION_FORMAT:
    options->format = dyno_report_format_parse(argument);
    if (options->format == DYNO_REPORT_FORMAT_COUNT)
      argp_error(state, "--format=%s: there are table, csv and json", argument);
    return 0;
  case 'o':
    if (options->output_count == MOST_OUTPUTS)
      argp_error(state, "--output: at most %d files", MOST_OUTPUTS);
    options->outputs[options->output_count++] = argument;
    return 0;
  case ARGP_KEY_END:
    if (!options->measuring.conditions[DYNO_BENCH_COLD] &&
        !options->measuring.conditions[DYNO_BENCH_WARM])
      options->measuring.conditions[DYNO_BENCH_COLD] =
          options->measuring.conditions[DYNO_BENCH_WARM] = true;
    if (options->measuring.bench.counters && options->measuring.bench.threads > 1)
      argp_error(state, "--counters counts one thread: leave --threads out");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .children = children,
    .doc =
        "Times every usable variant on every shape, in turns, beside what the machine can do: a "
        "plain read of the same pages, and the same arithmetic on registers.\v"
        "Cold: what a model streams (weights, KV) comes from memory, activations are warm. Warm: "
        "the same operands again and again. `dyno tune` writes what it measures to a file that "
        "--tuned chooses by.",
};

/* Before minutes are spent: whether the outputs can be written at all. */
static dyno_status check_outputs(const command *options, dyno_error *error)
{
  for (size_t i = 0; i < options->output_count; i++) {
    dyno_atomic_file file;
    dyno_status status = dyno_atomic_file_open(&file, options->outputs[i], error);
    if (status != DYNO_OK)
      return status;
    dyno_atomic_file_discard(&file);
  }
  return DYNO_OK;
}

static dyno_status write_outputs(const command *options, const dyno_kernel_report *report,
                                 dyno_error *error)
{
  dyno_status status = dyno_kernel_report_write(report, stdout, options->format, error);
  for (size_t i = 0; i < options->output_count && status == DYNO_OK; i++) {
    const char *path = options->outputs[i];
    status =
        dyno_kernel_report_save(report, path, dyno_report_format_of(path, options->format), error);
    if (status == DYNO_OK)
      fprintf(stderr, "dyno: wrote %s\n", path);
  }
  return status;
}

int dyno_kernels_bench(int argc, char **argv)
{
  command options = {
      .measuring = {.filter = DYNO_VARIANT_FILTER_ALL,
                    .bench = DYNO_BENCH_DEFAULTS,
                    .shapes = "gpt-oss-20b"},
  };
  if (dyno_parse_arguments(&parser, argc, argv, &options) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_error error = {0};
  dyno_registry *registry = NULL;
  dyno_shapes shapes = {0};
  dyno_kernel_report report = {0};
  dyno_status status = check_outputs(&options, &error);
  if (status == DYNO_OK)
    status = dyno_measure_all(&options.measuring, &registry, &shapes, &report, &error);
  if (status == DYNO_OK)
    status = write_outputs(&options, &report, &error);
  int exit_code = status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
  if (status == DYNO_OK && report.interrupted)
    exit_code = dyno_interrupt_exit_code();
  dyno_kernel_report_free(&report);
  dyno_shapes_free(&shapes);
  dyno_registry_close(&registry);
  dyno_measuring_free(&options.measuring);
  return exit_code;
}
