/* Random operations on an allocator by many threads, against a shadow of who owns which bytes. */
#ifndef DYNO_TESTS_UNIT_ALLOCATOR_SHADOW_H
#define DYNO_TESTS_UNIT_ALLOCATOR_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/memory/allocator.h"

typedef struct shadow_options {
  unsigned threads;
  size_t operations; /* of all threads */
  uint64_t seed;
  dyno_allocator_kind kind;
  bool checks;
  bool shared; /* threads release what others allocated */
} shadow_options;

/* Runs them, releases what is left, and trims. NULL, or what went wrong, in text. At the end of
 * the buddy allocator's run every arena must be one free block. */
const char *shadow_run(char text[256], const shadow_options *options);

#endif
