/* `dyno export`: a benchmark in the format that another tool reads. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/report/export.h"
#include "kernels/base/atomic_file.h"

typedef struct export_arguments {
  const char *folder, *output;
  const dyno_export_format *format;
} export_arguments;

enum { KEY_AS = 256 };

static const struct argp_option option_list[] = {
    {"as", KEY_AS, "FORMAT", 0, "Which of the formats below", 0},
    {"output", 'o', "FILE", 0, "Write to FILE, whole or not at all (standard output)", 0},
    {0},
};

static void choose_format(export_arguments *arguments, const char *name, struct argp_state *state)
{
  arguments->format = dyno_export_format_find(name);
  if (arguments->format != NULL)
    return;
  char known[256] = "";
  const dyno_export_format *format;
  for (size_t i = 0; (format = dyno_export_format_at(i)) != NULL; i++) {
    size_t length = strlen(known);
    snprintf(known + length, sizeof known - length, "%s%s", length > 0 ? ", " : "", format->name);
  }
  argp_error(state, "--as: there is no format '%s'; there are %s", name, known);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  export_arguments *arguments = state->input;
  switch (key) {
  case KEY_AS:
    choose_format(arguments, argument, state);
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case ARGP_KEY_ARG:
    if (arguments->folder != NULL)
      argp_error(state, "one folder at a time");
    arguments->folder = argument;
    return 0;
  case ARGP_KEY_END:
    if (arguments->folder == NULL)
      argp_error(state, "which folder? dyno bench prints the name of the one it wrote");
    if (arguments->format == NULL)
      argp_error(state, "--as is missing");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* The formats, below the options. */
static char *filter_help(int key, const char *text, void *input)
{
  (void)input;
  if (key != ARGP_KEY_HELP_POST_DOC)
    return (char *)(uintptr_t)text;
  char *list = NULL;
  size_t bytes;
  FILE *stream = open_memstream(&list, &bytes);
  if (stream == NULL)
    return NULL;
  fputs("Formats:", stream);
  const dyno_export_format *format;
  for (size_t i = 0; (format = dyno_export_format_at(i)) != NULL; i++)
    fprintf(stream, "\n  %-12s %s", format->name, format->summary);
  return fclose(stream) == 0 ? list : NULL;
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .args_doc = "FOLDER",
    .doc = "Write what `dyno bench` left in FOLDER for another tool.\vFormats",
    .help_filter = filter_help,
};

static dyno_status write_file(const export_arguments *arguments, const dyno_bench_folder *folder,
                              dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, arguments->output, error);
  if (status != DYNO_OK)
    return status;
  status = arguments->format->write(file.stream, folder, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status write_output(const export_arguments *arguments, const dyno_bench_folder *folder,
                                dyno_error *error)
{
  dyno_status status = arguments->format->write(stdout, folder, error);
  if (status == DYNO_OK && (fflush(stdout) != 0 || ferror(stdout) != 0))
    status = dyno_fail(error, DYNO_ERROR_IO, "the export cannot be written to standard output");
  return status;
}

int dyno_verb_export(int argc, char **argv)
{
  export_arguments arguments = {0};
  dyno_bench_folder folder;
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = dyno_bench_folder_open(&folder, arguments.folder, &error);
  if (status == DYNO_OK)
    status = arguments.output != NULL ? write_file(&arguments, &folder, &error)
                                      : write_output(&arguments, &folder, &error);
  dyno_bench_folder_close(&folder);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
