#include "runtime/forward/logits.h"

bool dyno_forward_retain(dyno_two_stage *two_stage, dyno_retained *retained, float *logits,
                         const dyno_workspace *workspace, const dyno_model *model,
                         const dyno_two_stage_crew *crew, size_t token,
                         const dyno_retain_request *request)
{
  size_t d = model->config->d_model;
  const dyno_rmsnorm_args normalize = {
      .output = two_stage->values,
      .input = workspace->shared.residual + token * d,
      .weight = model->output_norm,
      .epsilon = model->config->rms_epsilon,
      .m = 1,
      .k = d,
  };
  const dyno_quantize_activation_args quantize = {
      .output = two_stage->a8_row,
      .input = two_stage->values,
      .m = 1,
      .k = d,
      .column0 = 0,
      .column1 = d,
  };
  model->kernels.rmsnorm.kernel->run.rmsnorm(&normalize, 0, 1);
  model->kernels.quantize_activation.kernel->run.quantize_activation(&quantize, 0, 1);
  const dyno_two_stage_vector vector = {two_stage->values, two_stage->a8_row};
  return dyno_two_stage_retain(two_stage, retained, logits, &vector, crew, request);
}
