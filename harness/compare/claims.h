/* The claims ledger: every figure that the guide promises, with what tests it.
 *
 *   { "schema": "dyno.claims/1", "guide": "...",
 *     "claims": [ { "id": "threads-tps", "section": "CPU: thread pool", "guide": "20% TPS",
 *                   "claim": "...", "figure": 20, "unit": "% more", "rule": "effect",
 *                   "metric": "decode", "a": ["pool=mutex"], "b": ["pool=spin"] } ],
 *     "switches": [ { "switch": "plugin", "why": "..." } ] }
 *
 * A claim has id, section, guide (the figure as it is printed there), claim, rule and metric;
 * figure and unit unless nothing can be measured. `a` and `b` are what `dyno compare --a --b`
 * takes, the technique off and on. `switches` lists those that no claim is about. A field that is
 * none of these is an error, because it would be a misspelt one. */
#ifndef DYNO_HARNESS_COMPARE_CLAIMS_H
#define DYNO_HARNESS_COMPARE_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_CLAIMS_SCHEMA "dyno.claims/1"

enum { DYNO_CLAIM_MOST_SWITCHES = 16, DYNO_CLAIMS_MOST = 500 };

/* What is measured. */
typedef enum dyno_claim_metric {
  DYNO_METRIC_NONE,        /* nothing can be; `why` says why */
  DYNO_METRIC_DECODE,      /* speed of decoding */
  DYNO_METRIC_PREFILL,     /* of a prefill */
  DYNO_METRIC_COMPONENT,   /* of the ops of a part, `of`: of bench_ops.h, or "matrices" */
  DYNO_METRIC_TOKENIZER,   /* of turning prompts into tokens */
  DYNO_METRIC_MANAGEMENT,  /* opening, filling and releasing sequences */
  DYNO_METRIC_LATENCY,     /* of a request: prefill, one token, management */
  DYNO_METRIC_CONSISTENCY, /* the slowest case's decode speed over the fastest's */
  DYNO_METRIC_WEIGHTS,     /* bytes of weights; as a ratio, against as many of the format `of` */
  DYNO_METRIC_KV,          /* bytes of keys and values of the longest sequence */
  DYNO_METRIC_HIDDEN,      /* bytes of hidden states, logits and scratch */
  DYNO_METRIC_MEMORY,      /* the three together; as a ratio like weights */
  DYNO_METRIC_ACCURACY,    /* exact answers to held-out questions */
  DYNO_METRIC_HITS,        /* lookups that a cache, `of`, answers */
  DYNO_METRIC_COMPRESSION, /* bytes of compressed blocks against what they hold */
  DYNO_METRIC_COUNT
} dyno_claim_metric;

const char *dyno_claim_metric_name(dyno_claim_metric metric);

/* What a figure is in. The first three are of B against A, and bigger is always better. */
typedef enum dyno_claim_unit {
  DYNO_UNIT_MORE,  /* "% more": 100 (ratio - 1) */
  DYNO_UNIT_LESS,  /* "% less": 100 (1 - 1 / ratio), of a cost that B takes less of */
  DYNO_UNIT_TIMES, /* "times" */
  DYNO_UNIT_RATE,  /* "tokens/s" */
  DYNO_UNIT_MS,
  DYNO_UNIT_GB, /* 10^9 bytes */
  DYNO_UNIT_PERCENT,
  DYNO_UNIT_POINTS, /* percentage points that are lost */
  DYNO_UNIT_COUNT
} dyno_claim_unit;

const char *dyno_claim_unit_name(dyno_claim_unit unit);

/* Whether figures of the unit say how B differs from A. */
bool dyno_claim_unit_compares(dyno_claim_unit unit);

/* When a claim holds: harness/compare/claim_rule.h. */
typedef enum dyno_claim_rule {
  DYNO_RULE_EFFECT,   /* B is better than A, by the figure */
  DYNO_RULE_AT_LEAST, /* the figure is reached */
  DYNO_RULE_AT_MOST,  /* the figure is not exceeded */
  DYNO_RULE_COUNT
} dyno_claim_rule;

const char *dyno_claim_rule_name(dyno_claim_rule rule);

/* The strings belong to the ledger. */
typedef struct dyno_claim {
  const char *id, *section, *guide, *claim;
  double figure; /* NaN: the guide has none; then any effect will do */
  double before; /* the guide's own baseline in the same unit; NaN: none */
  dyno_claim_unit unit;
  dyno_claim_rule rule;
  dyno_claim_metric metric;
  const char *of;   /* what part the metric is of; NULL: the whole */
  const char *why;  /* nothing can be measured; NULL with a metric */
  const char *note; /* NULL: none */
  bool only_20b;    /* the figure means nothing for another model's shapes */
  const char *a[DYNO_CLAIM_MOST_SWITCHES], *b[DYNO_CLAIM_MOST_SWITCHES];
  size_t a_count, b_count;
  const char *cases;      /* names of test cases; NULL: the run's */
  size_t tokens, longest; /* of an answer, and of a prompt; 0: the run's */
  uint64_t hash; /* of the entry: a figure that was measured for another one is of no use */
} dyno_claim;

typedef struct dyno_unclaimed_switch {
  const char *name, *why;
} dyno_unclaimed_switch;

typedef struct dyno_claims {
  const char *guide; /* its title */
  dyno_claim *list;
  size_t count;
  dyno_unclaimed_switch *switches;
  size_t switch_count;
  struct json_t *root;
} dyno_claims;

/* NOT_FOUND, IO, MEMORY, and FORMAT, naming file, line and field. On failure *claims is empty. */
dyno_status dyno_claims_read(dyno_claims *claims, const char *path, dyno_error *error);

void dyno_claims_free(dyno_claims *claims);

/* NULL: there is none. */
const dyno_claim *dyno_claims_find(const dyno_claims *claims, const char *id);

/* Keeps only those of a list of ids ("a,b"). USAGE, naming one that is not there. */
dyno_status dyno_claims_choose(dyno_claims *claims, const char *list, dyno_error *error);

/* Whether the pair and the workload of two claims are the same: then one measurement serves both.
 */
bool dyno_claims_same_pair(const dyno_claim *one, const dyno_claim *other);

/* Whether a claim, or the list of those without one, names the switch. */
bool dyno_claims_mention_switch(const dyno_claims *claims, const char *name);

#endif
