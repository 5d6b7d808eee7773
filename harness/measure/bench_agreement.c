#include "harness/measure/bench_agreement.h"

#include "harness/measure/divergence.h"

enum { COMPARED_TOKENS = 16 };

static dyno_status add_work(dyno_divergence *divergence, dyno_engine *reference,
                            const dyno_bench_model *model, const dyno_bench_work *work,
                            dyno_error *error)
{
  dyno_tokens tokens = {0};
  size_t count = work->trace.count < COMPARED_TOKENS ? work->trace.count : COMPARED_TOKENS;
  dyno_status status =
      dyno_bench_prompt_tokens(&tokens, model, work->prompt->prompt, work->from->effort, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++)
    status = dyno_tokens_push(&tokens, work->trace.ids[i], error);
  if (status == DYNO_OK)
    status =
        dyno_divergence_add(divergence, reference, model->engine, tokens.ids, tokens.count, error);
  dyno_tokens_free(&tokens);
  return status;
}

static dyno_status compare(dyno_bench_agreement *agreement, dyno_engine *reference,
                           const dyno_bench_model *model, const dyno_bench_works *works,
                           dyno_error *error)
{
  dyno_divergence divergence = {0};
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < works->count && status == DYNO_OK; i++)
    if (works->works[i].prompt == works->works[i].from->prompts)
      status = add_work(&divergence, reference, model, &works->works[i], error);
  for (size_t i = 0; i < divergence.count; i++)
    agreement->nats += divergence.nats[i] / (double)divergence.count;
  agreement->positions = divergence.count;
  agreement->same_top = divergence.same_top;
  agreement->compared = status == DYNO_OK;
  dyno_divergence_free(&divergence);
  if (status == DYNO_OK && !(agreement->nats <= DYNO_BENCH_MOST_NATS))
    status = dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                       "the engine computes another model than the reference path: a mean KL "
                       "divergence of %.3g nats over %zu positions, where %.3g is the most; `dyno "
                       "kernels check` finds the kernel",
                       agreement->nats, agreement->positions, DYNO_BENCH_MOST_NATS);
  return status;
}

dyno_status dyno_bench_compare(dyno_bench_agreement *agreement, const dyno_bench_model *model,
                               const dyno_engine_options *options, const dyno_bench_works *works,
                               dyno_error *error)
{
  dyno_engine *engine = NULL;
  dyno_engine_options reference = *options;
  *agreement = (dyno_bench_agreement){.why_not = ""};
  if (options->precision == DYNO_PRECISION_REFERENCE)
    agreement->why_not = "it is the reference path itself";
  else if (dyno_engine_file_bytes(model->engine) > DYNO_BENCH_LARGEST_COMPARED)
    agreement->why_not = "the model is too big to be run on it";
  if (agreement->why_not[0] != '\0')
    return DYNO_OK;
  reference.model = dyno_engine_model_path(model->engine);
  reference.precision = DYNO_PRECISION_REFERENCE;
  reference.kv = DYNO_KV_OF_PRECISION;
  reference.logits = DYNO_LOGITS_FULL;
  reference.huge_pages = DYNO_HUGE_PAGES_OFF;
  reference.registry =
      (dyno_registry_options){.isa = options->registry.isa, .threads = options->registry.threads};
  reference.progress = NULL;
  dyno_status status = dyno_engine_open(&engine, &reference, error);
  if (status == DYNO_OK)
    status = compare(agreement, engine, model, works, error);
  dyno_engine_close(&engine);
  return status;
}
