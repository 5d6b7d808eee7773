/* Requests answered by a live engine, with its caches or without, and what that took. */
#ifndef DYNO_HARNESS_MEASURE_CACHE_RUN_H
#define DYNO_HARNESS_MEASURE_CACHE_RUN_H

#include "harness/measure/trace_player.h"
#include "runtime/engine.h"

/* How much of a prompt was cached, and where its last part was. */
typedef enum dyno_cache_hit {
  DYNO_CACHE_HIT_NONE,
  DYNO_CACHE_HIT_LESS, /* less than a half */
  DYNO_CACHE_HIT_L2,   /* at least that, all of it in L2 */
  DYNO_CACHE_HIT_L3,   /* at least that, some of it restored from L3 */
  DYNO_CACHE_HIT_COUNT
} dyno_cache_hit;

const char *dyno_cache_hit_name(dyno_cache_hit hit);

typedef struct dyno_cache_answer {
  size_t prompt, answer; /* tokens */
  size_t taken;          /* of the prompt, from the cache */
  dyno_cache_hit hit;
  double first_seconds;  /* until the logits behind the prompt are there */
  double answer_seconds; /* for the answer's tokens, one by one */
  uint64_t hash;         /* XXH3 of the logits behind the prompt and behind the answer */
} dyno_cache_answer;

/* An engine and the sequence that all requests go through, one after the other. */
typedef struct dyno_cache_lane {
  dyno_engine *engine; /* not owned */
  dyno_sequence *sequence;
} dyno_cache_lane;

/* For requests that have, with their answers, at most capacity tokens. Errors of
 * dyno_sequence_open; *lane is zeroed then. */
dyno_status dyno_cache_lane_open(dyno_cache_lane *lane, dyno_engine *engine, size_t capacity,
                                 dyno_error *error);

/* Frees and zeroes; a zeroed lane is fine. */
void dyno_cache_lane_close(dyno_cache_lane *lane);

/* Feeds the prompt and then the answer, token by token. Errors of dyno_sequence_append. */
dyno_status dyno_cache_lane_answer(dyno_cache_lane *lane, dyno_cache_answer *answer,
                                   const dyno_trace_request *request, dyno_error *error);

/* A growing list of answers. Initialised with zeroes. */
typedef struct dyno_cache_answers {
  dyno_cache_answer *list; /* owned */
  size_t count, room;
} dyno_cache_answers;

/* MEMORY. */
dyno_status dyno_cache_answers_add(dyno_cache_answers *answers, const dyno_cache_answer *answer,
                                   dyno_error *error);

void dyno_cache_answers_free(dyno_cache_answers *answers);

/* What answers came to together; of those with that hit, or of all for DYNO_CACHE_HIT_COUNT, by
 * the hits of `hits`, which has as many: so that what another lane took can be summed for the same
 * requests. */
typedef struct dyno_cache_sum {
  size_t requests;
  uint64_t prompt, taken;
  double first_seconds, answer_seconds; /* in all */
  double first_median;                  /* NaN where there are none */
} dyno_cache_sum;

/* MEMORY. */
dyno_status dyno_cache_answers_sum(dyno_cache_sum *sum, const dyno_cache_answers *answers,
                                   const dyno_cache_answers *hits, dyno_cache_hit hit,
                                   dyno_error *error);

#endif
