#include "runtime/model/dialect.h"

#include <stdio.h>
#include <string.h>

const dyno_dialect *const dyno_dialects[DYNO_DIALECT_COUNT] = {
    &dyno_dialect_ggml_org,     &dyno_dialect_ollama, &dyno_dialect_ollama_2025_08,
    &dyno_dialect_hugging_face, &dyno_dialect_openai,
};

bool dyno_dialect_name(char name[DYNO_TENSOR_NAME], const char *pattern, size_t layer)
{
  const char *place = strstr(pattern, ".N.");
  int length = place == NULL ? snprintf(name, DYNO_TENSOR_NAME, "%s", pattern)
                             : snprintf(name, DYNO_TENSOR_NAME, "%.*s.%zu%s",
                                        (int)(place - pattern), pattern, layer, place + 2);
  return length >= 0 && length < DYNO_TENSOR_NAME;
}

typedef enum size_name {
  ONE,
  VOCAB,
  D_MODEL,
  QUERY,
  KEY_VALUE,
  HEADS,
  EXPERTS,
  D_FF,
} size_name;

static const struct {
  const char *name;
  size_name groups, n, k;
} roles[DYNO_TENSOR_ROLE_COUNT] = {
    [DYNO_TENSOR_EMBEDDING] = {"embedding", ONE, VOCAB, D_MODEL},
    [DYNO_TENSOR_OUTPUT_NORM] = {"output_norm", ONE, ONE, D_MODEL},
    [DYNO_TENSOR_HEAD] = {"head", ONE, VOCAB, D_MODEL},
    [DYNO_TENSOR_ATTENTION_NORM] = {"attention_norm", ONE, ONE, D_MODEL},
    [DYNO_TENSOR_QUERY_WEIGHT] = {"query_weight", ONE, QUERY, D_MODEL},
    [DYNO_TENSOR_QUERY_BIAS] = {"query_bias", ONE, ONE, QUERY},
    [DYNO_TENSOR_KEY_WEIGHT] = {"key_weight", ONE, KEY_VALUE, D_MODEL},
    [DYNO_TENSOR_KEY_BIAS] = {"key_bias", ONE, ONE, KEY_VALUE},
    [DYNO_TENSOR_VALUE_WEIGHT] = {"value_weight", ONE, KEY_VALUE, D_MODEL},
    [DYNO_TENSOR_VALUE_BIAS] = {"value_bias", ONE, ONE, KEY_VALUE},
    [DYNO_TENSOR_SINKS] = {"sinks", ONE, ONE, HEADS},
    [DYNO_TENSOR_ATTENTION_WEIGHT] = {"attention_weight", ONE, D_MODEL, QUERY},
    [DYNO_TENSOR_ATTENTION_BIAS] = {"attention_bias", ONE, ONE, D_MODEL},
    [DYNO_TENSOR_FFN_NORM] = {"ffn_norm", ONE, ONE, D_MODEL},
    [DYNO_TENSOR_ROUTER_WEIGHT] = {"router_weight", ONE, EXPERTS, D_MODEL},
    [DYNO_TENSOR_ROUTER_BIAS] = {"router_bias", ONE, ONE, EXPERTS},
    [DYNO_TENSOR_GATE_WEIGHT] = {"gate_weight", EXPERTS, D_FF, D_MODEL},
    [DYNO_TENSOR_GATE_BIAS] = {"gate_bias", EXPERTS, ONE, D_FF},
    [DYNO_TENSOR_UP_WEIGHT] = {"up_weight", EXPERTS, D_FF, D_MODEL},
    [DYNO_TENSOR_UP_BIAS] = {"up_bias", EXPERTS, ONE, D_FF},
    [DYNO_TENSOR_DOWN_WEIGHT] = {"down_weight", EXPERTS, D_MODEL, D_FF},
    [DYNO_TENSOR_DOWN_BIAS] = {"down_bias", EXPERTS, ONE, D_MODEL},
};

const char *dyno_tensor_role_name(dyno_tensor_role role)
{
  return (unsigned)role < DYNO_TENSOR_ROLE_COUNT ? roles[role].name : "?";
}

void dyno_tensor_role_shape(size_t *groups, size_t *n, size_t *k, dyno_tensor_role role,
                            const dyno_model_config *config)
{
  const size_t sizes[] = {
      [ONE] = 1,
      [VOCAB] = config->vocab,
      [D_MODEL] = config->d_model,
      [QUERY] = config->heads * config->head_dim,
      [KEY_VALUE] = config->kv_heads * config->head_dim,
      [HEADS] = config->heads,
      [EXPERTS] = config->experts,
      [D_FF] = config->d_ff,
  };
  *groups = sizes[roles[role].groups];
  *n = sizes[roles[role].n];
  *k = sizes[roles[role].k];
}

bool dyno_tensor_role_is_vector(dyno_tensor_role role)
{
  return roles[role].n == ONE;
}

bool dyno_tensor_role_has_experts(dyno_tensor_role role)
{
  return roles[role].groups == EXPERTS;
}

void dyno_select_rows(size_t *total, size_t *offset, size_t *step, dyno_row_selection selection,
                      size_t n, const dyno_model_config *config)
{
  size_t query = config->heads * config->head_dim, key = config->kv_heads * config->head_dim;
  *step = 1;
  *offset = 0;
  *total = query + 2 * key;
  switch (selection) {
  case DYNO_ROWS_ALL:
    *total = n;
    return;
  case DYNO_ROWS_QUERY:
    return;
  case DYNO_ROWS_KEY:
    *offset = query;
    return;
  case DYNO_ROWS_VALUE:
    *offset = query + key;
    return;
  case DYNO_ROWS_EVEN:
  case DYNO_ROWS_ODD:
    *total = 2 * n;
    *offset = selection == DYNO_ROWS_ODD;
    *step = 2;
    return;
  }
}
