#include "tests/unit/model_fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/model/config_fields.h"
#include "tests/unit/random.h"

void fixture_folder_make(fixture_folder *folder)
{
  const char *root = getenv("TMPDIR");
  snprintf(folder->path, sizeof folder->path, "%s/dyno-test-XXXXXX", root != NULL ? root : "/tmp");
  cr_assert(mkdtemp(folder->path) != NULL, "cannot make %s", folder->path);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *state)
{
  (void)status, (void)type, (void)state;
  return remove(path);
}

void fixture_folder_remove(fixture_folder *folder)
{
  nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_path(const fixture_folder *folder, const char *name)
{
  static char paths[4][512];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder->path, name);
  return path;
}

uint8_t *fixture_read(const char *path, size_t *size, size_t spare)
{
  FILE *stream = fopen(path, "rb");
  cr_assert(stream != NULL, "cannot open %s", path);
  fseek(stream, 0, SEEK_END);
  *size = (size_t)ftell(stream);
  rewind(stream);
  uint8_t *bytes = calloc(1, *size + spare + 1);
  cr_assert(fread(bytes, 1, *size, stream) == *size, "cannot read %s", path);
  fclose(stream);
  return bytes;
}

void fixture_write(const char *path, const void *bytes, size_t size)
{
  FILE *stream = fopen(path, "wb");
  cr_assert(stream != NULL, "cannot create %s", path);
  cr_assert(size == 0 || fwrite(bytes, 1, size, stream) == size, "cannot write %s", path);
  fclose(stream);
}

dyno_model_config fixture_config(void)
{
  dyno_model_config config = {
      .layers = 2,
      .d_model = 64,
      .vocab = 70,
      .heads = 6,
      .kv_heads = 2,
      .head_dim = 16,
      .experts = 3,
      .experts_per_token = 2,
      .d_ff = 32,
      .window = 8,
      .context_length = 2048,
      .rms_epsilon = 1e-5f,
      .rope_theta = 150000,
      .rope_factor = 32,
      .rope_beta_fast = 32,
      .rope_beta_slow = 1,
      .rope_original_context = 64,
      .swiglu_alpha = 1.702f,
      .swiglu_limit = 7,
  };
  config.rope_attention_factor = (float)dyno_yarn_attention_factor(32, 1);
  dyno_config_slide_even_layers(&config);
  return config;
}

dyno_model_config fixture_config_256(void)
{
  dyno_model_config config = fixture_config();
  config.d_model = 256;
  config.heads = 8;
  config.head_dim = 32;
  config.d_ff = 512;
  return config;
}

/* Makes the scales of a block, or the number that it is, finite and small. */
static void tame(uint8_t *block, dyno_dtype dtype)
{
  switch (dtype) {
  case DYNO_F32:
    block[3] = (uint8_t)((block[3] & 0x80) | 0x3e);
    break;
  case DYNO_F16:
    block[1] = (uint8_t)((block[1] & 0x83) | 0x28);
    break;
  case DYNO_BF16:
    block[1] = (uint8_t)((block[1] & 0x80) | 0x3d);
    break;
  case DYNO_MXFP4:
    block[0] = (uint8_t)(112 + block[0] % 16);
    break;
  case DYNO_Q4_1:
  case DYNO_Q4_K:
  case DYNO_Q5_K:
    block[3] = (uint8_t)((block[3] & 0x83) | 0x20);
    block[1] = (uint8_t)((block[1] & 0x83) | 0x20);
    break;
  case DYNO_Q6_K:
    block[209] = (uint8_t)((block[209] & 0x83) | 0x20);
    break;
  default:
    block[1] = (uint8_t)((block[1] & 0x83) | 0x20);
    break;
  }
}

void fixture_rows(const fixture_model *model, uint8_t *rows, const dyno_tensor *tensor,
                  size_t group, size_t row0, size_t row1)
{
  const dyno_dtype_info *info = dyno_dtype_get(tensor->dtype);
  for (size_t row = row0; row < row1; row++) {
    uint64_t state = model->seed + tensor->role + 100 * tensor->layer + 10000 * group;
    state = random_next(&state) + row;
    for (size_t i = 0; i < tensor->row_bytes; i++)
      rows[i] = (uint8_t)(random_next(&state) >> 40);
    for (size_t i = 0; i < tensor->row_bytes; i += info->block_bytes)
      tame(rows + i, tensor->dtype);
    rows += tensor->row_bytes;
  }
}

static dyno_dtype dtype_of(void *context, dyno_tensor_role role, size_t layer)
{
  const fixture_model *model = context;
  (void)layer;
  if (role == DYNO_TENSOR_ROUTER_WEIGHT)
    return model->router;
  if (dyno_tensor_role_is_vector(role))
    return model->vectors;
  return dyno_tensor_role_has_experts(role) ? model->experts : model->dense;
}

static dyno_status rows_of(void *context, void *rows, const dyno_tensor *tensor, size_t group,
                           size_t row0, size_t row1, dyno_error *error)
{
  (void)error;
  fixture_rows(context, rows, tensor, group, row0, row1);
  return DYNO_OK;
}

static void vocabulary(void *context, dyno_gguf_writer *writer)
{
  static const dyno_span tokens[] = {{"a", 1},
                                     {"b", 1},
                                     {"", 0},
                                     {"\xc4\xa0"
                                      "c",
                                      3}};
  static const int32_t types[] = {1, 1, 3, 4};
  (void)context;
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "gpt2");
  dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.tokens", tokens, 4);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, types, 4);
  dyno_gguf_writer_add_uint32(writer, "tokenizer.ggml.eos_token_id", 2);
}

void fixture_write_model(const char *path, const fixture_model *model,
                         const dyno_model_config *config, const dyno_dialect *dialect,
                         uint64_t shard_bytes)
{
  fixture_model copy = *model;
  const dyno_model_source source = {
      .context = &copy, .dtype = dtype_of, .rows = rows_of, .metadata = vocabulary};
  const dyno_model_writer_options options = {.dialect = dialect, .shard_bytes = shard_bytes};
  dyno_error error = {0};
  cr_assert(dyno_model_write(path, config, &source, &options, &error) == DYNO_OK, "%s",
            error.message);
}
