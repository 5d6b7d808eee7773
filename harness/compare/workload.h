/* What two arms are compared on: prompts, and the tokens that are fed after them, the same to both
 * and in every round. */
#ifndef DYNO_HARNESS_COMPARE_WORKLOAD_H
#define DYNO_HARNESS_COMPARE_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "harness/compare/arm.h"

typedef struct dyno_compare_workload {
  char *name;      /* of the case; owned */
  int32_t *tokens; /* owned [prompt + steps] */
  size_t prompt, steps;
} dyno_compare_workload;

typedef struct dyno_compare_workloads {
  dyno_compare_workload *list; /* owned */
  size_t count;
} dyno_compare_workloads;

typedef struct dyno_workload_options {
  const char *cases; /* a list of names, "a,b"; NULL: all */
  const char *text;  /* a prompt to take instead, or NULL */
  size_t steps;      /* tokens after each prompt */
  size_t longest;    /* prompts are cut off there; 0: never */
} dyno_workload_options;

/* The first prompts of the test cases as the arm's tokenizer reads them, each followed by the
 * answer that the case states (a text of the user's: by what the arm says to it, greedily). USAGE:
 * no such case, a prompt beyond the model's context; NOT_FOUND: a model without a tokenizer;
 * MEMORY; errors of the arm. On failure *workloads is empty. */
dyno_status dyno_compare_workloads_make(dyno_compare_workloads *workloads, dyno_arm *arm,
                                        const dyno_workload_options *options, dyno_error *error);

void dyno_compare_workloads_free(dyno_compare_workloads *workloads);

#endif
