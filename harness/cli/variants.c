#include "harness/cli/variants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/suggest.h"

/* No short ones: -o is for output wherever there is any. */
enum { OPTION_FAMILY = 2048, OPTION_OP };

static const struct argp_option option_list[] = {
    {"family", OPTION_FAMILY, "FAMILY", 0,
     "Only variants of this family: matmul, attention, quantize, elementwise, sampling", 0},
    {"op", OPTION_OP, "OP", 0, "Only variants of this op: matmul, attention, rmsnorm, ...", 0},
    {0},
};

static void set_family(dyno_variant_filter *filter, const char *name, struct argp_state *state)
{
  filter->family = dyno_family_parse(name);
  if (filter->family == DYNO_FAMILY_COUNT)
    argp_error(state,
               "--family=%s: the families are matmul, attention, quantize, elementwise and "
               "sampling",
               name);
}

static void set_op(dyno_variant_filter *filter, const char *name, struct argp_state *state)
{
  filter->op = dyno_op_parse(name);
  if (filter->op != DYNO_OP_COUNT)
    return;
  char names[256] = "";
  for (dyno_op op = 0; op < DYNO_OP_COUNT; op++) {
    size_t length = strlen(names);
    snprintf(names + length, sizeof names - length, "%s%s", op == 0 ? "" : ", ", dyno_op_name(op));
  }
  argp_error(state, "--op=%s: the ops are %s", name, names);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  switch (key) {
  case OPTION_FAMILY:
    set_family(state->input, argument, state);
    return 0;
  case OPTION_OP:
    set_op(state->input, argument, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp dyno_variant_filter_parser = {.options = option_list, .parser = parse_option};

void dyno_variant_filter_part(dyno_variant_filter *filter, char *argument, struct argp_state *state)
{
  char *equals = strchr(argument, '=');
  filter->part = argument;
  if (equals == NULL)
    return;
  *equals = '\0';
  filter->part = equals + 1;
  if (dyno_family_parse(argument) != DYNO_FAMILY_COUNT)
    set_family(filter, argument, state);
  else
    set_op(filter, argument, state);
}

static bool in_scope(const dyno_variant_filter *filter, const dyno_kernel *kernel)
{
  return (filter->family == DYNO_FAMILY_COUNT || dyno_op_family(kernel->op) == filter->family) &&
         (filter->op == DYNO_OP_COUNT || kernel->op == filter->op);
}

bool dyno_variant_matches(const dyno_variant_filter *filter, const dyno_kernel *kernel)
{
  return in_scope(filter, kernel) &&
         (filter->part == NULL || strstr(kernel->name, filter->part) != NULL);
}

dyno_status dyno_variant_filter_check(const dyno_variant_filter *filter,
                                      const dyno_registry *registry, dyno_error *error)
{
  size_t count = dyno_registry_count(registry);
  for (size_t i = 0; i < count; i++)
    if (dyno_variant_matches(filter, dyno_registry_kernel(registry, i)))
      return DYNO_OK;
  if (filter->part == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "no variant is of that family and op; `dyno kernels list` shows all");
  const char **names = calloc(count, sizeof *names);
  if (names == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < count; i++) {
    const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
    names[i] = in_scope(filter, kernel) ? kernel->name : NULL;
  }
  char near[512];
  dyno_suggest(near, sizeof near, filter->part, names, count, 4);
  free(names);
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "--kernel=%s: no variant has that in its name; near ones: %s\n"
                   "`dyno kernels list` shows all",
                   filter->part, near[0] != '\0' ? near : "none");
}
