#include "config.h"

#include "harness/report/results_manifest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/measure/host.h"
#include "harness/measure/model_fingerprint.h"
#include "harness/measure/switches.h"
#include "harness/report/build_info.h"
#include "harness/report/results_lines.h"
#include "runtime/threads/pool.h"

void dyno_results_format_now(char text[32])
{
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  size_t length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &parts));
  snprintf(text + length, 32 - length, ".%03ldZ", now.tv_nsec / 1000000);
}

static json_t *build_json(void)
{
  dyno_build_info info = dyno_get_build_info();
  return json_pack("{s:s, s:s?, s:b, s:s, s:s}", "version", info.version, "commit",
                   info.commit[0] != '\0' ? info.commit : NULL, "dirty", (int)info.dirty,
                   "compiler", info.compiler, "flags", info.flags);
}

static json_t *command_json(int argc, char *const *argv)
{
  json_t *list = json_array();
  for (int i = 0; i < argc; i++)
    if (json_array_append_new(list, json_string(argv[i])) != 0) {
      json_decref(list);
      return NULL;
    }
  return list;
}

static json_t *protocol_json(const dyno_results_protocol *protocol)
{
  json_t *counters = json_array();
  for (size_t i = 0; i < protocol->counter_count; i++)
    json_array_append_new(counters, json_string(protocol->counters[i]));
  return json_pack("{s:s, s:I, s:I, s:I, s:o, s:s?, s:o, s:o, s:b, s:o*}", "profile",
                   protocol->profile, "warmup", (json_int_t)protocol->warmup, "iterations",
                   (json_int_t)protocol->iterations, "seed", (json_int_t)protocol->seed,
                   "budget_seconds", dyno_results_number(protocol->budget_seconds), "preset",
                   protocol->preset, "counters", counters, "scale",
                   dyno_results_number(protocol->scale), "texts", (int)protocol->texts,
                   "track_quant", protocol->tracked ? json_true() : NULL);
}

static dyno_status model_json(json_t **json, const dyno_results_facts *facts, dyno_error *error)
{
  const dyno_engine *engine = facts->engine;
  const dyno_model_config *config = dyno_engine_config(engine);
  dyno_engine_placement placement = dyno_engine_get_placement(engine);
  char fingerprint[DYNO_RESULTS_HASH_TEXT];
  uint64_t hash;
  dyno_status status = dyno_model_fingerprint(&hash, engine, error);
  if (status != DYNO_OK)
    return status;
  dyno_results_format_hash(fingerprint, hash);
  *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:I}", "name", facts->model,
                    "path", dyno_engine_model_path(engine), "dialect", dyno_engine_dialect(engine),
                    "file_bytes", (json_int_t)dyno_engine_file_bytes(engine), "parameters",
                    (json_int_t)dyno_model_parameters(config), "layers", (json_int_t)config->layers,
                    "vocabulary", (json_int_t)config->vocab, "fingerprint", fingerprint,
                    "weight_bytes", (json_int_t)placement.weights, "packed_bytes",
                    (json_int_t)dyno_engine_packed_bytes(engine));
  return DYNO_OK;
}

static void add_choice(void *context, const char *purpose, const dyno_choice *choice)
{
  json_array_append_new(context, json_pack("{s:s, s:s, s:s}", "purpose", purpose, "kernel",
                                           choice->kernel->name, "why", choice->reason));
}

/* A switch as it would be set; NULL when its default cannot be spelled. */
static json_t *switch_json(const dyno_engine_options *options, const char *name)
{
  const dyno_settings settings = {.engine = *options};
  char text[DYNO_SWITCH_TEXT];
  return dyno_switch_find(name)->get(&settings, 0, text) ? json_string(text) : NULL;
}

/* Every switch, by the name of its option. */
static json_t *features_json(const dyno_engine_options *options, const json_t *common)
{
  bool caches = options->cache.levels != 0;
  return json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:s, s:s, s:s, s:o*, s:o*, s:o*}", "precision",
                   json_object_get(common, "precision"), "pool", json_object_get(common, "pool"),
                   "numa", json_object_get(common, "numa"), "huge-pages",
                   json_object_get(common, "huge_pages"), "logits",
                   json_object_get(common, "logits"), "batch", json_object_get(common, "batch"),
                   "quant", options->quant != NULL ? options->quant : "off", "rope",
                   options->rope_ggml ? "ggml" : "reference", "tuned",
                   options->registry.tuned_path != NULL ? options->registry.tuned_path : "off",
                   "cache", switch_json(options, "cache"), "cache-size",
                   caches ? switch_json(options, "cache-size") : NULL, "cache-threshold",
                   caches ? switch_json(options, "cache-threshold") : NULL);
}

static const char *huge_pages_name(dyno_huge_pages which)
{
  return which == DYNO_HUGE_PAGES_BACKGROUND   ? "background"
         : which == DYNO_HUGE_PAGES_KEEP_CACHE ? "keep-cache"
         : which == DYNO_HUGE_PAGES_OFF        ? "off"
                                               : "load";
}

static json_t *engine_json(const dyno_results_facts *facts)
{
  const dyno_engine_options *options = facts->options;
  dyno_engine_placement placement = dyno_engine_get_placement(facts->engine);
  json_t *kernels = json_array();
  dyno_engine_for_each_choice(facts->engine, add_choice, kernels);
  json_t *json = json_pack(
      "{s:I, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:o}", "threads",
      (json_int_t)dyno_engine_threads(facts->engine), "tier",
      dyno_isa_name(dyno_registry_isa(dyno_engine_registry(facts->engine))), "precision",
      options->precision == DYNO_PRECISION_REFERENCE ? "reference" : "fast", "pool",
      dyno_pool_kind_name(placement.pool), "pinned", (int)placement.pinned, "numa",
      options->numa == DYNO_NUMA_OFF ? "off" : "rows", "huge_pages",
      huge_pages_name(options->huge_pages), "logits",
      options->logits == DYNO_LOGITS_TWO_STAGE ? "two-stage" : "full", "batch",
      (json_int_t)(options->batch > 0 ? options->batch : DYNO_DEFAULT_BATCH), "kernels", kernels);
  if (json != NULL && json_object_set_new(json, "features", features_json(options, json)) != 0) {
    json_decref(json);
    return NULL;
  }
  return json;
}

static json_t *ceilings_json(const dyno_results_facts *facts)
{
  const double *mac = facts->ceilings->mac_one;
  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "read_one", dyno_results_number(facts->read_one),
                   "read_all", dyno_results_number(facts->read_all), "mac_i8",
                   dyno_results_number(mac[DYNO_CEILING_MAC_I8]), "mac_bf16",
                   dyno_results_number(mac[DYNO_CEILING_MAC_BF16]), "mac_f32",
                   dyno_results_number(mac[DYNO_CEILING_MAC_F32]));
}

static json_t *environment_json(const dyno_environment *environment)
{
  json_t *list = json_array();
  for (size_t i = 0; environment != NULL && i < environment->count; i++) {
    const dyno_finding *item = &environment->items[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?, s:s}", "name", item->name, "value",
                                          item->value, "why", item->why, "advice",
                                          item->advice[0] != '\0' ? item->advice : NULL, "severity",
                                          dyno_severity_name(item->severity)));
  }
  return list;
}

static json_t *cases_json(const dyno_results_facts *facts)
{
  json_t *list = json_array();
  const dyno_bench_work *work = facts->works->works;
  for (size_t i = 0; i < facts->cases->count; i++) {
    const dyno_testcase *from = &facts->cases->cases[i];
    char hash[DYNO_RESULTS_HASH_TEXT];
    json_t *prompts = json_array();
    dyno_results_format_hash(hash, from->hash);
    for (size_t j = 0; j < from->prompt_count; j++, work++)
      json_array_append_new(prompts, json_pack("{s:s, s:I, s:I}", "id", work->prompt->id,
                                               "prompt_tokens", (json_int_t)work->prompt_tokens,
                                               "output_tokens", (json_int_t)work->trace.count));
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", from->name,
                                          "title", from->title, "guide", from->guide, "file",
                                          from->file, "xxh3", hash, "prompts", prompts));
  }
  return list;
}

dyno_status dyno_results_manifest_make(json_t **manifest, const dyno_results_facts *facts,
                                       dyno_error *error)
{
  char now[32];
  json_t *model;
  char host[DYNO_HOST_NAME];
  dyno_cpu cpu;
  *manifest = NULL;
  dyno_status status = model_json(&model, facts, error);
  if (status != DYNO_OK)
    return status;
  dyno_results_format_now(now);
  dyno_host_name(host);
  dyno_cpu_detect(&cpu);
  *manifest = json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                        "schema", "dyno.bench.manifest/1", "id", facts->id, "host", host,
                        "processor", cpu.name, "started", now, "finished", "dyno", build_json(),
                        "command", command_json(facts->argc, facts->argv), "protocol",
                        protocol_json(&facts->protocol), "model", model, "engine",
                        engine_json(facts), "environment", environment_json(facts->environment),
                        "ceilings", ceilings_json(facts), "cases", cases_json(facts));
  return *manifest != NULL ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "manifest.json: out of memory");
}

/* Whether two runs can be one */

static void print_value(char text[128], const json_t *value)
{
  char *dumped = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  snprintf(text, 128, "%.100s", dumped != NULL ? dumped : "nothing");
  free(dumped);
}

static bool find_difference(char path[256], const json_t **then, const json_t **now);

static bool find_element(char path[256], const json_t **then, const json_t **now)
{
  const json_t *old = *then, *new = *now;
  size_t length = strlen(path);
  for (size_t i = 0; i < json_array_size(new); i++) {
    *then = json_array_get(old, i);
    *now = json_array_get(new, i);
    snprintf(path + length, 256 - length, "[%zu]", i);
    if (find_difference(path, then, now))
      return true;
  }
  path[length] = '\0';
  return false;
}

/* Finds the first field in which two values differ, and appends its name to path. */
static bool find_difference(char path[256], const json_t **then, const json_t **now)
{
  size_t length = strlen(path);
  const char *key;
  json_t *value;
  if (json_is_array(*then) && json_is_array(*now) &&
      json_array_size(*then) == json_array_size(*now))
    return find_element(path, then, now);
  if (*then == NULL || *now == NULL || json_typeof(*then) != json_typeof(*now) ||
      !json_is_object(*then))
    return !json_equal(*then, *now);
  const json_t *old = *then, *new = *now;
  json_object_foreach ((json_t *)new, key, value) {
    if (strcmp(key, "file") == 0) /* the same case in another place */
      continue;
    *then = json_object_get(old, key);
    *now = value;
    snprintf(path + length, 256 - length, ".%.60s", key);
    if (find_difference(path, then, now))
      return true;
  }
  path[length] = '\0';
  return false;
}

dyno_status dyno_results_manifest_same(const json_t *then, const json_t *now, dyno_error *error)
{
  static const char *const fields[][2] = {
      {"dyno", "version"},   {"dyno", "commit"}, {"model", "fingerprint"}, {"protocol", NULL},
      {"engine", "threads"}, {"engine", "tier"}, {"engine", "precision"},  {"engine", "features"},
      {"engine", "kernels"}, {"cases", NULL},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    char path[256], old_text[128], new_text[128];
    const json_t *old = json_object_get(then, fields[i][0]);
    const json_t *new = json_object_get(now, fields[i][0]);
    snprintf(path, sizeof path, "%s", fields[i][0]);
    if (fields[i][1] != NULL) {
      snprintf(path, sizeof path, "%s.%s", fields[i][0], fields[i][1]);
      old = json_object_get(old, fields[i][1]);
      new = json_object_get(new, fields[i][1]);
    }
    if (!find_difference(path, &old, &new))
      continue;
    print_value(old_text, old);
    print_value(new_text, new);
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "the run cannot be gone on with: %s was %s and is %s now; begin a new one",
                     path, old_text, new_text);
  }
  return DYNO_OK;
}

json_t *dyno_results_cache(const dyno_engine *engine)
{
  const dyno_cache_statistics now = dyno_engine_get_cache(engine);
  const dyno_cache_compressed *below = &now.compressed;
  const struct {
    const char *key;
    uint64_t value;
  } fields[] = {
      {"limit_bytes", now.account.limit},
      {"used_bytes", now.account.used},
      {"peak_bytes", now.account.peak},
      {"rows_asked", now.rows.lookups},
      {"rows_found", now.rows.hits},
      {"tokens_asked", now.prefixes.asked},
      {"tokens_found", now.prefixes.found},
      {"nodes_inserted", now.prefixes.inserted},
      {"nodes_evicted", now.prefixes.evicted},
      {"compressed_asked", below->asked},
      {"compressed_found", now.prefixes.restored},
      {"compressed_in_bytes", below->compressed_in},
      {"compressed_out_bytes", below->compressed_out},
      {"blocks_moved", now.blocks.moved},
  };
  if (now.account.limit == 0)
    return json_null();
  json_t *json = json_object();
  for (size_t i = 0; i < sizeof fields / sizeof *fields && json != NULL; i++)
    if (json_object_set_new(json, fields[i].key, json_integer((json_int_t)fields[i].value)) != 0) {
      json_decref(json);
      return NULL;
    }
  return json;
}
