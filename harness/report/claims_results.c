#include "config.h"

#include "harness/report/claims_results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "harness/measure/model_fingerprint.h"
#include "harness/report/build_info.h"
#include "harness/report/results_lines.h"
#include "harness/report/results_manifest.h"
#include "kernels/base/cpu.h"

static const char schema[] = "dyno.ablate/1";

static json_t *machine_json(const dyno_claims_conditions *conditions)
{
  struct utsname host;
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  if (uname(&host) != 0)
    strcpy(host.release, "unknown");
  double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  return json_pack("{s:s, s:s, s:o, s:i, s:s, s:o, s:o}", "processor", cpu.name, "kernel",
                   host.release, "memory_bytes", dyno_results_number(memory), "threads",
                   (int)dyno_engine_threads(conditions->engine), "tier",
                   dyno_isa_name(dyno_registry_isa(dyno_engine_registry(conditions->engine))),
                   "read_one", dyno_results_number(conditions->read_one), "read_all",
                   dyno_results_number(conditions->read_all));
}

static json_t *command_json(const dyno_claims_conditions *conditions)
{
  json_t *list = json_array();
  for (int i = 0; i < conditions->argc; i++)
    json_array_append_new(list, json_string(conditions->argv[i]));
  return list;
}

dyno_status dyno_claims_manifest(json_t **manifest, const dyno_claims_conditions *conditions,
                                 dyno_error *error)
{
  const dyno_engine *engine = conditions->engine;
  const dyno_model_config *config = dyno_engine_config(engine);
  dyno_build_info build = dyno_get_build_info();
  char now[32], text[DYNO_RESULTS_HASH_TEXT];
  uint64_t fingerprint;
  *manifest = NULL;
  dyno_status status = dyno_model_fingerprint(&fingerprint, engine, error);
  if (status != DYNO_OK)
    return status;
  dyno_results_format_now(now);
  dyno_results_format_hash(text, fingerprint);
  *manifest = json_pack("{s:s, s:s, s:{s:s, s:I, s:I, s:I, s:s}, s:{s:s, s:s, s:b}, s:o, s:o}",
                        "schema", schema, "started", now, "model", "name", conditions->model,
                        "file_bytes", (json_int_t)dyno_engine_file_bytes(engine), "parameters",
                        (json_int_t)dyno_model_parameters(config), "layers",
                        (json_int_t)config->layers, "fingerprint", text, "dyno", "version",
                        build.version, "commit", build.commit, "dirty", (int)build.dirty, "machine",
                        machine_json(conditions), "command", command_json(conditions));
  return *manifest != NULL ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "manifest.json: out of memory");
}

static const json_t *find(const json_t *manifest, const char *group, const char *name)
{
  return json_object_get(json_object_get(manifest, group), name);
}

dyno_status dyno_claims_manifest_same(const json_t *then, const json_t *now, dyno_error *error)
{
  static const char *const fields[][2] = {
      {"model", "fingerprint"}, {"dyno", "version"},    {"dyno", "commit"},
      {"machine", "processor"}, {"machine", "threads"}, {"machine", "tier"},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const json_t *old = find(then, fields[i][0], fields[i][1]);
    const json_t *new = find(now, fields[i][0], fields[i][1]);
    if (json_equal(old, new))
      continue;
    char *was = json_dumps(old, JSON_ENCODE_ANY), *is = json_dumps(new, JSON_ENCODE_ANY);
    dyno_fail(error, DYNO_ERROR_USAGE,
              "the run cannot be gone on with: its %s.%s was %s and is %s now; begin a new one in "
              "another folder",
              fields[i][0], fields[i][1], was != NULL ? was : "nothing",
              is != NULL ? is : "nothing");
    free(was);
    free(is);
    return DYNO_ERROR_USAGE;
  }
  return DYNO_OK;
}

dyno_status dyno_claims_run_make(dyno_claims_run *run, const dyno_claims *claims, json_t *manifest,
                                 dyno_error *error)
{
  *run = (dyno_claims_run){.claims = claims, .manifest = manifest};
  run->figures = calloc(claims->count + 1, sizeof *run->figures);
  if (run->figures == NULL) {
    dyno_claims_run_free(run);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  }
  for (size_t i = 0; i < claims->count; i++)
    run->figures[i] = DYNO_CLAIM_FIGURE_NONE;
  return DYNO_OK;
}

void dyno_claims_run_free(dyno_claims_run *run)
{
  json_decref(run->manifest);
  free(run->figures);
  *run = (dyno_claims_run){0};
}

dyno_status dyno_claims_run_read(dyno_claims_run *run, const dyno_claims *claims,
                                 const char *folder, dyno_error *error)
{
  dyno_results_folder opened = {.descriptor = -1};
  dyno_results_log log = {.file = -1};
  json_t *manifest = NULL;
  *run = (dyno_claims_run){0};
  dyno_status status = dyno_results_folder_open(&opened, folder, error);
  if (status == DYNO_OK)
    status = dyno_results_read_object(&manifest, &opened, "manifest.json", error);
  const char *found = json_string_value(json_object_get(manifest, "schema"));
  if (status == DYNO_OK && (found == NULL || strcmp(found, schema) != 0))
    status =
        dyno_fail(error, DYNO_ERROR_FORMAT, "%s/manifest.json: schema: '%.60s': this dyno reads %s",
                  folder, found != NULL ? found : "", schema);
  if (status == DYNO_OK)
    status = dyno_claims_run_make(run, claims, json_incref(manifest), error);
  if (status == DYNO_OK)
    status = dyno_results_log_open(&log, &opened, DYNO_CLAIMS_FILE, DYNO_GO_ON_WITH_CLAIMS,
                                   dyno_claims_run_add, run, error);
  json_decref(manifest);
  dyno_results_log_close(&log);
  dyno_results_folder_close(&opened);
  if (status != DYNO_OK)
    dyno_claims_run_free(run);
  return status;
}

/* Lines */

static const char *const state_names[] = {"pending", "measured", "untestable"};

static double number(const json_t *line, const char *key)
{
  const json_t *value = json_object_get(line, key);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

bool dyno_claims_run_add(void *run, const json_t *line)
{
  dyno_claims_run *self = run;
  const char *id = json_string_value(json_object_get(line, "claim"));
  const char *entry = json_string_value(json_object_get(line, "entry"));
  const char *state = json_string_value(json_object_get(line, "state"));
  const char *reason = json_string_value(json_object_get(line, "reason"));
  const dyno_claim *claim = id != NULL ? dyno_claims_find(self->claims, id) : NULL;
  char hash[DYNO_RESULTS_HASH_TEXT];
  if (claim == NULL || entry == NULL || state == NULL)
    return true;
  dyno_results_format_hash(hash, claim->hash);
  if (strcmp(hash, entry) != 0)
    return true;
  dyno_claim_figure *figure = &self->figures[claim - self->claims->list];
  *figure = DYNO_CLAIM_FIGURE_NONE;
  for (int i = DYNO_FIGURE_MEASURED; i <= DYNO_FIGURE_UNTESTABLE; i++)
    if (strcmp(state, state_names[i]) == 0)
      figure->state = (dyno_figure_state)i;
  figure->value = number(line, "value");
  figure->low = number(line, "low");
  figure->high = number(line, "high");
  figure->control_low = number(line, "control_low");
  figure->control_high = number(line, "control_high");
  figure->nats = number(line, "kl_nats");
  figure->seconds = number(line, "seconds");
  figure->samples = (size_t)fmax(number(line, "samples"), 0);
  snprintf(figure->reason, sizeof figure->reason, "%s", reason != NULL ? reason : "");
  return true;
}

json_t *dyno_claims_line(const dyno_claim *claim, const dyno_claim_figure *figure)
{
  char now[32], hash[DYNO_RESULTS_HASH_TEXT];
  dyno_results_format_now(now);
  dyno_results_format_hash(hash, claim->hash);
  return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:s}",
                   "claim", claim->id, "entry", hash, "state", state_names[figure->state], "value",
                   dyno_results_number(figure->value), "low", dyno_results_number(figure->low),
                   "high", dyno_results_number(figure->high), "unit",
                   dyno_claim_unit_name(claim->unit), "samples", (json_int_t)figure->samples,
                   "control_low", dyno_results_number(figure->control_low), "control_high",
                   dyno_results_number(figure->control_high), "kl_nats",
                   dyno_results_number(figure->nats), "seconds",
                   dyno_results_number(figure->seconds), "reason", figure->reason, "when", now);
}

double dyno_claims_run_seconds(const dyno_claims_run *run)
{
  const dyno_claims *claims = run->claims;
  double seconds = 0;
  for (size_t i = 0; i < claims->count; i++) {
    bool counted = run->figures[i].state == DYNO_FIGURE_PENDING;
    for (size_t j = 0; j < i && !counted; j++)
      counted = dyno_claims_same_pair(&claims->list[j], &claims->list[i]) &&
                run->figures[j].state != DYNO_FIGURE_PENDING;
    if (!counted && isfinite(run->figures[i].seconds))
      seconds += run->figures[i].seconds;
  }
  return seconds;
}
