/* What a gate compares with: a program that is there, or a revision that is built first. */
#ifndef DYNO_HARNESS_COMPARE_GATE_BASE_H
#define DYNO_HARNESS_COMPARE_GATE_BASE_H

#include <signal.h>

#include "kernels/base/status.h"

typedef struct dyno_gate_base_options {
  const char *base;       /* a program, or a revision of git */
  const char *repository; /* a folder in it */
  const char *cache;      /* a folder for builds; NULL: dyno/gate in the user's cache folder */
  const char *configure;  /* arguments of configure, quoted for a shell; NULL: none */
  unsigned jobs;          /* of make; 0: as many as there are processors */
  const volatile sig_atomic_t *stop;                  /* may be NULL */
  void (*progress)(void *context, const char *label); /* may be NULL */
  void *progress_context;
} dyno_gate_base_options;

/* The path of the base's program, to be freed. A file of that name is taken as it is. A revision is
 * checked out into a folder of the cache named by its commit, and built there once for every set of
 * arguments of configure, with what its tree brings (autoreconf, configure, make), without a shell;
 * build.log beside it has what that printed. Of the arguments those that say where things are
 * installed, and that warnings are errors, are left out. Others that build there at the same time
 * are waited for. NOT_FOUND: neither a file nor a revision; IO: it does not build, naming the log;
 * INTERRUPTED. */
dyno_status dyno_gate_base_find(char **program, const dyno_gate_base_options *options,
                                dyno_error *error);

#endif
