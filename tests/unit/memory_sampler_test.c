/* The lines that the sampler writes, against what the process does. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/memory_sampler.h"

static char path[64];

static void make_path(void)
{
  strcpy(path, "/tmp/dyno-memory.XXXXXX");
  int file = mkstemp(path);
  cr_assert(file >= 0, "no file");
  close(file);
}

static void remove_path(void)
{
  unlink(path);
}

TestSuite(memory_sampler, .init = make_path, .fini = remove_path);

static int64_t realtime_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* All lines of the file as an array. */
static json_t *read_lines(void)
{
  json_t *lines = json_array();
  FILE *file = fopen(path, "re");
  char line[4096];
  cr_assert(file != NULL && lines != NULL, "%s", path);
  while (fgets(line, sizeof line, file) != NULL) {
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);
    cr_assert(object != NULL && line[strlen(line) - 1] == '\n', "%s in: %s", error.text, line);
    json_array_append_new(lines, object);
  }
  fclose(file);
  return lines;
}

static int64_t number(const json_t *lines, size_t line, const char *key)
{
  const json_t *value = json_object_get(json_array_get(lines, line), key);
  cr_assert(json_is_integer(value), "line %zu: %s is no number", line, key);
  return json_integer_value(value);
}

Test(memory_sampler, follows_the_resident_set_and_the_case)
{
  enum { BYTES = 64 << 20 };
  dyno_memory_sampler *sampler;
  const dyno_memory_sampler_options options = {
      .path = path, .started_ns = realtime_ns() - 5000000000, .period_ms = 5};
  cr_assert(dyno_memory_sampler_start(&sampler, &options, NULL) == DYNO_OK, "start");
  usleep(30000);
  char *memory =
      mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  cr_assert(memory != MAP_FAILED, "memory");
  dyno_memory_sampler_set_case(sampler, "a \"case\"\n\\");
  usleep(30000);
  cr_assert(munmap(memory, BYTES) == 0, "munmap");
  dyno_memory_sampler_set_case(sampler, NULL);
  cr_assert(dyno_memory_sampler_stop(&sampler, NULL) == DYNO_OK && sampler == NULL, "stop");
  json_t *lines = read_lines();
  size_t last = json_array_size(lines) - 1, inside = 0;
  cr_assert(json_array_size(lines) >= 3, "%zu lines", last + 1);
  int64_t most = 0, time = 5000000000;
  for (size_t i = 0; i <= last; i++) {
    const json_t *name = json_object_get(json_array_get(lines, i), "case");
    inside += json_is_string(name) && strcmp(json_string_value(name), "a \"case\"\n\\") == 0;
    most = number(lines, i, "rss_bytes") > most ? number(lines, i, "rss_bytes") : most;
    cr_assert(number(lines, i, "t_ns") >= time, "time goes on");
    time = number(lines, i, "t_ns");
    cr_assert(number(lines, i, "peak_rss_bytes") >= number(lines, i, "rss_bytes"), "peak");
    cr_assert(json_is_null(json_object_get(json_array_get(lines, i), "kv_bytes")), "no engine");
    cr_assert(json_is_null(json_object_get(json_array_get(lines, i), "weights_bytes")), "nor");
  }
  cr_assert(inside >= 1, "no line of the case");
  cr_assert(most - number(lines, 0, "rss_bytes") > BYTES * 9 / 10, "64 MiB are seen");
  cr_assert(number(lines, last, "peak_rss_bytes") - number(lines, last, "rss_bytes") >
                BYTES * 9 / 10,
            "the peak stays");
  json_decref(lines);
}

Test(memory_sampler, tells_what_the_engine_holds)
{
  enum { TOKENS = 100 };
  dyno_engine_options engine_options = DYNO_ENGINE_DEFAULTS;
  dyno_engine *engine;
  dyno_sequence *first, *second;
  dyno_error error = {0};
  int32_t tokens[TOKENS] = {0};
  char model[1024];
  const char *source = getenv("top_srcdir");
  snprintf(model, sizeof model, "%s/tests/oracle/models/mxfp4", source == NULL ? "." : source);
  engine_options.model = model;
  engine_options.registry.threads = 1;
  cr_assert(dyno_engine_open(&engine, &engine_options, &error) == DYNO_OK, "%s", error.message);
  dyno_memory_sampler *sampler;
  const dyno_memory_sampler_options options = {.path = path, .engine = engine, .period_ms = 1000};
  cr_assert(dyno_memory_sampler_start(&sampler, &options, NULL) == DYNO_OK, "start");
  cr_assert(dyno_sequence_open(&first, engine, TOKENS, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_sequence_open(&second, engine, TOKENS, &error) == DYNO_OK, "%s", error.message);
  uint64_t workspace = dyno_engine_get_memory(engine).workspace;
  cr_assert(workspace > 0, "hidden states take memory");
  cr_assert(dyno_engine_get_memory(engine).kv == 0, "no keys yet");
  cr_assert(dyno_sequence_append(first, tokens, TOKENS, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_sequence_append(second, tokens, 1, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  uint64_t kv = dyno_sequence_kv_bytes(first) + dyno_sequence_kv_bytes(second);
  cr_assert(dyno_engine_get_memory(engine).kv == kv, "of both");
  cr_assert(dyno_memory_sampler_stop(&sampler, NULL) == DYNO_OK, "stop");
  json_t *lines = read_lines();
  size_t last = json_array_size(lines) - 1;
  cr_assert((uint64_t)number(lines, last, "kv_bytes") == kv, "in the last line");
  cr_assert((uint64_t)number(lines, last, "workspace_bytes") == workspace, "so is this");
  cr_assert((uint64_t)number(lines, last, "weights_bytes") <=
                dyno_engine_get_placement(engine).weights,
            "no more than there are");
  cr_assert(number(lines, last, "weights_bytes") > 0, "weights are in memory");
  json_decref(lines);
  dyno_sequence_close(&first);
  cr_assert(dyno_engine_get_memory(engine).workspace * 2 == workspace, "one is left");
  dyno_sequence_close(&second);
  cr_assert(dyno_engine_get_memory(engine).kv == 0 && dyno_engine_get_memory(engine).workspace == 0,
            "nothing is left");
  dyno_engine_close(&engine);
}

Test(memory_sampler, a_file_that_cannot_be_opened_is_an_error)
{
  dyno_memory_sampler *sampler;
  dyno_error error = {0};
  const dyno_memory_sampler_options options = {.path = "/nowhere/memory.jsonl"};
  cr_assert(dyno_memory_sampler_start(&sampler, &options, &error) == DYNO_ERROR_IO, "opened");
  cr_assert(sampler == NULL && strstr(error.message, "/nowhere/memory.jsonl") != NULL, "%s",
            error.message);
}

Test(memory_sampler, a_full_disk_is_told_at_the_end)
{
  dyno_memory_sampler *sampler;
  dyno_error error = {0};
  const dyno_memory_sampler_options options = {.path = "/dev/full"};
  if (access("/dev/full", W_OK) != 0)
    cr_skip_test("there is no /dev/full");
  cr_assert(dyno_memory_sampler_start(&sampler, &options, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_memory_sampler_stop(&sampler, &error) == DYNO_ERROR_IO, "not told");
  cr_assert(strstr(error.message, "/dev/full") != NULL, "%s", error.message);
}
