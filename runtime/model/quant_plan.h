/* Plans: a quantization method for each tensor, as a JSON file.
 *
 *   {"format": "dyno-quantization-plan", "version": 1, "model_hash": "...",
 *    "importance": "calibration.txt", "tensors": {"blk.0.attn_q.weight": "int4-search", ...}}
 *
 * Tensors that are not named are left as they are. importance, the text that columns were weighed
 * by, is there where it was; a plan that is replayed without it searches without weights. */
#ifndef DYNO_RUNTIME_MODEL_QUANT_PLAN_H
#define DYNO_RUNTIME_MODEL_QUANT_PLAN_H

#include "runtime/model/quantization.h"

/* Reads the methods [tensor count], by dyno_tensor_index; to be freed. NOT_FOUND, IO, FORMAT (also
 * for a tensor that the model has not, or a method that there is not), MEMORY; UNSUPPORTED for a
 * plan of another version; USAGE for one that was made for another model. */
dyno_status dyno_quant_plan_read(dyno_quant_method **methods, const char *path,
                                 const dyno_checkpoint *checkpoint, dyno_error *error);

/* Writes it; importance may be NULL. IO, MEMORY. */
dyno_status dyno_quant_plan_write(const char *path, const dyno_quant_method *methods,
                                  const char *importance, const dyno_checkpoint *checkpoint,
                                  dyno_error *error);

#endif
