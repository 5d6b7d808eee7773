#include "config.h"

#include "kernels/registry_internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernels/base/suggest.h"
#include "kernels/table.h"

dyno_status dyno_registry_add(dyno_registry *registry, const dyno_kernel *kernels, size_t count,
                              const char *origin, dyno_error *error)
{
  if (count == 0)
    return DYNO_OK;
  registry_entry *longer = realloc(registry->entries, (registry->count + count) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "kernel registry: out of memory");
  registry->entries = longer;
  for (size_t i = 0; i < count; i++) {
    if (dyno_registry_find(registry, kernels[i].name) != NULL)
      return dyno_fail(error, DYNO_ERROR_USAGE, "kernel %s of %s: the name is taken already",
                       kernels[i].name, origin != NULL ? origin : "the built-in tables");
    longer[registry->count++] = (registry_entry){&kernels[i], origin};
  }
  return DYNO_OK;
}

static dyno_status add_builtin(dyno_registry *registry, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (int family = 0; family < DYNO_FAMILY_COUNT && status == DYNO_OK; family++) {
    const dyno_kernel_table *table = dyno_builtin_tables[family];
    status = dyno_registry_add(registry, table->kernels, table->count, NULL, error);
  }
  return status;
}

static dyno_status set_isa(dyno_registry *registry, dyno_isa isa, dyno_error *error)
{
  if (isa == DYNO_ISA_COUNT)
    isa = registry->cpu.isa;
  if (isa > registry->cpu.isa)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "--isa=%s: this CPU (%s) lacks %s",
                     dyno_isa_name(isa), registry->cpu.name, registry->cpu.missing[isa]);
  registry->isa = isa;
  return DYNO_OK;
}

static bool in_scope(const forced_choice *forced, const dyno_kernel *kernel)
{
  return forced->op != DYNO_OP_COUNT ? kernel->op == forced->op
                                     : dyno_op_family(kernel->op) == forced->family;
}

static dyno_status unknown_forced_name(const dyno_registry *registry, const forced_choice *forced,
                                       dyno_error *error)
{
  const char **names = calloc(registry->count, sizeof *names);
  if (names == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "kernel registry: out of memory");
  for (size_t i = 0; i < registry->count; i++)
    if (in_scope(forced, registry->entries[i].kernel))
      names[i] = registry->entries[i].kernel->name;
  char near[512];
  dyno_suggest(near, sizeof near, forced->part, names, registry->count, 4);
  free(names);
  const char *scope =
      forced->op != DYNO_OP_COUNT ? dyno_op_name(forced->op) : dyno_family_name(forced->family);
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "--kernel=%s=%s: no %s variant has that in its name; near ones: %s\n"
                   "`dyno kernels list` shows all",
                   scope, forced->part, scope, near);
}

static dyno_status add_forced(dyno_registry *registry, const char *text, dyno_error *error)
{
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || equals[1] == '\0')
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "--kernel=%s: FAMILY=NAME or OP=NAME is wanted, as in matmul=avx2", text);
  char scope[32];
  snprintf(scope, sizeof scope, "%.*s", (int)(equals - text), text);
  forced_choice forced = {dyno_family_parse(scope), dyno_op_parse(scope), NULL};
  /* "matmul" and "attention" name a family and its only op; both mean the same. */
  if (forced.family != DYNO_FAMILY_COUNT)
    forced.op = DYNO_OP_COUNT;
  if (forced.family == DYNO_FAMILY_COUNT && forced.op == DYNO_OP_COUNT)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "--kernel=%s: there is no family or op '%s'; the families are matmul, "
                     "attention, quantize, elementwise and sampling",
                     text, scope);
  forced_choice *longer = realloc(registry->forced, (registry->forced_count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "kernel registry: out of memory");
  registry->forced = longer;
  forced.part = strdup(equals + 1);
  if (forced.part == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "kernel registry: out of memory");
  longer[registry->forced_count++] = forced;

  for (size_t i = 0; i < registry->count; i++) {
    const dyno_kernel *kernel = registry->entries[i].kernel;
    if (in_scope(&forced, kernel) && strstr(kernel->name, forced.part) != NULL)
      return DYNO_OK;
  }
  return unknown_forced_name(registry, &forced, error);
}

dyno_status dyno_registry_open(dyno_registry **registry, const dyno_registry_options *options,
                               dyno_error *error)
{
  dyno_status status = DYNO_OK;
  *registry = NULL;
  dyno_registry *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "kernel registry: out of memory");

  dyno_cpu_detect(&made->cpu);
  made->threads = options->threads == 0 ? 1 : options->threads;
  status = set_isa(made, options->isa, error);
  if (status == DYNO_OK)
    status = add_builtin(made, error);
  for (size_t i = 0; i < options->plugin_count && status == DYNO_OK; i++)
    status =
        dyno_registry_add_plugin(made, options->plugins[i], !options->skip_plugin_check, error);
  for (size_t i = 0; i < options->force_count && status == DYNO_OK; i++)
    status = add_forced(made, options->force[i], error);
  if (options->tuned_path != NULL && status == DYNO_OK)
    status = dyno_tuned_read(&made->tuned, made->tuned_note, options->tuned_path, made, error);

  if (status != DYNO_OK)
    dyno_registry_close(&made);
  *registry = made;
  return status;
}

void dyno_registry_close(dyno_registry **registry)
{
  dyno_registry *closing = *registry;
  if (closing == NULL)
    return;
  dyno_tuned_free(&closing->tuned);
  for (size_t i = 0; i < closing->forced_count; i++)
    free(closing->forced[i].part);
  free(closing->forced);
  free(closing->entries);
  for (size_t i = 0; i < closing->plugin_count; i++)
    dlclose(closing->plugins[i]);
  free(closing->plugins);
  free(closing);
  *registry = NULL;
}

const dyno_cpu *dyno_registry_cpu(const dyno_registry *registry)
{
  return &registry->cpu;
}

dyno_isa dyno_registry_isa(const dyno_registry *registry)
{
  return registry->isa;
}

size_t dyno_registry_count(const dyno_registry *registry)
{
  return registry->count;
}

const dyno_kernel *dyno_registry_kernel(const dyno_registry *registry, size_t index)
{
  return registry->entries[index].kernel;
}

const dyno_kernel *dyno_registry_find(const dyno_registry *registry, const char *name)
{
  for (size_t i = 0; i < registry->count; i++)
    if (strcmp(registry->entries[i].kernel->name, name) == 0)
      return registry->entries[i].kernel;
  return NULL;
}

const char *dyno_registry_origin(const dyno_registry *registry, const dyno_kernel *kernel)
{
  for (size_t i = 0; i < registry->count; i++)
    if (registry->entries[i].kernel == kernel)
      return registry->entries[i].origin;
  return NULL;
}

uint64_t dyno_registry_hash(const dyno_registry *registry)
{
  uint64_t hash = 0;
  for (size_t i = 0; i < registry->count; i++) {
    const char *name = registry->entries[i].kernel->name;
    hash = XXH3_64bits_withSeed(name, strlen(name) + 1, hash);
  }
  return hash;
}

const char *dyno_registry_tuned_note(const dyno_registry *registry)
{
  return registry->tuned_note[0] != '\0' ? registry->tuned_note : NULL;
}
