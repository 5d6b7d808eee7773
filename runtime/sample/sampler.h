/* The choice of the next token.
 *
 * From the logits of the model, in this order:
 *
 *   1. repetition penalty r: the logit of every token among the last repetition_window ones is
 *      divided by r where it is positive, multiplied by r where it is not
 *      (Keskar et al. 2019, "CTRL")
 *   2. temperature 0: the largest logit, of equal ones that of the lowest id; done.
 *      Else all logits are divided by the temperature
 *   3. top-k: the k largest stay; of equal ones those of lower ids
 *      (Fan, Lewis and Dauphin 2018)
 *   4. top-p: of these, largest first, as few as have probability p together
 *      (Holtzman et al. 2019, "The curious case of neural text degeneration")
 *   5. min-p: of these, those that are at least p times as probable as the first
 *      (Nguyen et al. 2024, "Turning up the heat")
 *   6. one of these, with its share of what they have together: laid end to end in the order of
 *      their ids, the one in which the random number falls that belongs to the seed and the
 *      token's position (rng.h)
 *
 * Steps 3 to 5 always leave at least one. The order is that of Hugging Face's transformers. The
 * choice is a function of logits, settings, seed, position and the tokens seen. */
#ifndef DYNO_RUNTIME_SAMPLE_SAMPLER_H
#define DYNO_RUNTIME_SAMPLE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/sample/retained.h"

typedef struct dyno_sampler_settings {
  double temperature;         /* 0: greedy */
  uint64_t top_k;             /* 0: off */
  double top_p;               /* 1: off */
  double min_p;               /* 0: off */
  double repetition_penalty;  /* 1: off */
  uint64_t repetition_window; /* in tokens; 0: all that the sampler has seen */
  uint64_t seed;
} dyno_sampler_settings;

/* A setting's name ("top-p"), the numbers it may be, and what it does: for option parsers and
 * help texts. */
typedef struct dyno_sampler_field {
  const char *name;
  size_t offset;                                       /* in dyno_sampler_settings */
  enum { DYNO_SAMPLER_REAL, DYNO_SAMPLER_WHOLE } kind; /* double, uint64_t */
  double least, greatest; /* of a real number; a whole one starts at 0 */
  uint64_t greatest_whole;
  double fallback; /* the default */
  const char *help;
} dyno_sampler_field;

/* The fields of the settings, of static lifetime. */
const dyno_sampler_field *dyno_sampler_fields(size_t *count);

/* Every setting at its default: temperature 1 and nothing cut off, as the model is meant to be
 * used. */
dyno_sampler_settings dyno_sampler_defaults(void);

/* Sets a field by its name to a decimal number. USAGE, naming field, value and range, when there
 * is no such field, the value is no number, or it is out of range. */
dyno_status dyno_sampler_set(dyno_sampler_settings *settings, const char *name, const char *value,
                             dyno_error *error);

/* USAGE when a field is out of range or NaN. */
dyno_status dyno_sampler_check(const dyno_sampler_settings *settings, dyno_error *error);

/* Belongs to one sequence, and to one thread at a time. */
typedef struct dyno_sampler dyno_sampler;

/* For logits of `vocabulary` tokens, 1 to 2^24. Allocates all that it will ever need: about 16
 * bytes a token. USAGE as dyno_sampler_check. */
dyno_status dyno_sampler_create(dyno_sampler **sampler, const dyno_sampler_settings *settings,
                                size_t vocabulary, dyno_error *error);

/* NULL is fine. */
void dyno_sampler_free(dyno_sampler *sampler);

/* Tells of a token of the sequence, prompt and answer alike, for the repetition penalty. Ids
 * outside of the vocabulary are ignored. */
void dyno_sampler_accept(dyno_sampler *sampler, int32_t id);

/* Forgets the tokens it was told of. */
void dyno_sampler_reset(dyno_sampler *sampler);

/* Chooses the token for a position of the sequence from the logits [vocabulary], which stay as
 * they are. It is not accepted by that. WRONG_OUTPUT when a logit is NaN or plus infinity, or all
 * are minus infinity: then the model's arithmetic has broken down. */
dyno_status dyno_sampler_choose(dyno_sampler *sampler, int32_t *id, const float *logits,
                                uint64_t position, dyno_error *error);

/* What the sampler needs to know of the logits to choose from those alone. */
dyno_retain_request dyno_sampler_request(const dyno_sampler *sampler);

/* Chooses as dyno_sampler_choose would from all logits, from what was retained on that request.
 * False when it cannot be told which token that is: then all logits are needed. */
bool dyno_sampler_choose_retained(dyno_sampler *sampler, int32_t *id, const dyno_retained *retained,
                                  uint64_t position);

#endif
