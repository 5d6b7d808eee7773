/* The tuned file: what `dyno tune` measured on this machine, for the registry to choose by.
 *
 *   dyno-tuned 1
 *   cpu AMD EPYC
 *   isa avx512bf16
 *   threads 2
 *   compiler gcc 12.2.0
 *   kernels 8f0a52d47b7e4a10
 *   1203942 matmul_mxfp4_a8_...__avx2 matmul weight=mxfp4 activation=a8 m=1 n=2880 k=2880 groups=4
 *   ...
 *   end 38
 *
 * One line per measured variant and problem: nanoseconds, name, problem. The file counts only as
 * a whole: a missing or wrong `end` line, an unknown name or a malformed line is an error. When
 * cpu, isa, threads, compiler or the hash of the registered names differ, the file is for
 * another machine or build and is not used. */
#ifndef DYNO_KERNELS_TUNED_H
#define DYNO_KERNELS_TUNED_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/problem.h"
#include "kernels/registry.h"

/* What must be equal for measurements to carry over. */
typedef struct dyno_tuned_key {
  char cpu[64];
  dyno_isa isa;
  unsigned threads;
  char compiler[64];
  uint64_t kernels; /* dyno_registry_hash */
} dyno_tuned_key;

typedef struct dyno_tuned_entry {
  const dyno_kernel *kernel;
  dyno_problem problem;
  uint64_t nanoseconds; /* > 0 */
} dyno_tuned_entry;

typedef struct dyno_tuned dyno_tuned;

/* The key of this registry, CPU and build. */
void dyno_tuned_key_of(dyno_tuned_key *key, const dyno_registry *registry);

/* Writes the whole file beside path and renames it over path once it is on disk. */
dyno_status dyno_tuned_write(const char *path, const dyno_tuned_key *key,
                             const dyno_tuned_entry *entries, size_t count, dyno_error *error);

/* Reads path. *tuned is NULL, and note says why, when the file does not exist or has another
 * key. FORMAT, naming file and line, when it is malformed. */
#define DYNO_TUNED_NOTE 256
dyno_status dyno_tuned_read(dyno_tuned **tuned, char note[DYNO_TUNED_NOTE], const char *path,
                            const dyno_registry *registry, dyno_error *error);

void dyno_tuned_free(dyno_tuned **tuned);

/* The time of the variant on the measured problem nearest to this one, or 0 when there is none.
 * Near means equal but for m, for n of attention, and for groups beyond one: of those the largest
 * that is not larger than asked for, else the smallest. */
uint64_t dyno_tuned_nanoseconds(const dyno_tuned *tuned, const dyno_kernel *kernel,
                                const dyno_problem *problem);

#endif
