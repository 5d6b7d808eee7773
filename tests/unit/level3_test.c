/* L3 in the engine: prefixes that were compressed, spilled and read back give the same logits, to
 * the bit, as those that are computed; files that are damaged or foreign give them too, and a word
 * about it. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/engine.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/model_fixture.h"

enum { TOKENS = 330, WHOLE = TOKENS / 64, MIB = 16 };

static fixture_folder folder;
static char model[4096], file[300];
static int32_t tokens[TOKENS];
static char told[2048]; /* by the engine */
static float *expected; /* logits without a cache */
static size_t vocab;

static void notice(void *context, const char *message)
{
  (void)context;
  snprintf(told, sizeof told, "%s", message);
}

static dyno_engine *open_engine(const dyno_cache_options *cache, dyno_precision precision)
{
  dyno_engine *engine;
  dyno_error error = {0};
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = model;
  options.registry.threads = 2;
  options.batch = 128;
  options.precision = precision;
  options.cache = *cache;
  told[0] = '\0';
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  return engine;
}

static dyno_engine *open_cached(const char *path)
{
  const dyno_cache_options cache = {
      .levels = DYNO_CACHE_L2 | DYNO_CACHE_L3,
      .size = MIB,
      .threshold = DYNO_CACHE_LEAST_THRESHOLD,
      .file = path,
      .notice = notice,
  };
  return open_engine(&cache, DYNO_PRECISION_FAST);
}

/* Runs the tokens in a sequence of their own. Returns how many of them were not computed. */
static size_t run(dyno_engine *engine, float *logits)
{
  dyno_sequence *sequence;
  dyno_error error = {0};
  cr_assert(dyno_sequence_open(&sequence, engine, TOKENS + 8, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_sequence_append(sequence, tokens, TOKENS, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  memcpy(logits, dyno_sequence_logits(sequence), vocab * sizeof *logits);
  size_t reused = dyno_sequence_reused(sequence);
  dyno_sequence_close(&sequence);
  return reused;
}

/* And compares with what comes without a cache. */
static size_t check(dyno_engine *engine, const char *what)
{
  float *logits = allocate(vocab * sizeof *logits);
  size_t reused = run(engine, logits);
  cr_assert(memcmp(logits, expected, vocab * sizeof *logits) == 0, "%s: other logits", what);
  free(logits);
  return reused;
}

/* Has all that lies above the threshold compressed, which is all but two nodes. */
static dyno_cache_statistics compress_all(dyno_engine *engine)
{
  dyno_cache_statistics now;
  bool more;
  do {
    more = dyno_engine_idle(engine, 1000000);
    usleep(1000);
    now = dyno_engine_get_cache(engine);
  } while (more || now.compressed.waiting > 0);
  return now;
}

static void prepare(void)
{
  const char *tree = getenv("top_srcdir");
  fixture_folder_make(&folder);
  snprintf(file, sizeof file, "%s/cache", folder.path);
  snprintf(model, sizeof model, "%s/testcases/mini/dyno-mini.gguf", tree != NULL ? tree : ".");
  dyno_engine *engine = open_engine(&(dyno_cache_options){0}, DYNO_PRECISION_FAST);
  vocab = dyno_engine_config(engine)->vocab;
  for (size_t i = 0; i < TOKENS; i++)
    tokens[i] = (int32_t)(i * i * 7 % vocab);
  expected = allocate(vocab * sizeof *expected);
  run(engine, expected);
  dyno_engine_close(&engine);
}

static void clean_up(void)
{
  free(expected);
  fixture_folder_remove(&folder);
}

TestSuite(level3, .init = prepare, .fini = clean_up, .timeout = 120);

Test(level3, compressed_prefixes_give_the_same_logits)
{
  dyno_engine *engine = open_cached(NULL);
  cr_assert(check(engine, "cold") == 0);
  dyno_cache_statistics now = compress_all(engine);
  const dyno_cache_compressed *counts = &now.compressed;
  size_t compressed = counts->nodes;
  cr_assert(compressed >= WHOLE - 3 && counts->compressed == compressed && counts->dropped == 0,
            "%zu nodes", compressed);
  double ratio = (double)counts->compressed_out / (double)counts->compressed_in;
  cr_assert(ratio > 0.3 && ratio < 0.75, "a ratio of %.3f", ratio);
  for (int round = 0; round < 2; round++) {
    cr_assert(check(engine, "compressed") == WHOLE * 64, "round %d", round);
    now = compress_all(engine);
    cr_assert(counts->restored == (uint64_t)(round + 1) * compressed);
  }
  cr_assert(counts->compressed == compressed, "compressed twice");
  cr_assert(now.account.used <= now.account.limit && now.account.limit == (uint64_t)MIB << 20);
  cr_assert(check(engine, "warm") > 0 && told[0] == '\0', "%s", told);
  dyno_engine_close(&engine);
}

/* Written by one engine and read by the next, part of it from L2. */
static void write_file(void)
{
  dyno_engine *engine = open_cached(file);
  cr_assert(told[0] == '\0', "%s", told);
  check(engine, "cold");
  dyno_engine_close(&engine);
  cr_assert(told[0] == '\0' && access(file, R_OK) == 0, "%s", told);
}

Test(level3, a_file_outlives_the_engine)
{
  struct stat before, after;
  write_file();
  cr_assert(stat(file, &before) == 0);
  for (int round = 0; round < 2; round++) {
    dyno_engine *engine = open_cached(file);
    cr_assert(check(engine, "from a file") == WHOLE * 64, "round %d: %s", round, told);
    dyno_cache_statistics now = dyno_engine_get_cache(engine);
    cr_assert(now.compressed.restored_from_file == WHOLE && now.compressed.nodes_in_file == WHOLE);
    dyno_engine_close(&engine);
    cr_assert(stat(file, &after) == 0 && after.st_ino == before.st_ino,
              "written again without need");
  }
}

/* A changed byte in every part of it. */
Test(level3, damage_is_told_of_and_costs_no_bit)
{
  write_file();
  size_t size;
  uint8_t *bytes = fixture_read(file, &size, 0);
  for (size_t part = 0; part < 3; part++) {
    size_t at = part == 2 ? size - 1 : 20 + part * size / 2;
    bytes[at] ^= 0x10;
    fixture_write(file, bytes, size);
    bytes[at] ^= 0x10;
    dyno_engine *engine = open_cached(file);
    size_t reused = check(engine, "damaged");
    cr_assert(reused < WHOLE * 64 && strstr(told, file) != NULL && strstr(told, "offset") != NULL,
              "byte %zu of %zu: %zu tokens reused; %s", at, size, reused, told);
    dyno_engine_close(&engine);
  }
  fixture_write(file, bytes, size / 2);
  free(bytes);
  dyno_engine *engine = open_cached(file);
  cr_assert(strstr(told, "cut short") != NULL, "%s", told);
  cr_assert(check(engine, "cut short") == 0);
  dyno_engine_close(&engine);
  engine = open_cached(file);
  cr_assert(told[0] == '\0' && check(engine, "written anew") == WHOLE * 64, "%s", told);
  dyno_engine_close(&engine);
}

/* A file of another precision, and one that is something else, are left alone. */
Test(level3, foreign_files_are_left_alone)
{
  write_file();
  const dyno_cache_options cache = {
      .levels = DYNO_CACHE_L2 | DYNO_CACHE_L3, .size = 2 * MIB, .file = file, .notice = notice};
  size_t size, size_after;
  uint8_t *before = fixture_read(file, &size, 0);
  dyno_engine *engine = open_engine(&cache, DYNO_PRECISION_REFERENCE);
  cr_assert(strstr(told, "left as it is") != NULL, "%s", told);
  float *logits = allocate(vocab * sizeof *logits);
  run(engine, logits);
  free(logits);
  dyno_engine_close(&engine);
  uint8_t *after = fixture_read(file, &size_after, 0);
  cr_assert(size == size_after && memcmp(before, after, size) == 0, "it was written");
  free(before);
  free(after);
  fixture_write(file, "my notes", 8);
  engine = open_cached(file);
  cr_assert(strstr(told, "no cache file") != NULL, "%s", told);
  check(engine, "notes");
  dyno_engine_close(&engine);
  after = fixture_read(file, &size_after, 0);
  cr_assert(size_after == 8 && memcmp(after, "my notes", 8) == 0, "it was written");
  free(after);
}

Test(level3, says_what_it_cannot_do)
{
  dyno_engine *engine;
  dyno_error error = {0};
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = model;
  options.cache = (dyno_cache_options){.levels = DYNO_CACHE_ALL, .size = 1};
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_ERROR_USAGE);
  cr_assert(strstr(error.message, "MiB at least") != NULL, "%s", error.message);
  options.cache = (dyno_cache_options){.levels = DYNO_CACHE_ALL, .file = "/nonexistent/cache"};
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_ERROR_IO);
  cr_assert(strstr(error.message, "/nonexistent/cache: ") != NULL, "%s", error.message);
  options.cache = (dyno_cache_options){.levels = DYNO_CACHE_L2, .file = file};
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_ERROR_USAGE);
  cr_assert(strstr(error.message, "l3") != NULL, "%s", error.message);
}
