/* Proves a kernel variant: runs it beside the reference on many problems and looks for every way
 * in which it could break the contract of kernel.h.
 *
 *   results       within the bounds of tolerance.h, or equal bits
 *   reads         every buffer ends at a page that nobody may touch; what may not be read holds
 *                 NaNs or differs from run to run
 *   writes        inputs are read-only; everything but the variant's own rows must stay as it was
 *   row ranges    any partition of the rows gives the same bits
 *   batches       a token alone gives the same bits as among others
 *   alignment     so does any allowed one, from 0 to 63
 *   numerics      variants that claim the same numerics have the same bits
 *   layouts       unpacking gives the rows back; packing writes every byte, in any order
 *
 * The variant runs in a forked child. A fault in it is a failed check, and so is a variant that
 * does not return; it can harm nothing of the caller's, installs no signal handler there and
 * leaves no memory behind. The child uses malloc, so a program that calls this while it has other
 * threads needs a C library whose malloc survives fork (glibc's does). Nothing is global: several
 * threads may check at the same time. */
#ifndef DYNO_KERNELS_CHECK_CHECK_H
#define DYNO_KERNELS_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/registry.h"

/* A case is one problem with one kind of input. Fewer than this is no proof. */
#define DYNO_CHECK_LEAST_CASES 24

typedef struct dyno_check_failure {
  char problem[DYNO_PROBLEM_TEXT];
  char input[16]; /* "normal", "denormal", ... (inputs.h) */
  /* What went wrong, in a sentence. */
  char what[320];
  /* Where a result was wrong, the worst element; else all 0. */
  char element[64];
  double got, want, bound;
} dyno_check_failure;

typedef struct dyno_check_summary {
  const dyno_kernel *kernel;
  const char *plugin; /* of the options */
  uint64_t seed;
  size_t expected; /* cases that there are for this variant */
  size_t cases;    /* run to the end, failed ones included */
  size_t failures; /* cases that failed; at least 1 whenever the check fails */
  double worst;    /* largest error of all results, as a share of its bound; 0 where exact */
  char worst_problem[DYNO_PROBLEM_TEXT];
  dyno_check_failure first;
} dyno_check_summary;

typedef struct dyno_check_options {
  uint64_t seed;
  /* One problem only, with every kind of input and alignment: to run a failure again. NULL: the
   * variant's own list. */
  const dyno_problem *only;
  /* A shorter list: well under a second, for a plug-in before its first use. */
  bool quick;
  /* Another variant with the same op, formats and numerics, whose bits must be the same; or
   * NULL. */
  const dyno_kernel *twin;
  /* Another layout of the same name as the variant's, whose bytes must be the same; or NULL. */
  const dyno_layout *same_layout;
  /* The file that the variant came from, for the line that runs a failure again; NULL when it is
   * built in. */
  const char *plugin;
  /* Called now and then, in the calling thread, with how far it has come; returning false stops
   * the check (INTERRUPTED). May be NULL. */
  bool (*observe)(void *context, const dyno_check_summary *so_far);
  void *context;
} dyno_check_options;

/* Checks kernel against reference (dyno_reference_kernel), which may be the same. The caller has
 * made sure that this CPU runs both.
 *
 * OK: all cases passed. WRONG_OUTPUT: a case failed, or faulted, or fewer cases could be run than
 * expected; error then says what, and the line that runs it again. UNSUPPORTED: there is no way to
 * check this op with these formats. INTERRUPTED, MEMORY, UNAVAILABLE (no fork). The summary is
 * filled in every case. */
dyno_status dyno_check_kernel(dyno_check_summary *summary, const dyno_kernel *kernel,
                              const dyno_kernel *reference, const dyno_check_options *options,
                              dyno_error *error);

/* Finds, among the usable variants, the twin and the layout of options: what kernel claims to be
 * the same as. NULL where there is none, or where comparing with the reference says as much. */
void dyno_check_find_twins(dyno_check_options *options, const dyno_registry *registry,
                           const dyno_kernel *kernel);

/* Writes the command that runs the first failure again. */
#define DYNO_RERUN_TEXT 512
void dyno_check_rerun(char text[DYNO_RERUN_TEXT], const dyno_check_summary *summary);

#endif
