/* A plain read of the very pages that a model's weights lie in: what its decode is held against.
 *
 * Other memory of the same machine can be twice as fast or half as fast in the same second (huge
 * pages, banks, NUMA), so only the weights' own pages will do. A sample reads a random choice of
 * them, in pieces as long as a thread's share of a matrix. Each thread reads pieces of its own
 * share of every matrix, the share that it has in a static partition of the rows, so that on
 * several sockets it reads its own memory. */
#ifndef DYNO_HARNESS_MEASURE_PROFILE_READ_H
#define DYNO_HARNESS_MEASURE_PROFILE_READ_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/cpu.h"
#include "kernels/base/status.h"
#include "runtime/threads/pool.h"

typedef struct dyno_weight_pages {
  const void *data;
  size_t bytes;
} dyno_weight_pages;

typedef struct dyno_profile_reader dyno_profile_reader;

/* Gets ready to read about `bytes` of the pages [count] in a sample, or all of them when there are
 * fewer, with the read loop that is the fastest here of those up to isa. The pages and the pool
 * must outlive the reader. On failure *reader is NULL: MEMORY, or UNSUPPORTED when the pages are
 * too few to read. */
dyno_status dyno_profile_reader_open(dyno_profile_reader **reader, const dyno_weight_pages *pages,
                                     size_t count, dyno_pool *pool, dyno_isa isa, size_t bytes,
                                     dyno_error *error);

/* Sets *reader to NULL; NULL is fine. */
void dyno_profile_reader_close(dyno_profile_reader **reader);

typedef struct dyno_read_sample {
  double bytes, seconds;
} dyno_read_sample;

/* Reads once, with all threads of the pool or with the calling thread alone. Which pieces is
 * decided by `seed`. */
dyno_read_sample dyno_profile_reader_all(dyno_profile_reader *reader, uint64_t seed);
dyno_read_sample dyno_profile_reader_one(dyno_profile_reader *reader, uint64_t seed);

/* The loop: "read__avx512". */
const char *dyno_profile_reader_loop(const dyno_profile_reader *reader);

/* The bytes of all pages together. */
double dyno_profile_reader_total(const dyno_profile_reader *reader);

#endif
