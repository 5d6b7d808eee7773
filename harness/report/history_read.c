#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/report/bench_folder.h"
#include "harness/report/history.h"

static dyno_status out_of_memory(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the history of runs");
}

static const json_t *at(const json_t *object, const char *outer, const char *inner)
{
  return json_object_get(json_object_get(object, outer), inner);
}

static const char *text(const json_t *value)
{
  const char *found = json_string_value(value);
  return found != NULL ? found : "";
}

/* The reference of a value, or null where there is none. */
static json_t *or_null(const json_t *value)
{
  return value != NULL ? json_incref((json_t *)(uintptr_t)value) : json_null();
}

static dyno_status read_file(json_t **root, const char *path, dyno_error *error)
{
  json_error_t reason;
  FILE *file = fopen(path, "re");
  *root = NULL;
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO, "%s: %m", path);
  *root = json_loadf(file, 0, &reason);
  fclose(file);
  return *root != NULL
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%d: %s", path, reason.line, reason.text);
}

/* Adds the mean of the rates; without one of them there is none. */
static bool add_mean(json_t *rates)
{
  double sum = 0;
  const char *name;
  json_t *value;
  size_t count = json_object_size(rates);
  json_object_foreach (rates, name, value)
    sum += log(json_is_number(value) ? json_number_value(value) : (double)NAN);
  double mean = exp(sum / (double)count);
  return json_object_set_new(rates, "geometric mean",
                             count > 0 && isfinite(mean) ? json_real(mean) : json_null()) == 0;
}

/* Takes over the conditions and rates. */
static dyno_status add_run(dyno_history *history, const char *path, dyno_history_run run,
                           dyno_error *error)
{
  dyno_history_run *longer =
      realloc(history->runs, (history->run_count + 1) * sizeof *history->runs);
  bool fine = longer != NULL && run.conditions != NULL && run.rates != NULL && add_mean(run.rates);
  if (longer != NULL)
    history->runs = longer;
  run.path = strdup(path);
  run.started = strdup(run.started);
  run.commit = strdup(run.commit);
  if (fine && run.path != NULL && run.started != NULL && run.commit != NULL) {
    history->runs[history->run_count++] = run;
    return DYNO_OK;
  }
  free(run.path);
  free(run.started);
  free(run.commit);
  json_decref(run.conditions);
  json_decref(run.rates);
  return out_of_memory(error);
}

/* A benchmark's folder */

/* Runs of before the manifest named its host have it in their id: time-host-commit. */
static json_t *host_of(const json_t *manifest)
{
  const char *id = text(json_object_get(manifest, "id"));
  const char *first = strchr(id, '-'), *last = strrchr(id, '-');
  const char *second = first != NULL ? strchr(first + 1, '-') : NULL;
  const json_t *named = json_object_get(manifest, "host");
  if (json_is_string(named))
    return or_null(named);
  /* 20251123-021500-host-f457fa1 */
  if (second != NULL && second < last)
    return json_stringn(second + 1, (size_t)(last - second - 1));
  return json_null();
}

static json_t *case_contents(const json_t *manifest)
{
  json_t *cases = json_object();
  const json_t *list = json_object_get(manifest, "cases");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *one = json_array_get(list, i);
    json_object_set_new(cases, text(json_object_get(one, "name")),
                        or_null(json_object_get(one, "xxh3")));
  }
  return cases;
}

static json_t *bench_conditions(const json_t *manifest)
{
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", "bench", "host",
                   host_of(manifest), "processor", or_null(json_object_get(manifest, "processor")),
                   "model", or_null(at(manifest, "model", "name")), "fingerprint",
                   or_null(at(manifest, "model", "fingerprint")), "threads",
                   or_null(at(manifest, "engine", "threads")), "tier",
                   or_null(at(manifest, "engine", "tier")), "switches",
                   or_null(at(manifest, "engine", "features")), "profile",
                   or_null(at(manifest, "protocol", "profile")), "cases", case_contents(manifest));
}

static json_t *bench_rates(const json_t *summary, const char *metric)
{
  json_t *rates = json_object();
  const json_t *cases = json_object_get(summary, "cases");
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const char *name = text(json_object_get(json_array_get(cases, i), "name"));
    double median = dyno_bench_member(dyno_bench_summary_metric(summary, name, metric), "median");
    json_object_set_new(rates, name, median > 0 ? json_real(median) : json_null());
  }
  return rates;
}

static dyno_status take_folder(dyno_history *history, const char *path, const json_t *manifest,
                               const json_t *summary, dyno_error *error)
{
  const char *started = json_string_value(json_object_get(manifest, "started"));
  if (started == NULL || !json_is_array(json_object_get(summary, "cases")))
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: manifest.json has no time, or summary.json no "
                     "cases; `dyno report` makes a summary anew",
                     path);
  if (!json_is_true(json_object_get(summary, "complete")))
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: the run is not complete (dyno bench --resume goes on with it)", path);
  return add_run(
      history, path,
      (dyno_history_run){.started = (char *)(uintptr_t)started,
                         .commit = (char *)(uintptr_t)text(at(manifest, "dyno", "commit")),
                         .dirty = json_is_true(at(manifest, "dyno", "dirty")),
                         .conditions = bench_conditions(manifest),
                         .rates = bench_rates(summary, history->options.metric)},
      error);
}

static dyno_status read_folder(dyno_history *history, const char *path, dyno_error *error)
{
  json_t *manifest = NULL, *summary = NULL;
  char *manifest_path = NULL, *summary_path = NULL;
  dyno_status status = DYNO_OK;
  if (asprintf(&manifest_path, "%s/manifest.json", path) < 0 ||
      asprintf(&summary_path, "%s/summary.json", path) < 0)
    return out_of_memory(error);
  status = read_file(&manifest, manifest_path, error);
  if (status == DYNO_OK)
    status = read_file(&summary, summary_path, error);
  if (status == DYNO_OK)
    status = take_folder(history, path, manifest, summary, error);
  json_decref(manifest);
  json_decref(summary);
  free(manifest_path);
  free(summary_path);
  return status;
}

/* A gate's file */

static json_t *gate_rates(const json_t *root)
{
  json_t *rates = json_object();
  const json_t *series = json_object_get(root, "series");
  for (size_t i = 0; i < json_array_size(series); i++) {
    const json_t *one = json_array_get(series, i);
    double rate = dyno_bench_member(one, "tokens_per_second");
    if (rate > 0)
      json_object_set_new(rates, text(json_object_get(one, "name")), json_real(rate));
  }
  return rates;
}

static json_t *gate_conditions(const json_t *root, const json_t *arm, const json_t *rates)
{
  json_t *cases = json_array();
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)rates, name, value)
    json_array_append_new(cases, json_string(name));
  return json_pack(
      "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", "gate", "host",
      or_null(json_object_get(root, "host")), "processor",
      or_null(json_object_get(root, "processor")), "model", or_null(json_object_get(arm, "model")),
      "fingerprint", or_null(json_object_get(arm, "file_bytes")), "threads",
      or_null(json_object_get(arm, "threads")), "tier", or_null(json_object_get(arm, "tier")),
      "switches", or_null(json_object_get(arm, "switches")), "cases", cases);
}

/* Arm B is what was new. */
static dyno_status take_gate(dyno_history *history, const char *path, const json_t *root,
                             dyno_error *error)
{
  const json_t *arm = json_array_get(json_object_get(root, "arms"), 1);
  const char *started = json_string_value(json_object_get(root, "started"));
  if (strcmp(history->options.metric, "decode_tps") != 0)
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED, "%s: a gate has speeds of decoding only", path);
  json_t *rates = gate_rates(root);
  if (started == NULL || arm == NULL || json_object_size(rates) == 0) {
    json_decref(rates);
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: a gate without speeds, or without its time",
                     path);
  }
  return add_run(
      history, path,
      (dyno_history_run){.started = (char *)(uintptr_t)started,
                         .commit = (char *)(uintptr_t)text(json_object_get(arm, "commit")),
                         .dirty = json_is_true(json_object_get(arm, "dirty")),
                         .conditions = gate_conditions(root, arm, rates),
                         .rates = rates},
      error);
}

static dyno_status read_gate(dyno_history *history, const char *path, dyno_error *error)
{
  json_t *root;
  dyno_status status = read_file(&root, path, error);
  if (status != DYNO_OK)
    return status;
  if (strcmp(text(json_object_get(root, "schema")), "dyno.gate/1") == 0)
    status = take_gate(history, path, root, error);
  else
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s: no result of dyno gate (schema dyno.gate/1)",
                       path);
  json_decref(root);
  return status;
}

/* A folder of results */

/* The path is taken over. */
static dyno_status leave_out(dyno_history *history, char *path, const dyno_error *why,
                             dyno_error *error)
{
  dyno_history_left_out *longer =
      realloc(history->left_out, (history->left_out_count + 1) * sizeof *history->left_out);
  char *reason = strdup(why->message);
  if (longer != NULL)
    history->left_out = longer;
  if (longer == NULL || reason == NULL) {
    free(path);
    free(reason);
    return out_of_memory(error);
  }
  longer[history->left_out_count++] = (dyno_history_left_out){path, reason};
  return DYNO_OK;
}

static bool is_there(const char *folder, const char *name)
{
  char *path;
  struct stat file;
  bool found = asprintf(&path, "%s/%s", folder, name) >= 0 && stat(path, &file) == 0;
  free(path);
  return found;
}

/* Whether an entry of a folder looks like a result at all. */
static bool is_result(const char *path)
{
  struct stat file;
  size_t length = strlen(path);
  if (stat(path, &file) != 0)
    return false;
  if (S_ISDIR(file.st_mode))
    return is_there(path, "manifest.json");
  return length > 5 && strcmp(path + length - 5, ".json") == 0;
}

static dyno_status read_all(dyno_history *history, const char *path, DIR *folder, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (struct dirent *entry; status == DYNO_OK && (entry = readdir(folder)) != NULL;) {
    char *inner;
    dyno_error why = {0};
    if (entry->d_name[0] == '.')
      continue;
    if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0)
      return out_of_memory(error);
    if (is_result(inner) && dyno_history_read(history, inner, &why) != DYNO_OK)
      status = why.status == DYNO_ERROR_MEMORY ? out_of_memory(error)
                                               : leave_out(history, strdup(inner), &why, error);
    free(inner);
  }
  return status;
}

dyno_status dyno_history_read(dyno_history *history, const char *path, dyno_error *error)
{
  struct stat file;
  if (stat(path, &file) != 0)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO, "%s: %m", path);
  if (!S_ISDIR(file.st_mode))
    return read_gate(history, path, error);
  if (is_there(path, "manifest.json"))
    return read_folder(history, path, error);
  DIR *folder = opendir(path);
  if (folder == NULL)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", path);
  dyno_status status = read_all(history, path, folder, error);
  closedir(folder);
  return status;
}
