#include "harness/measure/switches.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model/quantization.h"
#include "runtime/threads/pool.h"

/* A switch with a few named values. */
typedef struct named_value {
  const char *name;
  int value;
} named_value;

static dyno_status unwanted(const dyno_switch *itself, const char *value, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_USAGE, "%s=%s: %s is wanted", itself->name, value,
                   itself->values);
}

/* names end with a NULL one. */
static dyno_status parse_name(int *number, const named_value *names, const dyno_switch *itself,
                              const char *value, dyno_error *error)
{
  for (; names->name != NULL; names++)
    if (strcmp(names->name, value) == 0) {
      *number = names->value;
      return DYNO_OK;
    }
  return unwanted(itself, value, error);
}

static bool spell(char text[DYNO_SWITCH_TEXT], const named_value *names, int value, size_t index)
{
  for (; names->name != NULL && index == 0; names++)
    if (names->value == value) {
      snprintf(text, DYNO_SWITCH_TEXT, "%s", names->name);
      return true;
    }
  return false;
}

/* The setter and the getter of an enumerated field of the engine's options. */
#define NAMED_SWITCH(which, type, field, ...)                                                      \
  static const named_value which##_names[] = {__VA_ARGS__, {0}};                                   \
  static dyno_status set_##which(dyno_settings *settings, const dyno_switch *itself,               \
                                 const char *value, dyno_error *error)                             \
  {                                                                                                \
    int number = 0;                                                                                \
    dyno_status status = parse_name(&number, which##_names, itself, value, error);                 \
    if (status == DYNO_OK)                                                                         \
      settings->engine.field = (type)number;                                                       \
    return status;                                                                                 \
  }                                                                                                \
  static bool get_##which(const dyno_settings *settings, size_t index,                             \
                          char text[DYNO_SWITCH_TEXT])                                             \
  {                                                                                                \
    return spell(text, which##_names, (int)settings->engine.field, index);                         \
  }

NAMED_SWITCH(precision, dyno_precision, precision, {"fast", DYNO_PRECISION_FAST},
             {"reference", DYNO_PRECISION_REFERENCE})
NAMED_SWITCH(kv, dyno_kv_format, kv, {"auto", DYNO_KV_OF_PRECISION}, {"f32", DYNO_KV_F32},
             {"bf16", DYNO_KV_BF16}, {"int8", DYNO_KV_INT8})
NAMED_SWITCH(rope, bool, rope_ggml, {"reference", false}, {"ggml", true})
NAMED_SWITCH(logits, dyno_logits_mode, logits, {"full", DYNO_LOGITS_FULL},
             {"two-stage", DYNO_LOGITS_TWO_STAGE})
NAMED_SWITCH(prefetch, dyno_prefetch, prefetch, {"off", DYNO_PREFETCH_OFF},
             {"embedding", DYNO_PREFETCH_EMBEDDING}, {"experts", DYNO_PREFETCH_EXPERTS},
             {"on", DYNO_PREFETCH_ON})
NAMED_SWITCH(pool, dyno_pool_kind, pool, {"spin", DYNO_POOL_SPIN}, {"mutex", DYNO_POOL_MUTEX})
NAMED_SWITCH(huge_pages, dyno_huge_pages, huge_pages, {"load", DYNO_HUGE_PAGES_LOAD},
             {"background", DYNO_HUGE_PAGES_BACKGROUND}, {"keep-cache", DYNO_HUGE_PAGES_KEEP_CACHE},
             {"off", DYNO_HUGE_PAGES_OFF})
NAMED_SWITCH(alloc, dyno_allocator_kind, alloc, {"buddy", DYNO_ALLOC_BUDDY},
             {"malloc", DYNO_ALLOC_MALLOC})
NAMED_SWITCH(alloc_checks, bool, alloc_checks, {"off", false}, {"on", true})
NAMED_SWITCH(numa, dyno_numa, numa, {"rows", DYNO_NUMA_ROWS}, {"off", DYNO_NUMA_OFF})

NAMED_SWITCH(defragment, bool, cache.scattered, {"on", false}, {"off", true})

/* 0, the default, is not spelled. */
static dyno_status parse_count(unsigned long *count, unsigned long most, const dyno_switch *itself,
                               const char *value, dyno_error *error)
{
  char *end;
  errno = 0;
  unsigned long number = strtoul(value, &end, 10);
  if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || number < 1 || number > most)
    return unwanted(itself, value, error);
  *count = number;
  return DYNO_OK;
}

static bool spell_count(char text[DYNO_SWITCH_TEXT], size_t count, size_t index)
{
  snprintf(text, DYNO_SWITCH_TEXT, "%zu", count);
  return count > 0 && index == 0;
}

static dyno_status set_batch(dyno_settings *settings, const dyno_switch *itself, const char *value,
                             dyno_error *error)
{
  unsigned long count = 0;
  dyno_status status = parse_count(&count, 4096, itself, value, error);
  settings->engine.batch = count;
  return status;
}

static bool get_batch(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return spell_count(text, settings->engine.batch, index);
}

static dyno_status set_threads(dyno_settings *settings, const dyno_switch *itself,
                               const char *value, dyno_error *error)
{
  unsigned long count = 0;
  dyno_status status = parse_count(&count, 1024, itself, value, error);
  settings->engine.registry.threads = (unsigned)count;
  return status;
}

static bool get_threads(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return spell_count(text, settings->engine.registry.threads, index);
}

static dyno_status set_ablate(dyno_settings *settings, const dyno_switch *itself, const char *value,
                              dyno_error *error)
{
  (void)itself;
  settings->engine.ablate = 0;
  return dyno_parts_parse(&settings->engine.ablate, value, error);
}

static bool get_ablate(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  *text = '\0';
  for (dyno_part part = 0; part < DYNO_PART_COUNT && index == 0; part++)
    if ((settings->engine.ablate & 1U << part) != 0) {
      size_t length = strlen(text);
      snprintf(text + length, DYNO_SWITCH_TEXT - length, "%s%s", length > 0 ? "," : "",
               dyno_part_name(part));
    }
  return *text != '\0';
}

static dyno_status set_isa(dyno_settings *settings, const dyno_switch *itself, const char *value,
                           dyno_error *error)
{
  dyno_isa isa = dyno_isa_parse(value);
  if (isa == DYNO_ISA_COUNT)
    return unwanted(itself, value, error);
  settings->engine.registry.isa = isa;
  return DYNO_OK;
}

static bool get_isa(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  dyno_isa isa = settings->engine.registry.isa;
  if (isa == DYNO_ISA_COUNT || index > 0)
    return false;
  snprintf(text, DYNO_SWITCH_TEXT, "%s", dyno_isa_name(isa));
  return true;
}

static dyno_status append(const char ***list, size_t *count, const char *value, dyno_error *error)
{
  const char **longer = realloc(*list, (*count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  longer[(*count)++] = value;
  *list = longer;
  return DYNO_OK;
}

static bool spell_text(char text[DYNO_SWITCH_TEXT], const char *value)
{
  return value != NULL && snprintf(text, DYNO_SWITCH_TEXT, "%s", value) < DYNO_SWITCH_TEXT;
}

static dyno_status set_kernel(dyno_settings *settings, const dyno_switch *itself, const char *value,
                              dyno_error *error)
{
  dyno_registry_options *registry = &settings->engine.registry;
  if (strchr(value, '=') == NULL)
    return unwanted(itself, value, error);
  dyno_status status = append(&settings->force, &registry->force_count, value, error);
  registry->force = settings->force;
  return status;
}

static bool get_kernel(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  const dyno_registry_options *registry = &settings->engine.registry;
  return index < registry->force_count && spell_text(text, registry->force[index]);
}

static dyno_status set_plugin(dyno_settings *settings, const dyno_switch *itself, const char *value,
                              dyno_error *error)
{
  dyno_registry_options *registry = &settings->engine.registry;
  (void)itself;
  dyno_status status = append(&settings->plugins, &registry->plugin_count, value, error);
  registry->plugins = settings->plugins;
  return status;
}

static bool get_plugin(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  const dyno_registry_options *registry = &settings->engine.registry;
  return index < registry->plugin_count && spell_text(text, registry->plugins[index]);
}

static dyno_status set_quant(dyno_settings *settings, const dyno_switch *itself, const char *value,
                             dyno_error *error)
{
  dyno_quantization quantization;
  if (dyno_quantization_open(&quantization, value, NULL, error) != DYNO_OK)
    return dyno_error_prepend(error, "%s=%s", itself->name, value);
  settings->engine.quant = value;
  return DYNO_OK;
}

static bool get_quant(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return index == 0 && spell_text(text, settings->engine.quant);
}

static dyno_status set_tuned(dyno_settings *settings, const dyno_switch *itself, const char *value,
                             dyno_error *error)
{
  (void)itself;
  (void)error;
  settings->engine.registry.tuned_path = value;
  return DYNO_OK;
}

static bool get_tuned(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return index == 0 && spell_text(text, settings->engine.registry.tuned_path);
}

static dyno_status set_cache(dyno_settings *settings, const dyno_switch *itself, const char *value,
                             dyno_error *error)
{
  return dyno_cache_levels_parse(&settings->engine.cache.levels, value, itself->name, error);
}

static bool get_cache(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  unsigned levels = settings->engine.cache.levels;
  snprintf(text, DYNO_SWITCH_TEXT, "%s%s%s", (levels & DYNO_CACHE_L1) != 0 ? ",l1" : "",
           (levels & DYNO_CACHE_L2) != 0 ? ",l2" : "", (levels & DYNO_CACHE_L3) != 0 ? ",l3" : "");
  if (levels == 0 || levels == DYNO_CACHE_ALL)
    snprintf(text, DYNO_SWITCH_TEXT, "%s", levels == 0 ? "off" : "on");
  else
    memmove(text, text + 1, strlen(text));
  return index == 0;
}

static dyno_status set_cache_size(dyno_settings *settings, const dyno_switch *itself,
                                  const char *value, dyno_error *error)
{
  return dyno_cache_size_parse(&settings->engine.cache.size, value, itself->name, error);
}

static bool get_cache_size(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return spell_count(text, settings->engine.cache.size, index);
}

static dyno_status set_cache_file(dyno_settings *settings, const dyno_switch *itself,
                                  const char *value, dyno_error *error)
{
  if (*value == '\0')
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: a path is wanted", itself->name);
  settings->engine.cache.file = value;
  return DYNO_OK;
}

static bool get_cache_file(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return index == 0 && spell_text(text, settings->engine.cache.file);
}

static dyno_status set_cache_threshold(dyno_settings *settings, const dyno_switch *itself,
                                       const char *value, dyno_error *error)
{
  return dyno_cache_threshold_parse(&settings->engine.cache.threshold, value, itself->name, error);
}

static bool get_cache_threshold(const dyno_settings *settings, size_t index,
                                char text[DYNO_SWITCH_TEXT])
{
  snprintf(text, DYNO_SWITCH_TEXT, "%.15g", settings->engine.cache.threshold);
  return settings->engine.cache.threshold > 0 && index == 0;
}

static dyno_status set_model(dyno_settings *settings, const dyno_switch *itself, const char *value,
                             dyno_error *error)
{
  (void)itself;
  (void)error;
  settings->engine.model = value;
  return DYNO_OK;
}

static bool get_model(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT])
{
  return index == 0 && spell_text(text, settings->engine.model);
}

const dyno_switch dyno_switches[] = {
    {"model", "a model as --model takes it", false, set_model, get_model},
    {"precision", "fast or reference", false, set_precision, get_precision},
    {"kv", "auto, bf16, f32 or int8", false, set_kv, get_kv},
    {"rope", "reference or ggml", false, set_rope, get_rope},
    {"logits", "full or two-stage", false, set_logits, get_logits},
    {"prefetch", "off, embedding, experts or on", false, set_prefetch, get_prefetch},
    {"quant", "a method of dyno quantize", false, set_quant, get_quant},
    {"batch", "a number from 1 to 4096", false, set_batch, get_batch},
    {"pool", "spin or mutex", false, set_pool, get_pool},
    {"huge-pages", "load, background, keep-cache or off", false, set_huge_pages, get_huge_pages},
    {"numa", "rows or off", false, set_numa, get_numa},
    {"alloc", "buddy or malloc", false, set_alloc, get_alloc},
    {"alloc-checks", "off or on", false, set_alloc_checks, get_alloc_checks},
    {"cache", "off, on or a list of l1, l2, l3", false, set_cache, get_cache},
    {"cache-size", "a number of MiB", false, set_cache_size, get_cache_size},
    {"cache-file", "a path", false, set_cache_file, get_cache_file},
    {"cache-threshold", "a share from 0.05 to 1", false, set_cache_threshold, get_cache_threshold},
    {"defragment", "on or off", false, set_defragment, get_defragment},
    {"ablate", "a list of sinks, window and yarn", false, set_ablate, get_ablate},
    {"isa", "ref, avx2, avx512, avx512vnni or avx512bf16", false, set_isa, get_isa},
    {"threads", "a number from 1 to 1024", false, set_threads, get_threads},
    {"plugin", "a shared object", true, set_plugin, get_plugin},
    {"kernel", "FAMILY=NAME", true, set_kernel, get_kernel},
    {"tuned", "a file of dyno tune", false, set_tuned, get_tuned},
    {0},
};

const dyno_switch *dyno_switch_find(const char *name)
{
  for (const dyno_switch *one = dyno_switches; one->name != NULL; one++)
    if (strcmp(one->name, name) == 0)
      return one;
  return NULL;
}

static dyno_status unknown(const char *name, size_t length, dyno_error *error)
{
  char names[DYNO_SWITCH_TEXT] = "";
  for (const dyno_switch *one = dyno_switches; one->name != NULL; one++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "", one->name);
  }
  return dyno_fail(error, DYNO_ERROR_USAGE, "'%.*s': there is no such switch; there are %s",
                   (int)length, name, names);
}

dyno_status dyno_settings_set(dyno_settings *settings, const char *name, const char *value,
                              dyno_error *error)
{
  const dyno_switch *found = dyno_switch_find(name);
  return found != NULL ? found->set(settings, found, value, error)
                       : unknown(name, strlen(name), error);
}

dyno_status dyno_settings_apply(dyno_settings *settings, const char *text, dyno_error *error)
{
  char name[32];
  size_t length = strcspn(text, "=");
  if (text[length] != '=')
    return dyno_fail(error, DYNO_ERROR_USAGE, "'%s': NAME=VALUE is wanted", text);
  if (length >= sizeof name)
    return unknown(text, length, error);
  memcpy(name, text, length);
  name[length] = '\0';
  return dyno_settings_set(settings, name, text + length + 1, error);
}

static dyno_status copy_list(const char ***copy, const char *const *list, size_t count,
                             dyno_error *error)
{
  *copy = NULL;
  if (count == 0)
    return DYNO_OK;
  *copy = malloc(count * sizeof **copy);
  if (*copy == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  memcpy(*copy, list, count * sizeof **copy);
  return DYNO_OK;
}

dyno_status dyno_settings_copy(dyno_settings *copy, const dyno_engine_options *base,
                               dyno_error *error)
{
  *copy = (dyno_settings){.engine = *base};
  dyno_registry_options *registry = &copy->engine.registry;
  dyno_status status = copy_list(&copy->force, registry->force, registry->force_count, error);
  if (status == DYNO_OK)
    status = copy_list(&copy->plugins, registry->plugins, registry->plugin_count, error);
  registry->force = copy->force;
  registry->plugins = copy->plugins;
  if (status != DYNO_OK)
    dyno_settings_free(copy);
  return status;
}

static bool has_facts_of_its_own(const char *name)
{
  static const char *const names[] = {"model", "threads", "batch"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0)
      return true;
  return false;
}

void dyno_settings_describe(char *text, size_t room, const dyno_engine_options *engine)
{
  const dyno_settings usual = DYNO_SETTINGS_DEFAULTS, settings = {.engine = *engine};
  char value[DYNO_SWITCH_TEXT], same[DYNO_SWITCH_TEXT];
  size_t used = 0;
  *text = '\0';
  for (const dyno_switch *one = dyno_switches; one->name != NULL; one++)
    for (size_t i = 0; !has_facts_of_its_own(one->name) && one->get(&settings, i, value); i++) {
      if ((one->get(&usual, i, same) && strcmp(same, value) == 0) || used >= room)
        continue;
      int more =
          snprintf(text + used, room - used, "%s%s=%s", used > 0 ? " " : "", one->name, value);
      used += more > 0 ? (size_t)more : 0;
    }
}

void dyno_settings_free(dyno_settings *settings)
{
  free(settings->force);
  free(settings->plugins);
  *settings = DYNO_SETTINGS_DEFAULTS;
}
