/* Plug-ins: shared objects that bring variants. They are proved before anyone may choose them. */
#include "config.h"

#include "kernels/registry_internal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/check/check.h"
#include "kernels/table.h"

static dyno_status load(const dyno_plugin_table **plugin, void **handle, const char *path,
                        dyno_error *error)
{
  /* Without a slash the loader would search folders that the user may not have in mind. */
  if (strchr(path, '/') == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "--plugin=%s: give an absolute path, or ./%s for the current folder", path,
                     path);
  *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (*handle == NULL)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "plug-in %s: %s", path, dlerror());
  *plugin = dlsym(*handle, "dyno_plugin");
  if (*plugin == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "plug-in %s: it exports no symbol dyno_plugin (docs/add-a-kernel.md)", path);
  return DYNO_OK;
}

static dyno_status validate(const dyno_plugin_table *plugin, const char *path, dyno_error *error)
{
  if (plugin->abi != DYNO_KERNEL_ABI || plugin->kernel_bytes != sizeof(dyno_kernel))
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "plug-in %s: it was built for kernel interface %u (descriptors of %u bytes), "
                     "this is %u (%zu bytes): build it again with these headers",
                     path, plugin->abi, plugin->kernel_bytes, DYNO_KERNEL_ABI, sizeof(dyno_kernel));
  if (plugin->name == NULL || plugin->kernels == NULL || plugin->count == 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "plug-in %s: name, kernels and count must be set",
                     path);
  for (size_t i = 0; i < plugin->count; i++) {
    const dyno_kernel *kernel = &plugin->kernels[i];
    const char *wrong = kernel->name == NULL || kernel->name[0] == '\0'    ? "name"
                        : (unsigned)kernel->op >= DYNO_OP_COUNT            ? "op"
                        : (unsigned)kernel->weight >= DYNO_DTYPE_COUNT     ? "weight"
                        : (unsigned)kernel->activation >= DYNO_DTYPE_COUNT ? "activation"
                        : (unsigned)kernel->isa >= DYNO_ISA_COUNT          ? "isa"
                        : kernel->run.matmul == NULL                       ? "run"
                                                                           : NULL;
    if (wrong != NULL)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "plug-in %s: kernel %zu: '%s' is not set or out "
                       "of range",
                       path, i, wrong);
    if (dyno_reference_kernel(kernel) == NULL)
      return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                       "plug-in %s: kernel %s: there is no reference for %s with weight=%s "
                       "activation=%s to check it against",
                       path, kernel->name, dyno_op_name(kernel->op),
                       dyno_dtype_name(kernel->weight), dyno_dtype_name(kernel->activation));
  }
  return DYNO_OK;
}

/* Proves every variant that this CPU runs; the others cannot be chosen. */
static dyno_status prove(const dyno_registry *registry, const dyno_plugin_table *plugin,
                         const char *path, dyno_error *error)
{
  for (size_t i = 0; i < plugin->count; i++) {
    const dyno_kernel *kernel = &plugin->kernels[i];
    if (!dyno_registry_usable(registry, kernel, NULL, NULL))
      continue;
    dyno_check_summary summary;
    dyno_check_options options = {.seed = 1, .quick = true, .plugin = path};
    dyno_check_find_twins(&options, registry, kernel);
    dyno_status status =
        dyno_check_kernel(&summary, kernel, dyno_reference_kernel(kernel), &options, error);
    if (status != DYNO_OK) {
      dyno_error_prepend(error, "plug-in %s fails its self-test and is not used", path);
      return status;
    }
  }
  return DYNO_OK;
}

dyno_status dyno_registry_add_plugin(dyno_registry *registry, const char *path, bool check,
                                     dyno_error *error)
{
  void *handle = NULL;
  const dyno_plugin_table *plugin = NULL;
  dyno_status status = load(&plugin, &handle, path, error);
  if (status == DYNO_OK)
    status = validate(plugin, path, error);
  if (status == DYNO_OK)
    status = dyno_registry_add(registry, plugin->kernels, plugin->count, plugin->name, error);
  if (status == DYNO_OK && check)
    status = prove(registry, plugin, path, error);

  void **longer = NULL;
  if (handle != NULL)
    longer = realloc(registry->plugins, (registry->plugin_count + 1) * sizeof *longer);
  if (longer == NULL) {
    if (handle != NULL)
      dlclose(handle);
    return status != DYNO_OK
               ? status
               : dyno_fail(error, DYNO_ERROR_MEMORY, "plug-in %s: out of memory", path);
  }
  registry->plugins = longer;
  registry->plugins[registry->plugin_count++] = handle; /* closed with the registry */
  return status;
}
