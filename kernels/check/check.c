/* One variant, all its cases: the loop in the child, and the verdict. */
#include "kernels/check/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/check/apart.h"
#include "kernels/check/cases.h"
#include "kernels/check/instance.h"
#include "kernels/table.h"

static const dyno_operation *const operations[DYNO_OP_COUNT] = {
    [DYNO_OP_MATMUL] = &dyno_operation_matmul,
    [DYNO_OP_ATTENTION] = &dyno_operation_attention,
    [DYNO_OP_QUANTIZE_WEIGHT] = &dyno_operation_quantize_weight,
    [DYNO_OP_FIT_WEIGHT] = &dyno_operation_fit_weight,
    [DYNO_OP_QUANTIZE_ACTIVATION] = &dyno_operation_quantize_activation,
    [DYNO_OP_STORE_KV] = &dyno_operation_store_kv,
    [DYNO_OP_RMSNORM] = &dyno_operation_rmsnorm,
    [DYNO_OP_ROPE] = &dyno_operation_rope,
    [DYNO_OP_SWIGLU] = &dyno_operation_swiglu,
    [DYNO_OP_ROUTER] = &dyno_operation_router,
    [DYNO_OP_TOP_K] = &dyno_operation_top_k,
    [DYNO_OP_SCREEN] = &dyno_operation_screen,
};

/* Every offset a buffer can have within a cache line is tried with one problem; the other
 * problems have one each, by chance. */
enum { SHIFTS = 64 };

/* What the child needs. */
typedef struct check_job {
  const dyno_kernel *kernel, *reference;
  const dyno_check_options *options;
  const dyno_problem *problems;
  size_t count;
} check_job;

static uint64_t problem_seed(uint64_t seed, const dyno_problem *problem)
{
  const uint64_t words[] = {(uint64_t)problem->op,
                            (uint64_t)problem->weight,
                            (uint64_t)problem->activation,
                            problem->m,
                            problem->n,
                            problem->k,
                            problem->groups,
                            problem->heads,
                            problem->kv_heads,
                            problem->window};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    seed = dyno_rng_mix(seed, words[i]);
  return seed;
}

/* How often the index-th problem is run, in all; with which input and shift, run number r. The
 * numbers depend on nothing but seed and problem, so that a problem alone runs the same again. */
static size_t runs_of(const check_job *job, size_t index)
{
  size_t inputs = job->options->only != NULL ? DYNO_INPUT_COUNT : job->options->quick ? 1 : 2;
  return inputs + (index == 0 ? SHIFTS : 0);
}

typedef struct one_run {
  dyno_input input;
  size_t shift;
} one_run;

static one_run choose_run(const check_job *job, const dyno_problem *problem, size_t r)
{
  bool alone = job->options->only != NULL, quick = job->options->quick;
  uint64_t seed = problem_seed(job->options->seed, problem);
  size_t inputs = alone ? DYNO_INPUT_COUNT : quick ? 1 : 2;
  if (r >= inputs)
    return (one_run){DYNO_INPUT_NORMAL, r - inputs};
  dyno_input other = (dyno_input)(1 + seed % (DYNO_INPUT_COUNT - 1));
  dyno_input input = alone    ? (dyno_input)r
                     : quick  ? (seed >> 8) % 3 == 0 ? DYNO_INPUT_NORMAL : other
                     : r == 0 ? DYNO_INPUT_NORMAL
                              : other;
  return (one_run){input, (size_t)(dyno_rng_mix(seed, (uint64_t)input) % SHIFTS)};
}

static void run_case(dyno_child *child, dyno_guarded_pool *pool, const check_job *job,
                     const dyno_problem *problem, one_run run)
{
  const dyno_check_options *options = job->options;
  dyno_child_report *report = child->report;
  uint64_t seed = problem_seed(options->seed, problem);
  dyno_instance instance = {
      .child = child,
      .pool = pool,
      .operation = operations[problem->op],
      .kernels = {job->kernel, job->kernel, job->reference, options->twin},
      .problem = *problem,
      .input = run.input,
      .shift = run.shift,
      .rng = {dyno_rng_mix(seed, (uint64_t)run.input)},
      .tolerance = job->kernel->tolerance,
      .same_layout = options->same_layout,
  };
  dyno_problem_format(report->problem, problem);
  snprintf(report->input, sizeof report->input, "%s", dyno_input_name(run.input));
  dyno_child_tick(child);
  dyno_instance_run(&instance);
  dyno_instance_free(&instance);
  report->summary.cases++;
}

static void run_all(dyno_child *child, void *context)
{
  const check_job *job = context;
  dyno_guarded_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL)
    dyno_child_give_up(child, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < job->count; i++)
    for (size_t r = 0; r < runs_of(job, i); r++)
      run_case(child, pool, job, &job->problems[i], choose_run(job, &job->problems[i], r));
  free(pool);
}

static bool observe(void *context, const dyno_child_report *report)
{
  const check_job *job = context;
  const dyno_check_options *options = job->options;
  return options->observe == NULL || options->observe(options->context, &report->summary);
}

/* "weight: 1 byte past the end of its 64" */
static void describe_address(char *text, size_t size, const dyno_child_report *report)
{
  const char *name = report->buffer;
  ptrdiff_t offset = report->offset;
  if (!report->has_address)
    text[0] = '\0';
  else if (name[0] == '\0')
    snprintf(text, size, " at address %#zx, which is near none of its buffers", report->address);
  else if (offset < 0)
    snprintf(text, size, " %td bytes before the start of %s", -offset, name);
  else if ((size_t)offset >= report->bytes)
    snprintf(text, size, " at byte %td of %s, which has %zu", offset, name, report->bytes);
  else
    snprintf(text, size, " writing byte %td of %s, which is read-only", offset, name);
}

/* Turns an end of the child that it did not choose into a failed case. */
static void record_fault(dyno_check_summary *summary, const dyno_child_report *report)
{
  char address[160];
  describe_address(address, sizeof address, report);
  summary->failures++;
  summary->first = (dyno_check_failure){0};
  memcpy(summary->first.problem, report->problem, sizeof summary->first.problem);
  memcpy(summary->first.input, report->input, sizeof summary->first.input);
  if (report->signal == SIGALRM)
    snprintf(summary->first.what, sizeof summary->first.what, "not done after %d seconds; %s",
             DYNO_CASE_SECONDS, report->step);
  else if (report->signal != 0)
    snprintf(summary->first.what, sizeof summary->first.what, "%s (%s)%s; %s",
             strsignal(report->signal), sigabbrev_np(report->signal), address, report->step);
  else
    snprintf(summary->first.what, sizeof summary->first.what, "the process ended; %s",
             report->step);
}

static dyno_status judge(dyno_check_summary *summary, const dyno_child_report *report,
                         dyno_error *error)
{
  *summary = report->summary;
  if (report->gave_up != DYNO_OK)
    return dyno_fail(error, report->gave_up, "%s: %s: %s", summary->kernel->name, report->problem,
                     report->complaint);
  if (!report->finished) {
    record_fault(summary, report);
  } else if (summary->cases < summary->expected || summary->expected < DYNO_CHECK_LEAST_CASES) {
    summary->failures++;
    snprintf(summary->first.what, sizeof summary->first.what,
             "only %zu cases were run, of %zu that there are and %d that it takes: does supports() "
             "refuse too much?",
             summary->cases, summary->expected, DYNO_CHECK_LEAST_CASES);
  }
  if (summary->failures == 0)
    return DYNO_OK;
  char rerun[DYNO_RERUN_TEXT];
  dyno_check_rerun(rerun, summary);
  return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT, "%s: %s\n  %s, input %s\n  again: %s",
                   summary->kernel->name, summary->first.what, summary->first.problem,
                   summary->first.input, rerun);
}

void dyno_check_rerun(char text[DYNO_RERUN_TEXT], const dyno_check_summary *summary)
{
  const char *problem = summary->first.problem, *plugin = summary->plugin;
  bool alone = problem[0] != '\0';
  snprintf(text, DYNO_RERUN_TEXT, "dyno kernels check%s%.200s --kernel=%s --seed=%llu%s%s%s",
           plugin != NULL ? " --plugin=" : "", plugin != NULL ? plugin : "", summary->kernel->name,
           (unsigned long long)summary->seed, alone ? " --problem=\"" : "", problem,
           alone ? "\"" : "");
}

static bool same_numerics(const dyno_kernel *a, const dyno_kernel *b)
{
  return a->op == b->op && a->weight == b->weight && a->activation == b->activation &&
         a->numerics != NULL && b->numerics != NULL && strcmp(a->numerics, b->numerics) == 0;
}

void dyno_check_find_twins(dyno_check_options *options, const dyno_registry *registry,
                           const dyno_kernel *kernel)
{
  const dyno_layout *layout = dyno_kernel_layout(kernel);
  const dyno_kernel *reference = dyno_reference_kernel(kernel);
  options->twin = NULL;
  options->same_layout = NULL;
  for (size_t i = 0; i < dyno_registry_count(registry); i++) {
    const dyno_kernel *other = dyno_registry_kernel(registry, i);
    const dyno_layout *other_layout = dyno_kernel_layout(other);
    if (other == kernel || !dyno_registry_usable(registry, other, NULL, NULL))
      continue;
    if (options->twin == NULL && kernel->isa != DYNO_ISA_REF && same_numerics(other, kernel))
      options->twin = other;
    if (options->same_layout == NULL && layout != NULL && other_layout != NULL &&
        other_layout != layout && strcmp(layout->name, other_layout->name) == 0)
      options->same_layout = other_layout;
  }
  if (options->twin == reference && kernel->tolerance == DYNO_TOLERANCE_EXACT)
    options->twin = NULL;
}

static bool is_empty(const dyno_problem *problem)
{
  bool headless =
      (problem->op == DYNO_OP_ATTENTION || problem->op == DYNO_OP_ROPE) && problem->heads == 0;
  bool tokenless = problem->op != DYNO_OP_QUANTIZE_WEIGHT && problem->op != DYNO_OP_FIT_WEIGHT &&
                   problem->m == 0;
  return headless || tokenless || dyno_problem_rows(problem) == 0 || problem->k == 0 ||
         (problem->op == DYNO_OP_STORE_KV && problem->kv_heads == 0);
}

static dyno_status find_problems(dyno_cases *cases, const dyno_kernel *kernel,
                                 const dyno_check_options *options, dyno_error *error)
{
  if (options->only == NULL) {
    dyno_cases_list(cases, kernel, options->seed, options->quick);
    return cases->out_of_memory ? dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the cases")
                                : DYNO_OK;
  }
  const dyno_problem *only = options->only;
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, only);
  if (only->op != kernel->op || only->weight != kernel->weight ||
      only->activation != kernel->activation)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: it does not compute %s", kernel->name, text);
  dyno_status status = dyno_problem_check(only, error);
  if (status != DYNO_OK)
    return status;
  if (is_empty(only))
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: there is nothing to compute", text);
  if (kernel->supports != NULL && !kernel->supports(only))
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: it does not support %s", kernel->name, text);
  return DYNO_OK;
}

dyno_status dyno_check_kernel(dyno_check_summary *summary, const dyno_kernel *kernel,
                              const dyno_kernel *reference, const dyno_check_options *options,
                              dyno_error *error)
{
  *summary =
      (dyno_check_summary){.kernel = kernel, .plugin = options->plugin, .seed = options->seed};
  dyno_problem formats = {
      .op = kernel->op, .weight = kernel->weight, .activation = kernel->activation};
  if (reference == NULL || (unsigned)kernel->op >= DYNO_OP_COUNT)
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED, "%s: there is no reference to check it against",
                     kernel->name);
  if (!operations[kernel->op]->known(&formats))
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "%s: the check cannot make operands of weight=%s activation=%s", kernel->name,
                     dyno_dtype_name(kernel->weight), dyno_dtype_name(kernel->activation));
  dyno_cases cases = {0};
  dyno_status status = find_problems(&cases, kernel, options, error);
  if (status == DYNO_OK) {
    check_job job = {
        .kernel = kernel,
        .reference = reference,
        .options = options,
        .problems = options->only != NULL ? options->only : cases.problems,
        .count = options->only != NULL ? 1 : cases.count,
    };
    for (size_t i = 0; i < job.count; i++)
      summary->expected += runs_of(&job, i);
    dyno_child_report report = {.summary = *summary};
    status = dyno_run_apart(&report, run_all, &job, observe, &job, error);
    *summary = report.summary;
    if (status == DYNO_OK)
      status = judge(summary, &report, error);
  }
  dyno_cases_free(&cases);
  return status;
}
