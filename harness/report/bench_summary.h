/* What a benchmark's raw files come to: statistics, the guide's tables, the verdict. Rates are in
 * tokens per second, times in nanoseconds, memory in bytes, shares from 0 to 1; what was not
 * measured is NaN. docs/bench.md, "What the figures mean", defines each figure. */
#ifndef DYNO_HARNESS_REPORT_BENCH_SUMMARY_H
#define DYNO_HARNESS_REPORT_BENCH_SUMMARY_H

#include "harness/measure/statistics_distribution.h"
#include "harness/measure/statistics_outliers.h"
#include "harness/measure/statistics_steady.h"
#include "harness/report/bench_results.h"

#define DYNO_BENCH_SUMMARY_SCHEMA "dyno.bench.summary/1"

typedef enum dyno_bench_metric {
  DYNO_BENCH_TTFT,
  DYNO_BENCH_ITL,
  DYNO_BENCH_TPOT,
  DYNO_BENCH_PREFILL_TPS,
  DYNO_BENCH_DECODE_TPS,
  DYNO_BENCH_OVERALL_TPS,
  DYNO_BENCH_E2E,
  DYNO_BENCH_METRIC_COUNT
} dyno_bench_metric;

/* "ttft_ns", "decode_tps": as in summary.json. */
const char *dyno_bench_metric_name(dyno_bench_metric metric);

/* A metric's values: one per measured iteration, or per gap between two tokens for ITL. */
typedef struct dyno_bench_values {
  double *values; /* [count], in the order of measurement; sorted for ITL */
  size_t count;   /* 0: nothing was measured, and the rest is undefined */
  dyno_summary summary;
  dyno_interval mean_95; /* NaN for ITL: tokens of one answer do not vary independently */
} dyno_bench_values;

typedef struct dyno_bench_outlier {
  dyno_bench_metric metric;
  double value;
  const char *label; /* dyno_outlier_name */
  const dyno_bench_sample *sample;
} dyno_bench_outlier;

typedef struct dyno_bench_case_summary {
  dyno_bench_values metrics[DYNO_BENCH_METRIC_COUNT];
  size_t measured;              /* iterations */
  dyno_bench_outlier *outliers; /* [outlier_count] */
  size_t outlier_count;
  dyno_trend steady;     /* of the decode rate; of the prefill rate where answers are one token */
  bool steady_by_prompt; /* each value over the median of its own prompt */
  dyno_bench_answer hashes_equal; /* the same prompt always gave the same tokens and logits */
  dyno_bench_answer repeated;     /* natural generation gave the same text again */
  size_t hits, asked;             /* texts that are right, of those where something is expected */
} dyno_bench_case_summary;

/* The guide's rows, in its order, and one for the rest. */
enum { DYNO_BENCH_COMPONENT_ROWS = 7, DYNO_BENCH_MEMORY_ROWS = 6, DYNO_BENCH_LATENCY_ROWS = 4 };

typedef struct dyno_bench_component_row {
  const char *component;
  double tps;         /* tokens over the time they took there, decoding */
  double prefill_tps; /* likewise in prefill */
  double guide_baseline, guide_optimized;
  double share; /* of the time from request to last token */
} dyno_bench_component_row;

typedef struct dyno_bench_memory_row {
  const char *component;
  double peak, average;
  double guide_baseline, guide_optimized;
} dyno_bench_memory_row;

typedef struct dyno_bench_latency_row {
  const char *phase;
  double median, share;
  double guide, guide_share;
} dyno_bench_latency_row;

typedef struct dyno_bench_roof_point {
  const dyno_bench_op *op;
  double seconds;   /* the mean of the threads that took part, without waiting */
  double intensity; /* MACs per byte */
  double macs_per_second, bytes_per_second;
} dyno_bench_roof_point;

typedef struct dyno_bench_verdict {
  const char *criterion; /* "tps", "memory", "consistency" */
  char wanted[64];
  double measured; /* tokens per second, bytes, share */
  dyno_bench_answer holds;
  bool projected; /* measured is of gpt-oss-20b, projected from this model's run */
  char reason[512];
  double needed_bandwidth; /* bytes per second that 30 tokens/s would take; NaN: not an issue */
} dyno_bench_verdict;

enum { DYNO_BENCH_VERDICTS = 3, DYNO_BENCH_MACHINES = 4 };

typedef struct dyno_bench_machine {
  const char *name;
  double peak_bandwidth; /* of its memory; NaN for this machine */
  double read_bandwidth; /* that a plain read is taken to reach */
  double decode_tps;
} dyno_bench_machine;

typedef struct dyno_bench_projection {
  double bytes_per_token, macs_per_token; /* of gpt-oss-20b */
  bool bytes_measured;                    /* else of published shapes */
  double read_share;                      /* of a plain read that decoding reaches */
  bool share_measured;                    /* else assumed */
  dyno_bench_machine machines[DYNO_BENCH_MACHINES];
  size_t machine_count;
} dyno_bench_projection;

typedef struct dyno_bench_summary {
  const dyno_bench_results *results;         /* not owned */
  bool complete;                             /* every case has its iterations */
  dyno_bench_case_summary *cases;            /* [results->manifest.case_count] */
  dyno_bench_case_summary overall;           /* of all measured iterations; no outliers */
  double geometric[DYNO_BENCH_METRIC_COUNT]; /* means of the cases' medians */
  dyno_bench_component_row components[DYNO_BENCH_COMPONENT_ROWS];
  dyno_bench_memory_row memory[DYNO_BENCH_MEMORY_ROWS];
  double fragmentation, largest_fragmentation;
  dyno_bench_latency_row latency[DYNO_BENCH_LATENCY_ROWS];
  dyno_bench_roof_point *roofline; /* [roof_count] */
  size_t roof_count;
  double decode_bytes_per_token, decode_macs_per_token;
  double decode_of_read; /* median over the iterations with a canary */
  size_t decode_of_read_count;
  /* Bytes per second of a plain read with all threads: the median of those right before measured
   * iterations, or that of the start where there is none. */
  double read_bandwidth;
  bool cached; /* caches may hold the weights, so that shares of the read ceiling say little */
  dyno_bench_verdict verdicts[DYNO_BENCH_VERDICTS];
  dyno_bench_projection projection;
} dyno_bench_summary;

/* Works out the summary of results, which must outlive it. MEMORY, and USAGE for values that no
 * statistics can be made of; *summary is zeroed then. Free it with dyno_bench_summary_free. */
dyno_status dyno_bench_summarize(dyno_bench_summary *summary, const dyno_bench_results *results,
                                 dyno_error *error);

/* Frees and zeroes; a zeroed summary is fine. */
void dyno_bench_summary_free(dyno_bench_summary *summary);

/* Whether the model has the shapes of gpt-oss-20b. */
bool dyno_bench_is_20b(const dyno_bench_results *results);

#endif
