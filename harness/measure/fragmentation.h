/* How scattered blocks of keys and values become while sequences of random lengths come and go,
 * with and without moving them together. The pool and the allocator are those of the engine;
 * nothing is computed. */
#ifndef DYNO_HARNESS_MEASURE_FRAGMENTATION_H
#define DYNO_HARNESS_MEASURE_FRAGMENTATION_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_fragmentation_options {
  size_t requests;    /* sequences in all */
  size_t open;        /* that are open at once, at most */
  size_t most_blocks; /* of a sequence; short ones are likelier: 1 / length */
  size_t block_bytes; /* a multiple of 64 */
  size_t moves;       /* blocks that may be moved after a request */
  uint64_t seed;
  const volatile sig_atomic_t *stop; /* may be NULL */
} dyno_fragmentation_options;

/* 64 tokens of a layer of gpt-oss-20b in BF16; 12 layers that see all, 4096 tokens at most. */
#define DYNO_FRAGMENTATION_DEFAULTS                                                                \
  ((dyno_fragmentation_options){.requests = 10000,                                                 \
                                .open = 8,                                                         \
                                .most_blocks = 768,                                                \
                                .block_bytes = (size_t)128 << 10,                                  \
                                .moves = 16,                                                       \
                                .seed = 1})

/* After a request: bytes of blocks in use, and of the chunks they are in. */
typedef struct dyno_fragmentation_sample {
  uint64_t used, held;
} dyno_fragmentation_sample;

typedef struct dyno_fragmentation_arm {
  dyno_fragmentation_sample *samples; /* [requests] */
  double mean, worst;                 /* of the share of held that is not used, where any is held */
  uint64_t held_peak, held_end;
  uint64_t moved;        /* blocks */
  double longest, total; /* seconds: the longest step of moving and returning, and all */
} dyno_fragmentation_arm;

typedef struct dyno_fragmentation {
  dyno_fragmentation_options options;
  size_t requests; /* that were run */
  dyno_fragmentation_arm scattered, moved;
} dyno_fragmentation;

/* Runs the same requests twice: chunks without blocks go to the system after each request in both,
 * and in the second, blocks are moved together too. MEMORY. */
dyno_status dyno_fragmentation_run(dyno_fragmentation *found,
                                   const dyno_fragmentation_options *options, dyno_error *error);

void dyno_fragmentation_free(dyno_fragmentation *found);

#endif
