#include "harness/measure/divergence.h"

#include <stdlib.h>
#include <string.h>

#include "harness/measure/logits.h"

/* Positions whose logits are held at a time. */
enum { PORTION = 32 };

typedef struct comparison {
  dyno_divergence *divergence;
  float *held; /* [PORTION * vocab] of the reference */
  size_t vocab, first;
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
  dyno_divergence *d = c->divergence;
  d->nats[d->count++] = dyno_logits_divergence(reference, logits, c->vocab);
  d->same_top += dyno_argmax(reference, c->vocab) == dyno_argmax(logits, c->vocab);
}

static dyno_status reserve(dyno_divergence *d, size_t more, dyno_error *error)
{
  if (d->capacity - d->count >= more)
    return DYNO_OK;
  size_t capacity = 2 * d->capacity + more;
  double *longer = realloc(d->nats, capacity * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "divergence: out of memory");
  d->nats = longer;
  d->capacity = capacity;
  return DYNO_OK;
}

static dyno_status compare_all(comparison *c, dyno_sequence *reference, dyno_sequence *other,
                               const int32_t *tokens, size_t count, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (c->first = 0; c->first < count && status == DYNO_OK;) {
    size_t portion = count - c->first < PORTION ? count - c->first : PORTION;
    status = dyno_sequence_append(reference, tokens + c->first, portion, hold, c, error);
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
  comparison c = {.divergence = divergence, .vocab = dyno_engine_config(reference)->vocab};
  dyno_sequence *sequences[2] = {NULL, NULL};
  if (dyno_engine_config(other)->vocab != c.vocab)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "the models' vocabularies differ in size: %zu and %zu", c.vocab,
                     dyno_engine_config(other)->vocab);
  dyno_status status = reserve(divergence, count, error);
  c.held = malloc(PORTION * c.vocab * sizeof *c.held);
  if (status == DYNO_OK && c.held == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "divergence: out of memory");
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequences[0], reference, count, error);
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequences[1], other, count, error);
  if (status == DYNO_OK)
    status = compare_all(&c, sequences[0], sequences[1], tokens, count, error);
  dyno_sequence_close(&sequences[0]);
  dyno_sequence_close(&sequences[1]);
  free(c.held);
  return status;
}

void dyno_divergence_free(dyno_divergence *divergence)
{
  free(divergence->nats);
  *divergence = (dyno_divergence){0};
}
