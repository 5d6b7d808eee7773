#include "harness/report/history_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/table.h"

/* ---- what a group is ---- */

static void print_value(FILE *stream, const json_t *value)
{
  if (json_is_string(value))
    fputs(json_string_value(value), stream);
  else
    json_dumpf(value, stream, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
}

static bool differs(const dyno_history *history, const char *outer, const char *key,
                    const json_t *value)
{
  for (size_t i = 0; i < history->group_count; i++) {
    const json_t *object = history->groups[i].conditions;
    if (outer != NULL)
      object = json_object_get(object, outer);
    if (!json_equal(json_object_get(object, key), value))
      return true;
  }
  return false;
}

/* ", key value" for every condition that is not the same in all groups. */
static void print_differences(FILE *stream, const dyno_history *history, const char *outer,
                              const json_t *object)
{
  static const char *const told[] = {"kind", "model", "host", "processor", "threads", "tier"};
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
    bool known = false;
    for (size_t i = 0; outer == NULL && i < sizeof told / sizeof *told; i++)
      known = known || strcmp(told[i], key) == 0;
    if (outer == NULL && strcmp(key, "switches") == 0 && json_is_object(value))
      print_differences(stream, history, key, value);
    else if (!known && differs(history, outer, key, value)) {
      fprintf(stream, ", %s ", key);
      print_value(stream, value);
    }
  }
}

char *dyno_history_group_title(const dyno_history *history, size_t group)
{
  const json_t *conditions = history->groups[group].conditions;
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL)
    return NULL;
  print_value(stream, json_object_get(conditions, "kind"));
  fputs(" of ", stream);
  print_value(stream, json_object_get(conditions, "model"));
  fputs(" on ", stream);
  print_value(stream, json_object_get(conditions, "host"));
  if (json_is_string(json_object_get(conditions, "processor")))
    fprintf(stream, " (%s)", json_string_value(json_object_get(conditions, "processor")));
  fprintf(stream, ", %lld threads, ",
          (long long)json_integer_value(json_object_get(conditions, "threads")));
  print_value(stream, json_object_get(conditions, "tier"));
  print_differences(stream, history, NULL, conditions);
  fclose(stream);
  return text;
}

/* "f457fa1+": with files that differed from it. */
static const char *commit_text(char text[64], const dyno_history_run *run)
{
  snprintf(text, 64, "%.40s%s", run->commit[0] != '\0' ? run->commit : "unknown",
           run->dirty ? "+" : "");
  return text;
}

/* ---- for people ---- */

static void write_change(dyno_table *table, const dyno_history_group *group,
                         const dyno_history_series *series, const dyno_change *change)
{
  const dyno_history_run *run = group->runs[series->runs[change->first]];
  char commit[64], last[64];
  commit_text(commit, run);
  commit_text(last, group->runs[series->runs[change->first - 1]]);
  dyno_table_cell(table, "%.4g", change->before);
  dyno_table_cell(table, "%.4g", change->after);
  dyno_table_cell(table, "%+.1f %%", 100 * (change->after / change->before - 1));
  dyno_table_cell(table, "%.3f", change->p);
  dyno_table_cell(table, "%s", run->started);
  if (dyno_history_same_commit(group, series, change))
    dyno_table_cell(table, "%s, as before: the machine or its settings", commit);
  else
    dyno_table_cell(table, "%s, after %s", commit, last);
}

static void write_series(dyno_table *table, const dyno_history_group *group,
                         const dyno_history_series *series)
{
  for (size_t i = 0; i < series->change_count; i++) {
    dyno_table_cell(table, "%s", i == 0 ? series->name : "");
    dyno_table_cell(table, "%zu", series->count);
    write_change(table, group, series, &series->changes[i]);
  }
  if (series->change_count > 0)
    return;
  dyno_table_cell(table, "%s", series->name);
  dyno_table_cell(table, "%zu", series->count);
  dyno_table_cell(table, "%s", "");
  if (series->count > 0)
    dyno_table_cell(table, "%.4g", series->values[series->count - 1]);
  dyno_table_end_row(table);
}

static dyno_status write_group(const dyno_history *history, size_t index, FILE *stream,
                               dyno_error *error)
{
  static const dyno_column columns[] = {
      {"case", NULL, false},     {"runs", NULL, true},    {"before", "tokens/s", true},
      {"now", "tokens/s", true}, {"change", NULL, true},  {"p", NULL, true},
      {"since", NULL, false},    {"commit", NULL, false},
  };
  const dyno_history_group *group = &history->groups[index];
  char *title = dyno_history_group_title(history, index);
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  size_t changes = 0;
  for (size_t i = 0; i < group->series_count; i++) {
    write_series(table, group, &group->series[i]);
    changes += group->series[i].change_count;
  }
  fprintf(stream, "%s%s: %zu runs, %s to %s\n", index > 0 ? "\n" : "", title != NULL ? title : "",
          group->run_count, group->runs[0]->started, group->runs[group->run_count - 1]->started);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  if (group->run_count < DYNO_CHANGES_LEAST_VALUES)
    fprintf(stream, "too few runs to look for changes: %d are wanted\n", DYNO_CHANGES_LEAST_VALUES);
  else if (changes == 0)
    fprintf(stream, "no change at a significance of %.3g\n", history->options.changes.significance);
  dyno_table_free(&table);
  free(title);
  return status;
}

dyno_status dyno_history_report_table(const dyno_history *history, FILE *stream, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < history->group_count && status == DYNO_OK; i++)
    status = write_group(history, i, stream, error);
  if (history->left_out_count > 0)
    fprintf(stream, "\nleft out:\n");
  for (size_t i = 0; i < history->left_out_count; i++)
    fprintf(stream, "  %s\n", history->left_out[i].reason);
  if (status == DYNO_OK && ferror(stream))
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot write the history: %m");
  return status;
}

/* ---- for programs ---- */

static json_t *change_json(const dyno_history_group *group, const dyno_history_series *series,
                           const dyno_change *change)
{
  const dyno_history_run *run = group->runs[series->runs[change->first]];
  const dyno_history_run *last = group->runs[series->runs[change->first - 1]];
  return json_pack("{s:I, s:s, s:s, s:b, s:s, s:b, s:b, s:f, s:f, s:f, s:f}", "run",
                   (json_int_t)series->runs[change->first], "started", run->started, "commit",
                   run->commit, "dirty", run->dirty, "commit_before", last->commit, "dirty_before",
                   last->dirty, "same_commit", dyno_history_same_commit(group, series, change),
                   "before", change->before, "after", change->after, "change",
                   change->after / change->before - 1, "p", change->p);
}

static json_t *series_json(const dyno_history_group *group, const dyno_history_series *series)
{
  json_t *runs = json_array(), *values = json_array(), *changes = json_array();
  for (size_t i = 0; i < series->count; i++) {
    json_array_append_new(runs, json_integer((json_int_t)series->runs[i]));
    json_array_append_new(values, json_real(series->values[i]));
  }
  for (size_t i = 0; i < series->change_count; i++)
    json_array_append_new(changes, change_json(group, series, &series->changes[i]));
  return json_pack("{s:s, s:o, s:o, s:b, s:o}", "name", series->name, "runs", runs, "values",
                   values, "enough", series->count >= DYNO_CHANGES_LEAST_VALUES, "changes",
                   changes);
}

static json_t *group_json(const dyno_history_group *group)
{
  json_t *runs = json_array(), *series = json_array();
  for (size_t i = 0; i < group->run_count; i++) {
    const dyno_history_run *run = group->runs[i];
    json_array_append_new(runs,
                          json_pack("{s:s, s:s, s:s, s:b}", "path", run->path, "started",
                                    run->started, "commit", run->commit, "dirty", run->dirty));
  }
  for (size_t i = 0; i < group->series_count; i++)
    json_array_append_new(series, series_json(group, &group->series[i]));
  return json_pack("{s:O, s:o, s:o}", "conditions", group->conditions, "runs", runs, "series",
                   series);
}

dyno_status dyno_history_report_json(const dyno_history *history, FILE *stream, dyno_error *error)
{
  const dyno_changes_options *changes = &history->options.changes;
  json_t *groups = json_array(), *left_out = json_array();
  for (size_t i = 0; i < history->group_count; i++)
    json_array_append_new(groups, group_json(&history->groups[i]));
  for (size_t i = 0; i < history->left_out_count; i++)
    json_array_append_new(left_out, json_pack("{s:s, s:s}", "path", history->left_out[i].path,
                                              "reason", history->left_out[i].reason));
  json_t *root =
      json_pack("{s:s, s:s, s:f, s:I, s:I, s:I, s:o, s:o}", "schema", "dyno.history/1", "metric",
                history->options.metric, "significance", changes->significance, "permutations",
                (json_int_t)changes->permutations, "shortest", (json_int_t)changes->shortest,
                "seed", (json_int_t)changes->seed, "groups", groups, "left_out", left_out);
  int result =
      root == NULL ? -1 : json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  json_decref(root);
  return result == 0 && fputc('\n', stream) != EOF
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the history: %m");
}
