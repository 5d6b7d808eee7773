/* What `dyno quality` was asked for, and the part of it that compares ways of computing. */
#ifndef DYNO_HARNESS_CLI_QUALITY_H
#define DYNO_HARNESS_CLI_QUALITY_H

#include <jansson.h>

#include "harness/cli/engine_options.h"
#include "harness/measure/items.h"
#include "harness/report/quality_report.h"

typedef struct dyno_quality_arguments {
  dyno_engine_arguments engine;
  const char *heldout, *families, *text, *reference;
  const char *store, *against; /* files of what the reference found; NULL: none */
  size_t items, failures, random, seed;
  size_t greedy; /* continuations */
  bool kl, json;
} dyno_quality_arguments;

/* Compares the engine's way with the reference path, or with what one left in a file. */
dyno_status dyno_quality_compare(const dyno_quality_arguments *arguments,
                                 const dyno_engine_options *engine, dyno_error *error);

/* Leaves what the reference path finds in arguments->store. */
dyno_status dyno_quality_store(const dyno_quality_arguments *arguments,
                               const dyno_engine_options *engine, dyno_error *error);

/* The held-out items that were chosen. On failure *items is empty; errors of dyno_items_read. */
dyno_status dyno_quality_read_items(dyno_items *items, const dyno_quality_arguments *arguments,
                                    dyno_error *error);

/* What figures are printed with. */
dyno_quality_conditions dyno_quality_conditions_of(const dyno_engine_options *engine);

/* Prints it, and takes it over; NULL is a failure. */
dyno_status dyno_quality_print_json(json_t *root, dyno_error *error);

#endif
