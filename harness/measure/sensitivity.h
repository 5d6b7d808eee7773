/* What it costs to lower one tensor, and which ones to lower for a budget. */
#ifndef DYNO_HARNESS_MEASURE_SENSITIVITY_H
#define DYNO_HARNESS_MEASURE_SENSITIVITY_H

#include "harness/measure/calibration.h"
#include "harness/measure/knapsack.h"
#include "runtime/model/quantization.h"

/* The distributions that follow each token of a calibration text, by some engine. */
typedef struct dyno_held {
  float *probabilities;                /* [tokens][vocab]; owned */
  double *negative_entropy;            /* [tokens]: sum of p ln p; owned */
  const dyno_calibration *calibration; /* not owned */
  size_t vocab;
} dyno_held;

/* As many tokens as dyno_hold takes of a vocabulary: half a gigabyte. */
size_t dyno_most_held(size_t vocab);

/* Runs the text. MEMORY; errors of dyno_sequence_append. On failure *held is empty. */
dyno_status dyno_hold(dyno_held *held, dyno_engine *engine, const dyno_calibration *calibration,
                      dyno_error *error);
void dyno_held_free(dyno_held *held);

/* The mean over the tokens of KL(held || engine), in nats. Errors of dyno_sequence_append. */
dyno_status dyno_held_divergence(double *mean, const dyno_held *held, dyno_engine *engine,
                                 dyno_error *error);

/* Tensors that can be lowered, and what each method makes of each. */
typedef struct dyno_sensitivity {
  const dyno_tensor **tensors; /* [count]; owned, the tensors are the engine's */
  size_t count;
  dyno_quant_method methods[DYNO_QUANT_METHOD_COUNT]; /* [method_count]; the first is NONE */
  size_t method_count;
  dyno_knapsack_option *options; /* [count][method_count]; owned. loss: rise of the mean KL */
  double base;                   /* mean KL with nothing lowered */
} dyno_sensitivity;

typedef struct dyno_sensitivity_run {
  dyno_engine *engine;               /* with nothing lowered; comes back so */
  const dyno_held *held;             /* what to be compared with */
  const dyno_importance *importance; /* for searches, or NULL */
  bool (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL */
  void *context;
} dyno_sensitivity_run;

/* Lowers each tensor by itself by each method. Of methods that do not apply to a tensor there is no
 * option. Errors of dyno_engine_lower and dyno_held_divergence; INTERRUPTED. On failure
 * *sensitivity is empty. */
dyno_status dyno_sensitivity_measure(dyno_sensitivity *sensitivity, const dyno_sensitivity_run *run,
                                     const dyno_quant_method *methods, size_t method_count,
                                     dyno_error *error);
void dyno_sensitivity_free(dyno_sensitivity *sensitivity);

/* Bytes of the tensors when all are lowered by a method, where it applies. */
uint64_t dyno_sensitivity_bytes(const dyno_sensitivity *sensitivity, dyno_quant_method method);

/* A choice for every tensor of the model (by dyno_tensor_index, of tensor_count), least loss in so
 * many bytes, or fewest bytes for at most so much loss (bytes UINT64_MAX), losses being added up.
 * Errors of dyno_knapsack. */
dyno_status dyno_sensitivity_plan(dyno_quant_method *plan, size_t tensor_count,
                                  const dyno_sensitivity *sensitivity, uint64_t bytes, double loss,
                                  dyno_error *error);

/* Lowers the engine's tensors by a plan, measures, and puts all back. */
dyno_status dyno_plan_divergence(double *mean, const dyno_sensitivity_run *run,
                                 const dyno_quant_method *plan, dyno_error *error);

#endif
