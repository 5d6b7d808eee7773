/* Where Ollama and the Hugging Face tools keep what they fetched. */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/model/json_file.h"
#include "runtime/model/mapped_file.h"
#include "runtime/model/path.h"
#include "runtime/model/reference.h"

enum { MAX_MANIFEST_BYTES = 4 << 20, MAX_REF_BYTES = 4096, PATH_TEXT = 4096, HASH_DIGITS = 64 };

/* A part of a name that becomes a part of a path: no separators, and nothing that climbs. */
static bool is_plain(const char *text, size_t size)
{
  if (size == 0 || size > 128 || text[0] == '.')
    return false;
  for (size_t i = 0; i < size; i++)
    if (!isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL)
      return false;
  return true;
}

static bool is_hex(const char *text, size_t digits)
{
  return strspn(text, "0123456789abcdef") == digits && text[digits] == '\0';
}

static bool is_folder(const char *path)
{
  struct stat kind;
  return stat(path, &kind) == 0 && S_ISDIR(kind.st_mode);
}

static const char *environment(const char *name)
{
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Joins folder and name in a buffer; false when they do not fit. */
static bool join(char path[PATH_TEXT], const char *folder, const char *name)
{
  int length = snprintf(path, PATH_TEXT, "%s/%s", folder, name);
  return length > 0 && length < PATH_TEXT;
}

static dyno_status too_long(const char *rest, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_USAGE, "'%.100s': the path it leads to is too long", rest);
}

/* "[HOST/][NAMESPACE/]MODEL[:TAG]" as the path of its manifest below the store. */
static dyno_status ollama_manifest(char manifest[PATH_TEXT], const char *rest, dyno_error *error)
{
  const char *parts[3];
  size_t sizes[3], count = 0;
  const char *at = rest, *tag = "latest";
  size_t tag_size = strlen(tag);
  bool good = true;
  while (good && count < 3) {
    size_t size = strcspn(at, "/:");
    parts[count] = at;
    sizes[count++] = size;
    good = is_plain(at, size);
    at += size;
    if (*at != '/')
      break;
    at++;
  }
  if (good && *at == ':') {
    tag = at + 1;
    tag_size = strlen(tag);
    at = tag + tag_size;
  }
  if (!good || *at != '\0' || !is_plain(tag, tag_size))
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "'ollama:%.100s' is no model name; it should look like ollama:gpt-oss:20b",
                     rest);
  static const char host[] = "registry.ollama.ai", space[] = "library";
  const char *h = count == 3 ? parts[0] : host, *n = count >= 2 ? parts[count - 2] : space;
  int length = snprintf(manifest, PATH_TEXT, "manifests/%.*s/%.*s/%.*s/%.*s",
                        (int)(count == 3 ? sizes[0] : sizeof host - 1), h,
                        (int)(count >= 2 ? sizes[count - 2] : sizeof space - 1), n,
                        (int)sizes[count - 1], parts[count - 1], (int)tag_size, tag);
  return length > 0 && length < PATH_TEXT ? DYNO_OK : too_long(rest, error);
}

/* Reads the digest of the layer that is the model, 64 digits and a NUL, and its size or 0. */
static dyno_status read_manifest(char digest[HASH_DIGITS + 1], json_int_t *size, const char *path,
                                 dyno_error *error)
{
  static const char prefix[] = "sha256:", type[] = "application/vnd.ollama.image.model";
  json_t *root, *layer;
  size_t i;
  dyno_status status = dyno_json_load(&root, path, MAX_MANIFEST_BYTES, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s: layers: none has the mediaType %s", path, type);
  json_array_foreach (json_object_get(root, "layers"), i, layer) {
    const char *found = json_string_value(json_object_get(layer, "mediaType"));
    if (found == NULL || strcmp(found, type) != 0)
      continue;
    const char *text = json_string_value(json_object_get(layer, "digest"));
    if (text == NULL || strncmp(text, prefix, sizeof prefix - 1) != 0 ||
        !is_hex(text + sizeof prefix - 1, HASH_DIGITS)) {
      status =
          dyno_fail(error, DYNO_ERROR_FORMAT,
                    "%s: layers[%zu].digest is not sha256: and 64 hexadecimal digits", path, i);
      break;
    }
    memcpy(digest, text + sizeof prefix - 1, HASH_DIGITS + 1);
    *size = json_integer_value(json_object_get(layer, "size"));
    status = DYNO_OK;
    break;
  }
  json_decref(root);
  return status;
}

static dyno_status find_blob(char **path, const char *root, const char *manifest, dyno_error *error)
{
  char digest[HASH_DIGITS + 1] = "", name[HASH_DIGITS + 16], blob[PATH_TEXT];
  json_int_t size = 0;
  dyno_status status = read_manifest(digest, &size, manifest, error);
  if (status != DYNO_OK)
    return status;
  snprintf(name, sizeof name, "blobs/sha256-%s", digest);
  if (!join(blob, root, name))
    return too_long(root, error);
  struct stat kind;
  if (stat(blob, &kind) != 0)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: named by %s, but: %s; pull the model again",
                     blob, manifest, strerror(errno));
  if (size > 0 && kind.st_size != size)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: has %lld bytes, but %s says %lld; pull the model again", blob,
                     (long long)kind.st_size, manifest, (long long)size);
  *path = strdup(blob);
  return *path != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", blob);
}

dyno_status dyno_resolve_ollama(char **path, const char *rest, dyno_error *error)
{
  /* The last is what Ollama's installer for Linux sets up for its service. */
  char home_root[PATH_TEXT];
  const char *roots[2] = {environment("OLLAMA_MODELS"), NULL};
  const char *home = environment("HOME");
  if (roots[0] == NULL) {
    roots[0] = home != NULL && join(home_root, home, ".ollama/models") ? home_root : NULL;
    roots[1] = "/usr/share/ollama/.ollama/models";
  }
  char relative[PATH_TEXT], manifest[PATH_TEXT], looked[2 * PATH_TEXT] = "";
  dyno_status status = ollama_manifest(relative, rest, error);
  for (size_t i = 0; i < 2 && status == DYNO_OK; i++) {
    if (roots[i] == NULL)
      continue;
    if (!join(manifest, roots[i], relative))
      return too_long(rest, error);
    if (access(manifest, F_OK) == 0)
      return find_blob(path, roots[i], manifest, error);
    size_t length = strlen(looked);
    snprintf(looked + length, sizeof looked - length, "%s%s", length > 0 ? " or " : "", roots[i]);
  }
  return status != DYNO_OK
             ? status
             : dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                         "ollama:%s: not in %s; `ollama pull %s` fetches it, or set OLLAMA_MODELS",
                         rest, looked, rest);
}

/* "OWNER/NAME[@REVISION][/FILE]", cut into its parts. */
typedef struct repository {
  char owner[129], name[129], revision[129];
  const char *file; /* "" when there is none */
} repository;

static bool copy_part(char part[129], const char *text, size_t size)
{
  if (!is_plain(text, size))
    return false;
  memcpy(part, text, size);
  part[size] = '\0';
  return true;
}

/* A path inside the repository: plain names with slashes between. */
static bool is_plain_path(const char *path)
{
  while (*path != '\0') {
    size_t size = strcspn(path, "/");
    if (!is_plain(path, size))
      return false;
    path += size;
    if (*path == '/' && *++path == '\0')
      return false;
  }
  return true;
}

static dyno_status parse_repository(repository *parsed, const char *rest, dyno_error *error)
{
  size_t owner = strcspn(rest, "/");
  const char *name = rest + owner + (rest[owner] == '/');
  size_t name_size = strcspn(name, "@/");
  const char *at = name + name_size;
  bool good = rest[owner] == '/' && copy_part(parsed->owner, rest, owner) &&
              copy_part(parsed->name, name, name_size);
  strcpy(parsed->revision, "main");
  if (good && *at == '@') {
    size_t size = strcspn(at + 1, "/");
    good = copy_part(parsed->revision, at + 1, size);
    at += 1 + size;
  }
  parsed->file = *at == '/' ? at + 1 : at;
  if (!good || !is_plain_path(parsed->file) || (*at == '/' && at[1] == '\0'))
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "'hf:%.100s' is no repository; it should look like hf:openai/gpt-oss-20b",
                     rest);
  return DYNO_OK;
}

/* The folder of all repositories, in the order in which huggingface_hub looks for it. */
static bool hugging_face_root(char root[PATH_TEXT])
{
  static const struct {
    const char *variable, *below;
  } places[] = {
      {"HF_HUB_CACHE", ""},
      {"HUGGINGFACE_HUB_CACHE", ""},
      {"HF_HOME", "/hub"},
      {"XDG_CACHE_HOME", "/huggingface/hub"},
      {"HOME", "/.cache/huggingface/hub"},
  };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    const char *value = environment(places[i].variable);
    if (value == NULL)
      continue;
    int length = snprintf(root, PATH_TEXT, "%s%s", value, places[i].below);
    return length > 0 && length < PATH_TEXT;
  }
  return false;
}

/* The commit that a branch or tag stands for: the only line of refs/REVISION. */
static dyno_status read_ref(char hash[41], const char *folder, const char *revision,
                            dyno_error *error)
{
  char path[PATH_TEXT], name[160];
  snprintf(name, sizeof name, "refs/%s", revision);
  if (is_hex(revision, 40)) {
    strcpy(hash, revision);
    return DYNO_OK;
  }
  if (!join(path, folder, name))
    return too_long(folder, error);
  dyno_mapped_file file;
  dyno_status status = dyno_mapped_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  size_t size = file.size;
  while (size > 0 && size < MAX_REF_BYTES && isspace(file.bytes[size - 1]))
    size--;
  if (size == 40) {
    memcpy(hash, file.bytes, 40);
    hash[40] = '\0';
  }
  if (size != 40 || !is_hex(hash, 40))
    status =
        dyno_fail(error, DYNO_ERROR_FORMAT, "%s: this is no commit of 40 hexadecimal digits", path);
  dyno_mapped_file_close(&file);
  return status;
}

dyno_status dyno_resolve_hugging_face(char **path, const char *rest, dyno_error *error)
{
  repository parsed;
  char root[PATH_TEXT], folder[PATH_TEXT], snapshot[PATH_TEXT], full[PATH_TEXT];
  char name[2 * 129 + 16], hash[41] = "", relative[64];
  dyno_status status = parse_repository(&parsed, rest, error);
  if (status != DYNO_OK)
    return status;
  snprintf(name, sizeof name, "models--%s--%s", parsed.owner, parsed.name);
  if (!hugging_face_root(root) || !join(folder, root, name))
    return too_long(rest, error);
  if (!is_folder(folder))
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                     "hf:%s: not in %s; `hf download %s/%s` fetches it, or set HF_HUB_CACHE", rest,
                     root, parsed.owner, parsed.name);
  status = read_ref(hash, folder, parsed.revision, error);
  if (status != DYNO_OK)
    return status;
  snprintf(relative, sizeof relative, "snapshots/%s", hash);
  if (!join(snapshot, folder, relative) || !join(full, snapshot, parsed.file))
    return too_long(rest, error);
  if (access(full, F_OK) != 0)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: %s; `hf download %s/%s` fetches it", full,
                     strerror(errno), parsed.owner, parsed.name);
  *path = strdup(parsed.file[0] != '\0' ? full : snapshot);
  return *path != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", full);
}
