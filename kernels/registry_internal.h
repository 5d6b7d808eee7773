/* The registry's inside, shared by the files that make it, choose from it and tune it. */
#ifndef DYNO_KERNELS_REGISTRY_INTERNAL_H
#define DYNO_KERNELS_REGISTRY_INTERNAL_H

#include "kernels/registry.h"
#include "kernels/tuned.h"

typedef struct registry_entry {
  const dyno_kernel *kernel;
  const char *origin; /* the plug-in's name, NULL when built in */
} registry_entry;

/* A --kernel=FAMILY=NAME or OP=NAME. */
typedef struct forced_choice {
  dyno_family family; /* DYNO_FAMILY_COUNT when an op was named */
  dyno_op op;         /* DYNO_OP_COUNT when a family was named */
  char *part;         /* of the name; owned */
} forced_choice;

struct dyno_registry {
  dyno_cpu cpu;
  dyno_isa isa;
  unsigned threads;
  registry_entry *entries;
  size_t count;
  void **plugins; /* handles of dlopen */
  size_t plugin_count;
  forced_choice *forced;
  size_t forced_count;
  dyno_tuned *tuned;
  char tuned_note[DYNO_TUNED_NOTE]; /* empty when the file is in use */
};

/* Adds the variants of a table. */
dyno_status dyno_registry_add(dyno_registry *registry, const dyno_kernel *kernels, size_t count,
                              const char *origin, dyno_error *error);

/* Loads a shared object, proves its variants and adds them. */
dyno_status dyno_registry_add_plugin(dyno_registry *registry, const char *path, bool check,
                                     dyno_error *error);

#endif
