/* What the tests of the reference kernels share. */
#ifndef DYNO_TESTS_UNIT_FIXTURES_H
#define DYNO_TESTS_UNIT_FIXTURES_H

#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/table.h"
#include "tests/unit/random.h"

/* The reference variant for these formats; fails the test if there is none. */
static inline const dyno_kernel *reference_of(dyno_op op, dyno_dtype weight, dyno_dtype activation)
{
  dyno_kernel wanted = {.op = op, .weight = weight, .activation = activation};
  const dyno_kernel *kernel = dyno_reference_kernel(&wanted);
  cr_assert(kernel != NULL, "%s %s %s: no reference", dyno_op_name(op), dyno_dtype_name(weight),
            dyno_dtype_name(activation));
  return kernel;
}

/* Memory of exactly this size, so that a sanitizer sees every step outside; aligned to 64. */
static inline void *allocate(size_t bytes)
{
  void *memory = NULL;
  if (posix_memalign(&memory, 64, bytes == 0 ? 1 : bytes) != 0)
    abort();
  return memory;
}

/* Floats that are NaN until they are written. */
static inline float *allocate_nan(size_t count)
{
  float *values = allocate(count * sizeof *values);
  for (size_t i = 0; i < count; i++)
    values[i] = NAN;
  return values;
}

static inline float *allocate_random(uint64_t *state, input_pattern pattern, size_t count)
{
  float *values = allocate(count * sizeof *values);
  random_fill(state, pattern, values, count);
  return values;
}

/* Half a unit in the last place of a float of this size: the error of rounding to float once. */
static inline double rounding(double value)
{
  return fabs(value) * 0x1p-24 + 0x1p-150;
}

/* Whether the float is the value, give or take the error; a value beyond the floats is infinite.
 * An infinite error allows anything. */
static inline bool is_close(float actual, double value, double error)
{
  if (isinf(error))
    return true;
  if (fabs(value) - error > (double)FLT_MAX)
    return isinf(actual) && (actual > 0) == (value > 0);
  if (fabs(value) + error > (double)FLT_MAX && isinf(actual))
    return true;
  return fabs((double)actual - value) <= error;
}

#endif
