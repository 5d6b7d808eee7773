#include "harness/measure/model_fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { SAMPLES = 256, SAMPLE_BYTES = 4096, PATH_TEXT = 4096 };

static void add_number(XXH3_state_t *hash, uint64_t number)
{
  XXH3_64bits_update(hash, &number, sizeof number);
}

static void add_shape(XXH3_state_t *hash, const dyno_model_config *config)
{
  const uint64_t numbers[] = {config->layers,  config->d_model,           config->vocab,
                              config->heads,   config->kv_heads,          config->head_dim,
                              config->experts, config->experts_per_token, config->d_ff,
                              config->window,  config->context_length,    config->tied_head};
  XXH3_64bits_update(hash, numbers, sizeof numbers);
}

static dyno_status add_file(XXH3_state_t *hash, const char *path, dyno_error *error)
{
  char bytes[SAMPLE_BYTES];
  struct stat facts;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &facts) != 0) {
    if (file >= 0)
      close(file);
    return dyno_fail(error, DYNO_ERROR_IO, "%s: it cannot be read: %m", path);
  }
  add_number(hash, (uint64_t)facts.st_size);
  for (int i = 0; i < SAMPLES; i++) {
    off_t last = facts.st_size > SAMPLE_BYTES ? facts.st_size - SAMPLE_BYTES : 0;
    ssize_t count = pread(file, bytes, sizeof bytes, last / (SAMPLES - 1) * i);
    if (count < 0) {
      close(file);
      return dyno_fail(error, DYNO_ERROR_IO, "%s: it cannot be read: %m", path);
    }
    XXH3_64bits_update(hash, bytes, (size_t)count);
  }
  close(file);
  return DYNO_OK;
}

static int is_weights(const struct dirent *entry)
{
  const char *dot = strrchr(entry->d_name, '.');
  return dot != NULL && (strcmp(dot, ".safetensors") == 0 || strcmp(dot, ".json") == 0);
}

static dyno_status add_folder(XXH3_state_t *hash, const char *folder, dyno_error *error)
{
  struct dirent **entries;
  dyno_status status = DYNO_OK;
  int count = scandir(folder, &entries, is_weights, alphasort);
  if (count < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %s", folder, strerror(errno));
  for (int i = 0; i < count; i++) {
    char path[PATH_TEXT];
    snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    if (status == DYNO_OK)
      status = add_file(hash, path, error);
    free(entries[i]);
  }
  free(entries);
  return status;
}

dyno_status dyno_model_fingerprint(uint64_t *fingerprint, const dyno_engine *engine,
                                   dyno_error *error)
{
  const char *path = dyno_engine_model_path(engine);
  XXH3_state_t *hash = XXH3_createState();
  struct stat facts;
  if (hash == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  XXH3_64bits_reset(hash);
  add_shape(hash, dyno_engine_config(engine));
  dyno_status status = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)
                           ? add_folder(hash, path, error)
                           : add_file(hash, path, error);
  *fingerprint = XXH3_64bits_digest(hash);
  XXH3_freeState(hash);
  return status;
}

uint64_t dyno_model_parameters(const dyno_model_config *c)
{
  uint64_t query = c->heads * c->head_dim, key = c->kv_heads * c->head_dim;
  uint64_t attention = (query + 2 * key) * (c->d_model + 1) + (query + 1) * c->d_model + c->heads;
  uint64_t expert = 2 * c->d_ff * (c->d_model + 1) + c->d_model * (c->d_ff + 1);
  uint64_t layer = attention + c->experts * (expert + c->d_model + 1) + 2 * c->d_model;
  uint64_t tables = (c->tied_head ? 1 : 2) * (uint64_t)c->vocab * c->d_model;
  return c->layers * layer + tables + c->d_model;
}
