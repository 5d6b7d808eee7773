#include "harness/cli/measuring.h"

#include <stdlib.h>
#include <string.h>

#include "harness/cli/interrupt.h"
#include "harness/report/progress.h"
#include "kernels/base/clock.h"

enum {
  OPTION_SHAPES = 1024,
  OPTION_PROBLEM,
  OPTION_ROUNDS,
  OPTION_CPU,
  OPTION_MEMORY,
  OPTION_SEED,
  OPTION_LONGEST_CALL
};

static const struct argp_option option_list[] = {
    {"shapes", OPTION_SHAPES, "FILE", 0,
     "Measure the problems of FILE, or of a built-in file: gpt-oss-20b, quick", 0},
    {"problem", OPTION_PROBLEM, "TEXT", 0,
     "Measure this problem instead, as in \"rmsnorm m=1 k=2880\"; may be repeated", 0},
    {"kernel", 'k', "[FAMILY=]PART", 0,
     "Only variants with PART in their name (of that family or op)", 0},
    {"rounds", OPTION_ROUNDS, "N", 0, "Samples of each variant", 0},
    {"threads", 't', "N", 0, "Threads to use (1)", 0},
    {"cpu", OPTION_CPU, "N", 0, "Keep the first thread on this CPU", 0},
    {"memory", OPTION_MEMORY, "MIB", 0,
     "Use at most this much memory for operands (three quarters of what is free)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of the operands and of the order within rounds (1)", 0},
    {"longest-call", OPTION_LONGEST_CALL, "MS", 0,
     "Measure a part of the rows where a call would take longer", 0},
    {0},
};

static const struct argp_child children[] = {
    {&dyno_variant_filter_parser, 0, NULL, 0},
    {&dyno_variant_options_parser, 0, NULL, 0},
    {0},
};

static void add_problem(dyno_measuring *measuring, const char *text, struct argp_state *state)
{
  dyno_problem problem;
  dyno_error error = {0};
  dyno_status status = dyno_problem_parse(&problem, text, &error);
  if (status == DYNO_OK)
    status = dyno_problem_check(&problem, &error);
  if (status == DYNO_OK)
    status = dyno_shapes_add(&measuring->problems, "", &problem, &error);
  if (status != DYNO_OK)
    argp_error(state, "--problem: %s", error.message);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  dyno_measuring *measuring = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &measuring->filter;
    state->child_inputs[1] = &measuring->kernels;
    return 0;
  case OPTION_SHAPES:
    measuring->shapes = argument;
    return 0;
  case OPTION_PROBLEM:
    add_problem(measuring, argument, state);
    return 0;
  case 'k':
    dyno_variant_filter_part(&measuring->filter, argument, state);
    return 0;
  case OPTION_ROUNDS:
    measuring->bench.rounds = (unsigned)dyno_parse_count(state, "--rounds", argument, 3, 100000);
    return 0;
  case 't':
    measuring->bench.threads = (unsigned)dyno_parse_count(state, "--threads", argument, 1, 1024);
    return 0;
  case OPTION_CPU:
    measuring->bench.cpu = (int)dyno_parse_count(state, "--cpu", argument, 0, 1023);
    return 0;
  case OPTION_MEMORY:
    measuring->bench.memory = (size_t)dyno_parse_count(state, "--memory", argument, 1, 1ul << 30)
                              << 20;
    return 0;
  case OPTION_SEED:
    measuring->bench.seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case OPTION_LONGEST_CALL:
    measuring->bench.call_seconds =
        (double)dyno_parse_count(state, "--longest-call", argument, 1, 3600000) * 1e-3;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp dyno_measuring_parser = {
    .options = option_list,
    .parser = parse_option,
    .children = children,
};

void dyno_measuring_free(dyno_measuring *measuring)
{
  dyno_kernel_options_free(&measuring->kernels);
  dyno_shapes_free(&measuring->problems);
}

static bool computes(const dyno_kernel *kernel, const dyno_problem *problem)
{
  return kernel->op == problem->op && kernel->weight == problem->weight &&
         kernel->activation == problem->activation;
}

/* The usable variants of a problem [*count], into kernels, which has room for all; the others
 * become gaps. */
static dyno_status find_variants(const dyno_kernel **kernels, size_t *count,
                                 const dyno_measuring *measuring, const dyno_registry *registry,
                                 const dyno_problem *problem, dyno_kernel_report *report,
                                 dyno_error *error)
{
  dyno_status status = DYNO_OK;
  size_t known = 0;
  *count = 0;
  for (size_t i = 0; i < dyno_registry_count(registry) && status == DYNO_OK; i++) {
    const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
    char reason[DYNO_REASON_TEXT];
    if (!computes(kernel, problem))
      continue;
    known++;
    if (!dyno_variant_matches(&measuring->filter, kernel))
      continue;
    if (dyno_registry_usable(registry, kernel, problem, reason))
      kernels[(*count)++] = kernel;
    else
      status = dyno_kernel_report_skip(report, kernel, problem, DYNO_BENCH_CONDITION_COUNT, reason,
                                       error);
  }
  if (status == DYNO_OK && known == 0)
    status = dyno_kernel_report_skip(report, NULL, problem, DYNO_BENCH_CONDITION_COUNT,
                                     "no variant computes it", error);
  return status;
}

/* Measures one shape in one condition. What one problem cannot have is a gap, no failure. */
static dyno_status measure_shape(dyno_bench *bench, dyno_bench_result *results,
                                 const dyno_kernel *const *kernels, size_t count,
                                 const dyno_shape *shape, dyno_bench_condition condition,
                                 dyno_kernel_report *report, dyno_error *error)
{
  dyno_error reason = {0};
  dyno_status status =
      dyno_bench_run(bench, results, kernels, count, &shape->problem, condition, &reason);
  if (status == DYNO_OK)
    return dyno_kernel_report_add(report, shape->label, results, count, error);
  if (status == DYNO_ERROR_MEMORY || status == DYNO_ERROR_UNSUPPORTED || status == DYNO_ERROR_USAGE)
    return dyno_kernel_report_skip(report, NULL, &shape->problem, condition, reason.message, error);
  if (error != NULL)
    *error = reason;
  return status;
}

static dyno_status measure_conditions(const dyno_measuring *measuring, dyno_bench *bench,
                                      dyno_bench_result *results, const dyno_kernel **kernels,
                                      const dyno_shape *shape, dyno_kernel_report *report,
                                      dyno_progress *progress, size_t *done, dyno_error *error)
{
  size_t count;
  dyno_status status =
      find_variants(kernels, &count, measuring, report->registry, &shape->problem, report, error);
  for (dyno_bench_condition condition = 0; condition < DYNO_BENCH_CONDITION_COUNT; condition++) {
    if (!measuring->conditions[condition])
      continue;
    char label[DYNO_PROBLEM_TEXT + DYNO_SHAPE_LABEL];
    snprintf(label, sizeof label, "%s %s m=%zu %s", shape->label, dyno_op_name(shape->problem.op),
             shape->problem.m, dyno_bench_condition_name(condition));
    dyno_progress_update(progress, (double)(*done)++, label);
    if (status == DYNO_OK && count > 0)
      status = measure_shape(bench, results, kernels, count, shape, condition, report, error);
  }
  return status;
}

dyno_status dyno_measure_shapes(const dyno_measuring *measuring, const dyno_registry *registry,
                                const dyno_shapes *shapes, dyno_kernel_report *report,
                                dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  size_t variants = dyno_registry_count(registry), done = 0, each = 0;
  dyno_bench *bench = NULL;
  dyno_progress progress;
  for (size_t i = 0; i < DYNO_BENCH_CONDITION_COUNT; i++)
    each += measuring->conditions[i];
  dyno_status status = dyno_bench_open(&bench, registry, &measuring->bench, error);
  if (status != DYNO_OK)
    return status;
  dyno_kernel_report_begin(report, registry, &measuring->bench, bench);
  const dyno_kernel **kernels = calloc(variants + 1, sizeof(dyno_kernel *));
  dyno_bench_result *results = calloc(variants + 1, sizeof *results);
  if (kernels == NULL || results == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_progress_start(&progress, stderr, (double)(shapes->count * each));
  for (size_t i = 0; i < shapes->count && status == DYNO_OK; i++)
    status = measure_conditions(measuring, bench, results, kernels, &shapes->items[i], report,
                                &progress, &done, error);
  dyno_progress_clear(&progress);
  free(kernels);
  free(results);
  dyno_bench_close(&bench);
  report->seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  report->interrupted = status == DYNO_ERROR_INTERRUPTED;
  return report->interrupted ? DYNO_OK : status;
}

/* Why a report has no row. That a problem could not be measured at all says more than that one of
 * its variants does not run here. */
static const char *why_nothing(const dyno_kernel_report *report)
{
  for (size_t i = 0; i < report->gap_count; i++)
    if (report->gaps[i].kernel == NULL)
      return report->gaps[i].reason;
  return report->gap_count > 0 ? report->gaps[0].reason
                               : "no variant that was asked for computes any of these problems";
}

dyno_status dyno_measure_all(dyno_measuring *measuring, dyno_registry **registry,
                             dyno_shapes *shapes, dyno_kernel_report *report, dyno_error *error)
{
  measuring->kernels.registry.threads = measuring->bench.threads;
  measuring->bench.stop = dyno_catch_interrupts();
  dyno_status status = dyno_registry_open(registry, &measuring->kernels.registry, error);
  if (status == DYNO_OK)
    status = dyno_variant_filter_check(&measuring->filter, *registry, error);
  if (status == DYNO_OK && measuring->problems.count == 0)
    status = dyno_shapes_load(shapes, measuring->shapes, error);
  if (status == DYNO_OK)
    status = dyno_measure_shapes(measuring, *registry,
                                 measuring->problems.count > 0 ? &measuring->problems : shapes,
                                 report, error);
  if (status == DYNO_OK && report->row_count == 0 && !report->interrupted)
    status =
        dyno_fail(error, DYNO_ERROR_NOT_FOUND, "nothing was measured: %s", why_nothing(report));
  return status;
}
