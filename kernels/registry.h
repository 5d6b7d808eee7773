/* The registry: every variant this process knows, and the choice between them.
 *
 * A registry is made once, from the built-in tables, plug-ins, the CPU, and what the user asked
 * for; after that it is only read, from any thread. */
#ifndef DYNO_KERNELS_REGISTRY_H
#define DYNO_KERNELS_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernel.h"

typedef struct dyno_registry dyno_registry;

typedef struct dyno_registry_options {
  /* The highest tier to use; DYNO_ISA_COUNT for all that the CPU has. Asking for a tier that
   * the CPU lacks is an error. */
  dyno_isa isa;
  /* "FAMILY=NAME" or "OP=NAME" strings; NAME may be any part of a name that, within the family
   * or op, matches variants of one name only for each problem. [force_count] */
  const char *const *force;
  size_t force_count;
  /* Shared objects to load; absolute paths, or relative ones with a slash. [plugin_count] */
  const char *const *plugins;
  size_t plugin_count;
  /* Load plug-ins without the self-test: for the tool that is about to check them itself. */
  bool skip_plugin_check;
  /* The tuned file to consult; NULL for none. A missing file counts as none; one made for another
   * machine or build is ignored, and dyno_registry_tuned_note says why; a malformed one is an
   * error. */
  const char *tuned_path;
  /* Threads the run will use: part of the tuned file's key. 0 counts as 1. */
  unsigned threads;
} dyno_registry_options;

/* Options that force nothing. */
#define DYNO_REGISTRY_DEFAULTS ((dyno_registry_options){.isa = DYNO_ISA_COUNT, .threads = 1})

/* Makes a registry; *registry is NULL on failure. USAGE: unknown or ambiguous names (the message
 * lists near ones). UNAVAILABLE: the CPU lacks a tier. UNSUPPORTED: a plug-in of another ABI.
 * WRONG_OUTPUT: a plug-in that fails its self-test. Copies what it needs from options. */
dyno_status dyno_registry_open(dyno_registry **registry, const dyno_registry_options *options,
                               dyno_error *error);

/* Frees the registry and unloads its plug-ins; their kernels must not be used any more. Sets
 * *registry to NULL; NULL is fine. */
void dyno_registry_close(dyno_registry **registry);

const dyno_cpu *dyno_registry_cpu(const dyno_registry *registry);

/* The highest tier in use. */
dyno_isa dyno_registry_isa(const dyno_registry *registry);

/* All variants, built-in ones first, in the order of their tables. */
size_t dyno_registry_count(const dyno_registry *registry);
const dyno_kernel *dyno_registry_kernel(const dyno_registry *registry, size_t index);

/* The variant of exactly that name, or NULL. */
const dyno_kernel *dyno_registry_find(const dyno_registry *registry, const char *name);

/* The plug-in a variant came from, or NULL for a built-in one. */
const char *dyno_registry_origin(const dyno_registry *registry, const dyno_kernel *kernel);

/* A hash of all registered names (XXH3, 64 bit): part of the tuned file's key. */
uint64_t dyno_registry_hash(const dyno_registry *registry);

/* Whether the variant may run here and on these sizes. If not, reason (may be NULL) says why:
 * "needs avx512_vnni, which this CPU lacks", "masked by --isa=avx2", "does not support ...". */
#define DYNO_REASON_TEXT 160
bool dyno_registry_usable(const dyno_registry *registry, const dyno_kernel *kernel,
                          const dyno_problem *problem, char reason[DYNO_REASON_TEXT]);

typedef struct dyno_choice {
  const dyno_kernel *kernel;
  char reason[DYNO_REASON_TEXT]; /* "forced by --kernel=matmul=avx2", "tuned: 1.31 ms", "rank" */
} dyno_choice;

/* Chooses the variant for a problem: forced by name, else tuned, else by tier and rank with
 * quirks demoted, down to the reference. Of variants of another layout than `layout`, or other
 * numerics than `numerics`, none is considered where those are not NULL. A forced variant that
 * cannot be used is an error (UNAVAILABLE), never replaced. NOT_FOUND when there is no variant of
 * the problem at all. */
dyno_status dyno_select(dyno_choice *choice, const dyno_registry *registry,
                        const dyno_problem *problem, const dyno_layout *layout,
                        const char *numerics, dyno_error *error);

/* Chooses a tensor's layout, on the problems it will serve (usually one of decode and one of
 * prefill): the layout, and the numerics, for which every problem has a usable variant and whose
 * variants rank best, the first problem deciding ties. choices ([count]) receive the variant of
 * each problem. Errors as dyno_select. */
dyno_status dyno_select_layout(const dyno_layout **layout, dyno_choice *choices,
                               const dyno_registry *registry, const dyno_problem *problems,
                               size_t count, dyno_error *error);

/* The same for a tensor whose layout is settled: only variants that read it are considered.
 * NOT_FOUND when there are none for one of the problems. */
dyno_status dyno_select_in_layout(dyno_choice *choices, const dyno_registry *registry,
                                  const dyno_problem *problems, size_t count,
                                  const dyno_layout *layout, dyno_error *error);

/* Why the tuned file was not used, or NULL when it was or none was named. */
const char *dyno_registry_tuned_note(const dyno_registry *registry);

#endif
