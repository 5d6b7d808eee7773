/* What the weights of a model are lowered to, when they are loaded or written. */
#ifndef DYNO_RUNTIME_MODEL_QUANTIZATION_H
#define DYNO_RUNTIME_MODEL_QUANTIZATION_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/registry.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/importance.h"

typedef enum dyno_quant_method {
  DYNO_QUANT_NONE, /* as the file has it */
  DYNO_QUANT_INT8,
  DYNO_QUANT_INT4,
  DYNO_QUANT_INT4_SEARCH,
  DYNO_QUANT_INT4_ZERO,
  DYNO_QUANT_INT4_ZERO_SEARCH,
  DYNO_QUANT_MXFP4,
  DYNO_QUANT_MXFP4_SEARCH,
  DYNO_QUANT_METHOD_COUNT
} dyno_quant_method;

typedef struct dyno_quant_info {
  const char *name; /* "int4-zero": as on the command line and in plans */
  dyno_dtype dtype; /* what rows become; DYNO_NONE for DYNO_QUANT_NONE */
  bool search;      /* scales of least error, by fit_weight, instead of quantize_weight */
  const char *summary;
} dyno_quant_info;

/* The table's row; static. */
const dyno_quant_info *dyno_quant_get(dyno_quant_method method);

/* The method of that name; DYNO_QUANT_METHOD_COUNT when there is none. */
dyno_quant_method dyno_quant_parse(const char *name);

/* A choice for every tensor of a model. Only read while it is used. */
typedef struct dyno_quantization {
  dyno_quant_method uniform;  /* for all, where methods is NULL */
  dyno_quant_method *methods; /* by dyno_tensor_index, or NULL */
  /* For searches; NULL: all columns are alike. */
  const dyno_importance *importance;
} dyno_quantization;

/* What `--quant` means: a method's name, or plan:FILE (quant_plan.h); NULL and "none" lower
 * nothing. USAGE, with the names; errors of dyno_quant_plan_read. Without a checkpoint, a plan is
 * not read yet. */
dyno_status dyno_quantization_open(dyno_quantization *quantization, const char *text,
                                   const dyno_checkpoint *checkpoint, dyno_error *error);

/* Frees the methods, and zeroes. */
void dyno_quantization_close(dyno_quantization *quantization);

/* Where a role's tensor comes among those of dyno_checkpoint_tensor_at. */
size_t dyno_tensor_index(dyno_tensor_role role, size_t layer);

/* Whether tensors of a role are ever lowered: matrices, but for routers, whose choices must not
 * change. */
bool dyno_quant_role(dyno_tensor_role role);

/* What is done to a tensor: nothing unless the method's format takes fewer bytes and the rows are
 * whole blocks of it, so that 4-bit experts are not made 8-bit ones. quantization may be NULL. */
dyno_quant_method dyno_quantization_method(const dyno_quantization *quantization,
                                           const dyno_tensor *tensor);

/* The format that the tensor comes to by that. */
dyno_dtype dyno_quantized_dtype(const dyno_quantization *quantization, const dyno_tensor *tensor);

#endif
