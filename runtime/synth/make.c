/* Makes a model: gives the writer of the dialect its rows, drawn by all threads. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/model/model_writer.h"
#include "runtime/model/path.h"
#include "runtime/model/safetensors_writer.h"
#include "runtime/synth/new_folder.h"
#include "runtime/synth/synth.h"
#include "runtime/synth/vocabulary.h"
#include "runtime/synth/weights.h"
#include "runtime/threads/pool.h"
#include "runtime/threads/topology.h"

/* The tensors that a writer fills at the same time: at most q, k and v, fused. */
enum { OPEN_TENSORS = 3 };

typedef struct maker {
  const dyno_synth_spec *spec;
  const dyno_synth_run *run;
  dyno_synth_vocabulary vocabulary;
  dyno_pool *pool;
  struct {
    char name[DYNO_TENSOR_NAME]; /* empty: unused */
    dyno_synth_weights weights;
  } open[OPEN_TENSORS];
  size_t oldest;
  dyno_status metadata_status;
  dyno_error *error;
} maker;

typedef struct row_job {
  const dyno_synth_weights *weights;
  const dyno_tensor *tensor;
  uint8_t *rows;
  size_t group, row0, row1;
} row_job;

static void draw_part(void *context, unsigned thread, unsigned threads)
{
  const row_job *job = context;
  size_t begin, end;
  dyno_partition(&begin, &end, job->row1 - job->row0, 1, thread, threads);
  dyno_synth_weights_rows(job->rows + begin * job->tensor->row_bytes, job->weights, job->tensor,
                          job->group, job->row0 + begin, job->row0 + end);
}

static const dyno_synth_weights *weights_of(maker *m, const dyno_tensor *tensor)
{
  for (size_t i = 0; i < OPEN_TENSORS; i++)
    if (strcmp(m->open[i].name, tensor->name) == 0)
      return &m->open[i].weights;
  size_t i = m->oldest;
  m->oldest = (i + 1) % OPEN_TENSORS;
  memcpy(m->open[i].name, tensor->name, sizeof tensor->name);
  dyno_synth_weights_init(&m->open[i].weights, tensor, m->spec->seed);
  return &m->open[i].weights;
}

static dyno_dtype source_dtype(void *context, dyno_tensor_role role, size_t layer)
{
  const maker *m = context;
  (void)layer;
  return dyno_synth_dtype(m->spec, role);
}

static dyno_status source_rows(void *context, void *rows, const dyno_tensor *tensor, size_t group,
                               size_t row0, size_t row1, dyno_error *error)
{
  maker *m = context;
  (void)error; /* it has been told already */
  if (m->metadata_status != DYNO_OK)
    return m->metadata_status;
  row_job job = {weights_of(m, tensor), tensor, rows, group, row0, row1};
  if (row1 - row0 == 1)
    draw_part(&job, 0, 1);
  else
    dyno_pool_run(m->pool, draw_part, &job);
  return DYNO_OK;
}

static bool source_progress(void *context, uint64_t done, uint64_t total)
{
  const maker *m = context;
  return m->run->progress == NULL || m->run->progress(m->run->context, done, total);
}

static void source_metadata(void *context, dyno_gguf_writer *writer)
{
  maker *m = context;
  const dyno_synth_spec *spec = m->spec;
  bool published = spec->dialect == &dyno_dialect_ggml_org;
  char name[128];
  snprintf(name, sizeof name, "%s, random weights, seed %" PRIu64, spec->shape, spec->seed);
  dyno_gguf_writer_add_string(writer, "general.name", name);
  dyno_gguf_writer_add_string(writer, "general.type", "model");
  dyno_gguf_writer_add_uint32(writer, "general.quantization_version", 2);
  dyno_gguf_writer_add_uint32(writer, "dyno.synth.version", DYNO_SYNTH_VERSION);
  dyno_gguf_writer_add_uint64(writer, "dyno.synth.seed", spec->seed);
  m->metadata_status = dyno_synth_vocabulary_write_gguf(&m->vocabulary, writer,
                                                        published ? "gpt-4o" : "default", m->error);
}

static dyno_status open_pool(maker *m)
{
  unsigned threads = m->run->threads;
  dyno_status status = dyno_choose_threads(&threads, m->error);
  return status == DYNO_OK ? dyno_pool_open(&m->pool, threads, m->error) : status;
}

static dyno_status write_weights(maker *m, const char *path, uint64_t shard_bytes)
{
  dyno_model_source source = {
      .context = m,
      .dtype = source_dtype,
      .rows = source_rows,
      .metadata = source_metadata,
      .progress = source_progress,
  };
  dyno_model_writer_options options = {.dialect = m->spec->dialect, .shard_bytes = shard_bytes};
  return dyno_model_write(path, &m->spec->config, &source, &options, m->error);
}

/* The writer looks for room, too, but file by file, and by taking it. */
static dyno_status check_room(const maker *m, const char *path)
{
  char *copy = strdup(path);
  if (copy == NULL)
    return dyno_fail(m->error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  struct statvfs system;
  int result = statvfs(dirname(copy), &system);
  int reason = errno;
  free(copy);
  if (result != 0)
    return dyno_fail(m->error, DYNO_ERROR_IO, "%s: cannot look at its folder: %s", path,
                     strerror(reason));
  uint64_t needed = dyno_synth_weight_bytes(m->spec);
  uint64_t available = (uint64_t)system.f_bavail * system.f_frsize;
  if (needed <= available)
    return DYNO_OK;
  return dyno_fail(m->error, DYNO_ERROR_UNAVAILABLE,
                   "%s: %.2f GB are needed, but the file system has %.2f GB left: make room or "
                   "choose another folder",
                   path, (double)needed * 1e-9, (double)available * 1e-9);
}

/* The ids that end a text: as in the published generation_config.json. */
static dyno_status write_generation_config(const maker *m, const char *folder)
{
  int32_t first = m->vocabulary.first_special;
  char *path = dyno_join_path(folder, "generation_config.json");
  json_t *object = json_pack(
      "{s:i, s:b, s:[i, i, i], s:i}", "bos_token_id", first + DYNO_SYNTH_START_OF_TEXT, "do_sample",
      1, "eos_token_id", first + DYNO_SYNTH_RETURN, first + DYNO_SYNTH_END_OF_TEXT,
      first + DYNO_SYNTH_CALL, "pad_token_id", first + DYNO_SYNTH_END_OF_TEXT);
  dyno_status status = path != NULL && object != NULL
                           ? dyno_json_write(path, object, m->error)
                           : dyno_fail(m->error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  json_decref(object);
  free(path);
  return status;
}

/* What the published config.json says besides: transformers tell MXFP4 by it. */
static dyno_status amend_config(const maker *m, const char *folder)
{
  const dyno_synth_spec *spec = m->spec;
  char *path = dyno_join_path(folder, "config.json");
  json_error_t problem;
  json_t *config = path == NULL ? NULL : json_load_file(path, 0, &problem);
  int32_t first = m->vocabulary.first_special;
  const char *dtype = spec->dense == DYNO_F32   ? "float32"
                      : spec->dense == DYNO_F16 ? "float16"
                                                : "bfloat16";
  json_t *more =
      json_pack("{s:s, s:i, s:i}", "dtype", dtype, "eos_token_id", first + DYNO_SYNTH_RETURN,
                "pad_token_id", first + DYNO_SYNTH_END_OF_TEXT);
  if (spec->experts == DYNO_MXFP4)
    json_object_set_new(more, "quantization_config",
                        json_pack("{s:s, s:[s, s, s, s]}", "quant_method", "mxfp4",
                                  "modules_to_not_convert", "model.layers.*.self_attn",
                                  "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"));
  dyno_status status = config != NULL && more != NULL && json_object_update(config, more) == 0
                           ? dyno_json_write(path, config, m->error)
                           : dyno_fail(m->error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  json_decref(config);
  json_decref(more);
  free(path);
  return status;
}

static dyno_status write_tokenizer(const maker *m, const char *folder)
{
  char *path = dyno_join_path(folder, "tokenizer.json");
  dyno_status status = path != NULL
                           ? dyno_synth_vocabulary_write_json(&m->vocabulary, path, m->error)
                           : dyno_fail(m->error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  free(path);
  return status;
}

static dyno_status write_file(maker *m, const char *path)
{
  struct stat kind;
  if (stat(path, &kind) == 0 && S_ISDIR(kind.st_mode))
    return dyno_fail(m->error, DYNO_ERROR_USAGE,
                     "%s is a folder; a GGUF model is a file: give a name in it", path);
  return write_weights(m, path, 0);
}

static dyno_status write_folder(maker *m, const char *path)
{
  bool hugging_face = m->spec->dialect == &dyno_dialect_hugging_face;
  /* The published model has three shards of at most 5 GB; smaller ones have as many. */
  uint64_t third = dyno_synth_weight_bytes(m->spec) / 3 + 1;
  uint64_t shard_bytes = third < 5000000000 ? third : 5000000000;
  dyno_new_folder folder;
  dyno_status status = dyno_new_folder_open(&folder, path, m->error);
  if (status == DYNO_OK)
    status = write_tokenizer(m, folder.temporary);
  if (status == DYNO_OK && hugging_face)
    status = write_generation_config(m, folder.temporary);
  if (status == DYNO_OK)
    status = write_weights(m, folder.temporary, hugging_face ? shard_bytes : 0);
  if (status == DYNO_OK && hugging_face)
    status = amend_config(m, folder.temporary);
  if (status == DYNO_OK)
    return dyno_new_folder_commit(&folder, m->error);
  dyno_new_folder_discard(&folder);
  return status;
}

dyno_status dyno_synth_write(const char *path, const dyno_synth_spec *spec,
                             const dyno_synth_run *run, dyno_error *error)
{
  maker *m = calloc(1, sizeof *m);
  if (m == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  m->spec = spec;
  m->run = run;
  m->error = error;
  dyno_status status = check_room(m, path);
  if (status == DYNO_OK)
    status =
        dyno_synth_vocabulary_make(&m->vocabulary, spec->config.vocab, spec->vocabulary, error);
  if (status == DYNO_OK)
    status = open_pool(m);
  if (status == DYNO_OK)
    status = spec->dialect->container == DYNO_CONTAINER_GGUF ? write_file(m, path)
                                                             : write_folder(m, path);
  dyno_pool_close(&m->pool);
  dyno_synth_vocabulary_free(&m->vocabulary);
  free(m);
  return status;
}
