#include "harness/report/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static dyno_status out_of_memory(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the history of runs");
}

static int earlier(const void *a, const void *b)
{
  const dyno_history_run *one = a, *other = b;
  int order = strcmp(one->started, other->started);
  return order != 0 ? order : strcmp(one->path, other->path);
}

static dyno_history_group *group_of(dyno_history *history, const json_t *conditions)
{
  for (size_t i = 0; i < history->group_count; i++)
    if (json_equal(history->groups[i].conditions, conditions))
      return &history->groups[i];
  dyno_history_group *group = &history->groups[history->group_count];
  *group = (dyno_history_group){.conditions = conditions};
  group->runs = calloc(history->run_count, sizeof *group->runs);
  if (group->runs == NULL)
    return NULL;
  history->group_count++;
  return group;
}

static dyno_status make_groups(dyno_history *history, dyno_error *error)
{
  history->groups = calloc(history->run_count + 1, sizeof *history->groups);
  if (history->groups == NULL)
    return out_of_memory(error);
  if (history->run_count > 0)
    qsort(history->runs, history->run_count, sizeof *history->runs, earlier);
  for (size_t i = 0; i < history->run_count; i++) {
    dyno_history_group *group = group_of(history, history->runs[i].conditions);
    if (group == NULL)
      return out_of_memory(error);
    group->runs[group->run_count++] = &history->runs[i];
  }
  return DYNO_OK;
}

/* The last ones are what is asked about. */
static void keep_last(dyno_history_group *group, size_t last)
{
  size_t left = group->run_count > last ? group->run_count - last : 0;
  memmove(group->runs, group->runs + left, (group->run_count - left) * sizeof *group->runs);
  group->run_count -= left;
}

static dyno_status make_series(dyno_history_series *series, const dyno_history_group *group,
                               const char *name, dyno_error *error)
{
  *series = (dyno_history_series){.name = name};
  series->runs = calloc(group->run_count, sizeof *series->runs);
  series->values = calloc(group->run_count, sizeof *series->values);
  series->changes = calloc(group->run_count, sizeof *series->changes);
  if (series->runs == NULL || series->values == NULL || series->changes == NULL)
    return out_of_memory(error);
  for (size_t i = 0; i < group->run_count; i++) {
    const json_t *rate = json_object_get(group->runs[i]->rates, name);
    if (!json_is_number(rate))
      continue;
    series->runs[series->count] = i;
    series->values[series->count++] = json_number_value(rate);
  }
  return DYNO_OK;
}

/* In logarithms a loss of 5 % is as large on every machine; what is told are speeds. */
static dyno_status look_for_changes(dyno_history_series *series, const dyno_history *history,
                                    dyno_error *error)
{
  if (series->count == 0)
    return DYNO_OK;
  double *logs = calloc(series->count, sizeof *logs);
  if (logs == NULL)
    return out_of_memory(error);
  for (size_t i = 0; i < series->count; i++)
    logs[i] = log(series->values[i]);
  dyno_status status = dyno_find_changes(series->changes, &series->change_count, logs,
                                         series->count, &history->options.changes, error);
  free(logs);
  for (size_t i = 0; i < series->change_count; i++) {
    series->changes[i].before = exp(series->changes[i].before);
    series->changes[i].after = exp(series->changes[i].after);
  }
  return status;
}

static dyno_status analyse(dyno_history_group *group, const dyno_history *history,
                           dyno_error *error)
{
  const char *name;
  json_t *rate;
  keep_last(group, history->options.last);
  json_t *rates = group->runs[0]->rates;
  group->series = calloc(json_object_size(rates), sizeof *group->series);
  if (group->series == NULL)
    return out_of_memory(error);
  dyno_status status = DYNO_OK;
  json_object_foreach (rates, name, rate) {
    dyno_history_series *series = &group->series[group->series_count++];
    if (status == DYNO_OK)
      status = make_series(series, group, name, error);
    if (status == DYNO_OK)
      status = look_for_changes(series, history, error);
  }
  return status;
}

dyno_status dyno_history_analyse(dyno_history *history, dyno_error *error)
{
  dyno_status status = make_groups(history, error);
  for (size_t i = 0; i < history->group_count && status == DYNO_OK; i++)
    status = analyse(&history->groups[i], history, error);
  return status;
}

bool dyno_history_same_commit(const dyno_history_group *group, const dyno_history_series *series,
                              const dyno_change *change)
{
  const dyno_history_run *before = group->runs[series->runs[change->first - 1]];
  const dyno_history_run *after = group->runs[series->runs[change->first]];
  return after->commit[0] != '\0' && strcmp(before->commit, after->commit) == 0 && !before->dirty &&
         !after->dirty;
}

static void free_group(dyno_history_group *group)
{
  for (size_t i = 0; i < group->series_count; i++) {
    free(group->series[i].runs);
    free(group->series[i].values);
    free(group->series[i].changes);
  }
  free(group->series);
  free(group->runs);
}

void dyno_history_free(dyno_history *history)
{
  for (size_t i = 0; i < history->group_count; i++)
    free_group(&history->groups[i]);
  for (size_t i = 0; i < history->run_count; i++) {
    dyno_history_run *run = &history->runs[i];
    free(run->path);
    free(run->started);
    free(run->commit);
    json_decref(run->conditions);
    json_decref(run->rates);
  }
  for (size_t i = 0; i < history->left_out_count; i++) {
    free(history->left_out[i].path);
    free(history->left_out[i].reason);
  }
  free(history->groups);
  free(history->runs);
  free(history->left_out);
  *history = (dyno_history){0};
}
