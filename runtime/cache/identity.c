#include "runtime/cache/identity.h"

#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The streaming state on the stack, so that a hash needs no memory. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

enum { SAMPLE_BYTES = 4096 };

static void add_text(XXH3_state_t *hash, const char *text)
{
  XXH3_64bits_update(hash, text, strlen(text) + 1);
}

static void add_kernel(XXH3_state_t *hash, const dyno_choice *choice)
{
  add_text(hash, choice->kernel != NULL ? choice->kernel->name : "");
}

static void add_linear_kernels(void *context, const dyno_linear *linear)
{
  add_kernel(context, &linear->decode);
  add_kernel(context, &linear->prefill);
}

static uint64_t hash_kernels(const dyno_model *model)
{
  const dyno_model_kernels *kernels = &model->kernels;
  const dyno_choice *others[] = {&kernels->quantize_activation,
                                 &kernels->rmsnorm,
                                 &kernels->rope,
                                 &kernels->swiglu,
                                 &kernels->router,
                                 &kernels->attention,
                                 &kernels->store_kv};
  XXH3_state_t hash;
  XXH3_INITSTATE(&hash);
  XXH3_64bits_reset(&hash);
  dyno_model_for_each_linear(model, add_linear_kernels, &hash);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    add_kernel(&hash, others[i]);
  return XXH3_64bits_digest(&hash);
}

static void add_linear_weights(void *context, const dyno_linear *linear)
{
  size_t bytes = linear->layout->bytes(linear->layout, linear->n, linear->k);
  size_t sample = bytes < SAMPLE_BYTES ? bytes : SAMPLE_BYTES;
  for (size_t group = 0; group < linear->groups; group++)
    XXH3_64bits_update(context, linear->group_weight[group], sample);
}

static uint64_t hash_weights(const dyno_model *model)
{
  const dyno_model_config *config = model->config;
  XXH3_state_t hash;
  XXH3_INITSTATE(&hash);
  XXH3_64bits_reset(&hash);
  dyno_model_for_each_linear(model, add_linear_weights, &hash);
  XXH3_64bits_update(&hash, model->embedding.rows, model->embedding.row_bytes);
  for (size_t i = 0; i < config->layers; i++) {
    const dyno_layer *layer = &model->layers[i];
    XXH3_64bits_update(&hash, layer->attention_norm, config->d_model * sizeof(float));
    XXH3_64bits_update(&hash, layer->ffn_norm, config->d_model * sizeof(float));
    XXH3_64bits_update(&hash, layer->sinks, config->heads * sizeof(float));
    XXH3_64bits_update(&hash, &layer->window, sizeof layer->window);
  }
  XXH3_64bits_update(&hash, model->inverse_frequency,
                     config->head_dim / 2 * sizeof *model->inverse_frequency);
  XXH3_64bits_update(&hash, &model->rope_scale, sizeof model->rope_scale);
  return XXH3_64bits_digest(&hash);
}

char *dyno_cache_identity(char text[DYNO_CACHE_IDENTITY_TEXT], const dyno_model *model,
                          const dyno_registry *registry)
{
  char model_hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_checkpoint_hash(model->checkpoint, model_hash);
  snprintf(text, DYNO_CACHE_IDENTITY_TEXT,
           "dyno %s\nmodel %s\nweights %016" PRIx64 "\ntier %s\nkernels %016" PRIx64
           "\nprecision %s\nkv %s\nkv-heads %zu\nhead-size %zu\nwindow %zu",
           PACKAGE_VERSION, model_hash, hash_weights(model),
           dyno_isa_name(dyno_registry_isa(registry)), hash_kernels(model),
           model->precision == DYNO_PRECISION_REFERENCE ? "reference" : "fast",
           dyno_dtype_name(model->kv_dtype), model->config->kv_heads, model->config->head_dim,
           model->config->window);
  return text;
}
