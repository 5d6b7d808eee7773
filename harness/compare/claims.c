#include "harness/compare/claims.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/measure/json_fields.h"
#include "runtime/text/file.h"

enum { MOST_FILE_BYTES = 4 << 20, MOST_ID = 64 };

static const char *const metric_names[DYNO_METRIC_COUNT] = {
    [DYNO_METRIC_NONE] = "none",
    [DYNO_METRIC_DECODE] = "decode",
    [DYNO_METRIC_PREFILL] = "prefill",
    [DYNO_METRIC_COMPONENT] = "component",
    [DYNO_METRIC_TOKENIZER] = "tokenizer",
    [DYNO_METRIC_MANAGEMENT] = "management",
    [DYNO_METRIC_LATENCY] = "latency",
    [DYNO_METRIC_CONSISTENCY] = "consistency",
    [DYNO_METRIC_WEIGHTS] = "weights",
    [DYNO_METRIC_KV] = "kv",
    [DYNO_METRIC_HIDDEN] = "hidden",
    [DYNO_METRIC_MEMORY] = "memory",
    [DYNO_METRIC_ACCURACY] = "accuracy",
    [DYNO_METRIC_HITS] = "hits",
    [DYNO_METRIC_COMPRESSION] = "compression",
};

static const char *const unit_names[DYNO_UNIT_COUNT] = {
    [DYNO_UNIT_MORE] = "% more",   [DYNO_UNIT_LESS] = "% less",   [DYNO_UNIT_TIMES] = "times",
    [DYNO_UNIT_RATE] = "tokens/s", [DYNO_UNIT_MS] = "ms",         [DYNO_UNIT_GB] = "GB",
    [DYNO_UNIT_PERCENT] = "%",     [DYNO_UNIT_POINTS] = "points",
};

static const char *const rule_names[DYNO_RULE_COUNT] = {
    [DYNO_RULE_EFFECT] = "effect",
    [DYNO_RULE_AT_LEAST] = "at-least",
    [DYNO_RULE_AT_MOST] = "at-most",
};

enum { COMPARES = 1 << DYNO_UNIT_MORE | 1 << DYNO_UNIT_LESS | 1 << DYNO_UNIT_TIMES };

/* The units that figures of a metric can have, as bits, and the parts it can be of. */
static const struct metric_fact {
  unsigned units;
  const char *parts[8];
} metric_facts[DYNO_METRIC_COUNT] = {
    [DYNO_METRIC_NONE] = {~0u, {NULL}},
    [DYNO_METRIC_DECODE] = {COMPARES | 1 << DYNO_UNIT_RATE | 1 << DYNO_UNIT_MS, {NULL}},
    [DYNO_METRIC_PREFILL] = {COMPARES | 1 << DYNO_UNIT_RATE | 1 << DYNO_UNIT_MS, {NULL}},
    [DYNO_METRIC_COMPONENT] = {COMPARES | 1 << DYNO_UNIT_RATE,
                               {"embedding", "attention", "feed_forward", "sampling", "matrices"}},
    [DYNO_METRIC_TOKENIZER] = {1 << DYNO_UNIT_RATE, {NULL}},
    [DYNO_METRIC_MANAGEMENT] = {COMPARES | 1 << DYNO_UNIT_MS, {NULL}},
    [DYNO_METRIC_LATENCY] = {1 << DYNO_UNIT_MS, {NULL}},
    [DYNO_METRIC_CONSISTENCY] = {1 << DYNO_UNIT_PERCENT, {NULL}},
    [DYNO_METRIC_WEIGHTS] = {COMPARES | 1 << DYNO_UNIT_GB, {"f32", "bf16", "lowered"}},
    [DYNO_METRIC_KV] = {COMPARES | 1 << DYNO_UNIT_GB, {NULL}},
    [DYNO_METRIC_HIDDEN] = {COMPARES | 1 << DYNO_UNIT_GB, {NULL}},
    [DYNO_METRIC_MEMORY] = {COMPARES | 1 << DYNO_UNIT_GB, {"f32", "bf16"}},
    [DYNO_METRIC_ACCURACY] = {1 << DYNO_UNIT_POINTS, {NULL}},
    [DYNO_METRIC_HITS] = {1 << DYNO_UNIT_PERCENT, {"embeddings", "blocks", "compressed"}},
    [DYNO_METRIC_COMPRESSION] = {COMPARES, {NULL}},
};

const char *dyno_claim_metric_name(dyno_claim_metric metric)
{
  return metric_names[metric];
}

const char *dyno_claim_unit_name(dyno_claim_unit unit)
{
  return unit_names[unit];
}

const char *dyno_claim_rule_name(dyno_claim_rule rule)
{
  return rule_names[rule];
}

bool dyno_claim_unit_compares(dyno_claim_unit unit)
{
  return (1u << unit & COMPARES) != 0;
}

static dyno_status no_memory(const dyno_json_source *source, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", source->path);
}

/* One of a list of names. */
static dyno_status read_name(size_t *index, const json_t *object, const char *parent,
                             const char *key, const char *const *names, size_t count,
                             const dyno_json_source *source, dyno_error *error)
{
  const char *text;
  char field[DYNO_JSON_FIELD], known[256] = "";
  dyno_status status = dyno_json_text(&text, object, parent, key, NULL, source, error);
  if (status != DYNO_OK)
    return status;
  for (*index = 0; *index < count; ++*index) {
    size_t used = strlen(known);
    if (strcmp(names[*index], text) == 0)
      return DYNO_OK;
    snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", names[*index]);
  }
  dyno_json_field(field, parent, key);
  return dyno_json_bad(source, field, error, "'%.60s': one of %s is wanted", text, known);
}

static dyno_status optional_text(const char **text, const json_t *object, const char *parent,
                                 const char *key, const dyno_json_source *source, dyno_error *error)
{
  static const char none[] = "";
  dyno_status status = dyno_json_text(text, object, parent, key, none, source, error);
  if (*text == none)
    *text = NULL;
  return status;
}

static dyno_status read_switches(const char **list, size_t *count, const json_t *object,
                                 const char *parent, const char *key,
                                 const dyno_json_source *source, dyno_error *error)
{
  char field[DYNO_JSON_FIELD];
  const json_t *values = json_object_get(object, key);
  dyno_json_field(field, parent, key);
  if (values != NULL &&
      (!json_is_array(values) || json_array_size(values) > DYNO_CLAIM_MOST_SWITCHES))
    return dyno_json_bad(source, field, error, "a list of at most %d NAME=VALUE is wanted",
                         DYNO_CLAIM_MOST_SWITCHES);
  for (*count = 0; *count < json_array_size(values); ++*count) {
    const char *text = json_string_value(json_array_get(values, *count));
    if (text == NULL || strchr(text, '=') == NULL || text[0] == '=')
      return dyno_json_bad(source, field, error, "[%zu]: NAME=VALUE is wanted", *count);
    list[*count] = text;
  }
  return DYNO_OK;
}

static dyno_status check_id(const char *id, const char *parent, const dyno_json_source *source,
                            dyno_error *error)
{
  char field[DYNO_JSON_FIELD];
  size_t length = strlen(id);
  dyno_json_field(field, parent, "id");
  if (length > MOST_ID || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
    return dyno_json_bad(source, field, error,
                         "'%.80s': up to %d letters a to z, digits and - are wanted", id, MOST_ID);
  return DYNO_OK;
}

/* Fields that depend on each other. */
static dyno_status check_sense(const dyno_claim *claim, const char *parent,
                               const dyno_json_source *source, dyno_error *error)
{
  const struct metric_fact *facts = &metric_facts[claim->metric];
  char field[DYNO_JSON_FIELD];
  const char *const *part = facts->parts;
  if ((claim->metric == DYNO_METRIC_NONE) != (claim->why != NULL)) {
    dyno_json_field(field, parent, "why");
    return dyno_json_bad(source, claim->why != NULL ? field : parent, error,
                         "\"why\" goes with the metric none, and only with it");
  }
  dyno_json_field(field, parent, "unit");
  if ((1u << claim->unit & facts->units) == 0)
    return dyno_json_bad(source, field, error, "the metric %s does not come in '%s'",
                         metric_names[claim->metric], unit_names[claim->unit]);
  if (claim->rule == DYNO_RULE_EFFECT && !dyno_claim_unit_compares(claim->unit))
    return dyno_json_bad(source, field, error,
                         "an effect is '%% more', '%% less' or 'times', not '%s'",
                         unit_names[claim->unit]);
  if (isnan(claim->figure) && claim->rule != DYNO_RULE_EFFECT && claim->metric != DYNO_METRIC_NONE)
    return dyno_json_bad(source, parent, error, "\"figure\" is missing: only an effect needs none");
  while (*part != NULL && (claim->of == NULL || strcmp(*part, claim->of) != 0))
    part++;
  dyno_json_field(field, parent, "of");
  if (claim->of != NULL && *part == NULL)
    return dyno_json_bad(source, field, error, "'%.60s': the metric %s is not of that", claim->of,
                         metric_names[claim->metric]);
  if (claim->of == NULL && facts->parts[0] != NULL &&
      (claim->metric == DYNO_METRIC_COMPONENT || claim->metric == DYNO_METRIC_HITS))
    return dyno_json_bad(source, parent, error, "\"of\" is missing: what is the %s of?",
                         metric_names[claim->metric]);
  return DYNO_OK;
}

static dyno_status read_hash(dyno_claim *claim, const json_t *object,
                             const dyno_json_source *source, dyno_error *error)
{
  char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
  if (text == NULL)
    return no_memory(source, error);
  claim->hash = XXH3_64bits(text, strlen(text));
  free(text);
  return DYNO_OK;
}

/* Texts, and what is measured. */
static dyno_status read_words(dyno_claim *claim, const json_t *object, const char *parent,
                              const dyno_json_source *source, dyno_error *error)
{
  size_t unit = 0, rule = 0, metric = 0;
  dyno_status status = dyno_json_text(&claim->id, object, parent, "id", NULL, source, error);
  if (status == DYNO_OK)
    status = check_id(claim->id, parent, source, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&claim->section, object, parent, "section", NULL, source, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&claim->guide, object, parent, "guide", NULL, source, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&claim->claim, object, parent, "claim", NULL, source, error);
  if (status == DYNO_OK)
    status = read_name(&metric, object, parent, "metric", metric_names, DYNO_METRIC_COUNT, source,
                       error);
  if (status == DYNO_OK)
    status = read_name(&unit, object, parent, "unit", unit_names, DYNO_UNIT_COUNT, source, error);
  if (status == DYNO_OK)
    status = read_name(&rule, object, parent, "rule", rule_names, DYNO_RULE_COUNT, source, error);
  claim->metric = (dyno_claim_metric)metric;
  claim->unit = (dyno_claim_unit)unit;
  claim->rule = (dyno_claim_rule)rule;
  if (status == DYNO_OK)
    status = optional_text(&claim->of, object, parent, "of", source, error);
  if (status == DYNO_OK)
    status = optional_text(&claim->why, object, parent, "why", source, error);
  if (status == DYNO_OK)
    status = optional_text(&claim->note, object, parent, "note", source, error);
  return status == DYNO_OK ? optional_text(&claim->cases, object, parent, "cases", source, error)
                           : status;
}

static dyno_status read_numbers(dyno_claim *claim, const json_t *object, const char *parent,
                                const dyno_json_source *source, dyno_error *error)
{
  static const double no_number = (double)NAN, zero = 0;
  double tokens = 0, longest = 0;
  char field[DYNO_JSON_FIELD];
  const json_t *only = json_object_get(object, "only_20b");
  dyno_status status = dyno_json_read_number(&claim->figure, object, parent, "figure", -1e6, 1e6,
                                             &no_number, source, error);
  if (status == DYNO_OK)
    status = dyno_json_read_number(&claim->before, object, parent, "before", 0, 1e6, &no_number,
                                   source, error);
  if (status == DYNO_OK)
    status =
        dyno_json_read_number(&tokens, object, parent, "tokens", 1, 4096, &zero, source, error);
  if (status == DYNO_OK)
    status = dyno_json_read_number(&longest, object, parent, "longest", 1, 1 << 17, &zero, source,
                                   error);
  dyno_json_field(field, parent, "only_20b");
  if (status == DYNO_OK && only != NULL && !json_is_boolean(only))
    status = dyno_json_bad(source, field, error, "true or false is wanted");
  claim->tokens = (size_t)tokens;
  claim->longest = (size_t)longest;
  claim->only_20b = json_is_true(only);
  return status;
}

static dyno_status read_claim(dyno_claim *claim, json_t *object, const char *parent,
                              const dyno_json_source *source, dyno_error *error)
{
  static const char *const keys[] = {
      "id",  "section", "guide", "claim", "figure", "before", "unit",    "rule",     "metric", "of",
      "why", "note",    "a",     "b",     "cases",  "tokens", "longest", "only_20b", NULL};
  if (!json_is_object(object))
    return dyno_json_bad(source, parent, error, "an object is wanted");
  dyno_status status = dyno_json_check_keys(object, parent, keys, source, error);
  if (status == DYNO_OK)
    status = read_words(claim, object, parent, source, error);
  if (status == DYNO_OK)
    status = read_numbers(claim, object, parent, source, error);
  if (status == DYNO_OK)
    status = read_switches(claim->a, &claim->a_count, object, parent, "a", source, error);
  if (status == DYNO_OK)
    status = read_switches(claim->b, &claim->b_count, object, parent, "b", source, error);
  if (status == DYNO_OK)
    status = check_sense(claim, parent, source, error);
  return status == DYNO_OK ? read_hash(claim, object, source, error) : status;
}

static dyno_status find_list(const json_t **list, size_t *count, const json_t *root,
                             const char *key, const dyno_json_source *source, dyno_error *error)
{
  *list = json_object_get(root, key);
  *count = json_array_size(*list);
  if (*list == NULL)
    return dyno_json_bad(source, "", error, "\"%s\" is missing: a list is wanted", key);
  if (!json_is_array(*list) || *count > DYNO_CLAIMS_MOST)
    return dyno_json_bad(source, key, error, "a list of at most %d is wanted", DYNO_CLAIMS_MOST);
  return DYNO_OK;
}

static dyno_status read_list(dyno_claims *claims, const dyno_json_source *source, dyno_error *error)
{
  const json_t *list;
  size_t count;
  dyno_status status = find_list(&list, &count, claims->root, "claims", source, error);
  if (status != DYNO_OK)
    return status;
  claims->list = calloc(count + 1, sizeof *claims->list);
  if (claims->list == NULL)
    return no_memory(source, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    char parent[DYNO_JSON_FIELD], field[DYNO_JSON_FIELD];
    snprintf(parent, sizeof parent, "claims[%zu]", i);
    status = read_claim(&claims->list[i], json_array_get(list, i), parent, source, error);
    dyno_json_field(field, parent, "id");
    if (status == DYNO_OK && dyno_claims_find(claims, claims->list[i].id) != NULL)
      status = dyno_json_bad(source, field, error, "'%s' is there already", claims->list[i].id);
    claims->count = i + 1;
  }
  return status;
}

static dyno_status read_unclaimed(dyno_claims *claims, const dyno_json_source *source,
                                  dyno_error *error)
{
  static const char *const keys[] = {"switch", "why", NULL};
  const json_t *list;
  size_t count;
  dyno_status status = find_list(&list, &count, claims->root, "switches", source, error);
  if (status != DYNO_OK)
    return status;
  claims->switches = calloc(count + 1, sizeof *claims->switches);
  if (claims->switches == NULL)
    return no_memory(source, error);
  claims->switch_count = count;
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    char parent[DYNO_JSON_FIELD];
    json_t *object = json_array_get(list, i);
    snprintf(parent, sizeof parent, "switches[%zu]", i);
    if (!json_is_object(object))
      return dyno_json_bad(source, parent, error, "an object with switch and why is wanted");
    status = dyno_json_check_keys(object, parent, keys, source, error);
    if (status == DYNO_OK)
      status =
          dyno_json_text(&claims->switches[i].name, object, parent, "switch", NULL, source, error);
    if (status == DYNO_OK)
      status = dyno_json_text(&claims->switches[i].why, object, parent, "why", NULL, source, error);
  }
  return status;
}

static dyno_status read_ledger(dyno_claims *claims, const dyno_json_source *source,
                               dyno_error *error)
{
  static const char *const keys[] = {"schema", "guide", "claims", "switches", NULL};
  const char *schema;
  if (!json_is_object(claims->root))
    return dyno_json_bad(source, "", error, "an object is wanted");
  dyno_status status = dyno_json_text(&schema, claims->root, "", "schema", NULL, source, error);
  if (status == DYNO_OK && strcmp(schema, DYNO_CLAIMS_SCHEMA) != 0)
    return dyno_json_bad(source, "schema", error, "'%.80s': this dyno reads " DYNO_CLAIMS_SCHEMA,
                         schema);
  if (status == DYNO_OK)
    status = dyno_json_check_keys(claims->root, "", keys, source, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&claims->guide, claims->root, "", "guide", NULL, source, error);
  if (status == DYNO_OK)
    status = read_list(claims, source, error);
  return status == DYNO_OK ? read_unclaimed(claims, source, error) : status;
}

dyno_status dyno_claims_read(dyno_claims *claims, const char *path, dyno_error *error)
{
  char *text = NULL;
  json_error_t reason;
  dyno_json_source source = {.path = path};
  *claims = (dyno_claims){0};
  dyno_status status = dyno_file_read(&text, &source.count, path, MOST_FILE_BYTES, error);
  if (status != DYNO_OK)
    return status;
  source.text = text;
  claims->root = json_loadb(text, source.count, JSON_REJECT_DUPLICATES, &reason);
  status = claims->root != NULL ? read_ledger(claims, &source, error)
                                : dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %d: %s", path,
                                            reason.line, reason.text);
  free(text);
  if (status != DYNO_OK)
    dyno_claims_free(claims);
  return status;
}

void dyno_claims_free(dyno_claims *claims)
{
  free(claims->list);
  free(claims->switches);
  json_decref(claims->root);
  *claims = (dyno_claims){0};
}

const dyno_claim *dyno_claims_find(const dyno_claims *claims, const char *id)
{
  for (size_t i = 0; i < claims->count; i++)
    if (strcmp(claims->list[i].id, id) == 0)
      return &claims->list[i];
  return NULL;
}

dyno_status dyno_claims_choose(dyno_claims *claims, const char *list, dyno_error *error)
{
  size_t kept = 0;
  bool wanted[DYNO_CLAIMS_MOST] = {false};
  for (const char *word = list;; word += strcspn(word, ",") + 1) {
    size_t length = strcspn(word, ",");
    char id[MOST_ID + 1];
    snprintf(id, sizeof id, "%.*s", (int)(length < MOST_ID ? length : MOST_ID), word);
    const dyno_claim *found = length <= MOST_ID ? dyno_claims_find(claims, id) : NULL;
    if (found == NULL)
      return dyno_fail(error, DYNO_ERROR_USAGE,
                       "there is no claim '%s'; dyno ablate --list shows them all", id);
    wanted[found - claims->list] = true;
    if (word[length] == '\0')
      break;
  }
  for (size_t i = 0; i < claims->count; i++)
    if (wanted[i])
      claims->list[kept++] = claims->list[i];
  claims->count = kept;
  return DYNO_OK;
}

static bool same_list(const char *const *one, size_t count, const char *const *other,
                      size_t other_count)
{
  bool same = count == other_count;
  for (size_t i = 0; same && i < count; i++)
    same = strcmp(one[i], other[i]) == 0;
  return same;
}

bool dyno_claims_same_pair(const dyno_claim *one, const dyno_claim *other)
{
  const char *cases = one->cases != NULL ? one->cases : "";
  return same_list(one->a, one->a_count, other->a, other->a_count) &&
         same_list(one->b, one->b_count, other->b, other->b_count) &&
         strcmp(cases, other->cases != NULL ? other->cases : "") == 0 &&
         one->tokens == other->tokens && one->longest == other->longest;
}

static bool names_switch(const char *const *list, size_t count, const char *name)
{
  size_t length = strlen(name);
  for (size_t i = 0; i < count; i++)
    if (strncmp(list[i], name, length) == 0 && list[i][length] == '=')
      return true;
  return false;
}

bool dyno_claims_mention_switch(const dyno_claims *claims, const char *name)
{
  for (size_t i = 0; i < claims->count; i++)
    if (names_switch(claims->list[i].a, claims->list[i].a_count, name) ||
        names_switch(claims->list[i].b, claims->list[i].b_count, name))
      return true;
  for (size_t i = 0; i < claims->switch_count; i++)
    if (strcmp(claims->switches[i].name, name) == 0)
      return true;
  return false;
}
