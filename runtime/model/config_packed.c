/* The configuration in a packed file: every field under its own name, so that nothing has to be
 * guessed, whatever dialect it came from. */
#include <stdio.h>

#include "runtime/model/config_fields.h"
#include "runtime/model/packed_internal.h"

enum { KEY_TEXT = 64 };

static const char slides_key[] = "dyno.config.slides";
static const char truncate_key[] = "dyno.config.rope_truncate";
static const char tied_key[] = "dyno.config.tied_head";

static const char *make_key(char key[KEY_TEXT], dyno_config_field field)
{
  snprintf(key, KEY_TEXT, "dyno.config.%s", dyno_config_field_name(field));
  return key;
}

void dyno_config_write_packed(dyno_gguf_writer *writer, const dyno_model_config *config)
{
  char key[KEY_TEXT];
  for (dyno_config_field i = 0; i < DYNO_CONFIG_FIELD_COUNT; i++) {
    if (i < DYNO_CONFIG_FIRST_FLOAT)
      dyno_gguf_writer_add_uint64(writer, make_key(key, i), dyno_config_get_size(config, i));
    else
      dyno_gguf_writer_add_float32(writer, make_key(key, i), dyno_config_get_float(config, i));
  }
  dyno_gguf_writer_add_array(writer, slides_key, DYNO_GGUF_BOOL, config->slides, config->layers);
  dyno_gguf_writer_add_bool(writer, truncate_key, config->rope_truncate);
  dyno_gguf_writer_add_bool(writer, tied_key, config->tied_head);
}

static dyno_status read_field(dyno_model_config *config, dyno_config_field field,
                              const dyno_gguf *gguf, dyno_error *error)
{
  const char *path = dyno_gguf_file(gguf)->path;
  char key[KEY_TEXT];
  make_key(key, field);
  if (field < DYNO_CONFIG_FIRST_FLOAT) {
    uint64_t value;
    dyno_status status = dyno_gguf_get_uint(&value, gguf, key, error);
    return status == DYNO_OK ? dyno_config_set_size(config, field, value, path, key, error)
                             : status;
  }
  double value;
  dyno_status status = dyno_gguf_get_float(&value, gguf, key, error);
  return status == DYNO_OK ? dyno_config_set_float(config, field, value, path, key, error) : status;
}

dyno_status dyno_config_read_packed(dyno_model_config *config, const dyno_gguf *gguf,
                                    dyno_error *error)
{
  *config = (dyno_model_config){0};
  dyno_status status = DYNO_OK;
  for (dyno_config_field i = 0; i < DYNO_CONFIG_FIELD_COUNT && status == DYNO_OK; i++)
    status = read_field(config, i, gguf, error);
  if (status == DYNO_OK)
    status = dyno_gguf_get_bools(config->slides, config->layers, gguf, slides_key, error);
  if (status == DYNO_OK)
    status = dyno_gguf_get_bool(&config->rope_truncate, gguf, truncate_key, error);
  if (status == DYNO_OK)
    status = dyno_gguf_get_bool(&config->tied_head, gguf, tied_key, error);
  if (status == DYNO_OK)
    status = dyno_model_config_check(config, dyno_gguf_file(gguf)->path, error);
  return dyno_packed_required(status, error);
}
