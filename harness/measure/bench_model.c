#include "harness/measure/bench_model.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_TOKENS = 8 };

dyno_status dyno_bench_model_open(dyno_bench_model *model, dyno_engine *engine, dyno_error *error)
{
  dyno_sampler_settings greedy = dyno_sampler_defaults();
  greedy.temperature = 0;
  *model = (dyno_bench_model){.engine = engine};
  dyno_status status = dyno_engine_tokenizer(&model->tokenizer, engine, error);
  if (status == DYNO_OK)
    status = dyno_harmony_create(&model->harmony, model->tokenizer, error);
  if (status == DYNO_OK)
    status =
        dyno_sampler_create(&model->sampler, &greedy, dyno_engine_config(engine)->vocab, error);
  return status;
}

void dyno_bench_model_close(dyno_bench_model *model)
{
  dyno_sampler_free(model->sampler);
  dyno_tokenizer_free(model->tokenizer);
  dyno_engine_close(&model->engine);
  *model = (dyno_bench_model){0};
}

dyno_status dyno_bench_prompt_tokens(dyno_tokens *tokens, const dyno_bench_model *model,
                                     const char *prompt, dyno_effort effort, dyno_error *error)
{
  const dyno_message message = {DYNO_ROLE_USER, DYNO_CHANNEL_NONE, prompt, strlen(prompt)};
  const dyno_conversation conversation = {effort, NULL, &message, 1};
  return dyno_harmony_render(&model->harmony, tokens, &conversation, error);
}

dyno_status dyno_bench_choose(int32_t *id, const dyno_bench_model *model, dyno_sequence *sequence,
                              dyno_error *error)
{
  uint64_t position = dyno_sequence_length(sequence);
  dyno_retain_request request = dyno_sampler_request(model->sampler);
  const dyno_retained *retained = dyno_sequence_retain(sequence, &request);
  if (retained != NULL && dyno_sampler_choose_retained(model->sampler, id, retained, position))
    return DYNO_OK;
  dyno_status status =
      dyno_sampler_choose(model->sampler, id, dyno_sequence_logits(sequence), position, error);
  if (status == DYNO_OK)
    dyno_sequence_expect(sequence, id, 1);
  return status;
}

/* The tokens of a final message that says the text again and again, `wanted` of them. */
static dyno_status make_trace(dyno_tokens *trace, const dyno_bench_model *model, const char *text,
                              size_t wanted, dyno_error *error)
{
  const char *channel = dyno_channel_name(DYNO_CHANNEL_FINAL);
  const int32_t *marker = model->harmony.marker;
  dyno_status status = dyno_tokens_push(trace, marker[DYNO_HARMONY_CHANNEL], error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(model->tokenizer, trace, channel, strlen(channel), false, error);
  if (status == DYNO_OK)
    status = dyno_tokens_push(trace, marker[DYNO_HARMONY_MESSAGE], error);
  size_t from = trace->count;
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(model->tokenizer, trace, text, strlen(text), false, error);
  for (size_t i = from; status == DYNO_OK && trace->count < wanted; i++)
    status = dyno_tokens_push(trace, trace->ids[i], error);
  if (status == DYNO_OK)
    trace->count = wanted;
  return status;
}

static dyno_status make_work(dyno_bench_work *work, dyno_tokens *scratch,
                             const dyno_bench_model *model, double scale, dyno_error *error)
{
  size_t context = dyno_engine_config(model->engine)->context_length;
  size_t wanted = dyno_bench_scaled_tokens(work->from->output_tokens, scale);
  scratch->count = 0;
  dyno_status status =
      dyno_bench_prompt_tokens(scratch, model, work->prompt->prompt, work->from->effort, error);
  if (status != DYNO_OK)
    return dyno_error_prepend(error, "%s, prompt %s", work->from->file, work->prompt->id);
  work->prompt_tokens = scratch->count;
  if (work->prompt_tokens + wanted > context)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s, prompt %s: %zu tokens and an answer of %zu are wanted; the model's "
                     "context is %zu. Leave the case out (--case) or scale answers down (--budget)",
                     work->from->file, work->prompt->id, work->prompt_tokens, wanted, context);
  status = make_trace(&work->trace, model, work->prompt->trace, wanted, error);
  return status == DYNO_OK
             ? status
             : dyno_error_prepend(error, "%s, trace %s", work->from->file, work->prompt->id);
}

dyno_status dyno_bench_works_make(dyno_bench_works *works, const dyno_bench_model *model,
                                  const dyno_testcases *cases, double scale, dyno_error *error)
{
  size_t count = 0;
  dyno_tokens scratch = {0};
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < cases->count; i++)
    count += cases->cases[i].prompt_count;
  *works = (dyno_bench_works){.works = calloc(count + 1, sizeof *works->works)};
  if (works->works == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cases: out of memory");
  for (size_t i = 0; i < cases->count; i++)
    for (size_t j = 0; j < cases->cases[i].prompt_count && status == DYNO_OK; j++) {
      dyno_bench_work *work = &works->works[works->count++];
      *work = (dyno_bench_work){
          .case_index = i, .from = &cases->cases[i], .prompt = &cases->cases[i].prompts[j]};
      status = make_work(work, &scratch, model, scale, error);
      if (work->prompt_tokens + work->trace.count > works->longest)
        works->longest = work->prompt_tokens + work->trace.count;
    }
  dyno_tokens_free(&scratch);
  if (status != DYNO_OK)
    dyno_bench_works_free(works);
  return status;
}

void dyno_bench_works_free(dyno_bench_works *works)
{
  for (size_t i = 0; i < works->count; i++)
    dyno_tokens_free(&works->works[i].trace);
  free(works->works);
  *works = (dyno_bench_works){0};
}

const dyno_bench_work *dyno_bench_works_of(const dyno_bench_works *works,
                                           const dyno_testcases *cases, size_t case_index,
                                           size_t iteration)
{
  size_t first = 0;
  for (size_t i = 0; i < case_index; i++)
    first += cases->cases[i].prompt_count;
  return &works->works[first + iteration % cases->cases[case_index].prompt_count];
}

size_t dyno_bench_scaled_tokens(size_t tokens, double scale)
{
  size_t scaled = (size_t)((double)tokens * scale + 0.5);
  if (scaled >= tokens)
    return tokens;
  if (scaled >= LEAST_TOKENS)
    return scaled;
  return tokens < LEAST_TOKENS ? tokens : LEAST_TOKENS;
}
