#include "runtime/forward/ops.h"

void dyno_lane_normalize(const dyno_lane *lane, dyno_probe_op op, const float *weight,
                         const float *input)
{
  const dyno_kernel *kernel = lane->model->kernels.rmsnorm.kernel;
  const dyno_rmsnorm_args args = {
      .output = lane->stream->normalized,
      .input = input,
      .weight = weight,
      .epsilon = lane->model->config->rms_epsilon,
      .m = lane->m,
      .k = lane->model->config->d_model,
  };
  uint64_t begin = dyno_lane_clock(lane);
  kernel->run.rmsnorm(&args, lane->first, lane->last);
  dyno_lane_done(lane, op, kernel, begin);
}

void dyno_lane_quantize(const dyno_lane *lane, void *output, const float *input, size_t k,
                        size_t row0, size_t row1, size_t column0, size_t column1)
{
  const dyno_kernel *kernel = lane->model->kernels.quantize_activation.kernel;
  const dyno_quantize_activation_args args = {
      .output = output,
      .input = input,
      .m = row1,
      .k = k,
      .column0 = column0,
      .column1 = column1,
  };
  uint64_t begin = dyno_lane_clock(lane);
  kernel->run.quantize_activation(&args, row0, row1);
  dyno_lane_done(lane, DYNO_PROBE_QUANTIZE, kernel, begin);
}

dyno_matmul dyno_dense_matmul(const dyno_linear *linear, float *output, const float *values,
                              const void *quantized, size_t m, size_t bounds[2])
{
  bounds[0] = 0;
  bounds[1] = m;
  return (dyno_matmul){
      .linear = linear,
      .kernel = m == 1 ? linear->decode.kernel : linear->prefill.kernel,
      .args =
          {
              .output = output,
              .output_stride = linear->n,
              .weight = linear->group_weight,
              .activation = linear->activation == DYNO_A8 ? quantized : values,
              .bias = linear->group_bias,
              .group_begin = bounds,
              .groups = 1,
              .m = m,
              .n = linear->n,
              .k = linear->k,
          },
  };
}

void dyno_lane_matmul_span(const dyno_lane *lane, dyno_probe_op op, const dyno_matmul *matmul,
                           const dyno_span *span)
{
  const dyno_matmul_args *args = &matmul->args;
  uint64_t begin = dyno_lane_clock(lane);
  matmul->kernel->run.matmul(args, span->group * args->n + span->row0,
                             span->group * args->n + span->row1);
  if (lane->pass->probe == NULL)
    return;
  const dyno_layout *layout = matmul->linear->layout;
  size_t matrix = layout->bytes(layout, args->n, args->k), rows = span->row1 - span->row0;
  size_t tokens = args->group_begin[span->group + 1] - args->group_begin[span->group];
  /* As differences, so that the parts of a matrix add up to it. */
  dyno_lane_tell(lane, op, matmul->kernel, begin,
                 matrix * span->row1 / args->n - matrix * span->row0 / args->n,
                 rows * args->k * tokens);
}

size_t dyno_common_multiple(size_t a, size_t b)
{
  size_t multiple = a;
  while (multiple % b != 0)
    multiple += a;
  return multiple;
}

void dyno_lane_matmul(dyno_lane *lane, dyno_probe_op op, const dyno_matmul *matmuls, size_t count)
{
  size_t granule = 1;
  for (size_t i = 0; i < count; i++)
    granule = dyno_common_multiple(granule, matmuls[i].linear->layout->row_granule);
  dyno_shares shares = dyno_shares_of(lane, matmuls, count, granule, 0);
  dyno_span span;
  while (dyno_shares_next(&shares, &span))
    dyno_lane_matmul_span(lane, op, &matmuls[span.matmul], &span);
}

void dyno_lane_matmul_own(const dyno_lane *lane, dyno_probe_op op, const dyno_matmul *matmul)
{
  const dyno_matmul_args *args = &matmul->args;
  uint64_t begin = dyno_lane_clock(lane);
  matmul->kernel->run.matmul(args, 0, args->n);
  if (lane->pass->probe == NULL)
    return;
  const dyno_layout *layout = matmul->linear->layout;
  size_t matrix = layout->bytes(layout, args->n, args->k);
  dyno_lane_tell(lane, op, matmul->kernel, begin,
                 matrix * lane->last / lane->m - matrix * lane->first / lane->m,
                 args->n * args->k * args->m);
}
