/* What the files of `dyno tokenize` share. */
#ifndef DYNO_HARNESS_CLI_TOKENIZE_H
#define DYNO_HARNESS_CLI_TOKENIZE_H

#include <stdbool.h>

#include "kernels/base/status.h"
#include "runtime/text/tokenizer.h"

typedef struct dyno_tokenize_arguments {
  const char *model, *vocab;
  bool jsonl, decode, special, bench, json;
} dyno_tokenize_arguments;

/* Appends all of standard input. */
dyno_status dyno_read_standard_input(dyno_bytes *text, dyno_error *error);

/* Encodes standard input again and again, and prints how fast. */
dyno_status dyno_tokenize_bench(const dyno_tokenizer *tokenizer,
                                const dyno_tokenize_arguments *arguments, dyno_error *error);

#endif
