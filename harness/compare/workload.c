#include "harness/compare/workload.h"

#include <stdlib.h>
#include <string.h>

#include "harness/measure/cases.h"
#include "runtime/data.h"

enum { MOST_PROMPT = 1 << 17 };

/* The tokens of the answer that the case states, again and again; without one, what the arm says.
 */
static dyno_status fill_steps(dyno_compare_workload *workload, dyno_arm *arm, const char *trace,
                              size_t steps, dyno_error *error)
{
  int32_t *after = workload->tokens + workload->prompt;
  size_t count = 0;
  workload->steps = steps;
  if (trace != NULL) {
    dyno_status status = arm->calls->tokenize(arm, trace, false, after, MOST_PROMPT, &count, error);
    if (status != DYNO_OK)
      return status;
  }
  if (count == 0)
    return arm->calls->generate(arm, workload->tokens, workload->prompt, after, steps, error);
  for (size_t i = count; i < steps; i++)
    after[i] = after[i - count];
  return DYNO_OK;
}

static dyno_status fill(dyno_compare_workload *workload, dyno_arm *arm, const char *text,
                        const char *trace, const dyno_workload_options *options, dyno_error *error)
{
  dyno_arm_facts facts;
  dyno_status status = arm->calls->facts(arm, &facts, error);
  workload->tokens = calloc(2 * (size_t)MOST_PROMPT + options->steps, sizeof(int32_t));
  if (status == DYNO_OK && workload->tokens == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK)
    status = arm->calls->tokenize(arm, text, true, workload->tokens, MOST_PROMPT, &workload->prompt,
                                  error);
  if (status != DYNO_OK)
    return status;
  if (options->longest > 0 && workload->prompt > options->longest)
    workload->prompt = options->longest;
  if (workload->prompt == 0 || workload->prompt + options->steps > facts.context)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "case '%s': %zu tokens and %zu after them; the model's context is 2 to %zu",
                     workload->name, workload->prompt, options->steps, facts.context);
  return fill_steps(workload, arm, trace, options->steps, error);
}

static dyno_status add(dyno_compare_workloads *workloads, dyno_arm *arm, const char *name,
                       const char *text, const char *trace, const dyno_workload_options *options,
                       dyno_error *error)
{
  dyno_compare_workload *longer = realloc(workloads->list, (workloads->count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  workloads->list = longer;
  dyno_compare_workload *workload = &longer[workloads->count++];
  *workload = (dyno_compare_workload){.name = strdup(name)};
  if (workload->name == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  return fill(workload, arm, text, trace, options, error);
}

/* The first prompt of each case. */
static dyno_status add_cases(dyno_compare_workloads *workloads, dyno_arm *arm,
                             const dyno_workload_options *options, dyno_error *error)
{
  char *path = NULL;
  dyno_testcases cases = {0};
  dyno_status status = dyno_data_path(&path, "cases", error);
  if (status == DYNO_OK)
    status = dyno_testcases_read(&cases, path, error);
  if (status == DYNO_OK && options->cases != NULL)
    status = dyno_testcases_choose(&cases, options->cases, error);
  for (size_t i = 0; i < cases.count && status == DYNO_OK; i++)
    status = add(workloads, arm, cases.cases[i].name, cases.cases[i].prompts[0].prompt,
                 cases.cases[i].prompts[0].trace, options, error);
  dyno_testcases_free(&cases);
  free(path);
  return status;
}

dyno_status dyno_compare_workloads_make(dyno_compare_workloads *workloads, dyno_arm *arm,
                                        const dyno_workload_options *options, dyno_error *error)
{
  *workloads = (dyno_compare_workloads){0};
  dyno_status status = options->text != NULL
                           ? add(workloads, arm, "prompt", options->text, NULL, options, error)
                           : add_cases(workloads, arm, options, error);
  if (status != DYNO_OK)
    dyno_compare_workloads_free(workloads);
  return status;
}

void dyno_compare_workloads_free(dyno_compare_workloads *workloads)
{
  for (size_t i = 0; i < workloads->count; i++) {
    free(workloads->list[i].name);
    free(workloads->list[i].tokens);
  }
  free(workloads->list);
  *workloads = (dyno_compare_workloads){0};
}
