#include "harness/measure/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine_lower.h"

#define MOST_HELD_BYTES ((size_t)512 << 20)

size_t dyno_most_held(size_t vocab)
{
  return MOST_HELD_BYTES / (vocab * sizeof(float));
}

/* Shows the logits of all positions of the text to visit, which is told where each one begins. */
typedef struct text_run {
  const dyno_held *held;
  double *sums; /* [1]: of divergences */
  size_t at;    /* of the first token of the sequence */
} text_run;

static dyno_status run_text(dyno_engine *engine, text_run *run, dyno_logits_visit *visit,
                            dyno_error *error)
{
  const dyno_calibration *c = run->held->calibration;
  dyno_status status = DYNO_OK;
  run->at = 0;
  for (size_t i = 0; i < c->count && status == DYNO_OK; run->at = c->ends[i++]) {
    dyno_sequence *sequence;
    size_t count = c->ends[i] - run->at;
    status = dyno_sequence_open(&sequence, engine, count, error);
    if (status == DYNO_OK)
      status = dyno_sequence_append(sequence, c->tokens.ids + run->at, count, visit, run, error);
    dyno_sequence_close(&sequence);
  }
  return status;
}

static float largest_of(const float *logits, size_t vocab)
{
  float largest = logits[0];
  for (size_t i = 1; i < vocab; i++)
    largest = logits[i] > largest ? logits[i] : largest;
  return largest;
}

/* ln of the sum of e^logit. */
static double log_sum(const float *logits, size_t vocab)
{
  float largest = largest_of(logits, vocab);
  double sum = 0;
  for (size_t i = 0; i < vocab; i++)
    sum += (double)expf(logits[i] - largest);
  return (double)largest + log(sum);
}

static void hold_position(void *context, size_t position, const float *logits)
{
  const text_run *run = context;
  const dyno_held *held = run->held;
  size_t at = run->at + position;
  double total = log_sum(logits, held->vocab), sum = 0;
  for (size_t i = 0; i < held->vocab; i++) {
    double log_p = (double)logits[i] - total, p = exp(log_p);
    held->probabilities[at * held->vocab + i] = (float)p;
    sum += p * log_p;
  }
  held->negative_entropy[at] = sum;
}

/* KL = sum of p ln p - sum of p ln q, and ln q = logit - total, p summing to 1. */
static void compare_position(void *context, size_t position, const float *logits)
{
  const text_run *run = context;
  const dyno_held *held = run->held;
  size_t at = run->at + position;
  const float *p = held->probabilities + at * held->vocab;
  double cross = 0, mass = 0;
  for (size_t i = 0; i < held->vocab; i++) {
    cross += (double)p[i] * (double)logits[i];
    mass += (double)p[i];
  }
  double nats = held->negative_entropy[at] - cross / mass + log_sum(logits, held->vocab);
  *run->sums += nats > 0 ? nats : 0;
}

dyno_status dyno_hold(dyno_held *held, dyno_engine *engine, const dyno_calibration *calibration,
                      dyno_error *error)
{
  size_t tokens = calibration->tokens.count;
  *held = (dyno_held){.calibration = calibration, .vocab = dyno_engine_config(engine)->vocab};
  held->probabilities = malloc(tokens * held->vocab * sizeof *held->probabilities);
  held->negative_entropy = malloc(tokens * sizeof *held->negative_entropy);
  text_run run = {.held = held};
  dyno_status status = held->probabilities != NULL && held->negative_entropy != NULL
                           ? run_text(engine, &run, hold_position, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "calibration: out of memory");
  if (status != DYNO_OK)
    dyno_held_free(held);
  return status;
}

void dyno_held_free(dyno_held *held)
{
  free(held->probabilities);
  free(held->negative_entropy);
  *held = (dyno_held){0};
}

dyno_status dyno_held_divergence(double *mean, const dyno_held *held, dyno_engine *engine,
                                 dyno_error *error)
{
  double sum = 0;
  text_run run = {.held = held, .sums = &sum};
  dyno_status status = run_text(engine, &run, compare_position, error);
  *mean = sum / (double)held->calibration->tokens.count;
  return status;
}

static uint64_t bytes_as(const dyno_tensor *tensor, dyno_quant_method method)
{
  const dyno_quantization quantization = {.uniform = method};
  dyno_dtype dtype = dyno_quantized_dtype(&quantization, tensor);
  return (uint64_t)tensor->groups * tensor->n * dyno_row_bytes(dtype, tensor->k);
}

static bool applies(const dyno_tensor *tensor, dyno_quant_method method)
{
  const dyno_quantization quantization = {.uniform = method};
  return dyno_quantization_method(&quantization, tensor) != DYNO_QUANT_NONE;
}

static dyno_status open_options(dyno_sensitivity *s, const dyno_checkpoint *checkpoint,
                                dyno_error *error)
{
  size_t most = dyno_checkpoint_tensor_count(checkpoint);
  bool tied = dyno_checkpoint_config(checkpoint)->tied_head;
  s->tensors = calloc(most, sizeof *s->tensors);
  s->options = calloc(most * s->method_count, sizeof *s->options);
  if (s->tensors == NULL || s->options == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "sensitivity: out of memory");
  for (size_t i = 0; i < most; i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    bool some = false;
    if (tied && tensor->role == DYNO_TENSOR_HEAD)
      continue; /* it is the embedding, and follows it */
    for (size_t j = 0; j < s->method_count; j++) {
      dyno_knapsack_option *option = &s->options[s->count * s->method_count + j];
      bool there = j == 0 || applies(tensor, s->methods[j]);
      option->bytes = there ? bytes_as(tensor, s->methods[j]) : UINT64_MAX;
      some = some || (there && j > 0);
    }
    if (some)
      s->tensors[s->count++] = tensor;
  }
  return DYNO_OK;
}

static dyno_status lower(const dyno_sensitivity_run *run, const dyno_tensor *tensor,
                         dyno_quant_method method, dyno_error *error)
{
  dyno_status status =
      dyno_engine_lower(run->engine, tensor->role, tensor->layer, method, run->importance, error);
  if (status == DYNO_OK && tensor->role == DYNO_TENSOR_EMBEDDING &&
      dyno_engine_config(run->engine)->tied_head)
    status = dyno_engine_lower(run->engine, DYNO_TENSOR_HEAD, 0, method, run->importance, error);
  return status;
}

static dyno_status measure_options(dyno_sensitivity *s, const dyno_sensitivity_run *run,
                                   dyno_error *error)
{
  dyno_status status = dyno_held_divergence(&s->base, run->held, run->engine, error);
  for (size_t i = 0; i < s->count && status == DYNO_OK; i++) {
    for (size_t j = 1; j < s->method_count && status == DYNO_OK; j++) {
      dyno_knapsack_option *option = &s->options[i * s->method_count + j];
      double mean = 0;
      if (option->bytes == UINT64_MAX)
        continue;
      status = lower(run, s->tensors[i], s->methods[j], error);
      if (status == DYNO_OK)
        status = dyno_held_divergence(&mean, run->held, run->engine, error);
      option->loss = mean > s->base ? mean - s->base : 0; /* below is noise */
      if (status == DYNO_OK && run->progress != NULL &&
          !run->progress(run->context, i * (s->method_count - 1) + j,
                         s->count * (s->method_count - 1)))
        status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    }
    if (status == DYNO_OK)
      status = lower(run, s->tensors[i], DYNO_QUANT_NONE, error);
  }
  return status;
}

dyno_status dyno_sensitivity_measure(dyno_sensitivity *sensitivity, const dyno_sensitivity_run *run,
                                     const dyno_quant_method *methods, size_t method_count,
                                     dyno_error *error)
{
  dyno_sensitivity *s = sensitivity;
  *s = (dyno_sensitivity){.methods = {DYNO_QUANT_NONE}, .method_count = method_count + 1};
  memcpy(s->methods + 1, methods, method_count * sizeof *methods);
  dyno_status status = open_options(s, dyno_engine_checkpoint(run->engine), error);
  if (status == DYNO_OK)
    status = measure_options(s, run, error);
  if (status != DYNO_OK)
    dyno_sensitivity_free(s);
  return status;
}

void dyno_sensitivity_free(dyno_sensitivity *sensitivity)
{
  free(sensitivity->tensors);
  free(sensitivity->options);
  *sensitivity = (dyno_sensitivity){0};
}

uint64_t dyno_sensitivity_bytes(const dyno_sensitivity *sensitivity, dyno_quant_method method)
{
  uint64_t bytes = 0;
  for (size_t i = 0; i < sensitivity->count; i++)
    bytes += bytes_as(sensitivity->tensors[i], method);
  return bytes;
}

dyno_status dyno_sensitivity_plan(dyno_quant_method *plan, size_t tensor_count,
                                  const dyno_sensitivity *sensitivity, uint64_t bytes, double loss,
                                  dyno_error *error)
{
  const dyno_sensitivity *s = sensitivity;
  size_t *choice = calloc(s->count + 1, sizeof *choice);
  if (choice == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "plan: out of memory");
  dyno_status status =
      dyno_knapsack(choice, s->options, s->count, s->method_count, bytes, loss, error);
  for (size_t i = 0; i < tensor_count; i++)
    plan[i] = DYNO_QUANT_NONE;
  for (size_t i = 0; i < s->count && status == DYNO_OK; i++)
    plan[dyno_tensor_index(s->tensors[i]->role, s->tensors[i]->layer)] = s->methods[choice[i]];
  free(choice);
  return status;
}

/* Of every tensor that can be lowered at all; of the others NONE is what they are. */
static dyno_status lower_all(const dyno_sensitivity_run *run, const dyno_quant_method *plan,
                             dyno_error *error)
{
  const dyno_checkpoint *checkpoint = dyno_engine_checkpoint(run->engine);
  bool tied = dyno_checkpoint_config(checkpoint)->tied_head;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint) && status == DYNO_OK; i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    bool follows = tied && tensor->role == DYNO_TENSOR_HEAD;
    if (dyno_quant_role(tensor->role) && !follows)
      status = lower(run, tensor, plan == NULL ? DYNO_QUANT_NONE : plan[i], error);
  }
  return status;
}

dyno_status dyno_plan_divergence(double *mean, const dyno_sensitivity_run *run,
                                 const dyno_quant_method *plan, dyno_error *error)
{
  dyno_status status = lower_all(run, plan, error);
  if (status == DYNO_OK)
    status = dyno_held_divergence(mean, run->held, run->engine, error);
  return status == DYNO_OK ? lower_all(run, NULL, error) : status;
}
