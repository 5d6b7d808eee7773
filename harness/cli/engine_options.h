/* The options of verbs that run a model. */
#ifndef DYNO_HARNESS_CLI_ENGINE_OPTIONS_H
#define DYNO_HARNESS_CLI_ENGINE_OPTIONS_H

#include "harness/cli/cli.h"
#include "runtime/engine.h"

/* --model, --precision, --rope, --quant, --batch, --pool,
 * --huge-pages, --numa, --alloc, --alloc-checks, and those of dyno_kernel_options: an argp child
 * whose input is a dyno_engine_arguments, zero-initialised by its owner and freed with
 * dyno_engine_arguments_free. */
typedef struct dyno_engine_arguments {
  dyno_engine_options engine;
  dyno_kernel_options kernels;
  bool logits_given; /* --logits: full may have been meant */
} dyno_engine_arguments;

extern const struct argp dyno_engine_arguments_parser;

/* The same without --threads, for verbs that read it their own way and set it in
 * kernels.registry.threads. */
extern const struct argp dyno_engine_choice_parser;

/* --cache, --cache-size, --cache-threshold and --defragment, for verbs that may keep what they
 * computed between prompts; an argp child with the same input. Whether anything is kept by default
 * is the verb's. */
extern const struct argp dyno_cache_options_parser;

void dyno_engine_arguments_free(dyno_engine_arguments *arguments);

/* Opens the engine that the arguments ask for, with a progress bar while the weights come in. */
dyno_status dyno_open_engine(dyno_engine **engine, const dyno_engine_arguments *arguments,
                             dyno_error *error);

#endif
