#include <math.h>
#include <string.h>

#include "harness/compare/ablate.h"
#include "harness/measure/host.h"
#include "harness/measure/model_fingerprint.h"
#include "runtime/model/quantization.h"

static double weight_bytes(dyno_arm *arm)
{
  return (double)dyno_engine_get_placement(dyno_arm_engine(arm)).weights;
}

/* Bytes of as many weights in a plain format. */
static double plain_bytes(dyno_arm *arm, const char *format)
{
  double weights = (double)dyno_model_parameters(dyno_engine_config(dyno_arm_engine(arm)));
  return weights * (strcmp(format, "bf16") == 0 ? 2 : 4);
}

/* What a method makes of the tensors that it lowers, against F32. */
typedef struct lowered {
  double weights, bytes;
} lowered;

static dyno_status count_lowered(lowered *sum, const char *model, const char *quant,
                                 dyno_error *error)
{
  dyno_checkpoint *checkpoint;
  dyno_quantization quantization = {0};
  dyno_status status = dyno_checkpoint_open(&checkpoint, model, error);
  if (status == DYNO_OK)
    status = dyno_quantization_open(&quantization, quant, checkpoint, error);
  for (size_t i = 0; status == DYNO_OK && i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    dyno_dtype dtype = dyno_quantized_dtype(&quantization, tensor);
    double rows = (double)tensor->groups * (double)tensor->n;
    if (dtype == tensor->dtype)
      continue;
    sum->weights += rows * (double)tensor->k;
    sum->bytes += rows * (double)dyno_row_bytes(dtype, tensor->k);
  }
  dyno_quantization_close(&quantization);
  dyno_checkpoint_close(&checkpoint);
  return status;
}

static void fill_lowered(dyno_claim_figure *figure, const dyno_claim *claim,
                         const dyno_settings *settings)
{
  lowered sum = {0};
  dyno_error error = {0};
  if (count_lowered(&sum, settings->engine.model, settings->engine.quant, &error) != DYNO_OK)
    dyno_figure_untestable(figure, "%s", error.message);
  else if (sum.bytes <= 0)
    dyno_figure_untestable(figure, "no tensor of this model takes fewer bytes by it");
  else
    dyno_figure_counted(figure, dyno_claim_from_ratio(claim->unit, 4 * sum.weights / sum.bytes));
}

/* Keys and values of a sequence as long as the model allows; its tokens are copies of the first. */
static dyno_status longest_kv(double *bytes, dyno_arm *arm, const dyno_compare_workload *work,
                              dyno_error *error)
{
  enum { FIRST = 64 };
  dyno_engine *engine = dyno_arm_engine(arm);
  dyno_sequence *sequence = NULL;
  size_t context = dyno_engine_config(engine)->context_length;
  size_t available = dyno_available_memory();
  if (work->prompt + work->steps < FIRST || context < FIRST)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "the first case has fewer than %d tokens",
                     FIRST);
  dyno_status status = dyno_sequence_open(&sequence, engine, context, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, work->tokens, FIRST, NULL, NULL, error);
  /* Layers with a window take less. */
  double most =
      (double)context / FIRST * (status == DYNO_OK ? (double)dyno_sequence_kv_bytes(sequence) : 0);
  if (status == DYNO_OK && most > (double)available)
    status = dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                       "a sequence of %zu tokens may take %.1f GB, and %.1f GB are free", context,
                       most * 1e-9, (double)available * 1e-9);
  if (status == DYNO_OK)
    status = dyno_sequence_repeat(sequence, context, error);
  *bytes = status == DYNO_OK ? (double)dyno_sequence_kv_bytes(sequence) : (double)NAN;
  dyno_sequence_close(&sequence);
  return status;
}

static double hidden_bytes(dyno_arm *arm)
{
  return (double)dyno_engine_get_memory(dyno_arm_engine(arm)).workspace;
}

/* A level is B's; a ratio is of A's bytes over B's. */
static void fill(dyno_claim_figure *figure, const dyno_claim *claim, double a, double b)
{
  dyno_figure_counted(figure, dyno_claim_unit_compares(claim->unit)
                                  ? dyno_claim_from_ratio(claim->unit, a / b)
                                  : b * 1e-9);
}

static dyno_status both_kv(double bytes[DYNO_COMPARE_ARMS], const dyno_comparison *c,
                           dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++)
    status = longest_kv(&bytes[arm], c->arms[arm], c->cases[0].workload, error);
  return status;
}

void dyno_ablate_bytes(dyno_claim_figure *figure, const dyno_claim *claim,
                       dyno_comparison *comparison, const dyno_settings *settings)
{
  dyno_arm *a = comparison->arms[0], *b = comparison->arms[1];
  double kv[DYNO_COMPARE_ARMS] = {NAN, NAN};
  dyno_error error = {0};
  bool plain = claim->of != NULL;
  if (claim->metric == DYNO_METRIC_WEIGHTS && plain && strcmp(claim->of, "lowered") == 0) {
    fill_lowered(figure, claim, settings);
    return;
  }
  if ((claim->metric == DYNO_METRIC_KV || claim->metric == DYNO_METRIC_MEMORY) &&
      both_kv(kv, comparison, &error) != DYNO_OK) {
    dyno_figure_untestable(figure, "%s", error.message);
    return;
  }
  double first = plain ? plain_bytes(b, claim->of) : weight_bytes(a);
  switch (claim->metric) {
  case DYNO_METRIC_WEIGHTS:
    fill(figure, claim, first, weight_bytes(b));
    break;
  case DYNO_METRIC_KV:
    fill(figure, claim, kv[0], kv[1]);
    break;
  case DYNO_METRIC_HIDDEN:
    fill(figure, claim, hidden_bytes(a), hidden_bytes(b));
    break;
  case DYNO_METRIC_MEMORY:
    fill(figure, claim, first + kv[0] + hidden_bytes(a), weight_bytes(b) + kv[1] + hidden_bytes(b));
    break;
  default:
    break;
  }
}
