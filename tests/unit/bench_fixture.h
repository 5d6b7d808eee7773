/* A benchmark's folder as docs/results-format.md states it, with figures that are easy to check:
 *
 * - two cases, "short" (prompt of 10 tokens, 5 out) and "long" (100, 21 out), each of one prompt
 * "p", 2 warm-ups and 10 measured iterations; iteration i decodes at exactly (20 + i/10) and (10 +
 * i/10) tokens/s, prefills at 100 and 200 tokens/s, and samples and tokenizes in 1 ms each;
 * - a profile of both, on 2 threads: bytes of a decoded token 1e9, 60 % of the time in
 * feed_forward, 30 % in attention, 1 % in embedding;
 * - a read ceiling of 25e9 bytes/s of all threads, and canaries of 20e9. */
#ifndef DYNO_TESTS_UNIT_BENCH_FIXTURE_H
#define DYNO_TESTS_UNIT_BENCH_FIXTURE_H

#include <stdbool.h>

#define BENCH_FIXTURE_PATH 256

/* Writes it into a new folder below $TMPDIR or /tmp, whose path it gives. */
void bench_fixture_write(char folder[BENCH_FIXTURE_PATH]);

/* Replaces a file, or removes it when text is NULL; with `append`, adds to its end. */
void bench_fixture_put(const char *folder, const char *file, const char *text, bool append);

/* Replaces the first `old` in a file, which must be there. */
void bench_fixture_edit(const char *folder, const char *file, const char *old, const char *new);

/* A file's content, to be freed; NULL when there is none. */
char *bench_fixture_get(const char *folder, const char *file);

/* Removes the folder and everything in it. */
void bench_fixture_remove(const char *folder);

#endif
