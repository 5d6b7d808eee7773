/* Profiles of an engine: how fast it is, where the time goes, and what the machine would allow in
 * the same seconds.
 *
 * A run has phases: a prefill of so many tokens, or a decode of so many at a depth, that is after
 * so many tokens. The tokens are given beforehand, so that every pass over a phase does the same
 * work, and every token its own experts. A round times each phase once, without a probe, and reads
 * a random choice of the weights' pages before, after, and during it every few tokens. After the
 * rounds each phase is run once more with a probe, for the table of ops. */
#ifndef DYNO_HARNESS_MEASURE_PROFILE_H
#define DYNO_HARNESS_MEASURE_PROFILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/profile_process.h"
#include "harness/measure/profile_recorder.h"
#include "harness/measure/profile_summary.h"
#include "harness/measure/statistics.h"
#include "runtime/engine.h"

typedef enum dyno_profile_kind {
  DYNO_PROFILE_PREFILL,
  DYNO_PROFILE_DECODE,
  DYNO_PROFILE_KIND_COUNT
} dyno_profile_kind;

/* "prefill", "decode". */
const char *dyno_profile_kind_name(dyno_profile_kind kind);

enum { DYNO_PROFILE_COPIED = 512, DYNO_PROFILE_MOST_SIZES = 8, DYNO_PROFILE_MOST_ROUNDS = 256 };

typedef struct dyno_profile_options {
  size_t prompts[DYNO_PROFILE_MOST_SIZES]; /* tokens of each prefill */
  size_t prompt_count;
  size_t decode_tokens;                   /* 0: no decode */
  size_t depths[DYNO_PROFILE_MOST_SIZES]; /* of each decode */
  size_t depth_count;
  bool depth_copied; /* beyond DYNO_PROFILE_COPIED tokens by repeating their keys and values */
  unsigned rounds;   /* 1 to DYNO_PROFILE_MOST_ROUNDS */
  uint64_t seed;     /* of the tokens, and of the pages that are read */
  size_t read_bytes; /* of one sample of the weights' pages */
  /* A text to take the tokens from, again and again; random ones when text_count is 0. */
  const int32_t *text;
  size_t text_count;
  const volatile sig_atomic_t *stop; /* set by a signal handler to end early; may be NULL */
  /* Called with the part that is done, 0 to 1, and what is under way. May be NULL. */
  void (*progress)(void *context, double done, const char *label);
  void *progress_context;
} dyno_profile_options;

#define DYNO_PROFILE_DEFAULTS                                                                      \
  ((dyno_profile_options){.prompts = {512},                                                        \
                          .prompt_count = 1,                                                       \
                          .decode_tokens = 64,                                                     \
                          .depths = {0, 4096},                                                     \
                          .depth_count = 2,                                                        \
                          .rounds = 5,                                                             \
                          .seed = 1,                                                               \
                          .read_bytes = (size_t)400 << 20})

/* Reads of the weights' pages around and within a pass, all together: bytes per second. */
typedef struct dyno_profile_reads {
  double one; /* with one thread */
  double all; /* with those of the run */
  size_t samples;
} dyno_profile_reads;

typedef struct dyno_profile_round {
  double seconds; /* that the tokens took */
  double rate;    /* tokens per second */
  dyno_profile_reads reads;
  /* The bytes that were needed over the time, over the read ceiling; NaN without a probed pass. */
  double read_share;
} dyno_profile_round;

/* A call of the engine within a probed pass: a token of a decode, or a whole prefill. */
typedef struct dyno_profile_step {
  uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
} dyno_profile_step;

typedef struct dyno_profile_phase {
  dyno_profile_kind kind;
  size_t tokens, depth;
  dyno_profile_round *rounds; /* owned */
  size_t round_count;
  /* Of the rounds; count is 0 where there is nothing to say. relative is the rate over that of the
   * first phase of the same kind in the same round: of other prompts, or of other depths. */
  dyno_summary rate, read_share, relative;
  /* What follows is of the probed pass, and zero without one: recorder is NULL then. */
  dyno_profile_recorder *recorder; /* owned */
  dyno_profile_step *steps;        /* owned */
  size_t step_count;
  double probed_seconds;
  dyno_profile_reads probed_reads;
  dyno_profile_ceilings ceilings;
  dyno_profile_summary summary;
  double probe_share; /* of a thread's time that telling the recorder took, about */
} dyno_profile_phase;

/* Zero-initialise; free with dyno_profile_run_free. */
typedef struct dyno_profile_run {
  unsigned threads;
  dyno_isa isa;
  double load_seconds;        /* to open the engine; the caller's to set */
  double first_token_seconds; /* a prompt of one token, right after loading */
  /* The same from the start of the process, which is older than the engine. */
  double first_token_age;
  dyno_engine_placement placement; /* in the end */
  double peak_memory;
  double file_bytes, packed_bytes;
  const char *read_loop;
  dyno_profile_phase *phases; /* owned */
  size_t phase_count;
  double event_seconds; /* that recording one event takes */
  bool interrupted;
} dyno_profile_run;

/* Profiles an engine whose weights have just been loaded. An interrupt is no failure: what was
 * measured so far is there, and the run is marked. USAGE when the model's context is too short for
 * a phase; MEMORY. */
dyno_status dyno_profile_engine(dyno_profile_run *run, dyno_engine *engine,
                                const dyno_profile_options *options, dyno_error *error);

/* Fills in rate, read_share and relative of every phase from its rounds, and the rounds'
 * read_share. MEMORY. */
dyno_status dyno_profile_summarize_rounds(dyno_profile_run *run, dyno_error *error);

/* Bytes and multiply-accumulates that a token needs, of weights, keys and values; of a prefill,
 * shared between its tokens. NaN without a probed pass. */
double dyno_profile_bytes_per_token(const dyno_profile_phase *phase);
double dyno_profile_macs_per_token(const dyno_profile_phase *phase);

void dyno_profile_run_free(dyno_profile_run *run);

#endif
