/* A comparison of two arms, in rounds.
 *
 * In a round every case, in random order, is decoded by all lanes of both arms, alternating token
 * by token (harness/compare/schedule.h), and in some rounds prefilled before, alternating chunk by
 * chunk. Every pair of neighbouring steps gives a ratio, the round its median: of B's speed over
 * A's, and, as a control, of one lane of an arm over its other lane, which do the same.
 *
 * Before the rounds both arms show their logits of all these steps, which are compared; during
 * them every step has to choose the same token again. */
#ifndef DYNO_HARNESS_COMPARE_COMPARE_H
#define DYNO_HARNESS_COMPARE_COMPARE_H

#include <signal.h>
#include <stdbool.h>

#include "harness/compare/arm.h"
#include "harness/compare/estimate.h"
#include "harness/compare/explain.h"
#include "harness/compare/workload.h"

/* Where the arms come from. */
typedef struct dyno_compare_source {
  /* Opens both; on failure both are NULL. Called again for every restart. */
  dyno_status (*open)(void *context, dyno_arm *arms[DYNO_COMPARE_ARMS], dyno_error *error);
  void *context;
} dyno_compare_source;

typedef struct dyno_compare_options {
  dyno_workload_options workload;
  size_t chunk;         /* of a prefill, in tokens */
  size_t prefill_every; /* rounds with a prefill: every so many-th; 0: only where it has to be */
  size_t restart_every; /* rounds after which the arms are opened anew; 0: never */
  size_t probed_passes; /* for the explanation, of each case; 0: none */
  uint64_t seed;
  double divergence; /* the most that outputs may differ: the mean of KL(A || B), in nats */
  const volatile sig_atomic_t *stop;                  /* may be NULL */
  void (*progress)(void *context, const char *label); /* after every case of a round; may be NULL */
  void *progress_context;
} dyno_compare_options;

#define DYNO_COMPARE_DEFAULTS                                                                      \
  ((dyno_compare_options){.workload = {.steps = 16},                                               \
                          .chunk = 128,                                                            \
                          .prefill_every = 4,                                                      \
                          .probed_passes = 12,                                                     \
                          .seed = 1,                                                               \
                          .divergence = 1e-3})

/* How far the outputs of the arms are apart. */
typedef struct dyno_compare_outputs {
  size_t positions, other_token;  /* compared, and those where the likeliest differs */
  double mean_nats, largest_nats; /* KL(A || B) */
  double largest_difference;      /* of a logit */
  size_t not_finite;              /* positions where an arm has a logit that is NaN or infinite */
  size_t unsteady[DYNO_COMPARE_ARMS]; /* steps that chose another token than the first time */
} dyno_compare_outputs;

/* A series of rounds; owned by its list. */
typedef struct dyno_series {
  double *values;
  size_t count, room;
} dyno_series;

typedef struct dyno_compare_case {
  const dyno_compare_workload *workload;
  dyno_series decode, prefill;          /* ln of B's speed over A's */
  dyno_series control;                  /* ln of the one lane's over the other's */
  dyno_series step[DYNO_COMPARE_ARMS];  /* seconds of a decoded token, a median for each round */
  dyno_series chunk[DYNO_COMPARE_ARMS]; /* seconds of a prefilled one */
  dyno_compare_outputs outputs;
  int32_t *chosen[DYNO_COMPARE_ARMS]; /* [steps]; owned */
} dyno_compare_case;

typedef struct dyno_comparison {
  dyno_compare_options options;
  dyno_compare_source source;
  dyno_arm *arms[DYNO_COMPARE_ARMS]; /* owned */
  dyno_arm_facts facts[DYNO_COMPARE_ARMS];
  dyno_compare_workloads workloads;
  dyno_compare_case *cases; /* owned [case_count] */
  size_t case_count;
  dyno_series decode, prefill, control; /* the means over the cases: of geometric means */
  size_t rounds;
  size_t restarts;
  double seconds;               /* of the rounds */
  dyno_compare_outputs outputs; /* of all cases */
  dyno_explanation explanation;
} dyno_comparison;

/* Opens the arms, makes the workloads with arm A and compares the outputs. Whatever it returns, the
 * comparison is to be closed. UNSUPPORTED when the arms' vocabularies differ; errors of the arms.
 */
dyno_status dyno_compare_open(dyno_comparison *comparison, const dyno_compare_source *source,
                              const dyno_compare_options *options, dyno_error *error);

/* Runs one round more. INTERRUPTED when told to stop: then no series has it. */
dyno_status dyno_compare_round(dyno_comparison *comparison, dyno_error *error);

/* Probes both arms and explains the difference of the decode series so far. */
dyno_status dyno_compare_explain(dyno_comparison *comparison, dyno_error *error);

/* Runs all steps of all cases once with a probe, in turns that `pass` decides: their times are
 * added to sums. */
dyno_status dyno_compare_probe(dyno_comparison *comparison, size_t pass,
                               dyno_arm_profile sums[DYNO_COMPARE_ARMS], dyno_error *error);

/* Whether the outputs are further apart than they may be: too far on average, or not finite, or not
 * the same in every round. */
bool dyno_compare_wrong_output(const dyno_comparison *comparison);

/* Closes the arms only; what was measured stays. */
void dyno_compare_close_arms(dyno_comparison *comparison);

void dyno_compare_close(dyno_comparison *comparison);

/* Appends; MEMORY. */
dyno_status dyno_series_add(dyno_series *series, double value, dyno_error *error);
void dyno_series_free(dyno_series *series);

#endif
