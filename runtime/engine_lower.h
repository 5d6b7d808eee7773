/* Lowering the tensors of an open engine one by one, for whoever looks for a good choice. */
#ifndef DYNO_RUNTIME_ENGINE_LOWER_H
#define DYNO_RUNTIME_ENGINE_LOWER_H

#include "runtime/engine.h"
#include "runtime/model/quantization.h"

/* The model's file. Lives with the engine. */
const dyno_checkpoint *dyno_engine_checkpoint(const dyno_engine *engine);

/* Loads a tensor anew by this method, the others staying as they are; DYNO_QUANT_NONE is what the
 * file has. No sequence may be open, and nothing may be moving to huge pages in the background.
 * importance, of all tensors or NULL, must live until the next call or the engine's end. Errors of
 * dyno_linear_load; then the tensor stays as it was. */
dyno_status dyno_engine_lower(dyno_engine *engine, dyno_tensor_role role, size_t layer,
                              dyno_quant_method method, const dyno_importance *importance,
                              dyno_error *error);

#endif
