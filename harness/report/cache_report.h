/* What `dyno cache` prints: tables for people, one JSON object for programs, a curve for both. */
#ifndef DYNO_HARNESS_REPORT_CACHE_REPORT_H
#define DYNO_HARNESS_REPORT_CACHE_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "harness/measure/cache_prefix.h"
#include "harness/measure/cache_run.h"
#include "harness/measure/cache_simulation.h"

/* Sizes of the curve, as multiples of the caches at hand: 1/8 to 8. */
enum { DYNO_CACHE_CURVE_POINTS = 7 };

/* How large the caches are that a curve goes out from. */
typedef struct dyno_cache_sizes {
  uint64_t limit; /* bytes of all levels */
  uint64_t rows, row_bytes;
  uint64_t nodes, node_bytes; /* of 64 tokens */
} dyno_cache_sizes;

/* A point of the curve; hits are shares of lookups, NaN where there were none. */
typedef struct dyno_cache_point {
  double factor;
  uint64_t rows, nodes;
  double row_hits, node_hits;
} dyno_cache_point;

typedef struct dyno_cache_report {
  const char *trace, *title, *model; /* title is "" for a recorded trace */
  uint64_t seed;
  dyno_cache_sizes sizes;
  const dyno_cache_simulation *simulation;
  /* Of a live run; NULL: it was only simulated. */
  const dyno_cache_answers *cached;
  const dyno_cache_answers *plain; /* the same requests without a cache; NULL: not asked for */
  const dyno_cache_statistics *statistics;
} dyno_cache_report;

void dyno_cache_curve(dyno_cache_point points[DYNO_CACHE_CURVE_POINTS],
                      const dyno_cache_report *report);

/* Requests whose logits are not those of the run without caches, bit for bit. */
size_t dyno_cache_different(const dyno_cache_report *report);

dyno_status dyno_cache_report_print(FILE *stream, const dyno_cache_report *report,
                                    dyno_error *error);

/* NULL when out of memory; the caller's to json_decref. */
json_t *dyno_cache_report_json(const dyno_cache_report *report, dyno_error *error);

/* The curve, a line for each point. */
void dyno_cache_report_csv(FILE *stream, const dyno_cache_report *report);
void dyno_cache_report_tsv(FILE *stream, const dyno_cache_report *report);

dyno_status dyno_prefix_report_print(FILE *stream, const dyno_prefix_rounds *rounds,
                                     const char *model, dyno_error *error);
json_t *dyno_prefix_report_json(const dyno_prefix_rounds *rounds, const char *model,
                                dyno_error *error);

/* The guide's shares of hits at each level, and of memory that L3 takes; the time to a first token
 * from L2 and L3 that was promised, as shares of the uncached one. */
extern const double dyno_cache_guide_hits[3], dyno_cache_guide_compression;
extern const double dyno_prefix_promise[DYNO_PREFIX_LANES];

/* The median of seconds and of their shares of the uncached ones, round by round. */
typedef struct dyno_prefix_summary {
  double seconds, share;
} dyno_prefix_summary;

dyno_status dyno_prefix_summarize(dyno_prefix_summary *summary, const dyno_prefix_rounds *rounds,
                                  dyno_prefix_lane lane, dyno_error *error);

#endif
