/* What dyno_model_write refuses, and files whose bytes are known without it. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model/checkpoint.h"
#include "runtime/model/config_fields.h"
#include "runtime/model/safetensors_writer.h"
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

TestSuite(model_writer, .init = make_folder, .fini = remove_folder, .timeout = 60);

static dyno_dtype dtype_of(void *context, dyno_tensor_role role, size_t layer)
{
  const dyno_dtype *dtypes = context;
  (void)layer;
  return dyno_tensor_role_is_vector(role)     ? dtypes[0]
         : dyno_tensor_role_has_experts(role) ? dtypes[1]
         : role == DYNO_TENSOR_KEY_WEIGHT     ? dtypes[2]
                                              : dtypes[3];
}

static dyno_status fail_rows(void *context, void *rows, const dyno_tensor *tensor, size_t group,
                             size_t row0, size_t row1, dyno_error *error)
{
  (void)context, (void)rows, (void)group, (void)row0, (void)row1;
  return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT, "no rows of %s", tensor->name);
}

static size_t count_entries(const char *path)
{
  DIR *directory = opendir(path);
  size_t count = 0;
  while (directory != NULL && readdir(directory) != NULL)
    count++;
  if (directory != NULL)
    closedir(directory);
  return count - 2; /* . and .. */
}

Test(model_writer, refuses_what_a_dialect_cannot_hold)
{
  static const struct {
    const dyno_dialect *dialect;
    dyno_dtype dtypes[4]; /* vectors, experts, key, the rest */
    const char *message;
  } cases[] = {
      {&dyno_dialect_hugging_face, {DYNO_F32, DYNO_Q8_0, DYNO_F32, DYNO_F32}, "as q8_0"},
      {&dyno_dialect_hugging_face, {DYNO_F32, DYNO_F32, DYNO_Q8_0, DYNO_F32}, "as q8_0"},
      {&dyno_dialect_hugging_face, {DYNO_Q8_0, DYNO_F32, DYNO_F32, DYNO_F32}, "as q8_0"},
      {&dyno_dialect_hugging_face, {DYNO_F32, DYNO_F32, DYNO_MXFP4, DYNO_F32}, "as mxfp4"},
      {&dyno_dialect_openai, {DYNO_F32, DYNO_Q4_K, DYNO_F32, DYNO_F32}, "as q4_k"},
      {&dyno_dialect_openai, {DYNO_F32, DYNO_F32, DYNO_F16, DYNO_F32}, "fuses tensors"},
      {&dyno_dialect_ollama_2025_08, {DYNO_F32, DYNO_F32, DYNO_F16, DYNO_F32}, "fuses tensors"},
      {&dyno_dialect_ggml_org, {DYNO_Q8_0, DYNO_F32, DYNO_F32, DYNO_F32}, "as q8_0"},
      {&dyno_dialect_ggml_org, {DYNO_F32, DYNO_Q4_K, DYNO_F32, DYNO_F32}, "as q4_k with rows of"},
      {&dyno_dialect_ggml_org, {DYNO_F32, DYNO_I8, DYNO_F32, DYNO_F32}, "as i8"},
      {&dyno_dialect_ggml_org, {DYNO_F32, DYNO_F32, DYNO_F32, DYNO_F32}, "no rows of token_embd"},
      {&dyno_dialect_openai, {DYNO_F32, DYNO_F32, DYNO_F32, DYNO_F32}, "no rows of token_embd"},
  };
  dyno_model_config config = fixture_config();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_dtype dtypes[4];
    memcpy(dtypes, cases[i].dtypes, sizeof dtypes);
    const dyno_model_source source = {.context = dtypes, .dtype = dtype_of, .rows = fail_rows};
    const dyno_model_writer_options options = {.dialect = cases[i].dialect};
    bool gguf = cases[i].dialect->container == DYNO_CONTAINER_GGUF;
    const char *path = gguf ? fixture_path(&folder, "m.gguf") : folder.path;
    dyno_error error = {0};
    cr_assert(dyno_model_write(path, &config, &source, &options, &error) != DYNO_OK &&
                  strstr(error.message, cases[i].message) != NULL,
              "case %zu: %s", i, error.message);
    cr_assert(count_entries(folder.path) == 0, "case %zu left something behind", i);
  }
}

Test(model_writer, refuses_configurations_without_words)
{
  enum { TRUNCATE, FACTOR, ALPHA, LIMIT, TIED, SLIDES, CONTEXT, BAD, CASES };
  static const bool gguf_holds[CASES] = {[SLIDES] = true, [CONTEXT] = true};
  static const bool openai_holds[CASES] = {[LIMIT] = true};
  static const dyno_dialect *const dialects[] = {&dyno_dialect_ggml_org, &dyno_dialect_openai,
                                                 &dyno_dialect_hugging_face};
  for (size_t d = 0; d < 3; d++)
    for (int i = 0; i < CASES; i++) {
      dyno_model_config config = fixture_config();
      config.rope_truncate = i == TRUNCATE;
      config.tied_head = i == TIED;
      config.slides[1] = i == SLIDES;
      config.rope_attention_factor += i == FACTOR ? 1 : 0;
      config.swiglu_alpha += i == ALPHA ? 1 : 0;
      config.swiglu_limit += i == LIMIT ? 1 : 0;
      config.context_length += i == CONTEXT;
      config.layers = i == BAD ? 0 : config.layers;
      dyno_dtype dtypes[] = {DYNO_F32, DYNO_F32, DYNO_F32, DYNO_F32};
      const dyno_model_source source = {.context = dtypes, .dtype = dtype_of, .rows = fail_rows};
      const dyno_model_writer_options options = {.dialect = dialects[d]};
      bool holds = i != BAD && (d == 0 ? gguf_holds[i] : d == 1 ? openai_holds[i] : true);
      dyno_error error = {0};
      dyno_model_write(fixture_path(&folder, "out"), &config, &source, &options, &error);
      cr_assert((strstr(error.message, "no rows of") != NULL) == holds, "%s, field %d: %s",
                dialects[d]->name, i, error.message);
    }
}

/* Hugging Face's and OpenAI's words, through both dialects, come back as they went. */
Test(model_writer, unusual_configurations_come_back)
{
  static const fixture_model model = {DYNO_F32, DYNO_F32, DYNO_F32, DYNO_F32, 1};
  dyno_model_config config = fixture_config(), found;
  config.rope_truncate = true;
  config.rope_attention_factor = 1.25f;
  config.swiglu_alpha = 1.5f;
  config.swiglu_limit = 8.5f;
  config.slides[0] = false;
  config.context_length = 3000;
  config.rms_epsilon = 3e-6f;
  config.rope_theta = 12345.678f;
  dyno_error error = {0};
  fixture_write_model(folder.path, &model, &config, &dyno_dialect_hugging_face, 0);
  cr_assert(dyno_config_read_json(&found, fixture_path(&folder, "config.json"), &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(found.rope_truncate && found.rope_attention_factor == 1.25f &&
                found.swiglu_alpha == 1.5f && found.swiglu_limit == 8.5f && !found.slides[0] &&
                !found.slides[1] && found.context_length == 3000 && found.rms_epsilon == 3e-6f &&
                found.rope_theta == 12345.678f,
            "a field differs");
}

/* One expert layer in Hugging Face's dialect, written byte by byte: OpenAI's nibbles 0 to 15 over
 * and over are the values 0, .5, 1, ... in order, times the scale; even rows are gate. */
Test(model_writer, the_order_of_nibbles_and_rows_is_openais)
{
  static const fixture_model model = {DYNO_BF16, DYNO_MXFP4, DYNO_BF16, DYNO_BF16, 1};
  static const float e2m1[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};
  dyno_model_config config = fixture_config();
  fixture_write_model(folder.path, &model, &config, &dyno_dialect_hugging_face, 0);
  const char *path = fixture_path(&folder, "model.safetensors");
  dyno_safetensors *tensors;
  dyno_error error = {0};
  cr_assert(dyno_safetensors_open(&tensors, path, &error) == DYNO_OK, "%s", error.message);
  const dyno_safetensors_tensor *blocks =
      dyno_safetensors_find(tensors, "model.layers.0.mlp.experts.gate_up_proj_blocks");
  const dyno_safetensors_tensor *scales =
      dyno_safetensors_find(tensors, "model.layers.0.mlp.experts.gate_up_proj_scales");
  size_t size;
  uint8_t *bytes = fixture_read(path, &size, 0);
  for (size_t i = 0; i < blocks->bytes; i++)
    bytes[blocks->offset + i] = (uint8_t)((2 * i) % 16 | ((2 * i + 1) % 16) << 4);
  for (size_t i = 0; i < scales->bytes; i++) /* two blocks a row: 2^(row % 8) */
    bytes[scales->offset + i] = (uint8_t)(127 + i / 2 % 8);
  dyno_safetensors_close(&tensors);
  fixture_write(path, bytes, size);
  free(bytes);

  dyno_checkpoint *checkpoint;
  cr_assert(dyno_checkpoint_open(&checkpoint, folder.path, &error) == DYNO_OK, "%s", error.message);
  for (int up = 0; up < 2; up++) {
    const dyno_tensor *tensor =
        dyno_checkpoint_tensor(checkpoint, up ? DYNO_TENSOR_UP_WEIGHT : DYNO_TENSOR_GATE_WEIGHT, 0);
    float *values = malloc(tensor->groups * tensor->n * tensor->k * sizeof *values);
    cr_assert(dyno_checkpoint_read_floats(checkpoint, values, tensor, &error) == DYNO_OK, "%s",
              error.message);
    for (size_t i = 0; i < tensor->groups * tensor->n * tensor->k; i++) {
      size_t row = i / tensor->k, source_row = 2 * row + (size_t)up;
      float wanted = ldexpf(e2m1[i % 16], (int)(source_row % 8));
      cr_assert(values[i] == wanted, "%s[%zu] is %g, not %g", tensor->name, i, (double)values[i],
                (double)wanted);
    }
    free(values);
  }
  dyno_checkpoint_close(&checkpoint);
}

Test(model_writer, the_safetensors_writer_refuses)
{
  static const uint64_t shape[] = {4, 4}, huge[] = {(uint64_t)1 << 62, 4};
  static const uint8_t bytes[64];
  const char *path = fixture_path(&folder, "m.safetensors");
  const struct {
    const char *name, *type;
    const uint64_t *shape;
    uint32_t rank;
  } tensors[] = {{"t", "X32", shape, 2},
                 {"t", "F32", huge, 2},
                 {"t", "F32", shape, 9},
                 {"good", "U8", shape, 2},
                 {"\xff", "U8", shape, 2}};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    dyno_safetensors_writer *writer;
    dyno_error error = {0};
    cr_assert(dyno_safetensors_writer_new(&writer, path, &error) == DYNO_OK, "%s", error.message);
    dyno_safetensors_writer_add_tensor(writer, "good", "F32", shape, 2);
    dyno_safetensors_writer_add_tensor(writer, tensors[i].name, tensors[i].type, tensors[i].shape,
                                       tensors[i].rank);
    cr_assert(dyno_safetensors_writer_begin(writer, &error) == DYNO_ERROR_USAGE, "tensor %zu: %s",
              i, error.message);
    dyno_safetensors_writer_free(&writer);
  }
  dyno_safetensors_writer *writer;
  cr_assert(dyno_safetensors_writer_new(&writer, path, NULL) == DYNO_OK, "new");
  dyno_safetensors_writer_add_metadata(writer, "format", "pt");
  dyno_safetensors_writer_add_tensor(writer, "good", "F32", shape, 2);
  cr_assert(dyno_safetensors_writer_begin(writer, NULL) == DYNO_OK, "begin");
  cr_assert(dyno_safetensors_writer_commit(writer, NULL) == DYNO_ERROR_USAGE, "too little");
  cr_assert(dyno_safetensors_writer_write(writer, bytes, 64, NULL) == DYNO_OK, "fill");
  cr_assert(dyno_safetensors_writer_write(writer, bytes, 1, NULL) == DYNO_ERROR_USAGE, "too much");
  cr_assert(dyno_safetensors_writer_commit(writer, NULL) == DYNO_OK, "commit");
  dyno_safetensors_writer_free(&writer);
  cr_assert(count_entries(folder.path) == 1, "something was left behind");
}
