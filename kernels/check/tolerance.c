#include "kernels/check/tolerance.h"

#include <math.h>

static const double u = 0x1p-24, smallest = 0x1p-149, smallest_normal = 0x1p-126;

/* The error of a function call, in units of u. */
static const double function_error[] = {
    [DYNO_TOLERANCE_EXACT] = 0,
    [DYNO_TOLERANCE_F32] = 4,
    [DYNO_TOLERANCE_BF16] = 16,
    [DYNO_TOLERANCE_APPROX] = 16,
};

double dyno_gamma(double n)
{
  return n * u < 1 ? n * u / (1 - n * u) : INFINITY;
}

double dyno_bound_products(dyno_tolerance tolerance, const dyno_product_sums *sums)
{
  double terms = (double)sums->terms;
  double bound = 2 * dyno_gamma(terms + 4) * sums->magnitude;
  bound += 2 * terms * smallest * (sums->integer ? 0x1p14 : 1);
  if (tolerance == DYNO_TOLERANCE_BF16)
    bound += (2 * 0x1p-9 + 0x1p-18) * sums->magnitude +
             smallest_normal * (sums->weight_magnitude + sums->operand_magnitude + 2 * terms);
  return bound;
}

double dyno_bound_rmsnorm(dyno_tolerance tolerance, size_t k, double want, double largest_weight)
{
  double roundings = ((double)k + 2) / 2 + 3 + 2 * function_error[tolerance];
  return 2 * dyno_gamma(roundings) * fabs(want) + 2 * smallest * (1 + largest_weight);
}

double dyno_bound_rope(dyno_tolerance tolerance, double magnitude)
{
  (void)tolerance;
  return 2 * dyno_gamma(2) * magnitude + 4 * smallest;
}

double dyno_bound_swiglu(dyno_tolerance tolerance, double gate, double up, double alpha)
{
  double argument = alpha * gate, size = fabs(gate) * (fabs(up) + 1);
  double sigmoid = 1 / (1 + exp(-argument));
  /* Only the share of exp in 1 + exp(-a g) is off by |a g| u: at most 1, and all of it where the
   * sigmoid is small. */
  double relative = 2 * dyno_gamma(fabs(argument) + 2 * function_error[tolerance] + 5);
  return size * (sigmoid * relative + 2 * smallest_normal) + 2 * smallest;
}

double dyno_bound_softmax(dyno_tolerance tolerance, size_t n, double spread, double want)
{
  double roundings = 2 * (spread + function_error[tolerance]) + (double)n + 2;
  return 2 * dyno_gamma(roundings) * want + 2 * smallest_normal;
}

double dyno_bound_attention_weight(dyno_tolerance tolerance, double score_error, double difference,
                                   size_t rescales)
{
  double call = function_error[tolerance] + 1;
  double relative = expm1(score_error) + 2 * dyno_gamma(2 * fabs(difference) + call) +
                    2 * dyno_gamma((double)rescales * call);
  return tolerance == DYNO_TOLERANCE_BF16 ? relative + 2 * 0x1p-9 : relative;
}
