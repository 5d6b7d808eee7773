/* How much the columns of each matrix matter: means of squares of the activations they meet. */
#ifndef DYNO_RUNTIME_MODEL_IMPORTANCE_H
#define DYNO_RUNTIME_MODEL_IMPORTANCE_H

#include "runtime/model/checkpoint.h"

typedef struct dyno_importance {
  float **columns; /* [count], by dyno_tensor_index: [groups][k], positive; NULL: unknown. Owned */
  size_t count;
  size_t tokens; /* that were seen */
} dyno_importance;

/* Frees and zeroes; a zeroed one is fine. */
void dyno_importance_free(dyno_importance *importance);

#endif
