/* Two-stage logits: the screen of the head says which tokens can have the largest logits, and the
 * head itself computes those, with the bits it would give them among all others.
 *
 * What is retained is right under the promise of kernels/sampling/screen.h, and for each row that
 * was computed exactly it is seen whether that held. Where it did not, where too many rows remain,
 * or where nothing can be promised, the answer is that there is none: then the head has to compute
 * all logits. */
#ifndef DYNO_RUNTIME_FORWARD_TWO_STAGE_H
#define DYNO_RUNTIME_FORWARD_TWO_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/memory/allocator.h"
#include "runtime/model/head_screen.h"
#include "runtime/model/linear.h"
#include "runtime/probe.h"
#include "runtime/sample/retained.h"
#include "runtime/threads/pool.h"

/* Working memory of one sequence. */
typedef struct dyno_two_stage {
  const dyno_head_screen *screen; /* not owned, like the head and the allocator */
  const dyno_linear *head;
  dyno_allocator *allocator;
  unsigned threads;
  struct dyno_candidate *candidate;  /* [threads][capacity], then those of all threads, in order */
  struct dyno_screen_thread *thread; /* [threads] */
  void *query;                       /* memory of one */
  float *values;                     /* [k], for whoever makes the vector */
  void *a8_row;                      /* likewise */
  int32_t *id;                       /* [MOST_EXACT] of the answer */
  float *logit;
  size_t pass, passes;       /* requests still to be passed over, and at the next failure */
  bool useful;               /* the last answer, as far as is known */
  dyno_logits_counts counts; /* but for full */
} dyno_two_stage;

/* Memory for a head and its screen, from an allocator that outlives it. MEMORY, and *two_stage is
 * zeroed. */
dyno_status dyno_two_stage_open(dyno_two_stage *two_stage, const dyno_linear *head,
                                const dyno_head_screen *screen, unsigned threads,
                                dyno_allocator *allocator, dyno_error *error);

void dyno_two_stage_close(dyno_two_stage *two_stage);

/* Who computes, and who is told. */
typedef struct dyno_two_stage_crew {
  dyno_pool *pool;         /* of as many threads as in dyno_two_stage_open */
  const dyno_probe *probe; /* NULL: nobody */
} dyno_two_stage_crew;

/* A vector to be multiplied with the head. */
typedef struct dyno_two_stage_vector {
  const float *values; /* [k] */
  const void *a8_row;  /* these, rounded (a8.h) */
} dyno_two_stage_vector;

/* Retains what the request asks for (which must not be for all). False when there is no answer.
 * logits [n] is scratch: the rows that were computed have their values there. *retained is valid
 * until the next call. */
bool dyno_two_stage_retain(dyno_two_stage *two_stage, dyno_retained *retained, float *logits,
                           const dyno_two_stage_vector *vector, const dyno_two_stage_crew *crew,
                           const dyno_retain_request *request);

/* Tells that the last answer was of no use. */
void dyno_two_stage_undecided(dyno_two_stage *two_stage);

#endif
