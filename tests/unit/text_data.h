/* Where the tests of text find their data: tests/data/tokenizer in the tree, and OpenAI's
 * vocabulary beside it, if somebody put it there. */
#ifndef DYNO_TESTS_UNIT_TEXT_DATA_H
#define DYNO_TESTS_UNIT_TEXT_DATA_H

#include <criterion/criterion.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/text/tokenizer.h"

typedef struct data_path {
  char text[4096];
} data_path;

/* A file of tests/data/tokenizer. */
static inline data_path test_data(const char *name)
{
  const char *source = getenv("top_srcdir");
  data_path path;
  snprintf(path.text, sizeof path.text, "%s/tests/data/tokenizer/%s", source != NULL ? source : ".",
           name);
  return path;
}

/* A file of shared/data: of the folder that DYNO_SHARED names, or of the one beside the tree. */
static inline data_path shared_data(const char *name)
{
  const char *source = getenv("top_srcdir"), *shared = getenv("DYNO_SHARED");
  data_path path;
  if (shared != NULL)
    snprintf(path.text, sizeof path.text, "%s/data/%s", shared, name);
  else
    snprintf(path.text, sizeof path.text, "%s/../shared/data/%s", source != NULL ? source : ".",
             name);
  return path;
}

/* Skips the test, saying why, where the file is not. */
static inline void require_file(const data_path *path)
{
  if (access(path->text, R_OK) != 0)
    cr_skip_test("there is no %s (DYNO_SHARED names another place)", path->text);
}

static inline dyno_tokenizer *open_tiktoken(const char *path)
{
  dyno_error error = {0};
  dyno_tokenizer *tokenizer = NULL;
  dyno_status status = dyno_tokenizer_open_tiktoken(&tokenizer, path, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return tokenizer;
}

static inline dyno_tokenizer *open_small(void)
{
  data_path path = test_data("small.tiktoken");
  return open_tiktoken(path.text);
}

#endif
