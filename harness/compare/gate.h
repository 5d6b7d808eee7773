/* A gate: rounds of a comparison until the rule (harness/compare/gate_rule.h) has decided whether
 * arm B is slower than arm A. It fails closed: whatever goes wrong, the verdict is not a pass. */
#ifndef DYNO_HARNESS_COMPARE_GATE_H
#define DYNO_HARNESS_COMPARE_GATE_H

#include "harness/compare/baseline.h"
#include "harness/compare/gate_rule.h"
#include "harness/compare/result.h"

typedef struct dyno_gate_options {
  dyno_gate_rule rule;
  dyno_compare_options compare;
  double seconds; /* of rounds, after which it is inconclusive; 0: no limit */
  /* Second best: arm B against what was stored, instead of against arm A. NULL: against A. */
  const dyno_baseline *baseline;
  void (*progress)(void *context, size_t rounds, const char *label); /* may be NULL */
  void *progress_context;
} dyno_gate_options;

typedef struct dyno_gate_run {
  dyno_gate_verdict verdict;
  char reason[400];     /* a sentence */
  dyno_status status;   /* of what went wrong; DYNO_OK for nothing */
  bool interrupted;     /* by a signal; then the verdict is inconclusive */
  size_t which;         /* the series that decided; the number of series for none */
  double **series;      /* owned [count][rounds]: ln of B's speed over A's, or the baseline's */
  double **control;     /* the same of lanes */
  size_t count, rounds; /* series: the cases, and their mean */
  double seconds;       /* in all */
  dyno_comparison comparison; /* its arms are closed */
  dyno_compare_result result; /* empty when nothing could be measured */
} dyno_gate_run;

/* Runs the gate. Never fails: what went wrong is the verdict. Free with dyno_gate_free. */
void dyno_gate_run_all(dyno_gate_run *run, const dyno_compare_source *source,
                       const dyno_gate_options *options);

/* The name of a series. */
const char *dyno_gate_series_name(const dyno_gate_run *run, size_t series);

void dyno_gate_free(dyno_gate_run *run);

#endif
