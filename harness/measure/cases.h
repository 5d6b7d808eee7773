/* The cases of the benchmark, read from files that anybody may add to.
 *
 *   { "schema": "dyno.case/1", "name": "questions", "title": "Simple questions",
 *     "guide": "Simple questions (1-10 tokens)", "order": 1, "description": "...",
 *     "output_tokens": 8, "effort": "medium",
 *     "prompts": [ { "id": "sum", "prompt": "What is 47 + 8?", "trace": "55",
 *                    "expected": "55" } ] }
 *
 * schema, name, output_tokens and prompts, and of a prompt id, prompt and trace, must be there. A
 * field that is none of these is an error, because it would be a misspelt one. */
#ifndef DYNO_HARNESS_MEASURE_CASES_H
#define DYNO_HARNESS_MEASURE_CASES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/text/harmony.h"

#define DYNO_TESTCASE_SCHEMA "dyno.case/1"

enum { DYNO_TESTCASE_MOST_TOKENS = 1 << 20, DYNO_TESTCASE_MOST_PROMPTS = 1000 };

typedef struct dyno_testcase_prompt {
  const char *id;
  const char *prompt;   /* the user's message */
  const char *trace;    /* the answer that is fed to the model in speed runs */
  const char *expected; /* what the model's own answer has to contain; NULL: nothing */
} dyno_testcase_prompt;

typedef struct dyno_testcase {
  const char *name;                /* of a-z, 0-9, - and _ */
  const char *title;               /* the name when none is stated */
  const char *guide, *description; /* "" when not stated */
  int order;                       /* among the cases; 1000 when not stated */
  size_t output_tokens;            /* of every answer in speed runs */
  dyno_effort effort;
  dyno_testcase_prompt *prompts; /* [prompt_count], at least one */
  size_t prompt_count;
  const char *file;
  uint64_t hash; /* XXH3 of the file */
  struct json_t *root;
} dyno_testcase;

/* In their order, equal ones by name. The strings belong to it. */
typedef struct dyno_testcases {
  dyno_testcase *cases;
  size_t count;
} dyno_testcases;

/* Adds the cases of a file, or of all *.json of a folder, to those that are there; *cases is
 * zero-initialised by its owner. NOT_FOUND, IO, MEMORY, and FORMAT, naming file, line and field;
 * a name that is there twice is one of those. On failure *cases holds what was read before. */
dyno_status dyno_testcases_read(dyno_testcases *cases, const char *path, dyno_error *error);

/* Keeps only those of a list ("questions,essays"). USAGE, naming those that there are, when one is
 * not among them or the list has an empty name. */
dyno_status dyno_testcases_choose(dyno_testcases *cases, const char *list, dyno_error *error);

void dyno_testcases_free(dyno_testcases *cases);

#endif
