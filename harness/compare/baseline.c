#include "harness/compare/baseline.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/host.h"
#include "kernels/base/atomic_file.h"
#include "kernels/base/cpu.h"

static const char schema[] = "dyno.baseline/1";

/* What has to be the same: name and value. The reference is new. */
static json_t *conditions(const dyno_comparison *c)
{
  const dyno_arm_facts *facts = &c->facts[1];
  char host[DYNO_HOST_NAME];
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  dyno_host_name(host);
  return json_pack("{s:s, s:s, s:f, s:s, s:i, s:I, s:I, s:s}", "host", host, "processor", cpu.name,
                   "model_bytes", facts->file_bytes, "tier", facts->tier, "threads",
                   (int)facts->threads, "batch", (json_int_t)facts->batch, "tokens",
                   (json_int_t)c->options.workload.steps, "switches", facts->switches);
}

static double median_of(const dyno_series *series)
{
  double *copy = malloc((series->count + 1) * sizeof *copy);
  if (copy == NULL || series->count == 0) {
    free(copy);
    return NAN;
  }
  memcpy(copy, series->values, series->count * sizeof *copy);
  double median = dyno_median(copy, series->count);
  free(copy);
  return median;
}

static json_t *cases_json(const dyno_comparison *c)
{
  json_t *cases = json_object();
  for (size_t i = 0; i < c->case_count; i++) {
    double seconds = median_of(&c->cases[i].step[1]);
    json_object_set_new(cases, c->cases[i].workload->name,
                        json_pack("{s:o, s:I, s:I}", "seconds",
                                  isfinite(seconds) ? json_real(seconds) : json_null(), "rounds",
                                  (json_int_t)c->cases[i].step[1].count, "prompt_tokens",
                                  (json_int_t)c->cases[i].workload->prompt));
  }
  return cases;
}

dyno_status dyno_baseline_write(const dyno_comparison *comparison, const char *path,
                                dyno_error *error)
{
  dyno_atomic_file file;
  json_t *root =
      json_pack("{s:s, s:s, s:o, s:o}", "schema", schema, "version", comparison->facts[1].version,
                "conditions", conditions(comparison), "cases", cases_json(comparison));
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a baseline");
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status == DYNO_OK) {
    if (json_dumpf(root, file.stream, JSON_INDENT(2)) == 0 && fputc('\n', file.stream) != EOF)
      status = dyno_atomic_file_commit(&file, error);
    else {
      status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot be written: %m", path);
      dyno_atomic_file_discard(&file);
    }
  }
  json_decref(root);
  return status;
}

dyno_status dyno_baseline_read(dyno_baseline *baseline, const char *path, dyno_error *error)
{
  json_error_t reason;
  *baseline = (dyno_baseline){0};
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: the baseline: %m", path);
  json_t *root = json_loadf(file, 0, &reason);
  fclose(file);
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%d: %s", path, reason.line, reason.text);
  const char *found = json_string_value(json_object_get(root, "schema"));
  if (found == NULL || strcmp(found, schema) != 0 ||
      !json_is_object(json_object_get(root, "conditions")) ||
      !json_is_object(json_object_get(root, "cases"))) {
    json_decref(root);
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: is no baseline (schema, conditions and cases are wanted)", path);
  }
  baseline->root = root;
  return DYNO_OK;
}

static dyno_status check_conditions(const json_t *stored, const dyno_comparison *comparison,
                                    dyno_error *error)
{
  json_t *now = conditions(comparison), *value;
  const char *key;
  dyno_status status = DYNO_OK;
  if (now == NULL)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "the conditions of now cannot be told");
  json_object_foreach (now, key, value) {
    json_t *before = json_object_get(stored, key);
    if (json_equal(before, value) != 0)
      continue;
    char *was = before == NULL ? NULL : json_dumps(before, JSON_ENCODE_ANY);
    char *is = json_dumps(value, JSON_ENCODE_ANY);
    status = dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                       "the baseline was made under other conditions: %s was %s and is %s", key,
                       was == NULL ? "not stored" : was, is == NULL ? "unknown" : is);
    free(was);
    free(is);
    break;
  }
  json_decref(now);
  return status;
}

double dyno_baseline_seconds(const dyno_baseline *baseline, const char *name)
{
  const json_t *one = json_object_get(json_object_get(baseline->root, "cases"), name);
  const json_t *seconds = json_object_get(one, "seconds");
  double value = json_is_number(seconds) ? json_number_value(seconds) : (double)NAN;
  return value > 0 ? value : (double)NAN;
}

/* Another prompt is another depth. */
static dyno_status check_case(const dyno_baseline *baseline, const dyno_compare_workload *workload,
                              dyno_error *error)
{
  const json_t *one = json_object_get(json_object_get(baseline->root, "cases"), workload->name);
  json_int_t prompt = json_integer_value(json_object_get(one, "prompt_tokens"));
  if (!isfinite(dyno_baseline_seconds(baseline, workload->name)))
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "the baseline has no case '%s'",
                     workload->name);
  if (prompt != (json_int_t)workload->prompt)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "the baseline was made under other conditions: the prompt of '%s' had "
                     "%lld tokens and has %zu",
                     workload->name, (long long)prompt, workload->prompt);
  return DYNO_OK;
}

dyno_status dyno_baseline_check(const dyno_baseline *baseline, const dyno_comparison *comparison,
                                dyno_error *error)
{
  dyno_status status =
      check_conditions(json_object_get(baseline->root, "conditions"), comparison, error);
  for (size_t i = 0; i < comparison->case_count && status == DYNO_OK; i++)
    status = check_case(baseline, comparison->cases[i].workload, error);
  return status;
}

void dyno_baseline_free(dyno_baseline *baseline)
{
  json_decref(baseline->root);
  baseline->root = NULL;
}
