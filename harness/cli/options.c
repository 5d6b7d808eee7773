/* What the verbs share: errors, argument parsing, kernel options. */
#include "config.h"

#include "harness/cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int dyno_report_error(const dyno_error *error)
{
  static const int exit_codes[DYNO_STATUS_COUNT] = {
      [DYNO_ERROR_USAGE] = DYNO_EXIT_USAGE,
      [DYNO_ERROR_NOT_FOUND] = DYNO_EXIT_FAILURE,
      [DYNO_ERROR_IO] = DYNO_EXIT_FAILURE,
      [DYNO_ERROR_FORMAT] = DYNO_EXIT_FAILURE,
      [DYNO_ERROR_UNSUPPORTED] = DYNO_EXIT_FAILURE,
      [DYNO_ERROR_UNAVAILABLE] = DYNO_EXIT_FAILURE,
      [DYNO_ERROR_MEMORY] = DYNO_EXIT_FAILURE,
      [DYNO_ERROR_WRONG_OUTPUT] = DYNO_EXIT_WRONG_OUTPUT,
      [DYNO_ERROR_INTERRUPTED] = DYNO_EXIT_INTERRUPTED,
  };
  fflush(stdout);
  fprintf(stderr, "dyno: %s\n",
          error->message[0] != '\0' ? error->message : dyno_status_name(error->status));
  return exit_codes[error->status];
}

int dyno_parse_arguments(const struct argp *parser, int argc, char **argv, void *input)
{
  argp_err_exit_status = DYNO_EXIT_USAGE;
  argp_program_version = PACKAGE_STRING;
  return argp_parse(parser, argc, argv, 0, NULL, input) == 0 ? DYNO_OK : DYNO_ERROR_USAGE;
}

static const struct argp_option variant_option_list[] = {
    {"isa", 'i', "TIER", 0, "Use no tier above TIER: ref, avx2, avx512, avx512vnni, avx512bf16", 0},
    {"plugin", 'P', "FILE", 0, "Load variants from a shared object; may be repeated", 0},
    {0},
};

static const struct argp_option kernel_choice_list[] = {
    {"kernel", 'k', "FAMILY=NAME", 0,
     "Force a variant by its name or a part of it, for a family or an op; may be repeated", 0},
    {"tuned", 'T', "FILE", 0, "Choose by the measurements that `dyno tune` wrote to FILE", 0},
    {0},
};

static const struct argp_option threads_option_list[] = {
    {"threads", 't', "N", 0, "Threads to use", 0},
    {0},
};

unsigned long dyno_parse_count(struct argp_state *state, const char *option, const char *argument,
                               unsigned long least, unsigned long most)
{
  char *end;
  errno = 0;
  unsigned long value = strtoul(argument, &end, 10);
  if (*argument < '0' || *argument > '9' || *end != '\0' || errno != 0 || value < least ||
      value > most)
    argp_error(state, "%s=%s: a number from %lu to %lu is wanted", option, argument, least, most);
  return value;
}

static void append(const char ***list, size_t *count, const char *item, struct argp_state *state)
{
  const char **longer = realloc(*list, (*count + 1) * sizeof *longer);
  if (longer == NULL)
    argp_failure(state, DYNO_EXIT_FAILURE, 0, "out of memory");
  longer[(*count)++] = item;
  *list = longer;
}

static error_t parse_variant_option(int key, char *argument, struct argp_state *state)
{
  dyno_kernel_options *options = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    options->registry = DYNO_REGISTRY_DEFAULTS;
    options->registry.threads = 0; /* the verb decides */
    return 0;
  case 'i':
    options->registry.isa = dyno_isa_parse(argument);
    if (options->registry.isa == DYNO_ISA_COUNT)
      argp_error(state, "--isa=%s: the tiers are ref, avx2, avx512, avx512vnni and avx512bf16",
                 argument);
    return 0;
  case 'P':
    append(&options->plugins, &options->registry.plugin_count, argument, state);
    options->registry.plugins = options->plugins;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp dyno_variant_options_parser = {
    .options = variant_option_list,
    .parser = parse_variant_option,
};

static error_t parse_kernel_choice(int key, char *argument, struct argp_state *state)
{
  dyno_kernel_options *options = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = options;
    return 0;
  case 'k':
    append(&options->force, &options->registry.force_count, argument, state);
    options->registry.force = options->force;
    return 0;
  case 'T':
    options->registry.tuned_path = argument;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child kernel_choice_children[] = {
    {&dyno_variant_options_parser, 0, NULL, 0},
    {0},
};

const struct argp dyno_kernel_choice_parser = {
    .options = kernel_choice_list,
    .parser = parse_kernel_choice,
    .children = kernel_choice_children,
};

static error_t parse_threads(int key, char *argument, struct argp_state *state)
{
  dyno_kernel_options *options = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = options;
    return 0;
  case 't':
    options->registry.threads = (unsigned)dyno_parse_count(state, "--threads", argument, 1, 1024);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child kernel_option_children[] = {
    {&dyno_kernel_choice_parser, 0, NULL, 0},
    {0},
};

const struct argp dyno_kernel_options_parser = {
    .options = threads_option_list,
    .parser = parse_threads,
    .children = kernel_option_children,
};

void dyno_kernel_options_free(dyno_kernel_options *options)
{
  free(options->force);
  free(options->plugins);
  *options = (dyno_kernel_options){0};
}
