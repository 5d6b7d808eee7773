/* Measuring what the claims ledger asks for: one pair of arms at a time, for all claims that it
 * tests. */
#ifndef DYNO_HARNESS_COMPARE_ABLATE_H
#define DYNO_HARNESS_COMPARE_ABLATE_H

#include "harness/compare/claim_rule.h"
#include "harness/compare/compare.h"
#include "harness/measure/switches.h"

/* What every pair is measured with. Everything belongs to the caller. */
typedef struct dyno_ablation {
  const dyno_engine_options *engine; /* of both arms, but for what a claim switches; its model is a
                                        path */
  const char *plan; /* what {plan} in a switch stands for; NULL: none, and then it is not tested */
  const char *heldout; /* a folder of items that the model has learnt to answer; NULL: none */
  size_t items;        /* of each of its families */
  bool is_20b;         /* the model has gpt-oss-20b's shapes */
  double seconds;      /* for the rounds of a pair */
  size_t least, most;  /* rounds */
  double precision;    /* half width of the interval to go on for */
  dyno_compare_options compare;
} dyno_ablation;

/* Measures what the claims [count], which all have the same pair, are about: figures[count]. What
 * cannot be measured here is said in its figure; only INTERRUPTED and MEMORY fail. */
dyno_status dyno_ablate_pair(dyno_claim_figure *figures, const dyno_claim *const *claims,
                             size_t count, const dyno_ablation *ablation, dyno_error *error);

/* Rounds that an interval takes. */
enum { DYNO_ABLATE_LEAST_ROUNDS = 6 };

/* A figure and its interval, from the logarithms of what was measured [count]: bigger is better for
 * a ratio; of a level, the level itself. scale is what a level is multiplied with. MEMORY. */
dyno_status dyno_figure_from_logs(dyno_claim_figure *figure, const dyno_claim *claim,
                                  const double *logs, size_t count, double scale,
                                  dyno_error *error);

/* A figure that is counted: its interval is itself. */
void dyno_figure_counted(dyno_claim_figure *figure, double value);

/* Says why there is none. */
void dyno_figure_untestable(dyno_claim_figure *figure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes: ablate_bytes.c. The arms are open, and have run. Errors are the figure's. */
void dyno_ablate_bytes(dyno_claim_figure *figure, const dyno_claim *claim,
                       dyno_comparison *comparison, const dyno_settings *settings);

/* What requests found in an arm's caches, in percent, and how many bytes of keys and values one of
 * their compressed records stands for; NaN where nothing was looked up: ablate_cache.c. */
typedef struct dyno_cache_shares {
  double embeddings, blocks, compressed, compression;
} dyno_cache_shares;

/* Puts the shipped trace of mixed use to the arm's engine, with idle time between requests, as long
 * as the pair's share of the budget lasts. INTERRUPTED, MEMORY, errors of the engine. */
dyno_status dyno_ablate_cache(dyno_cache_shares *shares, dyno_arm *arm,
                              const dyno_ablation *ablation, dyno_error *error);

void dyno_figure_from_cache(dyno_claim_figure *figure, const dyno_claim *claim,
                            const dyno_cache_shares *shares);

/* Exact answers that B gives less than A, in points of a hundred: ablate_accuracy.c. */
dyno_status dyno_ablate_accuracy(dyno_claim_figure *figure, const dyno_ablation *ablation,
                                 const dyno_settings settings[DYNO_COMPARE_ARMS],
                                 dyno_error *error);

#endif
