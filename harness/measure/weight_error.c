#include "harness/measure/weight_error.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/model/requantize.h"

/* Rows at a time: few enough for a cache. */
enum { PORTION = 32 };

typedef struct measuring {
  const dyno_checkpoint *reference, *other;
  const dyno_tensor *before, *after;
  const dyno_requantizer *requantizer; /* NULL: rows are taken as they are */
  dyno_dtype dtype;                    /* of the rows of the other */
  char *rows, *scratch;                /* of both, [PORTION] */
  float *wanted, *got;                 /* [k] */
  double error, size, most;
} measuring;

static dyno_status take_rows(const measuring *m, size_t group, size_t row0, size_t row1,
                             dyno_error *error)
{
  if (m->requantizer != NULL)
    return dyno_requantizer_rows(m->requantizer, m->rows, m->scratch, group, row0, row1, error);
  return dyno_checkpoint_read_rows(m->other, m->rows, m->after, group, row0, row1, error);
}

static dyno_status compare_rows(measuring *m, size_t group, size_t row0, size_t row1,
                                dyno_error *error)
{
  size_t k = m->before->k, row_bytes = dyno_row_bytes(m->dtype, k);
  char *before = m->rows + PORTION * row_bytes;
  dyno_status status = take_rows(m, group, row0, row1, error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_read_rows(m->reference, before, m->before, group, row0, row1, error);
  for (size_t row = 0; row < row1 - row0 && status == DYNO_OK; row++) {
    dyno_row_to_float(m->got, m->rows + row * row_bytes, m->dtype, k);
    dyno_row_to_float(m->wanted, before + row * m->before->row_bytes, m->before->dtype, k);
    for (size_t i = 0; i < k; i++) {
      double off = (double)m->got[i] - (double)m->wanted[i];
      m->error += off * off;
      m->size += (double)m->wanted[i] * (double)m->wanted[i];
      m->most = fmax(m->most, fabs(off));
    }
  }
  return status;
}

static dyno_status compare_matrix(measuring *m, dyno_error *error)
{
  size_t k = m->before->k, scratch = 64;
  if (m->requantizer != NULL)
    scratch = dyno_requantizer_scratch(m->requantizer, PORTION);
  m->rows = malloc(PORTION * (dyno_row_bytes(m->dtype, k) + m->before->row_bytes));
  m->scratch = aligned_alloc(64, (scratch + 63) / 64 * 64);
  m->wanted = calloc(2 * k, sizeof *m->wanted);
  m->got = m->wanted + (m->wanted != NULL ? k : 0);
  dyno_status status =
      m->rows != NULL && m->scratch != NULL && m->wanted != NULL
          ? DYNO_OK
          : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", m->before->name);
  for (size_t group = 0; group < m->before->groups; group++)
    for (size_t row = 0; row < m->before->n && status == DYNO_OK; row += PORTION)
      status = compare_rows(m, group, row,
                            m->before->n - row < PORTION ? m->before->n : row + PORTION, error);
  free(m->rows);
  free(m->scratch);
  free(m->wanted);
  return status;
}

static dyno_status measure_one(dyno_weight_errors *errors, measuring *m,
                               const dyno_registry *registry, const dyno_quantization *quantization,
                               dyno_error *error)
{
  const dyno_tensor *before = m->before, *after = m->after;
  dyno_requantizer requantizer;
  bool lowered = dyno_quantization_method(quantization, after) != DYNO_QUANT_NONE;
  if (before->groups != after->groups || before->n != after->n || before->k != after->k)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: another shape than the reference's",
                     after->name);
  m->dtype = lowered ? dyno_quantized_dtype(quantization, after) : after->dtype;
  if (!dyno_quant_role(after->role) || m->dtype == before->dtype)
    return DYNO_OK;
  dyno_status status = DYNO_OK;
  if (lowered)
    status = dyno_requantizer_make(&requantizer, m->other, registry, after, quantization, error);
  m->requantizer = lowered ? &requantizer : NULL;
  if (status == DYNO_OK)
    status = compare_matrix(m, error);
  double count = (double)(before->groups * before->n) * (double)before->k;
  if (status == DYNO_OK)
    errors->errors[errors->count++] =
        (dyno_weight_error){after,    before->dtype,
                            m->dtype, sqrt(m->error / count),
                            m->most,  m->error > 0 ? 10 * log10(m->size / m->error) : INFINITY};
  return status;
}

dyno_status dyno_weight_errors_measure(dyno_weight_errors *errors, const dyno_checkpoint *reference,
                                       const dyno_checkpoint *other, const dyno_registry *registry,
                                       const dyno_quantization *quantization, dyno_error *error)
{
  size_t count = dyno_checkpoint_tensor_count(reference);
  dyno_status status = DYNO_OK;
  *errors = (dyno_weight_errors){.errors = calloc(count, sizeof *errors->errors)};
  if (errors->errors == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "errors of weights: out of memory");
  if (dyno_checkpoint_tensor_count(other) != count)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "the reference has another number of layers");
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    measuring m = {.reference = reference,
                   .other = other,
                   .before = dyno_checkpoint_tensor_at(reference, i),
                   .after = dyno_checkpoint_tensor_at(other, i)};
    status = measure_one(errors, &m, registry, quantization, error);
  }
  if (status != DYNO_OK)
    dyno_weight_errors_free(errors);
  return status;
}

void dyno_weight_errors_free(dyno_weight_errors *errors)
{
  free(errors->errors);
  *errors = (dyno_weight_errors){0};
}
