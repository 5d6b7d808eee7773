/* What the bits of keys and values depend on, for cache files. */
#ifndef DYNO_RUNTIME_CACHE_IDENTITY_H
#define DYNO_RUNTIME_CACHE_IDENTITY_H

#include "kernels/registry.h"
#include "runtime/model/model.h"

#define DYNO_CACHE_IDENTITY_TEXT 512

/* Lines of "name value": version, tier and kernels, the model's hash, its weights as kernels read
 * them (samples of every matrix, so lowered ones too, and all vectors), form of keys and values,
 * window. It tells models apart; it does not prove that no weight was altered. Returns text. */
char *dyno_cache_identity(char text[DYNO_CACHE_IDENTITY_TEXT], const dyno_model *model,
                          const dyno_registry *registry);

#endif
