#include "harness/measure/rounding.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/base/a8.h"
#include "kernels/base/clock.h"

/* A longer gap between two calls is a user's, who thinks: it counts as this, so that nothing is
 * saved up meanwhile. */
static const double longest_gap_ns = 1e9;

/* What the first look at an element is taken to cost, until it is known. */
static const double first_weight_ns = 2;

/* DYNO_ROUNDING_SITE_COUNT: none. */
static dyno_rounding_site site_of(dyno_probe_op op)
{
  switch (op) {
  case DYNO_PROBE_ATTENTION_QKV:
    return DYNO_ROUNDING_ATTENTION;
  case DYNO_PROBE_ATTENTION_OUTPUT:
    return DYNO_ROUNDING_ATTENTION_OUTPUT;
  case DYNO_PROBE_MOE_GATE_UP:
    return DYNO_ROUNDING_EXPERTS;
  case DYNO_PROBE_MOE_DOWN:
    return DYNO_ROUNDING_DOWN;
  case DYNO_PROBE_HEAD:
    return DYNO_ROUNDING_HEAD;
  default:
    return DYNO_ROUNDING_SITE_COUNT;
  }
}

static double measure_clock(void)
{
  enum { READS = 1000 };
  uint64_t begin = dyno_clock_ns(), end = begin;
  for (size_t i = 0; i < READS; i++)
    end = dyno_clock_ns();
  return (double)(end - begin) / READS;
}

dyno_status dyno_rounding_open(dyno_rounding *rounding, size_t layers, double share,
                               dyno_error *error)
{
  *rounding = (dyno_rounding){
      .layers = layers,
      .errors = calloc(layers * DYNO_ROUNDING_SITE_COUNT, sizeof *rounding->errors),
      .share = share,
      .clock_ns = measure_clock(),
      .weight_ns = first_weight_ns,
  };
  if (rounding->errors != NULL)
    return DYNO_OK;
  *rounding = (dyno_rounding){0};
  return dyno_fail(error, DYNO_ERROR_MEMORY, "errors of rounding: out of memory");
}

/* |rounded - row|^2 / |row|^2 */
static double error_of_row(const float *row, const void *rounded, size_t k)
{
  const int8_t *quants = dyno_a8_quants(rounded);
  const float *scales = dyno_a8_scales(rounded, k);
  double error = 0, size = 0;
  for (size_t block = 0; block < k / DYNO_A8_BLOCK; block++) {
    float block_error = 0, block_size = 0;
    for (size_t i = block * DYNO_A8_BLOCK; i < (block + 1) * DYNO_A8_BLOCK; i++) {
      float off = scales[block] * (float)quants[i] - row[i];
      block_error += off * off;
      block_size += row[i] * row[i];
    }
    error += (double)block_error;
    size += (double)block_size;
  }
  return size > 0 ? error / size : 0;
}

/* Whether the time allows for a look, and the site has had no more than others. */
static bool is_due(const dyno_rounding *r, const dyno_rounding_error *error, size_t k)
{
  double cost = r->weight_ns * (double)k + r->clock_ns;
  return error->rows <= r->looked / r->sites && r->spent_ns + cost <= r->share * r->elapsed_ns;
}

static void look(dyno_rounding *r, dyno_rounding_error *error, const dyno_probe_rows *seen)
{
  /* A large prime: any row of a pass in turn. */
  size_t row = (size_t)(r->looked * UINT64_C(2654435761) % seen->count);
  double square =
      error_of_row(seen->rows + row * seen->k,
                   (const char *)seen->rounded + row * dyno_a8_row_bytes(seen->k), seen->k);
  error->rows++;
  error->squares += square;
  error->greatest = fmax(error->greatest, square);
  r->looked++;
}

static void see_rows(void *context, const dyno_probe_rows *seen)
{
  dyno_rounding *r = context;
  dyno_rounding_site site = site_of(seen->op);
  if (site == DYNO_ROUNDING_SITE_COUNT || seen->layer >= r->layers || seen->count == 0)
    return;
  uint64_t begin = dyno_clock_ns();
  if (r->last_ns != 0)
    r->elapsed_ns += fmin((double)(begin - r->last_ns), longest_gap_ns);
  r->last_ns = begin;
  r->spent_ns += r->clock_ns;
  if (seen->rounded == NULL)
    return;
  dyno_rounding_error *error = &r->errors[seen->layer * DYNO_ROUNDING_SITE_COUNT + site];
  r->seen += seen->count;
  r->sites += !error->rounded;
  error->rounded = true;
  if (!is_due(r, error, seen->k))
    return;
  look(r, error, seen);
  double took = (double)(dyno_clock_ns() - begin);
  r->weight_ns = took / (double)seen->k;
  r->spent_ns += took;
}

dyno_probe dyno_rounding_probe(dyno_rounding *rounding)
{
  return (dyno_probe){.context = rounding, .rows = see_rows};
}

void dyno_rounding_free(dyno_rounding *rounding)
{
  free(rounding->errors);
  *rounding = (dyno_rounding){0};
}
