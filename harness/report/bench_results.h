/* What a benchmark left behind, read back: docs/results-format.md says what each field means.
 *
 * Files are hostile input: whatever is malformed gets an error that names file, line and field.
 * Unknown fields are ignored, and so is a last line that a crash cut off. A number that is null or
 * not there is NaN, a text likewise is NULL, unless a comment says "always". Times are in
 * nanoseconds, memory in bytes, shares from 0 to 1.
 *
 * Strings belong to the results and live as long as they do. Once read, results are not changed:
 * any thread may look at them. */
#ifndef DYNO_HARNESS_REPORT_BENCH_RESULTS_H
#define DYNO_HARNESS_REPORT_BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_BENCH_MANIFEST_SCHEMA "dyno.bench.manifest/1"

/* Stands for a case's index where there is none: between cases. */
#define DYNO_BENCH_NO_CASE SIZE_MAX

typedef enum dyno_bench_phase {
  DYNO_BENCH_PREFILL,
  DYNO_BENCH_DECODE,
  DYNO_BENCH_PHASE_COUNT
} dyno_bench_phase;

/* The guide's rows, and what belongs to none of them. */
typedef enum dyno_bench_component {
  DYNO_BENCH_EMBEDDING,
  DYNO_BENCH_ATTENTION,
  DYNO_BENCH_FEED_FORWARD,
  DYNO_BENCH_SAMPLING,
  DYNO_BENCH_OTHER,
  DYNO_BENCH_COMPONENT_COUNT
} dyno_bench_component;

typedef struct dyno_bench_prompt {
  const char *id; /* always */
  size_t prompt_tokens, output_tokens;
} dyno_bench_prompt;

typedef struct dyno_bench_case {
  const char *name;  /* always; unique */
  const char *title; /* always; the name when the manifest has none */
  const char *guide, *file, *xxh3;
  dyno_bench_prompt *prompts; /* [prompt_count] */
  size_t prompt_count;
} dyno_bench_case;

typedef struct dyno_bench_pair {
  const char *name, *value; /* always; what is not a string is written as JSON */
} dyno_bench_pair;

typedef struct dyno_bench_fact {
  const char *name, *value; /* always */
  const char *why, *advice; /* advice NULL: fine as it is */
} dyno_bench_fact;

typedef struct dyno_bench_choice {
  const char *purpose, *kernel; /* always */
  const char *why;
} dyno_bench_choice;

typedef struct dyno_bench_manifest {
  const char *id;      /* always */
  const char *started; /* always; UTC, RFC 3339 */
  const char *finished;
  struct {
    const char *version, *commit, *compiler, *flags;
    bool dirty;
  } dyno;
  const char **command; /* [command_count] */
  size_t command_count;
  struct {
    const char *profile;       /* always */
    size_t warmup, iterations; /* always; per case */
    uint64_t seed;
    double budget_seconds; /* NaN: none */
    const char *preset;    /* NULL: none */
    const char **counters; /* [counter_count] */
    size_t counter_count;
  } protocol;
  struct {
    const char *name; /* always */
    const char *path, *dialect, *fingerprint;
    double file_bytes, parameters, layers, vocabulary, weight_bytes, packed_bytes;
  } model;
  struct {
    unsigned threads; /* 0: not told */
    const char *tier, *precision, *pool, *numa, *huge_pages, *logits;
    bool pinned;
    double batch;
    dyno_bench_pair *features; /* [feature_count] */
    size_t feature_count;
    dyno_bench_choice *kernels; /* [kernel_count] */
    size_t kernel_count;
  } engine;
  dyno_bench_fact *environment; /* [fact_count] */
  size_t fact_count;
  struct {
    double read_one, read_all;        /* bytes per second */
    double mac_i8, mac_bf16, mac_f32; /* per second and thread */
  } ceilings;
  struct { /* what the caches were asked for and had, in the whole run; NaN without any */
    double rows_asked, rows_found, tokens_asked, tokens_found, compressed_asked, compressed_found;
    double compressed_in_bytes, compressed_out_bytes;
  } cache;
  dyno_bench_case *cases; /* [case_count], in the order of the guide */
  size_t case_count;
} dyno_bench_manifest;

typedef struct dyno_bench_sample {
  size_t line;        /* of samples.jsonl, from 1 */
  size_t case_index;  /* always */
  const char *prompt; /* always */
  bool warmup;        /* always */
  size_t iteration;   /* always */
  size_t sequence, run;
  int64_t begun_ns;                    /* CLOCK_REALTIME; 0: not told */
  size_t prompt_tokens, output_tokens; /* always, at least 1 */
  double prefill_ns, ttft_ns, e2e_ns;  /* always, above 0 */
  double *itl_ns;                      /* [itl_count]; always, output_tokens - 1 of them */
  size_t itl_count;
  double tokenize_ns, sampling_ns, setup_ns;
  const char *hash;
  double cpu_ns;
  double steal_ns, pressure_cpu_ns, pressure_memory_ns, pressure_io_ns;
  double voluntary_switches, involuntary_switches, minor_faults, major_faults;
  double rss_bytes, kv_bytes;
  double read_one, read_all; /* bytes per second, of the canary */
  double energy_joules;
} dyno_bench_sample;

typedef struct dyno_bench_op {
  size_t case_index;
  dyno_bench_phase phase;
  const char *op;     /* always */
  const char *kernel; /* NULL: none */
  dyno_bench_component component;
  double calls, threads;
  double thread_ns; /* always; of all threads together */
  double waited_ns, bytes, macs;
  const char *limit; /* "read", "mac_i8", ...; NULL: none */
  double attained;
} dyno_bench_op;

/* The line of a case and phase as a whole in the profile pass. */
typedef struct dyno_bench_total {
  size_t case_index;
  dyno_bench_phase phase;
  double wall_ns; /* always, above 0 */
  double tokens;  /* always, at least 1 */
  double threads; /* always, at least 1 */
  double probe_share;
} dyno_bench_total;

typedef struct dyno_bench_counter {
  size_t case_index;
  dyno_bench_phase phase;
  const char *op;      /* NULL: the whole phase */
  const char *counter; /* always */
  double value, running;
  const char *reason; /* always; "": plain */
  double per_token, pass;
} dyno_bench_counter;

typedef struct dyno_bench_memory {
  double t_ns;       /* always; since the start */
  size_t case_index; /* DYNO_BENCH_NO_CASE: between cases */
  double rss_bytes, peak_rss_bytes, weights_bytes, kv_bytes, workspace_bytes, cache_bytes,
      allocator_bytes, huge_bytes;
} dyno_bench_memory;

/* Unlike a bool, may be unknown. */
typedef enum dyno_bench_answer {
  DYNO_BENCH_NO,
  DYNO_BENCH_YES,
  DYNO_BENCH_UNKNOWN
} dyno_bench_answer;

typedef struct dyno_bench_text {
  size_t case_index;
  const char *prompt, *text; /* always */
  double tokens;
  dyno_bench_answer ended;
  const char *expected;      /* NULL: nothing */
  dyno_bench_answer correct; /* UNKNOWN: nothing was expected */
  dyno_bench_answer repeated;
} dyno_bench_text;

typedef struct dyno_bench_results {
  char *folder;
  dyno_bench_manifest manifest;
  /* In the order of the files. */
  dyno_bench_sample *samples; /* [sample_count], warm-ups included */
  size_t sample_count;
  dyno_bench_op *ops;
  size_t op_count;
  dyno_bench_total *totals;
  size_t total_count;
  dyno_bench_counter *counters;
  size_t counter_count;
  dyno_bench_memory *memory;
  size_t memory_count;
  dyno_bench_text *texts;
  size_t text_count;
  struct dyno_bench_storage *storage; /* what owns all of it */
} dyno_bench_results;

/* Reads the folder of a run, finished or not. Only manifest.json has to be there: what the other
 * files would hold is empty where they are missing. NOT_FOUND without a manifest, IO, FORMAT
 * (also for a schema of another version), MEMORY; *results is NULL then. Free the results with
 * dyno_bench_results_free. */
dyno_status dyno_bench_results_read(dyno_bench_results **results, const char *folder,
                                    dyno_error *error);

/* Frees and sets *results to NULL; NULL is fine. */
void dyno_bench_results_free(dyno_bench_results **results);

/* The index of the case with this name, or DYNO_BENCH_NO_CASE. */
size_t dyno_bench_case_index(const dyno_bench_results *results, const char *name);

/* The line of a phase as a whole, the last where there are several; NULL when there is none. */
const dyno_bench_total *dyno_bench_find_total(const dyno_bench_results *results, size_t case_index,
                                              dyno_bench_phase phase);

/* "prefill", "feed_forward": as the files have them. */
const char *dyno_bench_phase_name(dyno_bench_phase phase);
const char *dyno_bench_component_name(dyno_bench_component component);

/* Rates that follow from a sample, in tokens per second; NaN where there is only one token:
 * prompt_tokens / prefill; (output_tokens - 1) / (e2e - ttft); output_tokens / e2e. */
double dyno_bench_prefill_rate(const dyno_bench_sample *sample);
double dyno_bench_decode_rate(const dyno_bench_sample *sample);
double dyno_bench_overall_rate(const dyno_bench_sample *sample);

/* Time per output token in ns: (e2e - ttft) / (output_tokens - 1); NaN for one token. */
double dyno_bench_tpot(const dyno_bench_sample *sample);

/* Bytes per second of a plain read with one thread, or with all: the median of those right before
 * measured iterations; where there is none, that of the start, which may have met a busy moment. */
double dyno_bench_median_read(const dyno_bench_results *results, bool all);

#endif
