#include "runtime/model/config.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "runtime/model/config_fields.h"

/* The largest numbers keep every product of a shape far below 2^63, and no model of the family
 * comes near them. A comparison with NaN is false, so that NaN is in no range. */
static const struct {
  const char *name;
  size_t offset;
  double minimum, maximum;
} fields[DYNO_CONFIG_FIELD_COUNT] = {
#define FIELD(name, minimum, maximum)                                                              \
  {                                                                                                \
#name, offsetof(dyno_model_config, name), minimum, maximum                                     \
  }
    [DYNO_CONFIG_LAYERS] = FIELD(layers, 1, DYNO_MAX_LAYERS),
    [DYNO_CONFIG_D_MODEL] = FIELD(d_model, 1, 1 << 17),
    [DYNO_CONFIG_VOCAB] = FIELD(vocab, 1, 1 << 24),
    [DYNO_CONFIG_HEADS] = FIELD(heads, 1, 1 << 12),
    [DYNO_CONFIG_KV_HEADS] = FIELD(kv_heads, 1, 1 << 12),
    [DYNO_CONFIG_HEAD_DIM] = FIELD(head_dim, 2, 1 << 12),
    [DYNO_CONFIG_EXPERTS] = FIELD(experts, 1, 1 << 12),
    [DYNO_CONFIG_EXPERTS_PER_TOKEN] = FIELD(experts_per_token, 1, 1 << 12),
    [DYNO_CONFIG_D_FF] = FIELD(d_ff, 1, 1 << 20),
    [DYNO_CONFIG_WINDOW] = FIELD(window, 0, 1 << 30),
    [DYNO_CONFIG_CONTEXT_LENGTH] = FIELD(context_length, 1, 1 << 30),
    [DYNO_CONFIG_ROPE_ORIGINAL_CONTEXT] = FIELD(rope_original_context, 1, 1 << 30),
    [DYNO_CONFIG_RMS_EPSILON] = FIELD(rms_epsilon, 1e-30, 1),
    [DYNO_CONFIG_ROPE_THETA] = FIELD(rope_theta, 1.0001, 1e12),
    [DYNO_CONFIG_ROPE_FACTOR] = FIELD(rope_factor, 1, 1e6),
    [DYNO_CONFIG_ROPE_BETA_FAST] = FIELD(rope_beta_fast, 1e-6, 1e6),
    [DYNO_CONFIG_ROPE_BETA_SLOW] = FIELD(rope_beta_slow, 1e-6, 1e6),
    [DYNO_CONFIG_ROPE_ATTENTION_FACTOR] = FIELD(rope_attention_factor, 1e-6, 1e6),
    [DYNO_CONFIG_SWIGLU_ALPHA] = FIELD(swiglu_alpha, 1e-6, 1e6),
    [DYNO_CONFIG_SWIGLU_LIMIT] = FIELD(swiglu_limit, 1e-6, 1e30),
#undef FIELD
};

const char *dyno_config_field_name(dyno_config_field field)
{
  return fields[field].name;
}

uint64_t dyno_config_get_size(const dyno_model_config *config, dyno_config_field field)
{
  return *(const size_t *)(const void *)((const char *)config + fields[field].offset);
}

float dyno_config_get_float(const dyno_model_config *config, dyno_config_field field)
{
  return *(const float *)(const void *)((const char *)config + fields[field].offset);
}

static void *slot(dyno_model_config *config, dyno_config_field field)
{
  return (char *)config + fields[field].offset;
}

dyno_status dyno_config_set_size(dyno_model_config *config, dyno_config_field field, uint64_t value,
                                 const char *origin, const char *key, dyno_error *error)
{
  if (value < (uint64_t)fields[field].minimum || value > (uint64_t)fields[field].maximum)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %s is %" PRIu64 "; %.0f to %.0f is allowed",
                     origin, key, value, fields[field].minimum, fields[field].maximum);
  *(size_t *)slot(config, field) = (size_t)value;
  return DYNO_OK;
}

dyno_status dyno_config_set_float(dyno_model_config *config, dyno_config_field field, double value,
                                  const char *origin, const char *key, dyno_error *error)
{
  if (!(value >= fields[field].minimum && value <= fields[field].maximum))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %s is %g; %g to %g is allowed", origin, key,
                     value, fields[field].minimum, fields[field].maximum);
  *(float *)slot(config, field) = (float)value;
  return DYNO_OK;
}

void dyno_config_slide_even_layers(dyno_model_config *config)
{
  for (size_t i = 0; i < config->layers; i++)
    config->slides[i] = i % 2 == 0;
}

double dyno_yarn_attention_factor(double factor, double mscale)
{
  return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

static dyno_status check_ranges(const dyno_model_config *config, const char *origin,
                                dyno_error *error)
{
  dyno_status status = DYNO_OK;
  dyno_model_config copy = *config;
  for (dyno_config_field i = 0; i < DYNO_CONFIG_FIELD_COUNT && status == DYNO_OK; i++) {
    if (i < DYNO_CONFIG_FIRST_FLOAT)
      status = dyno_config_set_size(&copy, i, dyno_config_get_size(config, i), origin,
                                    fields[i].name, error);
    else
      status = dyno_config_set_float(&copy, i, (double)dyno_config_get_float(config, i), origin,
                                     fields[i].name, error);
  }
  return status;
}

dyno_status dyno_model_config_check(const dyno_model_config *config, const char *origin,
                                    dyno_error *error)
{
  dyno_status status = check_ranges(config, origin, error);
  if (status != DYNO_OK)
    return status;
  if (config->heads % config->kv_heads != 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: %zu attention heads cannot share %zu key-value heads evenly", origin,
                     config->heads, config->kv_heads);
  if (config->head_dim % 2 != 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: the head dimension is %zu; rotary embedding needs an even one", origin,
                     config->head_dim);
  if (config->experts_per_token > config->experts)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %zu experts per token of %zu experts", origin,
                     config->experts_per_token, config->experts);
  if (config->rope_beta_fast <= config->rope_beta_slow)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: YaRN's fast end (%g rotations) must lie above its slow end (%g)", origin,
                     (double)config->rope_beta_fast, (double)config->rope_beta_slow);
  for (size_t i = 0; i < config->layers; i++)
    if (config->slides[i] && config->window == 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: layer %zu has sliding attention, but the sliding window is 0", origin,
                       i);
  return DYNO_OK;
}
