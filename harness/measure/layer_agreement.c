#include "harness/measure/layer_agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The reference's rows of one site in one layer. */
typedef struct dyno_held_rows {
  float *rows;      /* owned [room][k] */
  int32_t *experts; /* owned [room][chosen]; NULL but for DYNO_SITE_EXPERTS */
  size_t k, chosen, told, compared;
} dyno_held_rows;

const char *dyno_layer_site_name(dyno_layer_site site)
{
  static const char *const names[DYNO_SITE_COUNT] = {"attention", "attention output", "experts",
                                                     "head"};
  return names[site];
}

/* DYNO_SITE_COUNT for what is not compared. */
static dyno_layer_site site_of(dyno_probe_op op)
{
  switch (op) {
  case DYNO_PROBE_ATTENTION_QKV:
    return DYNO_SITE_ATTENTION;
  case DYNO_PROBE_ATTENTION_OUTPUT:
    return DYNO_SITE_ATTENTION_OUTPUT;
  case DYNO_PROBE_MOE_GATE_UP:
    return DYNO_SITE_EXPERTS;
  case DYNO_PROBE_HEAD:
    return DYNO_SITE_HEAD;
  default:
    return DYNO_SITE_COUNT;
  }
}

dyno_status dyno_layer_agreement_open(dyno_layer_agreement *agreement,
                                      const dyno_model_config *config, size_t rows,
                                      dyno_error *error)
{
  const size_t sites = config->layers * DYNO_SITE_COUNT;
  *agreement = (dyno_layer_agreement){
      .layers = config->layers,
      .errors = calloc(sites, sizeof *agreement->errors),
      .choices = calloc(config->layers, sizeof *agreement->choices),
      .held = calloc(sites, sizeof *agreement->held),
      .room = rows,
  };
  bool made = agreement->errors != NULL && agreement->choices != NULL && agreement->held != NULL;
  for (size_t i = 0; made && i < sites; i++) {
    dyno_held_rows *held = &agreement->held[i];
    dyno_layer_site site = i % DYNO_SITE_COUNT;
    held->k =
        site == DYNO_SITE_ATTENTION_OUTPUT ? config->heads * config->head_dim : config->d_model;
    held->chosen = site == DYNO_SITE_EXPERTS ? config->experts_per_token : 0;
    if (site == DYNO_SITE_HEAD && i >= DYNO_SITE_COUNT)
      continue;
    held->rows = malloc(rows * held->k * sizeof *held->rows);
    held->experts = calloc(rows * held->chosen + 1, sizeof *held->experts);
    made = held->rows != NULL && held->experts != NULL;
  }
  if (made)
    return DYNO_OK;
  dyno_layer_agreement_free(agreement);
  return dyno_fail(error, DYNO_ERROR_MEMORY, "agreement of layers: out of memory");
}

void dyno_layer_agreement_expect(dyno_layer_agreement *agreement, bool other)
{
  agreement->other = other;
  for (size_t i = 0; i < agreement->layers * DYNO_SITE_COUNT; i++) {
    agreement->held[i].compared = 0;
    if (!other)
      agreement->held[i].told = 0;
  }
}

static void hold(dyno_held_rows *held, const dyno_probe_rows *seen)
{
  memcpy(held->rows + held->told * held->k, seen->rows, seen->count * held->k * sizeof(float));
  if (held->chosen > 0)
    memcpy(held->experts + held->told * held->chosen, seen->expert,
           seen->count * held->chosen * sizeof(int32_t));
  held->told += seen->count;
}

static bool reserve(dyno_site_errors *errors)
{
  if (errors->count < errors->capacity)
    return true;
  size_t capacity = 2 * errors->capacity + 64;
  double *longer = realloc(errors->squares, capacity * sizeof *longer);
  if (longer == NULL)
    return false;
  errors->squares = longer;
  errors->capacity = capacity;
  return true;
}

static double square_error(const float *other, const float *reference, size_t k)
{
  double error = 0, size = 0;
  for (size_t i = 0; i < k; i++) {
    double difference = (double)other[i] - (double)reference[i];
    error += difference * difference;
    size += (double)reference[i] * (double)reference[i];
  }
  return size > 0 ? error / size : 0;
}

static void compare_choices(dyno_layer_choices *choices, const int32_t *other,
                            const int32_t *reference, size_t chosen)
{
  size_t shared = 0;
  for (size_t i = 0; i < chosen; i++)
    for (size_t j = 0; j < chosen; j++)
      shared += reference[i] == other[j];
  choices->tokens++;
  choices->same += shared == chosen;
  choices->choices += chosen;
  choices->shared += shared;
}

static void compare(dyno_layer_agreement *agreement, size_t site, const dyno_probe_rows *seen)
{
  dyno_held_rows *held = &agreement->held[site];
  dyno_site_errors *errors = &agreement->errors[site];
  for (size_t row = 0; row < seen->count; row++) {
    size_t at = held->compared++;
    if (!reserve(errors)) {
      agreement->out_of_memory = true;
      return;
    }
    errors->squares[errors->count++] =
        square_error(seen->rows + row * held->k, held->rows + at * held->k, held->k);
    if (held->chosen > 0)
      compare_choices(&agreement->choices[seen->layer], seen->expert + row * held->chosen,
                      held->experts + at * held->chosen, held->chosen);
  }
}

static void see_rows(void *context, const dyno_probe_rows *seen)
{
  dyno_layer_agreement *agreement = context;
  dyno_layer_site kind = site_of(seen->op);
  if (kind == DYNO_SITE_COUNT || seen->layer >= agreement->layers)
    return;
  size_t site = seen->layer * DYNO_SITE_COUNT + kind;
  const dyno_held_rows *held = &agreement->held[site];
  size_t room = agreement->other ? held->told - held->compared : agreement->room - held->told;
  if (seen->k != held->k || seen->chosen != held->chosen || seen->count > room)
    return;
  if (agreement->other)
    compare(agreement, site, seen);
  else
    hold(&agreement->held[site], seen);
}

dyno_probe dyno_layer_agreement_probe(dyno_layer_agreement *agreement)
{
  return (dyno_probe){.context = agreement, .rows = see_rows};
}

void dyno_layer_agreement_free(dyno_layer_agreement *agreement)
{
  for (size_t i = 0; i < agreement->layers * DYNO_SITE_COUNT; i++) {
    if (agreement->errors != NULL)
      free(agreement->errors[i].squares);
    if (agreement->held != NULL) {
      free(agreement->held[i].rows);
      free(agreement->held[i].experts);
    }
  }
  free(agreement->errors);
  free(agreement->choices);
  free(agreement->held);
  *agreement = (dyno_layer_agreement){0};
}
