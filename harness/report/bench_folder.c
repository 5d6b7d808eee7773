#include "harness/report/bench_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

dyno_status dyno_bench_folder_open(dyno_bench_folder *folder, const char *path, dyno_error *error)
{
  char *file = NULL;
  json_error_t reason;
  *folder = (dyno_bench_folder){0};
  dyno_status status = dyno_bench_results_read(&folder->results, path, error);
  if (status != DYNO_OK)
    return status;
  if (asprintf(&file, "%s/summary.json", path) < 0)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  folder->summary = json_load_file(file, 0, &reason);
  if (folder->summary == NULL && access(file, R_OK) != 0)
    status = dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                       "%s: it cannot be read; `dyno report` makes it from the raw files", file);
  else if (!json_is_object(folder->summary))
    status = dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: line %d: %s; `dyno report` makes it anew from the raw files", file,
                       folder->summary == NULL ? reason.line : 1,
                       folder->summary == NULL ? reason.text : "no object");
  free(file);
  return status;
}

void dyno_bench_folder_close(dyno_bench_folder *folder)
{
  dyno_bench_results_free(&folder->results);
  json_decref(folder->summary);
  *folder = (dyno_bench_folder){0};
}

double dyno_bench_member(const json_t *object, const char *key)
{
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *dyno_bench_member_text(const json_t *object, const char *key)
{
  return json_string_value(json_object_get(object, key));
}

const json_t *dyno_bench_summary_case(const json_t *summary, const char *name)
{
  const json_t *cases = json_object_get(summary, "cases");
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const char *found = dyno_bench_member_text(json_array_get(cases, i), "name");
    if (found != NULL && strcmp(found, name) == 0)
      return json_array_get(cases, i);
  }
  return NULL;
}

const json_t *dyno_bench_summary_metric(const json_t *summary, const char *case_name,
                                        const char *metric)
{
  const json_t *metrics = json_object_get(dyno_bench_summary_case(summary, case_name), "metrics");
  const json_t *found = json_object_get(metrics, metric);
  return json_is_object(found) ? found : NULL;
}

const char *dyno_bench_row_title(const char *identifier)
{
  static const char *const titles[][2] = {
      {"tokenizer", "Tokenizer"},
      {"embedding", "Embedding lookup"},
      {"attention", "Attention"},
      {"feed_forward", "Feed-forward"},
      {"sampling", "Sampling"},
      {"other", "Other"},
      {"overall", "Overall"},
      {"weights", "Model weights"},
      {"kv", "KV cache"},
      {"hidden_states", "Hidden states"},
      {"caches", "Caches"},
      {"allocator", "Held by allocators"},
      {"total", "Total"},
      {"prefill", "Prefill"},
      {"decode_per_token", "Decode (per token)"},
      {"memory_management", "Memory management"},
  };
  for (size_t i = 0; identifier != NULL && i < sizeof titles / sizeof *titles; i++)
    if (strcmp(titles[i][0], identifier) == 0)
      return titles[i][1];
  return identifier;
}
