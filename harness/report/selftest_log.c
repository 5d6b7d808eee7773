#include "harness/report/selftest_log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/report/compare_report.h"

static const char schema[] = "dyno.selftest.trial/1";

static json_t *entry_json(const dyno_selftest_entry *entry)
{
  const dyno_selftest_conditions *c = &entry->conditions;
  const dyno_selftest_trial *t = &entry->trial;
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:b, s:I, s:s, s:s, "
                   "s:I, s:o, s:o}",
                   "schema", schema, "started", entry->started, "label", c->label, "host", c->host,
                   "processor", c->processor, "model", c->model, "settings", c->settings, "commit",
                   t->commit, "tier", t->tier, "threads", (int)t->threads, "drop", t->drop,
                   "loaded", (int)t->loaded, "seed", (json_int_t)t->seed, "verdict",
                   dyno_gate_verdict_name(t->verdict), "reason", t->reason, "rounds",
                   (json_int_t)t->rounds, "seconds", dyno_json_number(t->seconds), "sigma",
                   dyno_json_number(t->sigma));
}

static bool read_verdict(dyno_gate_verdict *verdict, const char *name)
{
  for (*verdict = DYNO_GATE_PASS; *verdict < DYNO_GATE_VERDICT_COUNT; ++*verdict)
    if (strcmp(dyno_gate_verdict_name(*verdict), name) == 0)
      return true;
  return false;
}

static double number_or_nan(const json_t *root, const char *key)
{
  const json_t *value = json_object_get(root, key);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool copy(char *to, size_t room, const char *from)
{
  return snprintf(to, room, "%s", from) < (int)room;
}

/* What is wrong with it is the reason's text. */
static bool read_entry(dyno_selftest_entry *entry, const char *line, json_error_t *reason)
{
  dyno_selftest_conditions *c = &entry->conditions;
  dyno_selftest_trial *t = &entry->trial;
  const char *found, *started, *label, *host, *processor, *model, *settings, *commit, *tier,
      *verdict, *why;
  json_int_t seed, rounds;
  int threads, loaded;
  json_t *root = json_loads(line, 0, reason);
  *entry = (dyno_selftest_entry){0};
  bool fine = root != NULL &&
              json_unpack_ex(
                  root, reason, 0,
                  "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:F, s:b, s:I, s:s, s:s, "
                  "s:I}",
                  "schema", &found, "started", &started, "label", &label, "host", &host,
                  "processor", &processor, "model", &model, "settings", &settings, "commit",
                  &commit, "tier", &tier, "threads", &threads, "drop", &t->drop, "loaded", &loaded,
                  "seed", &seed, "verdict", &verdict, "reason", &why, "rounds", &rounds) == 0;
  if (fine && (strcmp(found, schema) != 0 || !read_verdict(&t->verdict, verdict) ||
               !copy(entry->started, sizeof entry->started, started) ||
               !copy(c->label, sizeof c->label, label) || !copy(c->host, sizeof c->host, host) ||
               !copy(c->processor, sizeof c->processor, processor) ||
               !copy(c->model, sizeof c->model, model) ||
               !copy(c->settings, sizeof c->settings, settings) ||
               !copy(t->commit, sizeof t->commit, commit) || !copy(t->tier, sizeof t->tier, tier) ||
               !copy(t->reason, sizeof t->reason, why))) {
    snprintf(reason->text, sizeof reason->text,
             "another schema, an unknown verdict or too long a text");
    fine = false;
  }
  if (fine) {
    t->threads = (unsigned)threads;
    t->loaded = loaded != 0;
    t->seed = (uint64_t)seed;
    t->rounds = (size_t)rounds;
    t->seconds = number_or_nan(root, "seconds");
    t->sigma = number_or_nan(root, "sigma");
  }
  json_decref(root);
  return fine;
}

static dyno_status append(dyno_selftest_log *log, const dyno_selftest_entry *entry,
                          dyno_error *error)
{
  dyno_selftest_entry *longer = realloc(log->entries, (log->count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a log of trials");
  log->entries = longer;
  log->entries[log->count++] = *entry;
  return DYNO_OK;
}

static dyno_status read_lines(dyno_selftest_log *log, FILE *file, const char *path, long *sound,
                              dyno_error *error)
{
  dyno_selftest_entry entry;
  json_error_t reason;
  char *line = NULL;
  size_t room = 0, number = 0;
  dyno_status status = DYNO_OK;
  for (ssize_t length; status == DYNO_OK && (length = getline(&line, &room, file)) > 0;) {
    number++;
    if (line[length - 1] != '\n')
      break;
    status = read_entry(&entry, line, &reason)
                 ? append(log, &entry, error)
                 : dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%zu: no trial of a gate: %s", path,
                             number, reason.text);
    *sound += length;
  }
  free(line);
  return status;
}

dyno_status dyno_selftest_log_read(dyno_selftest_log *log, const char *path, long *sound,
                                   dyno_error *error)
{
  *log = (dyno_selftest_log){0};
  *sound = 0;
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return errno == ENOENT ? DYNO_OK : dyno_fail(error, DYNO_ERROR_IO, "%s: %m", path);
  dyno_status status = read_lines(log, file, path, sound, error);
  fclose(file);
  return status;
}

dyno_status dyno_selftest_log_add(dyno_selftest_log *log, FILE *stream,
                                  const dyno_selftest_entry *entry, dyno_error *error)
{
  dyno_status status = append(log, entry, error);
  if (status != DYNO_OK || stream == NULL)
    return status;
  json_t *root = entry_json(entry);
  int result = root == NULL ? -1 : json_dumpf(root, stream, JSON_COMPACT | JSON_REAL_PRECISION(6));
  json_decref(root);
  if (result != 0 || fputc('\n', stream) == EOF || fflush(stream) != 0 ||
      (fsync(fileno(stream)) != 0 && errno != EINVAL && errno != EROFS))
    return dyno_fail(error, DYNO_ERROR_IO, "the log of trials cannot be written: %m");
  return DYNO_OK;
}

static bool same(const dyno_selftest_conditions *a, const dyno_selftest_conditions *b)
{
  return strcmp(a->label, b->label) == 0 && strcmp(a->host, b->host) == 0 &&
         strcmp(a->processor, b->processor) == 0 && strcmp(a->model, b->model) == 0 &&
         strcmp(a->settings, b->settings) == 0;
}

static bool belongs(const dyno_selftest_entry *entry, const dyno_selftest_conditions *conditions,
                    double drop, bool loaded)
{
  return same(&entry->conditions, conditions) && fabs(entry->trial.drop - drop) < 1e-9 &&
         entry->trial.loaded == loaded;
}

size_t dyno_selftest_log_count(const dyno_selftest_log *log,
                               const dyno_selftest_conditions *conditions, double drop, bool loaded)
{
  size_t count = 0;
  for (size_t i = 0; i < log->count; i++)
    count += belongs(&log->entries[i], conditions, drop, loaded);
  return count;
}

void dyno_selftest_log_free(dyno_selftest_log *log)
{
  free(log->entries);
  *log = (dyno_selftest_log){0};
}

/* Cells */

static int by_cell(const void *a, const void *b)
{
  const dyno_selftest_entry *one = ((const dyno_selftest_cell *)a)->first;
  const dyno_selftest_entry *other = ((const dyno_selftest_cell *)b)->first;
  const dyno_selftest_conditions *c = &one->conditions, *d = &other->conditions;
  const int orders[] = {
      strcmp(c->host, d->host),
      strcmp(c->label, d->label),
      strcmp(c->model, d->model),
      strcmp(c->settings, d->settings),
      (one->trial.drop > other->trial.drop) - (one->trial.drop < other->trial.drop),
      (int)one->trial.loaded - (int)other->trial.loaded,
  };
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
    if (orders[i] != 0)
      return orders[i];
  return 0;
}

static void fill(dyno_selftest_cell *cell, const dyno_selftest_log *log, double *sigmas)
{
  size_t known = 0;
  for (size_t i = 0; i < log->count; i++) {
    const dyno_selftest_trial *t = &log->entries[i].trial;
    if (!belongs(&log->entries[i], &cell->first->conditions, cell->first->trial.drop,
                 cell->first->trial.loaded))
      continue;
    cell->trials++;
    cell->verdicts[t->verdict]++;
    cell->mean_rounds += (double)t->rounds;
    cell->mean_seconds += t->seconds;
    if (isfinite(t->sigma))
      sigmas[known++] = t->sigma;
    if (t->verdict == DYNO_GATE_ERROR)
      cell->unmeasured = &log->entries[i];
  }
  cell->mean_rounds /= (double)cell->trials;
  cell->mean_seconds /= (double)cell->trials;
  cell->median_sigma = known > 0 ? dyno_median(sigmas, known) : (double)NAN;
  cell->regressions =
      dyno_proportion_interval(cell->verdicts[DYNO_GATE_REGRESSION], cell->trials, 0.95);
}

dyno_status dyno_selftest_cells(dyno_selftest_cell **cells, size_t *count,
                                const dyno_selftest_log *log, dyno_error *error)
{
  double *sigmas = calloc(log->count + 1, sizeof *sigmas);
  *cells = calloc(log->count + 1, sizeof **cells);
  *count = 0;
  if (sigmas == NULL || *cells == NULL) {
    free(sigmas);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a table of trials");
  }
  for (size_t i = 0; i < log->count; i++) {
    const dyno_selftest_entry *entry = &log->entries[i];
    bool known = false;
    for (size_t j = 0; j < *count && !known; j++)
      known =
          belongs((*cells)[j].first, &entry->conditions, entry->trial.drop, entry->trial.loaded);
    if (!known)
      (*cells)[(*count)++] = (dyno_selftest_cell){.first = entry};
  }
  for (size_t i = 0; i < *count; i++)
    fill(&(*cells)[i], log, sigmas);
  free(sigmas);
  qsort(*cells, *count, sizeof **cells, by_cell);
  return DYNO_OK;
}
