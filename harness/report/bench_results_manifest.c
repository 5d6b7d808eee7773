#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_results_internal.h"

enum { MOST_ITERATIONS = 1000000, MOST_THREADS = 65536 };

static void read_protocol(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  dyno_bench_record in = dyno_bench_enter(outer, "protocol");
  manifest->protocol.profile = dyno_bench_need_string(&in, "profile");
  manifest->protocol.warmup = dyno_bench_need_count(&in, "warmup", MOST_ITERATIONS);
  manifest->protocol.iterations = dyno_bench_need_count(&in, "iterations", MOST_ITERATIONS);
  /* A seed of 64 bits may be stored as a negative integer. */
  manifest->protocol.seed = (uint64_t)json_integer_value(json_object_get(in.object, "seed"));
  manifest->protocol.budget_seconds = dyno_bench_number(&in, "budget_seconds");
  manifest->protocol.preset = dyno_bench_string(&in, "preset");
  manifest->protocol.counters =
      dyno_bench_string_list(&in, "counters", &manifest->protocol.counter_count);
}

static void read_build(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  dyno_bench_record in = dyno_bench_enter(outer, "dyno");
  manifest->dyno.version = dyno_bench_string(&in, "version");
  manifest->dyno.commit = dyno_bench_string(&in, "commit");
  manifest->dyno.compiler = dyno_bench_string(&in, "compiler");
  manifest->dyno.flags = dyno_bench_string(&in, "flags");
  manifest->dyno.dirty = dyno_bench_flag(&in, "dirty");
}

static void read_model(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  dyno_bench_record in = dyno_bench_enter(outer, "model");
  manifest->model.name = dyno_bench_need_string(&in, "name");
  manifest->model.path = dyno_bench_string(&in, "path");
  manifest->model.dialect = dyno_bench_string(&in, "dialect");
  manifest->model.fingerprint = dyno_bench_string(&in, "fingerprint");
  manifest->model.file_bytes = dyno_bench_number(&in, "file_bytes");
  manifest->model.parameters = dyno_bench_number(&in, "parameters");
  manifest->model.layers = dyno_bench_number(&in, "layers");
  manifest->model.vocabulary = dyno_bench_number(&in, "vocabulary");
  manifest->model.weight_bytes = dyno_bench_number(&in, "weight_bytes");
  manifest->model.packed_bytes = dyno_bench_number(&in, "packed_bytes");
}

/* Switches are strings, numbers or booleans: whatever is no string is kept as its JSON. */
static const char *keep_value(dyno_bench_record *record, const json_t *value)
{
  if (json_is_string(value))
    return dyno_bench_keep(record, json_string_value(value));
  char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  const char *kept = dyno_bench_keep(record, dumped == NULL ? "" : dumped);
  free(dumped);
  return kept;
}

static void read_features(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  const char *name;
  json_t *value;
  json_t *features = json_object_get(outer->object, "features");
  if (features == NULL || json_is_null(features))
    return;
  dyno_bench_record in = dyno_bench_enter(outer, "features");
  dyno_bench_pair *pair = dyno_bench_array(&in, json_object_size(in.object), sizeof *pair);
  manifest->engine.features = pair;
  json_object_foreach (features, name, value) {
    if (pair == NULL)
      return;
    *pair++ = (dyno_bench_pair){dyno_bench_keep(&in, name), keep_value(&in, value)};
    manifest->engine.feature_count++;
  }
}

static void read_kernels(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  size_t count = dyno_bench_length(outer, "kernels");
  dyno_bench_choice *kernels = dyno_bench_array(outer, count, sizeof *kernels);
  for (size_t i = 0; kernels != NULL && i < count; i++) {
    dyno_bench_record in = dyno_bench_enter_element(outer, "kernels", i);
    kernels[i].purpose = dyno_bench_need_string(&in, "purpose");
    kernels[i].kernel = dyno_bench_need_string(&in, "kernel");
    kernels[i].why = dyno_bench_string(&in, "why");
  }
  manifest->engine.kernels = kernels;
  manifest->engine.kernel_count = kernels == NULL ? 0 : count;
}

static void read_engine(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  dyno_bench_record in = dyno_bench_enter(outer, "engine");
  manifest->engine.threads = (unsigned)dyno_bench_count(&in, "threads", MOST_THREADS);
  manifest->engine.tier = dyno_bench_string(&in, "tier");
  manifest->engine.precision = dyno_bench_string(&in, "precision");
  manifest->engine.pool = dyno_bench_string(&in, "pool");
  manifest->engine.numa = dyno_bench_string(&in, "numa");
  manifest->engine.huge_pages = dyno_bench_string(&in, "huge_pages");
  manifest->engine.logits = dyno_bench_string(&in, "logits");
  manifest->engine.pinned = dyno_bench_flag(&in, "pinned");
  manifest->engine.batch = dyno_bench_number(&in, "batch");
  read_features(manifest, &in);
  read_kernels(manifest, &in);
}

static void read_environment(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  size_t count = dyno_bench_length(outer, "environment");
  dyno_bench_fact *facts = dyno_bench_array(outer, count, sizeof *facts);
  for (size_t i = 0; facts != NULL && i < count; i++) {
    dyno_bench_record in = dyno_bench_enter_element(outer, "environment", i);
    const json_t *value = json_object_get(in.object, "value");
    facts[i].name = dyno_bench_need_string(&in, "name");
    facts[i].value = value == NULL ? "" : keep_value(&in, value);
    facts[i].why = dyno_bench_string(&in, "why");
    facts[i].advice = dyno_bench_string(&in, "advice");
  }
  manifest->environment = facts;
  manifest->fact_count = facts == NULL ? 0 : count;
}

static void read_ceilings(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  dyno_bench_record in = *outer;
  if (json_is_object(json_object_get(outer->object, "ceilings")))
    in = dyno_bench_enter(outer, "ceilings");
  else
    in.object = NULL;
  manifest->ceilings.read_one = dyno_bench_number(&in, "read_one");
  manifest->ceilings.read_all = dyno_bench_number(&in, "read_all");
  manifest->ceilings.mac_i8 = dyno_bench_number(&in, "mac_i8");
  manifest->ceilings.mac_bf16 = dyno_bench_number(&in, "mac_bf16");
  manifest->ceilings.mac_f32 = dyno_bench_number(&in, "mac_f32");
}

static void read_prompts(dyno_bench_case *to, dyno_bench_record *outer)
{
  size_t count = dyno_bench_length(outer, "prompts");
  to->prompts = dyno_bench_array(outer, count, sizeof *to->prompts);
  to->prompt_count = to->prompts == NULL ? 0 : count;
  for (size_t i = 0; i < to->prompt_count; i++) {
    dyno_bench_record in = dyno_bench_enter_element(outer, "prompts", i);
    to->prompts[i].id = dyno_bench_need_string(&in, "id");
    to->prompts[i].prompt_tokens = dyno_bench_count(&in, "prompt_tokens", SIZE_MAX / 2);
    to->prompts[i].output_tokens = dyno_bench_count(&in, "output_tokens", SIZE_MAX / 2);
  }
}

static void read_cache(dyno_bench_manifest *manifest, dyno_bench_record *outer)
{
  dyno_bench_record in = *outer;
  bool there = json_is_object(json_object_get(outer->object, "cache"));
  if (there)
    in = dyno_bench_enter(outer, "cache");
  const struct {
    const char *name;
    double *to;
  } fields[] = {
      {"rows_asked", &manifest->cache.rows_asked},
      {"rows_found", &manifest->cache.rows_found},
      {"tokens_asked", &manifest->cache.tokens_asked},
      {"tokens_found", &manifest->cache.tokens_found},
      {"compressed_asked", &manifest->cache.compressed_asked},
      {"compressed_found", &manifest->cache.compressed_found},
      {"compressed_in_bytes", &manifest->cache.compressed_in_bytes},
      {"compressed_out_bytes", &manifest->cache.compressed_out_bytes},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    *fields[i].to = there ? dyno_bench_number(&in, fields[i].name) : NAN;
}

static void read_case(dyno_bench_manifest *manifest, dyno_bench_record *outer, size_t index)
{
  dyno_bench_record in = dyno_bench_enter_element(outer, "cases", index);
  dyno_bench_case *to = &manifest->cases[index];
  to->name = dyno_bench_need_string(&in, "name");
  to->title = dyno_bench_string(&in, "title");
  if (to->title == NULL)
    to->title = to->name;
  to->guide = dyno_bench_string(&in, "guide");
  to->file = dyno_bench_string(&in, "file");
  to->xxh3 = dyno_bench_string(&in, "xxh3");
  read_prompts(to, &in);
  for (size_t i = 0; i < index; i++)
    if (strcmp(manifest->cases[i].name, to->name) == 0)
      dyno_bench_field_fail(&in, "name", DYNO_ERROR_FORMAT, "\"%.80s\" is there twice", to->name);
}

static void read_cases(dyno_bench_manifest *manifest, dyno_bench_record *record)
{
  enum { MOST_CASES = 4096 };
  size_t count = dyno_bench_length(record, "cases");
  if (count > MOST_CASES)
    dyno_bench_field_fail(record, "cases", DYNO_ERROR_FORMAT, "has %zu elements, more than %d",
                          count, MOST_CASES);
  manifest->cases = dyno_bench_array(record, count, sizeof *manifest->cases);
  for (; manifest->cases != NULL && manifest->case_count < count; manifest->case_count++)
    read_case(manifest, record, manifest->case_count);
}

void dyno_bench_read_manifest(dyno_bench_manifest *manifest, dyno_bench_record *record)
{
  const char *schema = dyno_bench_need_string(record, "schema");
  if (strcmp(schema, DYNO_BENCH_MANIFEST_SCHEMA) != 0)
    dyno_bench_field_fail(
        record, "schema", DYNO_ERROR_FORMAT,
        "\"%.80s\" is not \"" DYNO_BENCH_MANIFEST_SCHEMA "\": use the dyno that wrote it", schema);
  manifest->id = dyno_bench_need_string(record, "id");
  manifest->started = dyno_bench_need_string(record, "started");
  manifest->finished = dyno_bench_string(record, "finished");
  manifest->command = dyno_bench_string_list(record, "command", &manifest->command_count);
  read_build(manifest, record);
  read_protocol(manifest, record);
  read_model(manifest, record);
  read_engine(manifest, record);
  read_environment(manifest, record);
  read_ceilings(manifest, record);
  read_cache(manifest, record);
  read_cases(manifest, record);
}
