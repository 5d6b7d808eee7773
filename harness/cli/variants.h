/* Which variants a command is about: --family, --op, and a part of the name. */
#ifndef DYNO_HARNESS_CLI_VARIANTS_H
#define DYNO_HARNESS_CLI_VARIANTS_H

#include <argp.h>
#include <stdbool.h>

#include "kernels/registry.h"

/* Members that are zero (or DYNO_..._COUNT) let everything pass; initialise with
 * DYNO_VARIANT_FILTER_ALL. */
typedef struct dyno_variant_filter {
  dyno_family family;
  dyno_op op;
  const char *part; /* of the name */
} dyno_variant_filter;

#define DYNO_VARIANT_FILTER_ALL                                                                    \
  ((dyno_variant_filter){.family = DYNO_FAMILY_COUNT, .op = DYNO_OP_COUNT})

bool dyno_variant_matches(const dyno_variant_filter *filter, const dyno_kernel *kernel);

/* USAGE, listing near names, when no variant of the registry passes. */
dyno_status dyno_variant_filter_check(const dyno_variant_filter *filter,
                                      const dyno_registry *registry, dyno_error *error);

/* --family and --op as an argp child; the input is a dyno_variant_filter. */
extern const struct argp dyno_variant_filter_parser;

/* Reads "PART", "FAMILY=PART" or "OP=PART" into the filter, as the argument of --kernel where it
 * selects; a usage error, which ends the program, on an unknown family or op. */
void dyno_variant_filter_part(dyno_variant_filter *filter, char *argument,
                              struct argp_state *state);

#endif
