#include "harness/measure/divergence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/layer_agreement.h"
#include "harness/measure/logits.h"

/* Positions whose logits are held at a time. */
enum { PORTION = DYNO_DIVERGENCE_PORTION };

typedef struct comparison {
  dyno_divergence *divergence;
  float *held; /* [PORTION * vocab] of the reference */
  size_t vocab, first;
  const int32_t *tokens;
  size_t count; /* of tokens */
} comparison;

static void hold(void *context, size_t position, const float *logits)
{
  const comparison *c = context;
  memcpy(c->held + (position - c->first) * c->vocab, logits, c->vocab * sizeof *logits);
}

static void compare(void *context, size_t position, const float *logits)
{
  comparison *c = context;
  const float *reference = c->held + (position - c->first) * c->vocab;
  dyno_position_divergence found = {
      .nats = dyno_logits_divergence(reference, logits, c->vocab),
      .same_top = dyno_argmax(reference, c->vocab) == dyno_argmax(logits, c->vocab),
      .followed = position + 1 < c->count,
  };
  if (found.followed) {
    size_t next = (size_t)c->tokens[position + 1];
    found.before = (double)reference[next] - dyno_log_sum_exp(reference, c->vocab);
    found.after = (double)logits[next] - dyno_log_sum_exp(logits, c->vocab);
  }
  dyno_divergence_note(c->divergence, &found);
}

void dyno_divergence_note(dyno_divergence *d, const dyno_position_divergence *found)
{
  d->nats[d->count++] = found->nats;
  d->same_top += found->same_top;
  if (!found->followed)
    return;
  d->changes[d->followed] = exp(found->after) - exp(found->before);
  d->log_ratios[d->followed++] = found->before - found->after;
}

dyno_status dyno_divergence_reserve(dyno_divergence *d, size_t more, dyno_error *error)
{
  if (d->capacity - d->count >= more)
    return DYNO_OK;
  size_t capacity = 2 * d->capacity + more;
  double **arrays[] = {&d->nats, &d->changes, &d->log_ratios};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    double *longer = realloc(*arrays[i], capacity * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "divergence: out of memory");
    *arrays[i] = longer;
  }
  d->capacity = capacity;
  return DYNO_OK;
}

static dyno_status compare_all(comparison *c, dyno_sequence *reference, dyno_sequence *other,
                               const int32_t *tokens, size_t count, dyno_error *error)
{
  dyno_layer_agreement *layers = c->divergence->layers;
  dyno_status status = DYNO_OK;
  for (c->first = 0; c->first < count && status == DYNO_OK;) {
    size_t portion = count - c->first < PORTION ? count - c->first : PORTION;
    if (layers != NULL)
      dyno_layer_agreement_expect(layers, false);
    status = dyno_sequence_append(reference, tokens + c->first, portion, hold, c, error);
    if (layers != NULL)
      dyno_layer_agreement_expect(layers, true);
    if (status == DYNO_OK)
      status = dyno_sequence_append(other, tokens + c->first, portion, compare, c, error);
    c->first += portion;
  }
  return status;
}

dyno_status dyno_divergence_add(dyno_divergence *divergence, dyno_engine *reference,
                                dyno_engine *other, const int32_t *tokens, size_t count,
                                dyno_error *error)
{
  comparison c = {.divergence = divergence,
                  .vocab = dyno_engine_config(reference)->vocab,
                  .tokens = tokens,
                  .count = count};
  dyno_sequence *sequences[2] = {NULL, NULL};
  if (dyno_engine_config(other)->vocab != c.vocab)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "the models' vocabularies differ in size: %zu and %zu", c.vocab,
                     dyno_engine_config(other)->vocab);
  dyno_status status = dyno_divergence_reserve(divergence, count, error);
  c.held = malloc(PORTION * c.vocab * sizeof *c.held);
  if (status == DYNO_OK && c.held == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "divergence: out of memory");
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequences[0], reference, count, error);
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequences[1], other, count, error);
  if (status == DYNO_OK && divergence->layers != NULL) {
    const dyno_probe probe = dyno_layer_agreement_probe(divergence->layers);
    dyno_engine_set_probe(reference, &probe);
    dyno_engine_set_probe(other, &probe);
  }
  if (status == DYNO_OK)
    status = compare_all(&c, sequences[0], sequences[1], tokens, count, error);
  if (divergence->layers != NULL) {
    dyno_engine_set_probe(reference, NULL);
    dyno_engine_set_probe(other, NULL);
  }
  if (status == DYNO_OK && divergence->layers != NULL && divergence->layers->out_of_memory)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "agreement of layers: out of memory");
  dyno_sequence_close(&sequences[0]);
  dyno_sequence_close(&sequences[1]);
  free(c.held);
  return status;
}

void dyno_divergence_free(dyno_divergence *divergence)
{
  free(divergence->nats);
  free(divergence->changes);
  free(divergence->log_ratios);
  *divergence = (dyno_divergence){0};
}
