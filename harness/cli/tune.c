/* `dyno tune`: measures the variants on this machine and writes what --tuned chooses by. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/measuring.h"
#include "harness/report/kernel_report.h"
#include "harness/report/table.h"
#include "harness/report/units.h"
#include "kernels/base/atomic_file.h"
#include "kernels/tuned.h"

enum { OPTION_JSON = 512 };

typedef struct command {
  dyno_measuring measuring;
  const char *output;
  bool json;
} command;

static const struct argp_option option_list[] = {
    {"output", 'o', "FILE", 0, "Write the measurements to FILE (needed)", 0},
    {"json", OPTION_JSON, NULL, 0, "Print all that was measured as JSON", 0},
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
  case 'o':
    options->output = argument;
    return 0;
  case OPTION_JSON:
    options->json = true;
    return 0;
  case ARGP_KEY_END:
    if (options->output == NULL)
      argp_error(state, "-o FILE is missing: where to write what is measured");
    /* What was not measured loses to what was, however fast it is. */
    if (options->measuring.filter.part != NULL)
      argp_error(state, "--kernel: all variants of an op are tuned together; --op and --family "
                        "choose ops");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .children = children,
    .doc = "Times every usable variant on every shape, with weights from memory, and writes a "
           "file that --tuned=FILE chooses by.\v"
           "The file holds for this CPU, tier, number of threads, compiler and set of variants; "
           "for any other it is ignored, with a note. Measure on an idle machine, and with the "
           "--threads that the engine will use.",
};

/* Before minutes are spent: whether the file can be written at all. */
static dyno_status check_output(const char *path, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status == DYNO_OK)
    dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status write_tuned(const dyno_kernel_report *report, const char *path,
                               dyno_error *error)
{
  dyno_tuned_key key;
  dyno_tuned_entry *entries = calloc(report->row_count, sizeof *entries);
  if (entries == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu measurements", report->row_count);
  for (size_t i = 0; i < report->row_count; i++) {
    const dyno_bench_result *result = &report->rows[i].result;
    entries[i] = (dyno_tuned_entry){
        .kernel = result->kernel,
        .problem = result->problem,
        .nanoseconds = (uint64_t)fmax(1, round(result->seconds.median * 1e9)),
    };
  }
  dyno_tuned_key_of(&key, report->registry);
  dyno_status status = dyno_tuned_write(path, &key, entries, report->row_count, error);
  free(entries);
  return status;
}

static const dyno_bench_result *find_result(const dyno_kernel_report *report,
                                            const dyno_kernel *kernel, const dyno_problem *problem)
{
  for (size_t i = 0; i < report->row_count; i++)
    if (report->rows[i].result.kernel == kernel &&
        dyno_problem_equal(&report->rows[i].result.problem, problem))
      return &report->rows[i].result;
  return NULL;
}

/* One line a problem: what measuring says, and what rank alone would have chosen. */
static void add_row(dyno_table *table, const dyno_kernel_report *report, const dyno_report_row *row)
{
  const dyno_bench_result *fastest = &row->result;
  char problem[DYNO_PROBLEM_TEXT], time[DYNO_UNIT_TEXT];
  dyno_choice choice;
  dyno_problem_format(problem, &fastest->problem);
  dyno_format_seconds(time, fastest->seconds.median);
  dyno_table_cell(table, "%s", row->label);
  dyno_table_cell(table, "%s", problem);
  dyno_table_cell(table, "%s", fastest->kernel->name);
  dyno_table_cell(table, "%s", time);
  const dyno_bench_result *ranked = NULL;
  if (dyno_select(&choice, report->registry, &fastest->problem, NULL, NULL, NULL) == DYNO_OK)
    ranked = find_result(report, choice.kernel, &fastest->problem);
  if (ranked == fastest)
    dyno_table_cell(table, "the same");
  else if (ranked != NULL)
    dyno_table_cell(table, "%s, %.2f times the time%s", ranked->kernel->name,
                    ranked->seconds.median / fastest->seconds.median,
                    ranked->tied ? " (not told apart)" : "");
  dyno_table_end_row(table);
}

static dyno_status print_summary(const dyno_kernel_report *report, const char *path,
                                 dyno_error *error)
{
  static const dyno_column columns[] = {
      {"for", NULL, false}, {"problem", NULL, false},       {"fastest", NULL, false},
      {"time", NULL, true}, {"by rank alone", NULL, false},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < report->row_count; i++)
    if (report->rows[i].result.fastest)
      add_row(table, report, &report->rows[i]);
  dyno_status status = dyno_table_print(table, stdout, 0, error);
  dyno_table_free(&table);
  printf("\n%zu measurements in %s\n", report->row_count, path);
  for (size_t i = 0; i < report->gap_count; i++) {
    char problem[DYNO_PROBLEM_TEXT];
    dyno_problem_format(problem, &report->gaps[i].problem);
    printf("skipped: %s: %s\n",
           report->gaps[i].kernel != NULL ? report->gaps[i].kernel->name : problem,
           report->gaps[i].reason);
  }
  return status;
}

static dyno_status tune(command *options, dyno_registry **registry, dyno_shapes *shapes,
                        dyno_kernel_report *report, dyno_error *error)
{
  dyno_status status = check_output(options->output, error);
  if (status == DYNO_OK)
    status = dyno_measure_all(&options->measuring, registry, shapes, report, error);
  if (status != DYNO_OK)
    return status;
  if (report->interrupted)
    return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "interrupted; %s is as it was",
                     options->output);
  status = write_tuned(report, options->output, error);
  if (status == DYNO_OK && options->json)
    return dyno_kernel_report_write(report, stdout, DYNO_REPORT_JSON, error);
  return status == DYNO_OK ? print_summary(report, options->output, error) : status;
}

int dyno_verb_tune(int argc, char **argv)
{
  command options = {
      .measuring = {.filter = DYNO_VARIANT_FILTER_ALL,
                    .bench = DYNO_BENCH_DEFAULTS,
                    .shapes = "gpt-oss-20b",
                    .conditions = {[DYNO_BENCH_COLD] = true}},
  };
  if (dyno_parse_arguments(&parser, argc, argv, &options) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_error error = {0};
  dyno_registry *registry = NULL;
  dyno_shapes shapes = {0};
  dyno_kernel_report report = {0};
  dyno_status status = tune(&options, &registry, &shapes, &report, &error);
  int exit_code = status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
  if (status == DYNO_ERROR_INTERRUPTED)
    exit_code = dyno_interrupt_exit_code();
  dyno_kernel_report_free(&report);
  dyno_shapes_free(&shapes);
  dyno_registry_close(&registry);
  dyno_measuring_free(&options.measuring);
  return exit_code;
}
