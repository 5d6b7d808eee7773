#include "kernels/quantize/store_kv.h"

bool dyno_store_kv_supports(const dyno_problem *problem)
{
  return problem->k % 32 == 0;
}
