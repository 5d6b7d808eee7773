/* What libFuzzer, and replay.c in its place, call. */
#ifndef DYNO_TESTS_FUZZ_TARGET_H
#define DYNO_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs one input; returns 0. A broken promise aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() would vanish under NDEBUG. */
#define FUZZ_REQUIRE(condition)                                                                    \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);              \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

#endif
