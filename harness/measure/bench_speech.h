/* What a model says by itself to a case's prompt: greedily, as `dyno run --temperature 0` would. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_SPEECH_H
#define DYNO_HARNESS_MEASURE_BENCH_SPEECH_H

#include <signal.h>
#include <stdbool.h>

#include "harness/measure/bench_model.h"

typedef struct dyno_bench_speech {
  char *text; /* owned, terminated: of the final channel; what was thought when nothing is there */
  size_t tokens;
  bool ended;    /* by itself, before `most` tokens */
  bool repeated; /* the same tokens the second time */
} dyno_bench_speech;

/* Answers twice, with at most `most` tokens. *stop, which may be NULL, ends it with INTERRUPTED.
 * Free it with dyno_bench_speech_free. */
dyno_status dyno_bench_speak(dyno_bench_speech *speech, const dyno_bench_model *model,
                             const dyno_bench_work *work, size_t most,
                             const volatile sig_atomic_t *stop, dyno_error *error);

void dyno_bench_speech_free(dyno_bench_speech *speech);

/* Whether a text has what is expected in it, not as a part of a longer word or number; capital
 * letters of ASCII count as small ones, and so do any white space and any other. */
bool dyno_bench_text_has(const char *text, const char *expected);

#endif
