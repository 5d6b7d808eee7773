/* Parts of the architecture that can be left out, to see what they are worth. */
#ifndef DYNO_RUNTIME_MODEL_ABLATION_H
#define DYNO_RUNTIME_MODEL_ABLATION_H

#include "kernels/base/status.h"
#include "runtime/model/config.h"

typedef enum dyno_part {
  DYNO_PART_SINKS,  /* attention without sinks: the softmax is over the keys alone */
  DYNO_PART_WINDOW, /* every layer sees everything */
  DYNO_PART_YARN,   /* plain RoPE, neither stretched nor scaled */
  DYNO_PART_COUNT
} dyno_part;

/* A set of parts: bit 1 << part. */
typedef unsigned dyno_parts;

const char *dyno_part_name(dyno_part part); /* "sinks" */

/* Adds the parts that a list like "sinks,yarn" names. USAGE, naming the word. */
dyno_status dyno_parts_parse(dyno_parts *parts, const char *list, dyno_error *error);

/* The configuration of the model without these parts. Sinks are weights and stay to whoever loads
 * them. */
void dyno_config_ablate(dyno_model_config *config, dyno_parts parts);

#endif
