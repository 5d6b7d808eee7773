/* Data of the plots over time: memory within a run, decode speed across runs. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_plots_internal.h"

enum { MOST_MOMENTS = 800, MOST_RUNS = 60, MOST_HISTORY_CASES = 12, COMMIT_CHARACTERS = 7 };

static const double nanoseconds_per_second = 1e9;

/* ---- memory ---- */

static double at_least_zero(double value)
{
  return value > 0 ? value : 0;
}

static double greatest_rss(const dyno_bench_results *results)
{
  double most = 0;
  for (size_t i = 0; i < results->memory_count; i++)
    most = fmax(most, at_least_zero(results->memory[i].rss_bytes));
  return most;
}

static void write_moment(dyno_tsv *tsv, const dyno_bench_memory *m, double unit)
{
  const double parts[] = {m->weights_bytes, m->kv_bytes, m->workspace_bytes, m->cache_bytes,
                          m->allocator_bytes};
  double other = at_least_zero(m->rss_bytes);
  dyno_tsv_number(tsv, m->t_ns / nanoseconds_per_second);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    dyno_tsv_number(tsv, at_least_zero(parts[i]) / unit);
    other -= at_least_zero(parts[i]);
  }
  dyno_tsv_number(tsv, at_least_zero(other) / unit);
  dyno_tsv_number(tsv, m->rss_bytes / unit);
  dyno_tsv_number(tsv, m->peak_rss_bytes / unit);
  dyno_tsv_end_row(tsv);
}

/* Where a case begins and ends, as often as it does. */
static void write_spans(dyno_tsv *tsv, const dyno_bench_results *results)
{
  dyno_tsv_block(tsv, "case number, case, from and to second");
  for (size_t i = 0, end; i < results->memory_count; i = end) {
    const size_t index = results->memory[i].case_index;
    for (end = i + 1; end < results->memory_count && results->memory[end].case_index == index;)
      end++;
    if (index == DYNO_BENCH_NO_CASE)
      continue;
    dyno_tsv_number(tsv, (double)index + 1);
    dyno_tsv_text(tsv, results->manifest.cases[index].name, DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_number(tsv, results->memory[i].t_ns / nanoseconds_per_second);
    size_t last = end < results->memory_count ? end : end - 1;
    dyno_tsv_number(tsv, results->memory[last].t_ns / nanoseconds_per_second);
    dyno_tsv_end_row(tsv);
  }
}

dyno_status dyno_plot_memory(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                             dyno_error *error)
{
  (void)error;
  const dyno_bench_results *results = source->results;
  const bool large = greatest_rss(results) >= 1024.0 * 1024 * 1024;
  const double unit = large ? 1024.0 * 1024 * 1024 : 1024.0 * 1024;
  const size_t step = results->memory_count / MOST_MOMENTS + 1;
  *rows = results->memory_count > 1 ? results->memory_count : 0;
  dyno_tsv_block(tsv, "unit");
  dyno_tsv_text(tsv, large ? "GiB" : "MiB", 0);
  dyno_tsv_end_row(tsv);
  dyno_tsv_block(tsv, "second, weights, keys and values, workspace, caches, held by allocators, "
                      "other, resident, peak");
  for (size_t i = 0; i < results->memory_count; i += step)
    write_moment(tsv, &results->memory[i], unit);
  write_spans(tsv, results);
  return DYNO_OK;
}

/* ---- history ---- */

/* A run of the same model in the folder beside ours. */
typedef struct past_run {
  json_t *manifest, *summary;
} past_run;

static const char *text_at(const json_t *object, const char *outer, const char *inner)
{
  return json_string_value(json_object_get(json_object_get(object, outer), inner));
}

static const char *started(const past_run *run)
{
  const char *text = json_string_value(json_object_get(run->manifest, "started"));
  return text != NULL ? text : "";
}

static int earlier(const void *a, const void *b)
{
  return strcmp(started(a), started(b));
}

static void drop_run(past_run *run)
{
  json_decref(run->manifest);
  json_decref(run->summary);
  *run = (past_run){0};
}

static json_t *load(const char *parent, const char *folder, const char *file)
{
  char *path;
  if (asprintf(&path, "%s/%s/%s", parent, folder, file) < 0)
    return NULL;
  json_t *value = json_load_file(path, 0, NULL);
  free(path);
  return value;
}

/* Other runs may be broken, unfinished or of another model: they are not part of the history. */
static bool load_run(past_run *run, const char *parent, const char *folder,
                     const dyno_bench_manifest *ours)
{
  *run = (past_run){load(parent, folder, "manifest.json"), NULL};
  const char *name = text_at(run->manifest, "model", "name");
  const char *fingerprint = text_at(run->manifest, "model", "fingerprint");
  bool same = ours->model.fingerprint != NULL
                  ? fingerprint != NULL && strcmp(fingerprint, ours->model.fingerprint) == 0
                  : name != NULL && strcmp(name, ours->model.name) == 0;
  if (same)
    run->summary = load(parent, folder, "summary.json");
  if (same && json_is_array(json_object_get(run->summary, "cases")))
    return true;
  drop_run(run);
  return false;
}

typedef struct past_runs {
  past_run *list;
  size_t count, capacity;
} past_runs;

static dyno_status append_run(past_runs *runs, past_run run, dyno_error *error)
{
  if (runs->count == runs->capacity) {
    size_t capacity = runs->capacity == 0 ? 16 : 2 * runs->capacity;
    past_run *list = realloc(runs->list, capacity * sizeof *list);
    if (list == NULL) {
      drop_run(&run);
      return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the history of runs");
    }
    runs->list = list;
    runs->capacity = capacity;
  }
  runs->list[runs->count++] = run;
  return DYNO_OK;
}

static void free_runs(past_runs *runs)
{
  for (size_t i = 0; i < runs->count; i++)
    drop_run(&runs->list[i]);
  free(runs->list);
}

/* All runs beside ours, ours included, by date. */
static dyno_status gather_runs(past_runs *runs, const dyno_bench_results *results,
                               dyno_error *error)
{
  char *parent;
  if (asprintf(&parent, "%s/..", results->folder) < 0)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the history of runs");
  DIR *folder = opendir(parent);
  dyno_status status = DYNO_OK;
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    past_run run;
    if (entry->d_name[0] != '.' && status == DYNO_OK &&
        load_run(&run, parent, entry->d_name, &results->manifest))
      status = append_run(runs, run, error);
  }
  if (folder != NULL)
    closedir(folder);
  free(parent);
  if (runs->count > 0)
    qsort(runs->list, runs->count, sizeof *runs->list, earlier);
  return status;
}

/* "11-23 02:15 f457fa1+ 2t": month, day, time, commit (+: with changes), threads. */
static void write_run_label(dyno_tsv *tsv, const past_run *run)
{
  char label[64] = "", day[6] = "", hour[6] = "";
  const char *date = started(run), *commit = text_at(run->manifest, "dyno", "commit");
  if (strlen(date) >= 16) {
    memcpy(day, date + 5, 5);
    memcpy(hour, date + 11, 5);
  }
  const json_t *dyno = json_object_get(run->manifest, "dyno");
  const json_t *threads = json_object_get(json_object_get(run->manifest, "engine"), "threads");
  snprintf(label, sizeof label, "%s %s  %.*s%s  %lldt", day, hour, COMMIT_CHARACTERS,
           commit != NULL ? commit : "-", json_is_true(json_object_get(dyno, "dirty")) ? "+" : "",
           (long long)json_integer_value(threads));
  dyno_tsv_text(tsv, label, 0);
}

static void write_history_point(dyno_tsv *tsv, double row, double x, const past_run *run,
                                const char *name)
{
  const json_t *decode = dyno_bench_summary_metric(run->summary, name, "decode_tps");
  const json_t *interval = json_object_get(decode, "median_95");
  double median = dyno_bench_member(decode, "median");
  if (!isfinite(median))
    return;
  double low = dyno_bench_member(interval, "low"), high = dyno_bench_member(interval, "high");
  dyno_tsv_number(tsv, row);
  dyno_tsv_number(tsv, x);
  dyno_tsv_number(tsv, median);
  dyno_tsv_number(tsv, isfinite(low) ? low : median);
  dyno_tsv_number(tsv, isfinite(high) ? high : median);
  dyno_tsv_end_row(tsv);
}

static void write_history(dyno_tsv *tsv, const past_run *runs, size_t count,
                          const dyno_bench_results *results)
{
  const dyno_bench_manifest *manifest = &results->manifest;
  size_t cases =
      manifest->case_count < MOST_HISTORY_CASES ? manifest->case_count : MOST_HISTORY_CASES;
  dyno_tsv_block(tsv, "run, when and what");
  for (size_t i = 0; i < count; i++) {
    dyno_tsv_number(tsv, (double)i + 1);
    write_run_label(tsv, &runs[i]);
    dyno_tsv_end_row(tsv);
  }
  dyno_tsv_block(tsv, "row, case");
  for (size_t i = 0; i < cases; i++) {
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_text(tsv, manifest->cases[i].name, DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_end_row(tsv);
  }
  dyno_tsv_block(tsv, "row, run, median, its 95 % interval (low, high); tokens/s");
  for (size_t i = 0; i < cases; i++)
    for (size_t j = 0; j < count; j++)
      write_history_point(tsv, (double)i + 1, (double)j + 1, &runs[j], manifest->cases[i].name);
}

dyno_status dyno_plot_history(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                              dyno_error *error)
{
  past_runs runs = {0};
  *rows = 0;
  dyno_status status = gather_runs(&runs, source->results, error);
  size_t first = runs.count > MOST_RUNS ? runs.count - MOST_RUNS : 0;
  /* One run is a point without a history. */
  if (status == DYNO_OK && runs.count > 1) {
    *rows = runs.count - first;
    write_history(tsv, runs.list + first, *rows, source->results);
  }
  free_runs(&runs);
  return status;
}
