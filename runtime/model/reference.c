#include "runtime/model/reference.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data.h"
#include "runtime/model/path.h"
#include "runtime/synth/synth.h"

const dyno_reference_scheme dyno_reference_schemes[] = {
    {"ollama:", "ollama:MODEL[:TAG]", dyno_resolve_ollama},
    {"hf:", "hf:OWNER/NAME[@REVISION][/FILE]", dyno_resolve_hugging_face},
    {DYNO_SYNTH_PREFIX, "synth:SHAPE[:KEY=VALUE,...]", dyno_resolve_synth},
    {"mini", "mini", dyno_resolve_mini},
};
const size_t dyno_reference_scheme_count =
    sizeof dyno_reference_schemes / sizeof *dyno_reference_schemes;

static bool ends_in(const char *text, const char *suffix)
{
  size_t length = strlen(text), size = strlen(suffix);
  return length > size && strcmp(text + length - size, suffix) == 0;
}

/* What a folder holds. */
typedef struct content {
  size_t safetensors, ggufs;
  char gguf[256]; /* the first in the order of names */
} content;

static dyno_status list(content *found, const char *folder, dyno_error *error)
{
  *found = (content){0};
  DIR *directory = opendir(folder);
  if (directory == NULL)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot open it: %s", folder, strerror(errno));
  const struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    if (entry->d_name[0] == '.')
      continue;
    found->safetensors += ends_in(entry->d_name, ".safetensors");
    if (!ends_in(entry->d_name, ".gguf"))
      continue;
    if (found->ggufs++ == 0 || strcmp(entry->d_name, found->gguf) < 0)
      snprintf(found->gguf, sizeof found->gguf, "%s", entry->d_name);
  }
  closedir(directory);
  return DYNO_OK;
}

/* A folder of GGUF files means the one that is in it. */
static dyno_status descend(char **path, dyno_error *error)
{
  content found;
  dyno_status status = list(&found, *path, error);
  if (status != DYNO_OK || found.safetensors > 0)
    return status;
  if (found.ggufs == 0)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                     "%s: there is no model in this folder: neither .safetensors nor .gguf", *path);
  if (found.ggufs > 1)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: there are %zu .gguf files in this folder; give one of them, such as %s",
                     *path, found.ggufs, found.gguf);
  char *file = dyno_join_path(*path, found.gguf);
  if (file == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", *path);
  free(*path);
  *path = file;
  return DYNO_OK;
}

static dyno_status resolve_path(char **path, const char *text, dyno_error *error)
{
  struct stat kind;
  if (stat(text, &kind) != 0) {
    char schemes[240] = "";
    for (size_t i = 0; i < dyno_reference_scheme_count; i++) {
      size_t length = strlen(schemes);
      snprintf(schemes + length, sizeof schemes - length, ", %s", dyno_reference_schemes[i].usage);
    }
    return dyno_fail(error,
                     errno == ENOENT || errno == ENOTDIR ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: %s; a model is a path%s", text, strerror(errno), schemes);
  }
  *path = strdup(text);
  return *path != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", text);
}

dyno_status dyno_resolve_mini(char **path, const char *rest, dyno_error *error)
{
  (void)rest;
  return dyno_data_path(path, "mini/dyno-mini.gguf", error);
}

/* A prefix without a colon is a name of its own: "mini" is not "mini.gguf". */
static bool begins_with(const char *reference, const char *prefix)
{
  size_t length = strlen(prefix);
  return strncmp(reference, prefix, length) == 0 &&
         (prefix[length - 1] == ':' || reference[length] == '\0');
}

dyno_status dyno_model_resolve(char **path, const char *reference, dyno_error *error)
{
  *path = NULL;
  dyno_status (*resolve)(char **, const char *, dyno_error *) = resolve_path;
  const char *rest = reference;
  for (size_t i = 0; i < dyno_reference_scheme_count; i++) {
    const char *prefix = dyno_reference_schemes[i].prefix;
    if (!begins_with(reference, prefix))
      continue;
    resolve = dyno_reference_schemes[i].resolve;
    rest = reference + strlen(prefix);
  }
  dyno_status status = resolve(path, rest, error);
  struct stat kind;
  if (status == DYNO_OK && stat(*path, &kind) == 0 && S_ISDIR(kind.st_mode))
    status = descend(path, error);
  if (status != DYNO_OK) {
    free(*path);
    *path = NULL;
  }
  return status;
}
