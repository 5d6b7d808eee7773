/* Models that are made on first use and kept. */
#define XXH_INLINE_ALL
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "runtime/synth/synth.h"
#include "runtime/text/file.h"

enum { MOST_VOCABULARY_BYTES = 256 << 20 };

/* "$XDG_CACHE_HOME/dyno/synth", to be freed. The specification of XDG says to ignore relative
 * paths. */
static dyno_status cache_folder(char **folder, dyno_error *error)
{
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  bool there = cache != NULL && cache[0] == '/';
  if (!there && (home == NULL || home[0] == '\0'))
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                     "there is no cache folder: set HOME or XDG_CACHE_HOME");
  int length = there ? asprintf(folder, "%s/dyno/synth", cache)
                     : asprintf(folder, "%s/.cache/dyno/synth", home);
  return length >= 0 ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

/* Makes the folders on the way to a file. */
static dyno_status make_parents(char *path, dyno_error *error)
{
  for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    int result = mkdir(path, 0777);
    int reason = errno;
    if (result != 0 && reason != EEXIST)
      dyno_fail(error, DYNO_ERROR_IO, "%s: cannot make the cache folder: %s", path,
                strerror(reason));
    *slash = '/';
    if (result != 0 && reason != EEXIST)
      return DYNO_ERROR_IO;
  }
  return DYNO_OK;
}

/* A hash of everything that makes this model another one. */
static dyno_status hash_spec(uint64_t *hash, const dyno_synth_spec *spec, dyno_error *error)
{
  const dyno_model_config *c = &spec->config;
  uint64_t vocabulary = 0;
  if (spec->vocabulary != NULL) {
    char *text;
    size_t count;
    dyno_status status =
        dyno_file_read(&text, &count, spec->vocabulary, MOST_VOCABULARY_BYTES, error);
    if (status != DYNO_OK)
      return status;
    vocabulary = XXH3_64bits(text, count);
    free(text);
  }
  char text[640];
  int length = snprintf(text, sizeof text,
                        "%d %s %d %d %" PRIu64 " %" PRIx64 " %zu %zu %zu %zu %zu %zu %zu %zu %zu "
                        "%zu %zu",
                        DYNO_SYNTH_VERSION, dyno_synth_dialect_name(spec->dialect),
                        (int)spec->dense, (int)spec->experts, spec->seed, vocabulary, c->layers,
                        c->d_model, c->d_ff, c->heads, c->kv_heads, c->head_dim, c->experts,
                        c->experts_per_token, c->vocab, c->window, c->context_length);
  *hash = XXH3_64bits(text, (size_t)length);
  return DYNO_OK;
}

dyno_status dyno_synth_cache_path(char **path, const dyno_synth_spec *spec, dyno_error *error)
{
  *path = NULL;
  uint64_t hash;
  char *folder = NULL;
  dyno_status status = hash_spec(&hash, spec, error);
  if (status == DYNO_OK)
    status = cache_folder(&folder, error);
  if (status != DYNO_OK)
    return status;
  bool gguf = spec->dialect->container == DYNO_CONTAINER_GGUF;
  int length =
      asprintf(path, "%s/%s-%s-%s-%s-seed%" PRIu64 "-%016" PRIx64 "%s", folder, spec->shape,
               dyno_synth_dialect_name(spec->dialect), dyno_dtype_name(spec->dense),
               dyno_dtype_name(spec->experts), spec->seed, hash, gguf ? ".gguf" : "");
  free(folder);
  if (length >= 0)
    return make_parents(*path, error);
  *path = NULL;
  return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

/* "SHAPE", or "SHAPE:KEY=VALUE,...". text is cut up. */
static dyno_status parse(dyno_synth_spec *spec, char *text, dyno_error *error)
{
  char *rest = text + strcspn(text, ":");
  if (*rest != '\0')
    *rest++ = '\0';
  dyno_status status = dyno_synth_spec_init(spec, text, error);
  while (status == DYNO_OK && *rest != '\0') {
    char *key = rest, *end = rest + strcspn(rest, ",");
    rest = *end != '\0' ? end + 1 : end;
    *end = '\0';
    char *equals = strchr(key, '=');
    if (equals == NULL)
      return dyno_fail(error, DYNO_ERROR_USAGE,
                       "synth: '%s': KEY=VALUE is wanted, as in synth:tiny:dense=bf16,seed=2", key);
    *equals = '\0';
    status = dyno_synth_spec_set(spec, key, equals + 1, error);
  }
  return status == DYNO_OK ? dyno_synth_spec_check(spec, error) : status;
}

dyno_status dyno_synth_resolve(char **path, const char *text, const dyno_synth_run *run,
                               dyno_error *error)
{
  *path = NULL;
  char *copy = strdup(text);
  if (copy == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_synth_spec spec;
  dyno_status status = parse(&spec, copy, error);
  if (status == DYNO_OK)
    status = dyno_synth_cache_path(path, &spec, error);
  if (status == DYNO_OK && access(*path, F_OK) != 0)
    status = dyno_synth_write(*path, &spec, run, error);
  free(copy);
  if (status != DYNO_OK) {
    free(*path);
    *path = NULL;
  }
  return status;
}

dyno_status dyno_resolve_synth(char **path, const char *rest, dyno_error *error)
{
  return dyno_synth_resolve(path, rest, &(dyno_synth_run){0}, error);
}
