#include "runtime/model/ablation.h"

#include <string.h>

static const char *const names[DYNO_PART_COUNT] = {
    [DYNO_PART_SINKS] = "sinks",
    [DYNO_PART_WINDOW] = "window",
    [DYNO_PART_YARN] = "yarn",
};

const char *dyno_part_name(dyno_part part)
{
  return (unsigned)part < DYNO_PART_COUNT ? names[part] : "?";
}

dyno_status dyno_parts_parse(dyno_parts *parts, const char *list, dyno_error *error)
{
  for (const char *word = list;;) {
    size_t length = strcspn(word, ","), part = 0;
    while (part < DYNO_PART_COUNT &&
           (strlen(names[part]) != length || strncmp(names[part], word, length) != 0))
      part++;
    if (part == DYNO_PART_COUNT)
      return dyno_fail(error, DYNO_ERROR_USAGE,
                       "'%.*s' is no part that can be left out; sinks, window and yarn are",
                       (int)(length < 40 ? length : 40), word);
    *parts |= 1U << part;
    if (word[length] == '\0')
      return DYNO_OK;
    word += length + 1;
  }
}

void dyno_config_ablate(dyno_model_config *config, dyno_parts parts)
{
  if ((parts & 1U << DYNO_PART_WINDOW) != 0)
    for (size_t i = 0; i < DYNO_MAX_LAYERS; i++)
      config->slides[i] = false;
  if ((parts & 1U << DYNO_PART_YARN) != 0) {
    config->rope_factor = 1;
    config->rope_attention_factor = 1;
  }
}
