/* What `dyno quantize` lowers each tensor to. */
#ifndef DYNO_HARNESS_CLI_QUANTIZE_CHOICE_H
#define DYNO_HARNESS_CLI_QUANTIZE_CHOICE_H

#include "harness/measure/sensitivity.h"

typedef struct dyno_quantize_wish {
  const char *model;         /* its path */
  const char *to;            /* a method, plan:FILE or "dynamic" */
  const char *text;          /* to calibrate on; NULL: not wanted */
  size_t tokens;             /* of it, at most */
  size_t sensitivity_tokens; /* for dynamic, at most */
  const char *budget;        /* dynamic: "70%", "6.5MiB" or a method's name; NULL: by loss */
  double loss;               /* dynamic: nats; infinite: by budget */
  const dyno_registry_options *registry;
} dyno_quantize_wish;

/* One way to lower the whole model, and its divergence on the calibration text. */
typedef struct dyno_quantize_rival {
  const char *name; /* a method, or "dynamic" for one of the same size */
  uint64_t bytes;   /* of the tensors that can be lowered */
  double nats;      /* mean KL */
} dyno_quantize_rival;

typedef struct dyno_quantize_choice {
  dyno_quantization quantization; /* its importance is that below */
  dyno_importance importance;
  /* Of dynamic: */
  dyno_sensitivity sensitivity;    /* tensors is of no use any more: */
  char (*names)[DYNO_TENSOR_NAME]; /* [sensitivity.count] */
  size_t *chosen;                  /* [sensitivity.count]: index into its methods */
  dyno_quantize_rival *rivals;     /* [rival_count]: the choice, then each method and dynamic */
  size_t rival_count;
  double predicted; /* mean KL of the choice, as the losses add up */
} dyno_quantize_choice;

/* Calibrates and measures what the wish takes. Whatever it returns, the choice is to be closed. */
dyno_status dyno_quantize_choose(dyno_quantize_choice *choice, const dyno_quantize_wish *wish,
                                 const dyno_checkpoint *checkpoint, dyno_error *error);

void dyno_quantize_choice_close(dyno_quantize_choice *choice);

#endif
