/* What a reference found, in a file: for machines that are too small for it. docs/quantization.md
 * has the format.
 *
 * Of each position only the likeliest tokens are kept, and the probability of all others together.
 * A divergence from that is one of the distributions in which those others are one outcome: never
 * more than the divergence of all (the log sum inequality; Cover and Thomas 2006, "Elements of
 * Information Theory", 2.7), and the same where the others do not matter. */
#ifndef DYNO_HARNESS_MEASURE_REFERENCE_FILE_H
#define DYNO_HARNESS_MEASURE_REFERENCE_FILE_H

#include <stdint.h>

#include "harness/measure/divergence.h"
#include "harness/measure/greedy.h"
#include "harness/measure/passages.h"

/* Likeliest tokens that are kept of each position, of vocabularies that have more. */
#define DYNO_REFERENCE_KEPT 256

typedef struct dyno_reference_sequence {
  size_t at; /* of its tokens, in the payload */
  size_t count;
  size_t prompt; /* 0: a passage, with the probabilities of every position; else a greedy
                    continuation of so many tokens */
} dyno_reference_sequence;

typedef struct dyno_reference_file {
  size_t vocab, kept;
  char model[33];                     /* dyno_checkpoint_hash of the reference */
  dyno_reference_sequence *sequences; /* owned */
  size_t count;
  char *bytes; /* owned; the whole file */
} dyno_reference_file;

/* Runs the engine over the passages, has it go on greedily for `greedy` tokens after `prompts`
 * of them, spread evenly, and writes what it found. progress may be NULL; false stops with
 * INTERRUPTED. IO, MEMORY. */
dyno_status dyno_reference_file_write(const char *path, dyno_engine *engine,
                                      const dyno_passages *passages, size_t prompts, size_t greedy,
                                      bool (*progress)(void *context, size_t done, size_t total),
                                      void *context, dyno_error *error);

/* Reads and checks all of a file. NOT_FOUND, IO, MEMORY; FORMAT, with the offset, where it is not
 * what it should be. On failure *file is empty. */
dyno_status dyno_reference_file_read(dyno_reference_file *file, const char *path,
                                     dyno_error *error);

/* Adds what the engine makes of a sequence of the file: of a passage to *divergence, of a
 * continuation to *greedy. USAGE where the vocabularies differ in size; MEMORY. */
dyno_status dyno_reference_file_compare(dyno_divergence *divergence, dyno_greedy *greedy,
                                        const dyno_reference_file *file, size_t sequence,
                                        dyno_engine *engine, dyno_error *error);

/* The tokens of a sequence, to be freed by the caller; NULL when out of memory. */
int32_t *dyno_reference_file_tokens(const dyno_reference_file *file, size_t sequence);

/* Frees and zeroes. */
void dyno_reference_file_free(dyno_reference_file *file);

#endif
