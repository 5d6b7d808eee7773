#include "runtime/model/quantization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model/quant_plan.h"

static const dyno_quant_info methods[DYNO_QUANT_METHOD_COUNT] = {
    [DYNO_QUANT_NONE] = {"none", DYNO_NONE, false, "as the file has it"},
    [DYNO_QUANT_INT8] = {"int8", DYNO_Q8_0, false, "8 bits, a scale for each 32 weights"},
    [DYNO_QUANT_INT4] = {"int4", DYNO_Q4_0, false, "4 bits, a scale for each 32 weights"},
    [DYNO_QUANT_INT4_SEARCH] = {"int4-search", DYNO_Q4_0, true, "the same, scales of least error"},
    [DYNO_QUANT_INT4_ZERO] = {"int4-zero", DYNO_Q4_1, false, "4 bits, a scale and a zero point"},
    [DYNO_QUANT_INT4_ZERO_SEARCH] = {"int4-zero-search", DYNO_Q4_1, true,
                                     "the same, scales of least error"},
    [DYNO_QUANT_MXFP4] = {"mxfp4", DYNO_MXFP4, false, "4-bit floats, a power of two for 32"},
    [DYNO_QUANT_MXFP4_SEARCH] = {"mxfp4-search", DYNO_MXFP4, true, "the same, of least error"},
};

const dyno_quant_info *dyno_quant_get(dyno_quant_method method)
{
  return &methods[method];
}

dyno_quant_method dyno_quant_parse(const char *name)
{
  dyno_quant_method method = DYNO_QUANT_NONE;
  while (method < DYNO_QUANT_METHOD_COUNT && strcmp(methods[method].name, name) != 0)
    method++;
  return method;
}

size_t dyno_tensor_index(dyno_tensor_role role, size_t layer)
{
  size_t per_layer = DYNO_TENSOR_ROLE_COUNT - DYNO_TENSOR_FIRST_OF_LAYER;
  return role < DYNO_TENSOR_FIRST_OF_LAYER ? role : role + layer * per_layer;
}

bool dyno_quant_role(dyno_tensor_role role)
{
  switch (role) {
  case DYNO_TENSOR_EMBEDDING:
  case DYNO_TENSOR_HEAD:
  case DYNO_TENSOR_QUERY_WEIGHT:
  case DYNO_TENSOR_KEY_WEIGHT:
  case DYNO_TENSOR_VALUE_WEIGHT:
  case DYNO_TENSOR_ATTENTION_WEIGHT:
  case DYNO_TENSOR_GATE_WEIGHT:
  case DYNO_TENSOR_UP_WEIGHT:
  case DYNO_TENSOR_DOWN_WEIGHT:
    return true;
  default:
    return false;
  }
}

dyno_quant_method dyno_quantization_method(const dyno_quantization *quantization,
                                           const dyno_tensor *tensor)
{
  if (quantization == NULL || !dyno_quant_role(tensor->role))
    return DYNO_QUANT_NONE;
  dyno_quant_method method =
      quantization->methods != NULL
          ? quantization->methods[dyno_tensor_index(tensor->role, tensor->layer)]
          : quantization->uniform;
  size_t row_bytes =
      method == DYNO_QUANT_NONE ? 0 : dyno_row_bytes(methods[method].dtype, tensor->k);
  return row_bytes > 0 && row_bytes < tensor->row_bytes ? method : DYNO_QUANT_NONE;
}

dyno_dtype dyno_quantized_dtype(const dyno_quantization *quantization, const dyno_tensor *tensor)
{
  dyno_quant_method method = dyno_quantization_method(quantization, tensor);
  return method == DYNO_QUANT_NONE ? tensor->dtype : methods[method].dtype;
}

dyno_status dyno_quantization_open(dyno_quantization *quantization, const char *text,
                                   const dyno_checkpoint *checkpoint, dyno_error *error)
{
  static const char plan[] = "plan:";
  *quantization = (dyno_quantization){0};
  if (text == NULL)
    return DYNO_OK;
  if (strncmp(text, plan, sizeof plan - 1) == 0)
    return checkpoint == NULL ? DYNO_OK
                              : dyno_quant_plan_read(&quantization->methods, text + sizeof plan - 1,
                                                     checkpoint, error);
  quantization->uniform = dyno_quant_parse(text);
  if (quantization->uniform < DYNO_QUANT_METHOD_COUNT)
    return DYNO_OK;
  quantization->uniform = DYNO_QUANT_NONE;
  char names[160] = "";
  for (dyno_quant_method method = 0; method < DYNO_QUANT_METHOD_COUNT; method++) {
    size_t length = strlen(names);
    snprintf(names + length, sizeof names - length, "%s%s", method == 0 ? "" : ", ",
             methods[method].name);
  }
  return dyno_fail(error, DYNO_ERROR_USAGE, "--quant=%s: wanted is one of %s, plan:FILE", text,
                   names);
}

void dyno_quantization_close(dyno_quantization *quantization)
{
  free(quantization->methods);
  *quantization = (dyno_quantization){0};
}
