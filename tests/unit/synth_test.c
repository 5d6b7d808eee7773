/* Synthetic models: the same in every dialect and with any number of threads, or refused. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/model/checkpoint.h"
#include "runtime/synth/synth.h"
#include "runtime/synth/weights.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(synth, .init = make_folder, .fini = remove_folder, .timeout = 60);

static dyno_synth_spec tiny(const char *dialect, const char *dense, const char *experts)
{
  dyno_synth_spec spec;
  dyno_error error = {0};
  cr_assert(dyno_synth_spec_init(&spec, "tiny", &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_synth_spec_set(&spec, "dialect", dialect, &error) == DYNO_OK, "%s", error.message);
  if (dense != NULL)
    cr_assert(dyno_synth_spec_set(&spec, "dense", dense, &error) == DYNO_OK, "%s", error.message);
  if (experts != NULL)
    cr_assert(dyno_synth_spec_set(&spec, "experts-type", experts, &error) == DYNO_OK, "%s",
              error.message);
  cr_assert(dyno_synth_spec_check(&spec, &error) == DYNO_OK, "%s", error.message);
  return spec;
}

static void write_model(const char *path, const dyno_synth_spec *spec, unsigned threads)
{
  dyno_synth_run run = {.threads = threads};
  dyno_error error = {0};
  cr_assert(dyno_synth_write(path, spec, &run, &error) == DYNO_OK, "%s", error.message);
}

static dyno_checkpoint *open_model(const char *path)
{
  dyno_checkpoint *checkpoint;
  dyno_error error = {0};
  cr_assert(dyno_checkpoint_open(&checkpoint, path, &error) == DYNO_OK, "%s", error.message);
  return checkpoint;
}

/* All of a tensor, in its own format. */
static uint8_t *read_tensor(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor)
{
  size_t group_bytes = tensor->n * tensor->row_bytes;
  uint8_t *rows = malloc(tensor->groups * group_bytes);
  dyno_error error = {0};
  for (size_t group = 0; group < tensor->groups; group++)
    cr_assert(dyno_checkpoint_read_rows(checkpoint, rows + group * group_bytes, tensor, group, 0,
                                        tensor->n, &error) == DYNO_OK,
              "%s", error.message);
  return rows;
}

static float *read_floats(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor)
{
  size_t count = tensor->groups * tensor->n;
  uint8_t *rows = read_tensor(checkpoint, tensor);
  float *values = malloc(count * tensor->k * sizeof *values);
  for (size_t i = 0; i < count; i++)
    dyno_row_to_float(values + i * tensor->k, rows + i * tensor->row_bytes, tensor->dtype,
                      tensor->k);
  free(rows);
  return values;
}

/* Equal bytes where the formats are the same, as all big tensors' are; else equal numbers. */
static void compare_models(const dyno_checkpoint *a, const dyno_checkpoint *b)
{
  size_t count = dyno_checkpoint_tensor_count(a);
  cr_assert(count == dyno_checkpoint_tensor_count(b), "%zu tensors", count);
  for (size_t i = 0; i < count; i++) {
    const dyno_tensor *one = dyno_checkpoint_tensor_at(a, i);
    const dyno_tensor *other = dyno_checkpoint_tensor(b, one->role, one->layer);
    size_t values = one->groups * one->n * one->k;
    cr_assert(strcmp(one->name, other->name) == 0 && values == other->groups * other->n * other->k,
              "%s, %s", one->name, other->name);
    bool same = one->dtype == other->dtype;
    void *x = same ? (void *)read_tensor(a, one) : read_floats(a, one);
    void *y = same ? (void *)read_tensor(b, other) : read_floats(b, other);
    size_t bytes = same ? one->groups * one->n * one->row_bytes : values * sizeof(float);
    cr_assert(memcmp(x, y, bytes) == 0, "%s: %s and %s differ", one->name,
              dyno_checkpoint_dialect(a), dyno_checkpoint_dialect(b));
    free(x);
    free(y);
  }
}

static const char *const dialects[] = {"ggml-org", "ollama", "ollama-2025-08", "hugging-face",
                                       "openai"};
enum { DIALECTS = sizeof dialects / sizeof *dialects };

Test(synth, every_dialect_holds_the_same_model)
{
  static const char *const types[][2] = {{"bf16", "mxfp4"}, {"f32", "bf16"}};
  for (size_t i = 0; i < 2; i++) {
    dyno_checkpoint *first = NULL;
    for (size_t j = 0; j < DIALECTS; j++) {
      dyno_synth_spec spec = tiny(dialects[j], types[i][0], types[i][1]);
      char name[64];
      snprintf(name, sizeof name, "%zu-%s", i, dialects[j]);
      const char *path = fixture_path(&folder, name);
      write_model(path, &spec, 2);
      dyno_checkpoint *checkpoint = open_model(path);
      cr_assert(strcmp(dyno_checkpoint_dialect(checkpoint), spec.dialect->name) == 0, "%s: %s",
                dialects[j], dyno_checkpoint_dialect(checkpoint));
      if (first == NULL) {
        first = checkpoint;
        continue;
      }
      cr_assert(memcmp(dyno_checkpoint_config(first), dyno_checkpoint_config(checkpoint),
                       sizeof(dyno_model_config)) == 0,
                "%s: another configuration", dialects[j]);
      compare_models(first, checkpoint);
      dyno_checkpoint_close(&checkpoint);
    }
    dyno_checkpoint_close(&first);
  }
}

/* F32, F16 and BF16 have the same numbers. */
Test(synth, the_width_of_floats_changes_nothing)
{
  static const char *const types[] = {"f32", "f16", "bf16"};
  dyno_checkpoint *models[3];
  for (size_t i = 0; i < 3; i++) {
    dyno_synth_spec spec = tiny("hugging-face", types[i], types[i]);
    write_model(fixture_path(&folder, types[i]), &spec, 1);
    models[i] = open_model(fixture_path(&folder, types[i]));
  }
  compare_models(models[0], models[1]);
  compare_models(models[0], models[2]);
  for (size_t i = 0; i < 3; i++)
    dyno_checkpoint_close(&models[i]);
}

Test(synth, the_number_of_threads_changes_nothing)
{
  static const char *const types[] = {"q8_0", "q4_0", "q4_1", "q5_0", "q4_k",
                                      "q5_k", "q6_k", "f16",  "bf16"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    dyno_synth_spec spec = tiny("ggml-org", types[i], i % 2 == 0 ? "mxfp4" : "q8_0");
    size_t wanted_size, size;
    write_model(fixture_path(&folder, "one"), &spec, 1);
    uint8_t *wanted = fixture_read(fixture_path(&folder, "one"), &wanted_size, 0);
    for (unsigned threads = 2; threads <= 5; threads += 3) {
      write_model(fixture_path(&folder, "more"), &spec, threads);
      uint8_t *bytes = fixture_read(fixture_path(&folder, "more"), &size, 0);
      cr_assert(size == wanted_size && memcmp(wanted, bytes, size) == 0, "%s, %u threads", types[i],
                threads);
      free(bytes);
    }
    free(wanted);
    dyno_checkpoint *checkpoint = open_model(fixture_path(&folder, "more"));
    dyno_error error = {0};
    cr_assert(dyno_checkpoint_check_weights(checkpoint, NULL, NULL, &error) == DYNO_OK, "%s",
              error.message);
    dyno_checkpoint_close(&checkpoint);
  }
}

Test(synth, weights_are_as_large_as_they_should_be)
{
  dyno_synth_spec spec = tiny("ggml-org", "q8_0", "mxfp4");
  write_model(fixture_path(&folder, "model"), &spec, 2);
  dyno_checkpoint *checkpoint = open_model(fixture_path(&folder, "model"));
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    double mean, deviation, sum = 0, squares = 0;
    dyno_synth_weights_law(&mean, &deviation, tensor->role, tensor->k);
    float *values = read_floats(checkpoint, tensor);
    size_t count = tensor->groups * tensor->n * tensor->k;
    for (size_t j = 0; j < count; j++) {
      double x = (double)values[j] - mean;
      sum += x;
      squares += x * x;
    }
    free(values);
    /* Five standard errors, and a few hundredths for the steps of the format. */
    double n = (double)count;
    cr_assert(fabs(sum / n) < (5 / sqrt(n) + 0.01) * deviation, "%s: mean off by %g", tensor->name,
              sum / n);
    cr_assert(fabs(sqrt(squares / n) / deviation - 1) < 5 / sqrt(2 * n) + 0.04,
              "%s: deviation %g, wanted %g", tensor->name, sqrt(squares / n), deviation);
  }
  dyno_checkpoint_close(&checkpoint);
}

/* A row is drawn alone, whatever range it is asked for in. */
Test(synth, rows_do_not_depend_on_the_range)
{
  dyno_tensor tensor = {.name = "blk.1.ffn_up_exps.weight",
                        .role = DYNO_TENSOR_UP_WEIGHT,
                        .layer = 1,
                        .dtype = DYNO_MXFP4,
                        .groups = 3,
                        .n = 7,
                        .k = 64,
                        .row_bytes = 34};
  dyno_synth_weights *weights = malloc(sizeof *weights);
  uint8_t whole[3][7 * 34], row[34];
  dyno_synth_weights_init(weights, &tensor, 9);
  for (size_t group = 0; group < 3; group++)
    dyno_synth_weights_rows(whole[group], weights, &tensor, group, 0, 7);
  for (size_t group = 0; group < 3; group++)
    for (size_t i = 0; i < 7; i++) {
      dyno_synth_weights_rows(row, weights, &tensor, group, i, i + 1);
      cr_assert(memcmp(row, whole[group] + i * 34, 34) == 0, "row %zu of group %zu", i, group);
      for (size_t other = 0; other < 3 * 7; other++)
        cr_assert((memcmp(row, whole[other / 7] + other % 7 * 34, 34) == 0) ==
                      (other == group * 7 + i),
                  "row %zu of group %zu is like row %zu", i, group, other);
    }
  dyno_synth_weights_init(weights, &tensor, 10);
  dyno_synth_weights_rows(row, weights, &tensor, 0, 0, 1);
  cr_assert(memcmp(row, whole[0], 34) != 0, "another seed");
  strcpy(tensor.name, "blk.2.ffn_up_exps.weight");
  dyno_synth_weights_init(weights, &tensor, 9);
  dyno_synth_weights_rows(row, weights, &tensor, 0, 0, 1);
  cr_assert(memcmp(row, whole[0], 34) != 0, "another layer");
  free(weights);
}

Test(synth, what_cannot_be_is_refused)
{
  static const struct {
    const char *key, *value, *message;
  } cases[] = {
      {"layers", "0", "layers"},
      {"layers", "513", "layers"},
      {"layers", "18446744073709551616", "whole number"},
      {"layers", "-1", "whole number"},
      {"layers", "3x", "whole number"},
      {"layers", "", "whole number"},
      {"d-model", "33", "multiple"},
      {"d-model", "9223372036854775808", "d_model"},
      {"d-ff", "40", "multiple"},
      {"heads", "3", "heads"},
      {"kv-heads", "0", "kv_heads"},
      {"head-dim", "7", "head dimension"},
      {"experts", "3", "experts per token"},
      {"experts-per-token", "9", "experts per token"},
      {"vocab-size", "1345", "vocab-size"},
      {"vocab-size", "16777217", "vocab"},
      {"window", "0", "window"},
      {"context", "4097", "multiple of 32"},
      {"context", "0", "context"},
      {"seed", "9223372036854775808", "2^63"},
      {"dialect", "ggml", "did you mean ggml-org"},
      {"dense", "q8", "no format"},
      {"dense", "a8", "no format"},
      {"experts-type", "i8", "no format"},
      {"vocab", "", "path"},
      {"dmodel", "64", "did you mean d-model"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_synth_spec spec;
    dyno_error error = {0};
    cr_assert(dyno_synth_spec_init(&spec, "tiny", &error) == DYNO_OK, "%s", error.message);
    dyno_status status = dyno_synth_spec_set(&spec, cases[i].key, cases[i].value, &error);
    if (status == DYNO_OK)
      status = dyno_synth_spec_check(&spec, &error);
    cr_assert(status == DYNO_ERROR_USAGE && error.status == status, "%s=%s: %s", cases[i].key,
              cases[i].value, dyno_status_name(status));
    cr_assert(strstr(error.message, cases[i].message) != NULL, "%s=%s: %s", cases[i].key,
              cases[i].value, error.message);
  }
  dyno_synth_spec spec;
  dyno_error error = {0};
  cr_assert(dyno_synth_spec_init(&spec, "gpt-oss-20", &error) == DYNO_ERROR_USAGE &&
                strstr(error.message, "gpt-oss-20b") != NULL,
            "%s", error.message);
}

Test(synth, safetensors_do_not_hold_blocks)
{
  dyno_synth_spec spec = tiny("openai", NULL, NULL);
  dyno_error error = {0};
  cr_assert(spec.dense == DYNO_BF16 && spec.experts == DYNO_MXFP4, "as published");
  spec.dense = DYNO_Q8_0;
  cr_assert(dyno_synth_spec_check(&spec, &error) == DYNO_ERROR_USAGE, "dense");
  spec.dense = DYNO_F32;
  spec.experts = DYNO_Q4_0;
  cr_assert(dyno_synth_spec_check(&spec, &error) == DYNO_ERROR_USAGE, "experts");
}

/* The published shape in the published formats has the published size. */
Test(synth, the_real_shape_has_the_real_size)
{
  dyno_synth_spec spec;
  dyno_error error = {0};
  cr_assert(dyno_synth_spec_init(&spec, "gpt-oss-20b", &error) == DYNO_OK &&
                dyno_synth_spec_check(&spec, &error) == DYNO_OK,
            "%s", error.message);
  /* ggml-org/gpt-oss-20b-GGUF has 12,109,566,560 bytes, 13 MB of which are the vocabulary. */
  uint64_t bytes = dyno_synth_weight_bytes(&spec);
  cr_assert(bytes > 12080000000 && bytes < 12110000000, "%llu bytes", (unsigned long long)bytes);
}

static bool stop_halfway(void *context, uint64_t done, uint64_t total)
{
  *(uint64_t *)context = done;
  return done < total / 2;
}

Test(synth, an_interrupted_model_leaves_nothing_behind)
{
  for (size_t i = 0; i < DIALECTS; i++) {
    dyno_synth_spec spec = tiny(dialects[i], NULL, NULL);
    const char *path = fixture_path(&folder, "model");
    uint64_t done = 0;
    dyno_synth_run run = {.threads = 2, .progress = stop_halfway, .context = &done};
    dyno_error error = {0};
    cr_assert(dyno_synth_write(path, &spec, &run, &error) == DYNO_ERROR_INTERRUPTED, "%s: %s",
              dialects[i], error.message);
    cr_assert(done > 0, "%s: it was under way", dialects[i]);
    /* Only an empty folder can be removed. */
    cr_assert(rmdir(folder.path) == 0, "%s: something is left", dialects[i]);
    cr_assert(mkdir(folder.path, 0700) == 0, "%s", folder.path);
  }
}

Test(synth, what_the_disk_cannot_hold_is_refused_at_once)
{
  for (size_t i = 0; i < DIALECTS; i++) {
    dyno_synth_spec spec = tiny(dialects[i], NULL, NULL);
    dyno_error error = {0};
    cr_assert(dyno_synth_spec_set(&spec, "vocab-size", "16777216", &error) == DYNO_OK &&
                  dyno_synth_spec_set(&spec, "d-model", "131072", &error) == DYNO_OK &&
                  dyno_synth_spec_set(&spec, "layers", "512", &error) == DYNO_OK &&
                  dyno_synth_spec_set(&spec, "d-ff", "1048576", &error) == DYNO_OK &&
                  dyno_synth_spec_check(&spec, &error) == DYNO_OK,
              "%s", error.message);
    dyno_synth_run run = {.threads = 1};
    cr_assert(dyno_synth_write(fixture_path(&folder, "model"), &spec, &run, &error) ==
                  DYNO_ERROR_UNAVAILABLE,
              "%s: %s", dialects[i], error.message);
    cr_assert(strstr(error.message, "GB") != NULL, "%s", error.message);
    cr_assert(access(fixture_path(&folder, "model"), F_OK) != 0, "%s: it is there", dialects[i]);
  }
}

Test(synth, folders_that_hold_something_are_left_alone)
{
  dyno_synth_spec spec = tiny("hugging-face", NULL, NULL);
  dyno_synth_run run = {.threads = 1};
  dyno_error error = {0};
  fixture_write(fixture_path(&folder, "precious"), "x", 1);
  cr_assert(dyno_synth_write(folder.path, &spec, &run, &error) == DYNO_ERROR_USAGE, "%s",
            error.message);
  cr_assert(dyno_synth_write(fixture_path(&folder, "precious"), &spec, &run, &error) ==
                DYNO_ERROR_USAGE,
            "a file: %s", error.message);
  cr_assert(access(fixture_path(&folder, "precious"), F_OK) == 0, "it is gone");
  const char *empty = fixture_path(&folder, "empty");
  cr_assert(mkdir(empty, 0700) == 0, "%s", empty);
  write_model(empty, &spec, 1);
  cr_assert(access(fixture_path(&folder, "empty/config.json"), F_OK) == 0, "an empty one is fine");
}

Test(synth, references_are_made_once_and_kept)
{
  setenv("XDG_CACHE_HOME", folder.path, 1);
  dyno_synth_run run = {.threads = 1};
  dyno_error error = {0};
  char *first, *again, *other;
  struct stat before, after;
  cr_assert(dyno_synth_resolve(&first, "tiny:dense=bf16", &run, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(strncmp(first, folder.path, strlen(folder.path)) == 0, "%s", first);
  cr_assert(stat(first, &before) == 0, "%s", first);
  cr_assert(dyno_synth_resolve(&again, "tiny:dense=bf16,seed=1", &run, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(strcmp(first, again) == 0, "%s, %s", first, again);
  cr_assert(stat(again, &after) == 0 && before.st_ino == after.st_ino, "it was made again");
  static const char *const others[] = {"tiny",
                                       "tiny:dense=bf16,seed=2",
                                       "tiny:dense=bf16,window=16",
                                       "tiny:dense=bf16,layers=3",
                                       "tiny:dense=bf16,dialect=ollama",
                                       "tiny:dense=bf16,experts-type=bf16",
                                       "tiny:dense=bf16,vocab-size=1500"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    cr_assert(dyno_synth_resolve(&other, others[i], &run, &error) == DYNO_OK, "%s: %s", others[i],
              error.message);
    cr_assert(strcmp(first, other) != 0, "%s: %s", others[i], other);
    free(other);
  }
  static const char *const bad[] = {
      "", "tiny:dense", "tiny:dense=", "huge", "tiny:depth=3", "tiny:dense=bf16;seed=2"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    cr_assert(dyno_synth_resolve(&other, bad[i], &run, &error) == DYNO_ERROR_USAGE && other == NULL,
              "'%s': %s", bad[i], error.message);
  free(first);
  free(again);
}

Test(synth, without_a_home_there_is_no_cache)
{
  unsetenv("HOME");
  setenv("XDG_CACHE_HOME", "relative", 1);
  dyno_synth_run run = {.threads = 1};
  dyno_error error = {0};
  char *path;
  cr_assert(dyno_synth_resolve(&path, "tiny", &run, &error) == DYNO_ERROR_NOT_FOUND, "%s",
            error.message);
}
