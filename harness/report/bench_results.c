#include "harness/report/bench_results.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/measure/statistics.h"
#include "harness/report/bench_results_internal.h"

/* No line of a run comes near; jansson would need several times as much memory. */
static const size_t most_bytes = (size_t)64 << 20;

/* Opens a regular file for reading, without waiting for what is none. *stream is NULL when there is
 * no such file. */
static dyno_status open_file(FILE **stream, const char *path, dyno_error *error)
{
  struct stat about;
  *stream = NULL;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return errno == ENOENT ? DYNO_OK : dyno_fail(error, DYNO_ERROR_IO, "cannot open %s: %m", path);
  dyno_status status = DYNO_OK;
  if (fstat(descriptor, &about) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot look at %s: %m", path);
  else if (!S_ISREG(about.st_mode))
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s is not a file", path);
  else if ((*stream = fdopen(descriptor, "r")) == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "cannot read %s: out of memory", path);
  if (*stream == NULL)
    close(descriptor);
  return status;
}

static dyno_status read_manifest(dyno_bench_results *results, dyno_error *error)
{
  char path[4096];
  FILE *stream;
  json_error_t problem;
  dyno_status status = DYNO_OK;
  snprintf(path, sizeof path, "%s/manifest.json", results->folder);
  if ((status = open_file(&stream, path, error)) != DYNO_OK)
    return status;
  if (stream == NULL)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                     "there is no %s: give the folder that `dyno bench` wrote", path);
  json_t *object = json_loadf(stream, 0, &problem);
  fclose(stream);
  if (object == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%d: column %d: %s", path, problem.line,
                     problem.column, problem.text);
  dyno_bench_record record = {.file = path,
                              .object = object,
                              .storage = results->storage,
                              .status = &status,
                              .error = error};
  if (json_is_object(object))
    dyno_bench_read_manifest(&results->manifest, &record);
  else
    dyno_bench_field_fail(&record, "manifest", DYNO_ERROR_FORMAT, "is not an object");
  json_decref(object);
  return status;
}

static dyno_status read_line(dyno_bench_results *results, const char *path, size_t number,
                             const char *line, size_t length, dyno_bench_line_reader *read,
                             dyno_error *error)
{
  json_error_t problem;
  dyno_status status = DYNO_OK;
  if (length > most_bytes)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%zu: has %zu bytes", path, number, length);
  json_t *object = json_loadb(line, length, 0, &problem);
  dyno_bench_record record = {.file = path,
                              .line = number,
                              .object = object,
                              .storage = results->storage,
                              .status = &status,
                              .error = error};
  if (object == NULL)
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%zu: column %d: %s", path, number,
                       problem.column, problem.text);
  else if (!json_is_object(object))
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s:%zu: is not an object", path, number);
  else
    read(results, &record);
  json_decref(object);
  return status;
}

static dyno_status read_lines(dyno_bench_results *results, const char *name,
                              dyno_bench_line_reader *read, dyno_error *error)
{
  char path[4096], *line = NULL;
  size_t room = 0, number = 0;
  ssize_t length;
  FILE *stream;
  snprintf(path, sizeof path, "%s/%s", results->folder, name);
  dyno_status status = open_file(&stream, path, error);
  if (stream == NULL)
    return status;
  while (status == DYNO_OK && (length = getline(&line, &room, stream)) > 0) {
    if (line[length - 1] != '\n') /* cut off: only the last can be */
      break;
    status = read_line(results, path, ++number, line, (size_t)length - 1, read, error);
  }
  if (status == DYNO_OK && ferror(stream))
    status = dyno_fail(error, DYNO_ERROR_IO, "cannot read %s: %m", path);
  free(line);
  fclose(stream);
  return status;
}

static dyno_status read_all(dyno_bench_results *results, dyno_error *error)
{
  static const struct {
    const char *name;
    dyno_bench_line_reader *read;
  } files[] = {
      {"samples.jsonl", dyno_bench_read_sample},   {"ops.jsonl", dyno_bench_read_op},
      {"counters.jsonl", dyno_bench_read_counter}, {"memory.jsonl", dyno_bench_read_memory},
      {"texts.jsonl", dyno_bench_read_text},
  };
  dyno_status status = read_manifest(results, error);
  for (size_t i = 0; i < sizeof files / sizeof *files && status == DYNO_OK; i++)
    status = read_lines(results, files[i].name, files[i].read, error);
  return status;
}

dyno_status dyno_bench_results_read(dyno_bench_results **results, const char *folder,
                                    dyno_error *error)
{
  dyno_bench_results *read = calloc(1, sizeof *read);
  *results = NULL;
  if (read != NULL) {
    read->storage = dyno_bench_storage_new();
    read->folder = strdup(folder);
  }
  if (read == NULL || read->storage == NULL || read->folder == NULL) {
    dyno_bench_results_free(&read);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to read %s", folder);
  }
  dyno_status status = read_all(read, error);
  if (status != DYNO_OK)
    dyno_bench_results_free(&read);
  *results = read;
  return status;
}

void dyno_bench_results_free(dyno_bench_results **results)
{
  dyno_bench_results *old = *results;
  if (old == NULL)
    return;
  dyno_bench_storage_free(&old->storage);
  free(old->folder);
  free(old->samples);
  free(old->ops);
  free(old->totals);
  free(old->counters);
  free(old->memory);
  free(old->texts);
  free(old);
  *results = NULL;
}

size_t dyno_bench_case_index(const dyno_bench_results *results, const char *name)
{
  for (size_t i = 0; i < results->manifest.case_count; i++)
    if (strcmp(results->manifest.cases[i].name, name) == 0)
      return i;
  return DYNO_BENCH_NO_CASE;
}

const dyno_bench_total *dyno_bench_find_total(const dyno_bench_results *results, size_t case_index,
                                              dyno_bench_phase phase)
{
  for (size_t i = results->total_count; i > 0; i--)
    if (results->totals[i - 1].case_index == case_index && results->totals[i - 1].phase == phase)
      return &results->totals[i - 1];
  return NULL;
}

double dyno_bench_prefill_rate(const dyno_bench_sample *sample)
{
  return (double)sample->prompt_tokens / sample->prefill_ns * 1e9;
}

double dyno_bench_tpot(const dyno_bench_sample *sample)
{
  double time = sample->e2e_ns - sample->ttft_ns;
  return sample->output_tokens > 1 && time > 0 ? time / ((double)sample->output_tokens - 1) : NAN;
}

double dyno_bench_decode_rate(const dyno_bench_sample *sample)
{
  return 1e9 / dyno_bench_tpot(sample);
}

double dyno_bench_overall_rate(const dyno_bench_sample *sample)
{
  return (double)sample->output_tokens / sample->e2e_ns * 1e9;
}

double dyno_bench_median_read(const dyno_bench_results *results, bool all)
{
  const dyno_bench_manifest *manifest = &results->manifest;
  double start = all ? manifest->ceilings.read_all : manifest->ceilings.read_one;
  double *reads = malloc((results->sample_count + 1) * sizeof *reads);
  size_t count = 0;
  for (size_t i = 0; reads != NULL && i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    double read = all ? sample->read_all : sample->read_one;
    if (!sample->warmup && read > 0)
      reads[count++] = read;
  }
  double median = count > 0 ? dyno_median(reads, count) : start;
  free(reads);
  return median;
}
