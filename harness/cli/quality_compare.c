/* `dyno quality --kl`, --store and --against: one way of computing held to another. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "harness/cli/interrupt.h"
#include "harness/cli/quality.h"
#include "harness/measure/passages.h"
#include "harness/measure/reference_file.h"
#include "harness/report/agreement_report.h"
#include "harness/report/progress.h"
#include "runtime/engine_lower.h"

enum { DEFAULT_RANDOM = 1024, GREEDY_TOKENS = 48, RUNS = 3 };

typedef struct comparison {
  dyno_engine *reference, *other; /* no reference where a file has what it found */
  dyno_passages passages;
  dyno_reference_file stored;
  dyno_divergence divergence;
  dyno_agreement agreement;
  dyno_progress bar;
} comparison;

static void close_comparison(comparison *c)
{
  dyno_progress_clear(&c->bar);
  dyno_passages_free(&c->passages);
  dyno_reference_file_free(&c->stored);
  dyno_divergence_free(&c->divergence);
  dyno_agreement_free(&c->agreement);
  dyno_engine_close(&c->reference);
  dyno_engine_close(&c->other);
}

static bool show_progress(void *context, size_t done, size_t total)
{
  dyno_progress *bar = context;
  if (bar->total <= 0)
    dyno_progress_start(bar, stderr, (double)total);
  dyno_progress_update(bar, (double)done, "comparing");
  return !dyno_interrupted();
}

static dyno_status step(comparison *c, size_t done, size_t total, dyno_error *error)
{
  return show_progress(&c->bar, done, total) ? DYNO_OK
                                             : dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
}

static dyno_status open_reference(dyno_engine **reference, const char *model,
                                  const dyno_engine_options *engine, dyno_error *error)
{
  dyno_engine_options options = *engine;
  if (model != NULL)
    options.model = model;
  options.precision = DYNO_PRECISION_REFERENCE;
  options.ablate = 0;
  options.rope_ggml = false;
  options.kv = DYNO_KV_OF_PRECISION;
  options.logits = DYNO_LOGITS_FULL;
  options.quant = NULL;
  return dyno_engine_open(reference, &options, error);
}

static dyno_status check_shapes(const comparison *c, dyno_error *error)
{
  const dyno_model_config *a = dyno_engine_config(c->reference), *b = dyno_engine_config(c->other);
  if (a->vocab != b->vocab)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "the models' vocabularies differ in size: %zu and %zu", a->vocab, b->vocab);
  if (a->layers != b->layers || a->d_model != b->d_model || a->heads != b->heads ||
      a->head_dim != b->head_dim || a->experts_per_token != b->experts_per_token)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "the reference is a model of another shape: %zu layers of width %zu, and %zu "
                     "of %zu; only models with the same layers can be compared",
                     a->layers, a->d_model, b->layers, b->d_model);
  return DYNO_OK;
}

/* The text, random tokens, or items that were asked for. */
static dyno_status choose_passages(dyno_passages *passages, const dyno_quality_arguments *arguments,
                                   const dyno_engine *engine, dyno_error *error)
{
  bool mini = strcmp(arguments->engine.engine.model, "mini") == 0;
  dyno_items items;
  if (arguments->text != NULL)
    return dyno_passages_read_text(passages, arguments->text, engine, error);
  if (arguments->random > 0 || (!mini && arguments->heldout == NULL))
    return dyno_passages_random(passages,
                                arguments->random > 0 ? arguments->random : DEFAULT_RANDOM,
                                arguments->seed, engine, error);
  dyno_status status = dyno_quality_read_items(&items, arguments, error);
  if (status == DYNO_OK)
    status = dyno_passages_of_items(passages, &items, engine, error);
  dyno_items_free(&items);
  return status;
}

static dyno_status compare_greedy(comparison *c, size_t passage, dyno_error *error)
{
  dyno_tokens tokens = {0};
  size_t prompt = c->passages.passages[passage].prompt;
  dyno_status status =
      dyno_greedy_continue(&tokens, c->reference, &c->passages, passage, GREEDY_TOKENS, error);
  if (status == DYNO_OK && tokens.count > prompt)
    status = dyno_greedy_compare(&c->agreement.greedy, c->other, tokens.ids, tokens.count, prompt,
                                 error);
  dyno_tokens_free(&tokens);
  return status;
}

static dyno_status compare_weights(comparison *c, const dyno_engine_options *engine,
                                   dyno_error *error)
{
  const dyno_checkpoint *other = dyno_engine_checkpoint(c->other);
  dyno_quantization quantization = {0};
  dyno_status status = dyno_quantization_open(&quantization, engine->quant, other, error);
  if (status == DYNO_OK)
    status =
        dyno_weight_errors_measure(&c->agreement.weights, dyno_engine_checkpoint(c->reference),
                                   other, dyno_engine_registry(c->other), &quantization, error);
  dyno_quantization_close(&quantization);
  return status;
}

static dyno_status repeat(comparison *c, const int32_t *tokens, size_t count, dyno_error *error)
{
  c->agreement.runs = RUNS;
  return dyno_repeat_runs(&c->agreement.same_runs, c->other, tokens, count, RUNS, error);
}

static dyno_status compare_directly(comparison *c, const dyno_quality_arguments *arguments,
                                    const dyno_engine_options *engine, dyno_error *error)
{
  dyno_status status = open_reference(&c->reference, arguments->reference, engine, error);
  if (status == DYNO_OK)
    status = check_shapes(c, error);
  if (status == DYNO_OK)
    status = choose_passages(&c->passages, arguments, c->reference, error);
  if (status == DYNO_OK)
    status = dyno_layer_agreement_open(&c->agreement.layers, dyno_engine_config(c->reference),
                                       DYNO_DIVERGENCE_PORTION, error);
  if (status != DYNO_OK)
    return status;
  const dyno_passages *p = &c->passages;
  size_t prompts = arguments->greedy < p->count ? arguments->greedy : p->count;
  c->divergence.layers = &c->agreement.layers;
  for (size_t i = 0; i < p->count && status == DYNO_OK; i++) {
    status = step(c, i, p->count + prompts, error);
    if (status == DYNO_OK)
      status = dyno_divergence_add(&c->divergence, c->reference, c->other,
                                   dyno_passage_tokens(p, i), dyno_passage_length(p, i), error);
  }
  for (size_t i = 0; i < prompts && status == DYNO_OK; i++) {
    status = step(c, p->count + i, p->count + prompts, error);
    if (status == DYNO_OK)
      status = compare_greedy(c, dyno_passage_of_prompt(p, i, prompts), error);
  }
  if (status == DYNO_OK)
    status = repeat(c, dyno_passage_tokens(p, 0), dyno_passage_length(p, 0), error);
  return status == DYNO_OK ? compare_weights(c, engine, error) : status;
}

static dyno_status compare_with_file(comparison *c, const char *path, dyno_error *error)
{
  dyno_status status = dyno_reference_file_read(&c->stored, path, error);
  for (size_t i = 0; i < c->stored.count && status == DYNO_OK; i++) {
    status = step(c, i, c->stored.count, error);
    if (status == DYNO_OK)
      status = dyno_reference_file_compare(&c->divergence, &c->agreement.greedy, &c->stored, i,
                                           c->other, error);
  }
  if (status != DYNO_OK)
    return status;
  int32_t *tokens = dyno_reference_file_tokens(&c->stored, 0);
  status = tokens != NULL ? repeat(c, tokens, c->stored.sequences[0].count, error)
                          : dyno_fail(error, DYNO_ERROR_MEMORY, "stored reference: out of memory");
  free(tokens);
  return status;
}

static dyno_status print_comparison(const comparison *c, const dyno_quality_arguments *arguments,
                                    const dyno_engine_options *engine, dyno_error *error)
{
  const dyno_quality_conditions conditions = dyno_quality_conditions_of(engine);
  const dyno_reference_file *stored = arguments->against != NULL ? &c->stored : NULL;
  if (arguments->json) {
    json_t *root = dyno_divergence_json(&conditions, &c->divergence);
    json_object_update_new(root, dyno_agreement_json(&c->agreement));
    if (stored != NULL)
      json_object_set_new(root, "against",
                          json_pack("{s:s, s:s, s:I}", "file", arguments->against, "model",
                                    stored->model, "kept", (json_int_t)stored->kept));
    return dyno_quality_print_json(root, error);
  }
  dyno_status status = dyno_divergence_print(stdout, &conditions, &c->divergence, error);
  if (status == DYNO_OK)
    status = dyno_agreement_print(stdout, &c->agreement, error);
  if (status == DYNO_OK && stored != NULL)
    printf("the reference is what %s has of the model with the hash %s: the %zu likeliest tokens "
           "of each position, and all others as one\n",
           arguments->against, stored->model, stored->kept);
  return status;
}

dyno_status dyno_quality_compare(const dyno_quality_arguments *arguments,
                                 const dyno_engine_options *engine, dyno_error *error)
{
  comparison c = {0};
  dyno_status status = dyno_engine_open(&c.other, engine, error);
  if (status == DYNO_OK)
    status = arguments->against != NULL ? compare_with_file(&c, arguments->against, error)
                                        : compare_directly(&c, arguments, engine, error);
  dyno_progress_clear(&c.bar);
  if (status == DYNO_OK)
    status = print_comparison(&c, arguments, engine, error);
  close_comparison(&c);
  return status;
}

dyno_status dyno_quality_store(const dyno_quality_arguments *arguments,
                               const dyno_engine_options *engine, dyno_error *error)
{
  comparison c = {0};
  dyno_status status = open_reference(&c.reference, NULL, engine, error);
  if (status == DYNO_OK)
    status = choose_passages(&c.passages, arguments, c.reference, error);
  if (status == DYNO_OK)
    status =
        dyno_reference_file_write(arguments->store, c.reference, &c.passages, arguments->greedy,
                                  GREEDY_TOKENS, show_progress, &c.bar, error);
  dyno_progress_clear(&c.bar);
  if (status == DYNO_OK)
    printf("%s: %zu tokens in %zu passages\n", arguments->store, c.passages.tokens.count,
           c.passages.count);
  close_comparison(&c);
  return status;
}
