/* `dyno kernels SUBVERB ...`: finds the subverb and hands over. */
#include "config.h"

#include "harness/cli/kernels.h"

#include <string.h>

#include "harness/cli/cli.h"

static const dyno_verb subverbs[] = {
    {"list", "show the variants, whether this CPU runs them, and which would be chosen",
     dyno_kernels_list},
    {"check", "prove the variants against the reference", dyno_kernels_check},
    {"bench", "time the variants against each other and against the machine", dyno_kernels_bench},
};
enum { SUBVERB_COUNT = sizeof subverbs / sizeof *subverbs };

static void print_help(FILE *stream)
{
  fputs("Usage: dyno kernels SUBVERB [OPTION...]\n"
        "List, check and benchmark the kernel variants.\n\n"
        "Subverbs:\n",
        stream);
  for (size_t i = 0; i < SUBVERB_COUNT; i++)
    fprintf(stream, "  %-6s %s\n", subverbs[i].name, subverbs[i].summary);
  fputs("\n`dyno kernels SUBVERB --help` describes a subverb.\n", stream);
}

int dyno_verb_kernels(int argc, char **argv)
{
  if (argc < 2) {
    print_help(stderr);
    return DYNO_EXIT_USAGE;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-?") == 0 || strcmp(name, "help") == 0) {
    print_help(stdout);
    return DYNO_EXIT_OK;
  }
  for (size_t i = 0; i < SUBVERB_COUNT; i++) {
    if (strcmp(name, subverbs[i].name) != 0)
      continue;
    char program[64];
    snprintf(program, sizeof program, "dyno kernels %s", name);
    argv[1] = program;
    return subverbs[i].run(argc - 1, argv + 1);
  }
  fprintf(stderr, "dyno kernels: there is no subverb '%s'; `dyno kernels --help` lists them\n",
          name);
  return DYNO_EXIT_USAGE;
}
