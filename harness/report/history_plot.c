/* What plots/changes.gp draws. */
#include <math.h>
#include <string.h>

#include "harness/report/history_report.h"
#include "harness/report/tsv.h"

enum { NAME_WIDTH = 32, COMMIT_CHARACTERS = 9 };

/* "f457fa1+" */
static void label(dyno_tsv *tsv, const dyno_history_run *run)
{
  char text[32];
  snprintf(text, sizeof text, "%.*s%s", COMMIT_CHARACTERS,
           run->commit[0] != '\0' ? run->commit : "-", run->dirty ? "+" : "");
  dyno_tsv_text(tsv, text, 0);
}

static void write_runs(dyno_tsv *tsv, const dyno_history_group *group)
{
  dyno_tsv_block(tsv, "run, day, commit");
  for (size_t i = 0; i < group->run_count; i++) {
    char day[11] = "";
    snprintf(day, sizeof day, "%.10s", group->runs[i]->started);
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_text(tsv, day, 0);
    label(tsv, group->runs[i]);
    dyno_tsv_end_row(tsv);
  }
}

static void write_series(dyno_tsv *tsv, const dyno_history_group *group)
{
  dyno_tsv_block(tsv, "row, case, changes");
  for (size_t i = 0; i < group->series_count; i++) {
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_text(tsv, group->series[i].name, NAME_WIDTH);
    dyno_tsv_number(tsv, (double)group->series[i].change_count);
    dyno_tsv_end_row(tsv);
  }
  dyno_tsv_block(tsv, "row, run, tokens/s");
  for (size_t i = 0; i < group->series_count; i++)
    for (size_t j = 0; j < group->series[i].count; j++) {
      dyno_tsv_number(tsv, (double)i + 1);
      dyno_tsv_number(tsv, (double)group->series[i].runs[j] + 1);
      dyno_tsv_number(tsv, group->series[i].values[j]);
      dyno_tsv_end_row(tsv);
    }
}

static double median_of_all(const dyno_history_series *series)
{
  double sorted[DYNO_CHANGES_MOST_VALUES];
  memcpy(sorted, series->values, series->count * sizeof *sorted);
  return series->count > 0 ? dyno_median(sorted, series->count) : (double)NAN;
}

/* A level: where it begins and ends, and how high it is. */
static void write_levels(dyno_tsv *tsv, size_t row, const dyno_history_series *series)
{
  double level = series->change_count > 0 ? series->changes[0].before : median_of_all(series);
  size_t begin = 0;
  for (size_t i = 0; i <= series->change_count && series->count > 0; i++) {
    bool last = i == series->change_count;
    size_t end = last ? series->count - 1 : series->changes[i].first - 1;
    dyno_tsv_number(tsv, (double)row + 1);
    dyno_tsv_number(tsv, (double)series->runs[begin] + 0.6);
    dyno_tsv_number(tsv, (double)series->runs[end] + 1.4);
    dyno_tsv_number(tsv, level);
    dyno_tsv_end_row(tsv);
    if (last)
      break;
    level = series->changes[i].after;
    begin = series->changes[i].first;
  }
}

static void write_changes(dyno_tsv *tsv, size_t row, const dyno_history_group *group)
{
  const dyno_history_series *series = &group->series[row];
  for (size_t i = 0; i < series->change_count; i++) {
    const dyno_change *change = &series->changes[i];
    char size[32];
    snprintf(size, sizeof size, "%+.1f %%", 100 * (change->after / change->before - 1));
    dyno_tsv_number(tsv, (double)row + 1);
    dyno_tsv_number(tsv, (double)series->runs[change->first] + 0.5);
    dyno_tsv_text(tsv, size, 0);
    label(tsv, group->runs[series->runs[change->first]]);
    dyno_tsv_end_row(tsv);
  }
}

dyno_status dyno_history_report_tsv(const dyno_history *history, size_t group, FILE *stream,
                                    dyno_error *error)
{
  const dyno_history_group *g = &history->groups[group];
  dyno_tsv tsv = DYNO_TSV(stream);
  write_runs(&tsv, g);
  write_series(&tsv, g);
  dyno_tsv_block(&tsv, "row, first run, last run, median of a level");
  for (size_t i = 0; i < g->series_count; i++)
    write_levels(&tsv, i, &g->series[i]);
  dyno_tsv_block(&tsv, "row, before which run, change, commit");
  for (size_t i = 0; i < g->series_count; i++)
    write_changes(&tsv, i, g);
  return ferror(stream) ? dyno_fail(error, DYNO_ERROR_IO, "cannot write a plot's data: %m")
                        : DYNO_OK;
}
