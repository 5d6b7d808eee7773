/* --model references: the stores of Ollama and of the Hugging Face tools, made up in a folder. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/model/reference.h"
#include "tests/unit/model_fixture.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static fixture_folder folder;

/* No store of the machine may be seen. */
static void make_folder(void)
{
  static const char *const variables[] = {"OLLAMA_MODELS", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
                                          "HF_HOME", "XDG_CACHE_HOME"};
  fixture_folder_make(&folder);
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    unsetenv(variables[i]);
  setenv("HOME", folder.path, 1);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(model_reference, .init = make_folder, .fini = remove_folder, .timeout = 60);

/* Writes text to a file of the folder, with the folders above it. */
static void put(const char *name, const char *text)
{
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder.path, name);
  for (char *slash = path + strlen(folder.path) + 1; (slash = strchr(slash, '/')) != NULL;
       slash++) {
    *slash = '\0';
    mkdir(path, 0777);
    *slash = '/';
  }
  fixture_write(path, text, strlen(text));
}

static void resolves_to(const char *reference, const char *name)
{
  char *path, wanted[512];
  dyno_error error = {0};
  snprintf(wanted, sizeof wanted, "%s/%s", folder.path, name);
  cr_assert(dyno_model_resolve(&path, reference, &error) == DYNO_OK, "%s: %s", reference,
            error.message);
  cr_assert(strcmp(path, wanted) == 0, "%s is %s, not %s", reference, path, wanted);
  free(path);
}

static void fails(const char *reference, dyno_status status, const char *message)
{
  char *path;
  dyno_error error = {0};
  cr_assert(dyno_model_resolve(&path, reference, &error) == status && path == NULL, "%s: %s: %s",
            reference, dyno_status_name(error.status), error.message);
  cr_assert(strstr(error.message, message) != NULL, "%s: %s", reference, error.message);
}

#define LAYER(digest, size)                                                                        \
  "{\"mediaType\": \"application/vnd.ollama.image.model\", \"digest\": \"" digest                  \
  "\", \"size\": " size "}"
#define TEMPLATE "{\"mediaType\": \"application/vnd.ollama.image.template\", \"digest\": \"x\"}"
#define LIBRARY "manifests/registry.ollama.ai/library/"

Test(model_reference, finds_ollama_models)
{
  put(".ollama/models/" LIBRARY "gpt-oss/20b",
      "{\"layers\": [" TEMPLATE ", " LAYER("sha256:" DIGEST, "4") "]}");
  put(".ollama/models/" LIBRARY "gpt-oss/latest",
      "{\"layers\": [" LAYER("sha256:" DIGEST, "4") "]}");
  put(".ollama/models/manifests/host.example/me/mine/v1.0",
      "{\"layers\": [" LAYER("sha256:" DIGEST, "4") "]}");
  put(".ollama/models/blobs/sha256-" DIGEST, "GGUF");
  resolves_to("ollama:gpt-oss:20b", ".ollama/models/blobs/sha256-" DIGEST);
  resolves_to("ollama:gpt-oss", ".ollama/models/blobs/sha256-" DIGEST);
  resolves_to("ollama:library/gpt-oss:20b", ".ollama/models/blobs/sha256-" DIGEST);
  resolves_to("ollama:host.example/me/mine:v1.0", ".ollama/models/blobs/sha256-" DIGEST);
  fails("ollama:gpt-oss:120b", DYNO_ERROR_NOT_FOUND, "`ollama pull gpt-oss:120b`");

  put("elsewhere/" LIBRARY "gpt-oss/20b", "{\"layers\": [" LAYER("sha256:" DIGEST, "4") "]}");
  put("elsewhere/blobs/sha256-" DIGEST, "GGUF");
  setenv("OLLAMA_MODELS", fixture_path(&folder, "elsewhere"), 1);
  resolves_to("ollama:gpt-oss:20b", "elsewhere/blobs/sha256-" DIGEST);
}

Test(model_reference, refuses_names_that_climb)
{
  static const char *const names[] = {"",
                                      ":20b",
                                      "gpt-oss:",
                                      "../../etc:passwd",
                                      "gpt-oss:..",
                                      "a/b/c/d",
                                      "gpt-oss:a/b",
                                      "gpt oss",
                                      "gpt-oss:20b:1",
                                      "/etc/passwd",
                                      "library/../x",
                                      ".hidden",
                                      "registry//gpt-oss",
                                      "gpt-oss/"};
  size_t count = sizeof names / sizeof *names;
  for (size_t i = 0; i < count; i++) {
    char reference[64];
    snprintf(reference, sizeof reference, "ollama:%s", names[i]);
    fails(reference, DYNO_ERROR_USAGE, "is no model name");
  }
}

Test(model_reference, refuses_manifests_that_are_malformed)
{
  static const struct {
    const char *manifest, *message;
    dyno_status status;
  } cases[] = {
      {"", "JSON", DYNO_ERROR_FORMAT},
      {"[]", "no object", DYNO_ERROR_FORMAT},
      {"{}", "layers: none", DYNO_ERROR_FORMAT},
      {"{\"layers\": 3}", "layers: none", DYNO_ERROR_FORMAT},
      {"{\"layers\": [1, null, {}]}", "layers: none", DYNO_ERROR_FORMAT},
      {"{\"layers\": [" TEMPLATE "]}", "layers: none", DYNO_ERROR_FORMAT},
      {"{\"layers\": [" LAYER("sha256:../../../../etc/passwd", "4") "]}", "layers[0].digest",
       DYNO_ERROR_FORMAT},
      {"{\"layers\": [" LAYER("sha256:" DIGEST "0", "4") "]}", "layers[0].digest",
       DYNO_ERROR_FORMAT},
      {"{\"layers\": [" LAYER("sha256:0123", "4") "]}", "layers[0].digest", DYNO_ERROR_FORMAT},
      {"{\"layers\": [" LAYER("md5:" DIGEST, "4") "]}", "layers[0].digest", DYNO_ERROR_FORMAT},
      {"{\"layers\": [" LAYER("sha256:" DIGEST, "5") "]}", "says 5", DYNO_ERROR_FORMAT},
      {"{\"layers\": [" LAYER("sha256:"
                              "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                              "4") "]}",
       "pull the model again", DYNO_ERROR_NOT_FOUND},
  };
  put(".ollama/models/blobs/sha256-" DIGEST, "GGUF");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    put(".ollama/models/" LIBRARY "gpt-oss/20b", cases[i].manifest);
    fails("ollama:gpt-oss:20b", cases[i].status, cases[i].message);
  }
}

#define SNAPSHOT ".cache/huggingface/hub/models--openai--gpt-oss-20b/snapshots/" COMMIT

Test(model_reference, finds_hugging_face_models)
{
  put(SNAPSHOT "/model.safetensors.index.json", "{}");
  put(SNAPSHOT "/model-00001-of-00001.safetensors", "x");
  put(SNAPSHOT "/original/model.safetensors", "x");
  put(".cache/huggingface/hub/models--openai--gpt-oss-20b/refs/main", COMMIT "\n");
  put(".cache/huggingface/hub/models--openai--gpt-oss-20b/refs/v2", COMMIT);
  resolves_to("hf:openai/gpt-oss-20b", SNAPSHOT);
  resolves_to("hf:openai/gpt-oss-20b@v2", SNAPSHOT);
  resolves_to("hf:openai/gpt-oss-20b@" COMMIT, SNAPSHOT);
  resolves_to("hf:openai/gpt-oss-20b/original", SNAPSHOT "/original");
  resolves_to("hf:openai/gpt-oss-20b@main/original/model.safetensors",
              SNAPSHOT "/original/model.safetensors");
  fails("hf:openai/gpt-oss-120b", DYNO_ERROR_NOT_FOUND, "`hf download openai/gpt-oss-120b`");
  fails("hf:openai/gpt-oss-20b@v3", DYNO_ERROR_NOT_FOUND, "refs/v3");
  fails("hf:openai/gpt-oss-20b/absent", DYNO_ERROR_NOT_FOUND, "absent");
}

Test(model_reference, looks_where_the_environment_says)
{
  static const struct {
    const char *variable, *value, *below;
  } places[] = {
      {"XDG_CACHE_HOME", "xdg", "xdg/huggingface/hub"},
      {"HF_HOME", "home", "home/hub"},
      {"HUGGINGFACE_HUB_CACHE", "old", "old"},
      {"HF_HUB_CACHE", "new", "new"},
  };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s/models--a--b/refs/main", places[i].below);
    put(name, COMMIT);
    snprintf(name, sizeof name, "%s/models--a--b/snapshots/" COMMIT "/m.gguf", places[i].below);
    put(name, "GGUF");
    setenv(places[i].variable, fixture_path(&folder, places[i].value), 1);
    resolves_to("hf:a/b", name);
  }
}

Test(model_reference, refuses_repositories_that_climb)
{
  static const char *const names[] = {"",       "openai",   "openai/", "/gpt",          "../x",
                                      "a/../b", "a/b/../c", "a/b@",    "a/b@../../etc", "a/b/",
                                      "a/b//c", "a b/c",    "a/b@x/",  "a/b@x/.."};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char reference[64];
    snprintf(reference, sizeof reference, "hf:%s", names[i]);
    fails(reference, DYNO_ERROR_USAGE, "is no repository");
  }
  static const char *const refs[] = {"", "main", "../../../../../../../../../../../etc/passwd11",
                                     COMMIT "0", "0123456789ABCDEF0123456789abcdef01234567"};
  put(SNAPSHOT "/m.gguf", "GGUF");
  for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
    put(".cache/huggingface/hub/models--openai--gpt-oss-20b/refs/main", refs[i]);
    fails("hf:openai/gpt-oss-20b", DYNO_ERROR_FORMAT, "no commit");
  }
}

Test(model_reference, finds_the_file_in_a_folder)
{
  put("one/m.gguf", "GGUF");
  put("one/README.md", "");
  put("both/m.gguf", "GGUF");
  put("both/m.safetensors", "");
  put("two/b.gguf", "GGUF");
  put("two/a.gguf", "GGUF");
  put("none/README.md", "");
  put("file.gguf", "GGUF");
  resolves_to(fixture_path(&folder, "one"), "one/m.gguf");
  resolves_to(fixture_path(&folder, "both"), "both");
  resolves_to(fixture_path(&folder, "file.gguf"), "file.gguf");
  fails(fixture_path(&folder, "two"), DYNO_ERROR_USAGE, "such as a.gguf");
  fails(fixture_path(&folder, "none"), DYNO_ERROR_NOT_FOUND, "no model in this folder");
  fails(fixture_path(&folder, "absent"), DYNO_ERROR_NOT_FOUND, "ollama:MODEL[:TAG]");
  fails("gpt-oss:20b", DYNO_ERROR_NOT_FOUND, "hf:OWNER/NAME");
}
