#include "harness/cli/quantize_choice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/interrupt.h"
#include "harness/report/progress.h"
#include "runtime/engine_lower.h"

/* What dynamic chooses from. */
static const dyno_quant_method candidates[] = {
    DYNO_QUANT_INT8,
    DYNO_QUANT_INT4_ZERO_SEARCH,
    DYNO_QUANT_INT4_SEARCH,
    DYNO_QUANT_MXFP4_SEARCH,
};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };

typedef struct watcher {
  dyno_progress bar;
  const char *label;
} watcher;

static bool watch(void *context, uint64_t done, uint64_t total)
{
  watcher *w = context;
  if (w->bar.total <= 0)
    dyno_progress_start(&w->bar, stderr, (double)total);
  dyno_progress_update(&w->bar, (double)done, w->label);
  return !dyno_interrupted();
}

static dyno_status open_engine(dyno_engine **engine, const dyno_quantize_wish *wish,
                               dyno_precision precision, dyno_error *error)
{
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = wish->model;
  options.registry = *wish->registry;
  options.precision = precision;
  return dyno_engine_open(engine, &options, error);
}

static dyno_status weigh(dyno_quantize_choice *choice, dyno_engine *engine,
                         const dyno_quantize_wish *wish, dyno_error *error)
{
  dyno_calibration text;
  watcher w = {.label = "calibrating"};
  dyno_status status = dyno_calibration_read(&text, wish->text, engine, wish->tokens, error);
  if (status == DYNO_OK)
    status = dyno_calibrate(&choice->importance, engine, &text, watch, &w, error);
  dyno_progress_clear(&w.bar);
  dyno_calibration_free(&text);
  choice->quantization.importance = &choice->importance;
  return status;
}

/* Bytes that a budget allows. */
static dyno_status read_budget(uint64_t *bytes, const char *text, const dyno_sensitivity *s,
                               dyno_error *error)
{
  static const struct {
    const char *unit;
    double factor;
  } units[] = {{"", 1},     {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30},
               {"kB", 1e3}, {"MB", 1e6},     {"GB", 1e9}};
  dyno_quant_method method = dyno_quant_parse(text);
  if (method < DYNO_QUANT_METHOD_COUNT) {
    *bytes = dyno_sensitivity_bytes(s, method);
    return DYNO_OK;
  }
  char *end;
  double number = strtod(text, &end), factor = 0;
  if (strcmp(end, "%") == 0)
    factor = (double)dyno_sensitivity_bytes(s, DYNO_QUANT_NONE) / 100;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp(end, units[i].unit) == 0)
      factor = units[i].factor;
  if (end == text || !(number > 0) || factor <= 0 || number * factor > 0x1p62)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "--budget=%s: wanted is a share (70%%), a size (6.5MiB) or a method (int4)",
                     text);
  *bytes = (uint64_t)(number * factor);
  return DYNO_OK;
}

static uint64_t plan_bytes(const dyno_sensitivity *s, const dyno_quant_method *plan,
                           double *predicted)
{
  uint64_t bytes = 0;
  *predicted = s->base;
  for (size_t i = 0; i < s->count; i++) {
    size_t j = 0;
    while (s->methods[j] != plan[dyno_tensor_index(s->tensors[i]->role, s->tensors[i]->layer)])
      j++;
    bytes += s->options[i * s->method_count + j].bytes;
    *predicted += s->options[i * s->method_count + j].loss;
  }
  return bytes;
}

/* The engine and what its divergence is measured with. */
typedef struct measuring {
  dyno_quantize_choice *choice;
  const dyno_quantize_wish *wish;
  const dyno_checkpoint *checkpoint;
  dyno_sensitivity_run run;
  dyno_quant_method *plan; /* [tensors], to try things with */
  dyno_quantize_rival uniform[CANDIDATES];
} measuring;

/* Each method for all tensors. */
static dyno_status measure_uniform(measuring *m, dyno_error *error)
{
  size_t tensors = dyno_checkpoint_tensor_count(m->checkpoint);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < CANDIDATES && status == DYNO_OK; i++) {
    for (size_t t = 0; t < tensors; t++)
      m->plan[t] = candidates[i];
    m->uniform[i].name = dyno_quant_get(candidates[i])->name;
    m->uniform[i].bytes = dyno_sensitivity_bytes(&m->choice->sensitivity, candidates[i]);
    status = dyno_plan_divergence(&m->uniform[i].nats, &m->run, m->plan, error);
  }
  return status;
}

/* The best plan for so many bytes. Losses do not quite add up, so what the knapsack finds is
 * measured as a whole, and one method for all tensors is taken where that proves better. */
static dyno_status plan_for_bytes(measuring *m, dyno_quant_method *plan,
                                  dyno_quantize_rival *measured, uint64_t bytes, dyno_error *error)
{
  const dyno_sensitivity *s = &m->choice->sensitivity;
  size_t tensors = dyno_checkpoint_tensor_count(m->checkpoint);
  dyno_status status = dyno_sensitivity_plan(plan, tensors, s, bytes, INFINITY, error);
  *measured = (dyno_quantize_rival){.name = "dynamic"};
  if (status == DYNO_OK)
    status = dyno_plan_divergence(&measured->nats, &m->run, plan, error);
  size_t best = CANDIDATES;
  for (size_t i = 0; i < CANDIDATES && status == DYNO_OK; i++)
    if (m->uniform[i].bytes <= bytes && m->uniform[i].nats < measured->nats) {
      measured->nats = m->uniform[i].nats;
      best = i;
    }
  for (size_t i = 0; i < s->count && best < CANDIDATES; i++) {
    const dyno_quantization uniform = {.uniform = candidates[best]};
    plan[dyno_tensor_index(s->tensors[i]->role, s->tensors[i]->layer)] =
        dyno_quantization_method(&uniform, s->tensors[i]);
  }
  double predicted;
  if (status == DYNO_OK)
    measured->bytes = plan_bytes(s, plan, &predicted);
  return status;
}

/* The smallest plan of at most this loss, as measured: where the sum of the parts promised too
 * much, less is asked of it. */
static dyno_status plan_for_loss(measuring *m, dyno_quant_method *plan,
                                 dyno_quantize_rival *measured, double loss, dyno_error *error)
{
  enum { ATTEMPTS = 8 };
  const dyno_sensitivity *s = &m->choice->sensitivity;
  size_t tensors = dyno_checkpoint_tensor_count(m->checkpoint);
  double asked = loss - s->base, predicted;
  *measured = (dyno_quantize_rival){.name = "dynamic", .nats = INFINITY};
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < ATTEMPTS && status == DYNO_OK && measured->nats > loss; i++) {
    status = dyno_sensitivity_plan(plan, tensors, s, UINT64_MAX, asked, error);
    if (status == DYNO_OK)
      status = dyno_plan_divergence(&measured->nats, &m->run, plan, error);
    asked *= 0.7;
  }
  if (status == DYNO_OK)
    measured->bytes = plan_bytes(s, plan, &predicted);
  if (status == DYNO_OK && measured->nats > loss)
    status = dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                       "no plan was found with a mean KL of %g: that of the best is %g", loss,
                       measured->nats);
  return status;
}

/* Each method beside what dynamic makes of as many bytes. */
static dyno_status add_rivals(measuring *m, dyno_error *error)
{
  dyno_quantize_choice *choice = m->choice;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < CANDIDATES && status == DYNO_OK; i++) {
    choice->rivals[choice->rival_count++] = m->uniform[i];
    status = plan_for_bytes(m, m->plan, &choice->rivals[choice->rival_count++], m->uniform[i].bytes,
                            error);
  }
  return status;
}

static void note_choice(measuring *m)
{
  dyno_quantize_choice *choice = m->choice;
  const dyno_sensitivity *s = &choice->sensitivity;
  for (size_t i = 0; i < s->count; i++) {
    const dyno_tensor *tensor = s->tensors[i];
    memcpy(choice->names[i], tensor->name, sizeof tensor->name);
    dyno_quant_method method =
        choice->quantization.methods[dyno_tensor_index(tensor->role, tensor->layer)];
    while (s->methods[choice->chosen[i]] != method)
      choice->chosen[i]++;
  }
}

static dyno_status choose(measuring *m, dyno_error *error)
{
  dyno_quantize_choice *choice = m->choice;
  dyno_sensitivity *s = &choice->sensitivity;
  watcher w = {.label = "lowering one tensor at a time"};
  size_t tensors = dyno_checkpoint_tensor_count(m->checkpoint);
  uint64_t room = UINT64_MAX;
  m->run.progress = watch;
  m->run.context = &w;
  dyno_status status = dyno_sensitivity_measure(s, &m->run, candidates, CANDIDATES, error);
  dyno_progress_clear(&w.bar);
  if (status != DYNO_OK)
    return status;
  m->plan = calloc(tensors, sizeof *m->plan);
  choice->quantization.methods = calloc(tensors, sizeof *m->plan);
  choice->rivals = calloc(1 + 2 * CANDIDATES, sizeof *choice->rivals);
  choice->names = calloc(s->count + 1, sizeof *choice->names);
  choice->chosen = calloc(s->count + 1, sizeof *choice->chosen);
  if (m->plan == NULL || choice->quantization.methods == NULL || choice->rivals == NULL ||
      choice->names == NULL || choice->chosen == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "plan: out of memory");
  dyno_quant_method *plan = choice->quantization.methods;
  status = measure_uniform(m, error);
  if (status == DYNO_OK && m->wish->budget != NULL)
    status = read_budget(&room, m->wish->budget, s, error);
  if (status == DYNO_OK)
    status = m->wish->budget != NULL
                 ? plan_for_bytes(m, plan, &choice->rivals[0], room, error)
                 : plan_for_loss(m, plan, &choice->rivals[0], m->wish->loss, error);
  if (status != DYNO_OK)
    return status;
  choice->rivals[0].name = "the plan";
  choice->rival_count = 1;
  plan_bytes(s, plan, &choice->predicted);
  if (dyno_checkpoint_config(m->checkpoint)->tied_head)
    plan[DYNO_TENSOR_HEAD] = plan[DYNO_TENSOR_EMBEDDING];
  note_choice(m);
  return add_rivals(m, error);
}

/* The reference's distributions first: both engines at once would be two copies. */
static dyno_status hold(dyno_held *held, dyno_calibration *text, const dyno_quantize_wish *wish,
                        dyno_error *error)
{
  dyno_engine *reference;
  dyno_status status = open_engine(&reference, wish, DYNO_PRECISION_REFERENCE, error);
  if (status != DYNO_OK)
    return status;
  size_t most = dyno_most_held(dyno_engine_config(reference)->vocab);
  status = dyno_calibration_read(text, wish->text, reference,
                                 most < wish->sensitivity_tokens ? most : wish->sensitivity_tokens,
                                 error);
  if (status == DYNO_OK)
    status = dyno_hold(held, reference, text, error);
  dyno_engine_close(&reference);
  return status;
}

static dyno_status choose_dynamically(dyno_quantize_choice *choice, const dyno_quantize_wish *wish,
                                      const dyno_checkpoint *checkpoint, dyno_error *error)
{
  dyno_calibration text = {0};
  dyno_held held = {0};
  dyno_engine *engine = NULL;
  dyno_status status = hold(&held, &text, wish, error);
  if (status == DYNO_OK)
    status = open_engine(&engine, wish, DYNO_PRECISION_FAST, error);
  if (status == DYNO_OK)
    status = weigh(choice, engine, wish, error);
  measuring m = {.choice = choice,
                 .wish = wish,
                 .checkpoint = checkpoint,
                 .run = {.engine = engine, .held = &held, .importance = &choice->importance}};
  if (status == DYNO_OK)
    status = choose(&m, error);
  free(m.plan);
  dyno_engine_close(&engine);
  dyno_held_free(&held);
  dyno_calibration_free(&text);
  return status;
}

dyno_status dyno_quantize_choose(dyno_quantize_choice *choice, const dyno_quantize_wish *wish,
                                 const dyno_checkpoint *checkpoint, dyno_error *error)
{
  *choice = (dyno_quantize_choice){0};
  if (strcmp(wish->to, "dynamic") == 0)
    return choose_dynamically(choice, wish, checkpoint, error);
  dyno_engine *engine = NULL;
  dyno_status status = dyno_quantization_open(&choice->quantization, wish->to, checkpoint, error);
  if (status != DYNO_OK || wish->text == NULL)
    return status;
  status = open_engine(&engine, wish, DYNO_PRECISION_FAST, error);
  if (status == DYNO_OK)
    status = weigh(choice, engine, wish, error);
  dyno_engine_close(&engine);
  return status;
}

void dyno_quantize_choice_close(dyno_quantize_choice *choice)
{
  dyno_quantization_close(&choice->quantization);
  dyno_importance_free(&choice->importance);
  dyno_sensitivity_free(&choice->sensitivity);
  free(choice->names);
  free(choice->chosen);
  free(choice->rivals);
  *choice = (dyno_quantize_choice){0};
}
