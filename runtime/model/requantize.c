#include "runtime/model/requantize.h"

#include <math.h>

static size_t aligned(size_t bytes)
{
  return (bytes + 63) / 64 * 64;
}

dyno_status dyno_requantizer_make(dyno_requantizer *requantizer, const dyno_checkpoint *checkpoint,
                                  const dyno_registry *registry, const dyno_tensor *tensor,
                                  const dyno_quantization *quantization, dyno_error *error)
{
  const dyno_quant_info *info = dyno_quant_get(dyno_quantization_method(quantization, tensor));
  const dyno_importance *importance = quantization->importance;
  size_t index = dyno_tensor_index(tensor->role, tensor->layer);
  dyno_dtype dtype = info->dtype;
  const dyno_problem problem = {.op = info->search ? DYNO_OP_FIT_WEIGHT : DYNO_OP_QUANTIZE_WEIGHT,
                                .weight = dtype,
                                .n = tensor->n,
                                .k = tensor->k};
  dyno_choice choice;
  dyno_status status = dyno_select(&choice, registry, &problem, NULL, NULL, error);
  if (status != DYNO_OK)
    return status;
  *requantizer = (dyno_requantizer){
      .checkpoint = checkpoint,
      .tensor = tensor,
      .kernel = choice.kernel,
      .importance =
          importance != NULL && index < importance->count ? importance->columns[index] : NULL,
      .dtype = dtype,
      .row_bytes = dyno_row_bytes(dtype, tensor->k),
  };
  return DYNO_OK;
}

size_t dyno_requantizer_scratch(const dyno_requantizer *requantizer, size_t rows)
{
  const dyno_tensor *tensor = requantizer->tensor;
  return aligned((rows + 1) * tensor->k * sizeof(float)) + aligned(rows * tensor->row_bytes);
}

/* A block with an infinity or a NaN would become nothing but such, or zeros. */
static dyno_status check_finite(const dyno_requantizer *r, const float *values, size_t group,
                                size_t row0, size_t row1, dyno_error *error)
{
  size_t k = r->tensor->k, count = (row1 - row0) * k;
  float sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += values[i] * 0;
  if (sum == 0)
    return DYNO_OK;
  size_t i = 0;
  while (isfinite(values[i]))
    i++;
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "%s: tensor '%s', group %zu, row %zu, column %zu: the weight is %g, which "
                   "cannot be quantized: the file is damaged; fetch it again",
                   dyno_checkpoint_path(r->checkpoint),
                   dyno_checkpoint_source_name(r->checkpoint, r->tensor), group, row0 + i / k,
                   i % k, (double)values[i]);
}

static void quantize(const dyno_requantizer *r, void *out, const float *values, float *ones,
                     size_t group, size_t rows)
{
  size_t k = r->tensor->k;
  if (r->kernel->op == DYNO_OP_QUANTIZE_WEIGHT) {
    const dyno_quantize_weight_args args = {.output = out, .input = values, .n = rows, .k = k};
    r->kernel->run.quantize_weight(&args, 0, rows);
    return;
  }
  for (size_t i = 0; i < k; i++)
    ones[i] = 1;
  const dyno_fit_weight_args args = {
      .output = out,
      .input = values,
      .importance = r->importance != NULL ? r->importance + group * k : ones,
      .n = rows,
      .k = k,
  };
  r->kernel->run.fit_weight(&args, 0, rows);
}

dyno_status dyno_requantizer_rows(const dyno_requantizer *requantizer, void *out, void *scratch,
                                  size_t group, size_t row0, size_t row1, dyno_error *error)
{
  const dyno_tensor *tensor = requantizer->tensor;
  size_t rows = row1 - row0;
  float *values = scratch;
  float *ones = values + rows * tensor->k;
  uint8_t *stored = (uint8_t *)scratch + aligned((rows + 1) * tensor->k * sizeof *values);
  const uint8_t *from = stored;
  dyno_status status;
  if (tensor->data != NULL) {
    from = (const uint8_t *)tensor->data + (group * tensor->n + row0) * tensor->row_bytes;
    status = dyno_checkpoint_check_rows(requantizer->checkpoint, tensor, group, row0, row1, error);
  } else {
    status = dyno_checkpoint_read_rows(requantizer->checkpoint, stored, tensor, group, row0, row1,
                                       error);
  }
  if (status != DYNO_OK)
    return status;
  for (size_t i = 0; i < rows; i++)
    dyno_row_to_float(values + i * tensor->k, from + i * tensor->row_bytes, tensor->dtype,
                      tensor->k);
  status = check_finite(requantizer, values, group, row0, row1, error);
  if (status != DYNO_OK)
    return status;
  quantize(requantizer, out, values, ones, group, rows);
  return DYNO_OK;
}
