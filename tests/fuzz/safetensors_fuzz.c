/* Safetensors files, their index and config.json: whatever the bytes, an error, or a model all of
 * which can be read. The first byte says which file the rest is; the others are good ones. */
#include "config.h"

#include <ftw.h>
#include <string.h>
#include <unistd.h>

#include "runtime/model/checkpoint.h"
#include "runtime/model/config_fields.h"
#include "runtime/model/safetensors.h"
#include "tests/fuzz/target.h"

/* The smallest model that transformers could run. */
static const char good_config[] =
    "{\"head_dim\":2,\"hidden_size\":32,\"intermediate_size\":32,\"num_attention_heads\":1,"
    "\"num_key_value_heads\":1,\"num_hidden_layers\":1,\"num_local_experts\":1,"
    "\"num_experts_per_tok\":1,\"vocab_size\":2,\"sliding_window\":4,"
    "\"max_position_embeddings\":64,\"rope_theta\":10000,"
    "\"rope_scaling\":{\"rope_type\":\"default\"}}";

static char folder[64];

/* Bytes are read into it so that a sanitizer sees whether they are there. */
static volatile uint8_t last_byte;

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *state)
{
  (void)status, (void)type, (void)state;
  return remove(path);
}

static void remove_folder(void)
{
  nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

static const char *put(const char *name, const void *data, size_t size)
{
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *stream = fopen(path, "wb");
  FUZZ_REQUIRE(stream != NULL && (size == 0 || fwrite(data, 1, size, stream) == size));
  fclose(stream);
  return path;
}

/* A file with one tensor of a byte. */
static void put_shard(const char *name, char tensor)
{
  char header[128] = "";
  snprintf(header + 8, sizeof header - 8,
           "{\"%c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", tensor);
  uint64_t length = strlen(header + 8);
  memcpy(header, &length, 8);
  put(name, header, 8 + length + 1);
}

/* In memory where there is such a place: a disk is slower than what is tested. */
static void make_folder(void)
{
  const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(folder, sizeof folder, "%s/dyno-fuzz-XXXXXX", root);
  FUZZ_REQUIRE(mkdtemp(folder) != NULL);
  atexit(remove_folder);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
  const char *path = put("model.safetensors", data, size);
  dyno_safetensors *tensors;
  dyno_error error = {0};
  if (dyno_safetensors_open(&tensors, path, &error) != DYNO_OK) {
    FUZZ_REQUIRE(tensors == NULL && strstr(error.message, path) != NULL);
    return;
  }
  uint64_t bytes = dyno_safetensors_data_offset(tensors, 0);
  for (size_t i = 0; i < dyno_safetensors_count(tensors); i++) {
    const dyno_safetensors_tensor *tensor = dyno_safetensors_at(tensors, i);
    bytes += tensor->bytes;
    FUZZ_REQUIRE(dyno_safetensors_find(tensors, tensor->name.bytes) == tensor);
    if (tensor->bytes > 0)
      last_byte = tensor->data[tensor->bytes - 1];
  }
  FUZZ_REQUIRE(bytes == size);
  dyno_safetensors_close(&tensors);
}

static void fuzz_model(const uint8_t *data, size_t size)
{
  put("model.safetensors", data, size);
  put("config.json", good_config, sizeof good_config - 1);
  dyno_checkpoint *checkpoint;
  dyno_error error = {0};
  if (dyno_checkpoint_open(&checkpoint, folder, &error) != DYNO_OK) {
    FUZZ_REQUIRE(checkpoint == NULL && strstr(error.message, folder) != NULL);
    return;
  }
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_checkpoint_hash(checkpoint, hash);
  dyno_status status = dyno_checkpoint_check_weights(checkpoint, NULL, NULL, &error);
  FUZZ_REQUIRE(status == DYNO_OK || status == DYNO_ERROR_FORMAT);
  dyno_checkpoint_close(&checkpoint);
}

static void fuzz_config(const uint8_t *data, size_t size)
{
  const char *path = put("config.json", data, size);
  dyno_model_config config;
  dyno_error error = {0};
  if (dyno_config_read_json(&config, path, &error) == DYNO_OK)
    FUZZ_REQUIRE(dyno_model_config_check(&config, path, NULL) == DYNO_OK);
  else
    FUZZ_REQUIRE(strstr(error.message, path) != NULL);
}

static void fuzz_index(const uint8_t *data, size_t size)
{
  put_shard("a.safetensors", 'a');
  put_shard("b.safetensors", 'b');
  const char *path = put(DYNO_SAFETENSORS_INDEX, data, size);
  dyno_safetensors *tensors;
  dyno_error error = {0};
  if (dyno_safetensors_open(&tensors, folder, &error) == DYNO_OK)
    FUZZ_REQUIRE(dyno_safetensors_count(tensors) <= 2);
  else
    FUZZ_REQUIRE(tensors == NULL && error.message[0] != '\0');
  dyno_safetensors_close(&tensors);
  unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static void (*const kinds[])(const uint8_t *, size_t) = {fuzz_file, fuzz_model, fuzz_config,
                                                           fuzz_index};
  if (size == 0)
    return 0;
  if (folder[0] == '\0')
    make_folder();
  kinds[data[0] % 4](data + 1, size - 1);
  return 0;
}
