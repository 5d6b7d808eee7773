/* The command line: verbs, exit codes, and the options that verbs share. */
#ifndef DYNO_HARNESS_CLI_CLI_H
#define DYNO_HARNESS_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include "kernels/base/status.h"
#include "kernels/registry.h"

/* Exit codes, the same for every verb; documented in the man page. */
enum {
  DYNO_EXIT_OK = 0,
  DYNO_EXIT_FAILURE = 1,      /* the work failed; for gate: a regression */
  DYNO_EXIT_USAGE = 2,        /* bad options or arguments */
  DYNO_EXIT_INCONCLUSIVE = 3, /* gate, compare */
  DYNO_EXIT_UNFIT_HOST = 4,   /* gate, compare */
  DYNO_EXIT_WRONG_OUTPUT = 5, /* a variant or an engine disagrees with its reference */
  DYNO_EXIT_INTERRUPTED = 130 /* SIGINT; 143 for SIGTERM */
};

/* A verb parses its own arguments (argv[0] is "dyno VERB") and returns an exit code. */
typedef struct dyno_verb {
  const char *name;
  const char *summary; /* a line of `dyno --help`; NULL for what only dyno itself runs */
  int (*run)(int argc, char **argv);
} dyno_verb;

int dyno_verb_ablate(int argc, char **argv);
int dyno_verb_doctor(int argc, char **argv);
int dyno_verb_bench(int argc, char **argv);
int dyno_verb_cache(int argc, char **argv);
int dyno_verb_compare(int argc, char **argv);
int dyno_verb_compare_worker(int argc, char **argv);
int dyno_verb_export(int argc, char **argv);
int dyno_verb_gate(int argc, char **argv);
int dyno_verb_history(int argc, char **argv);
int dyno_verb_selftest(int argc, char **argv);
int dyno_verb_inspect(int argc, char **argv);
int dyno_verb_kernels(int argc, char **argv);
int dyno_verb_logits(int argc, char **argv);
int dyno_verb_memory(int argc, char **argv);
int dyno_verb_pack(int argc, char **argv);
int dyno_verb_profile(int argc, char **argv);
int dyno_verb_quality(int argc, char **argv);
int dyno_verb_report(int argc, char **argv);
int dyno_verb_quantize(int argc, char **argv);
int dyno_verb_run(int argc, char **argv);
int dyno_verb_tune(int argc, char **argv);
int dyno_verb_synth(int argc, char **argv);
int dyno_verb_tokenize(int argc, char **argv);

/* Prints "dyno: message" and returns the exit code that belongs to the status. */
int dyno_report_error(const dyno_error *error);

/* Parses with argp, with exit code 2 on a usage error, and answers --help and --version. Returns
 * DYNO_OK, or DYNO_ERROR_USAGE after having printed what was wrong. */
int dyno_parse_arguments(const struct argp *parser, int argc, char **argv, void *input);

/* The number that an option's argument spells, in decimal digits; a usage error, which ends the
 * program, unless it is from least to most. */
unsigned long dyno_parse_count(struct argp_state *state, const char *option, const char *argument,
                               unsigned long least, unsigned long most);

/* Options that choose kernels, as an argp child: --isa, --plugin, --kernel, --tuned, --threads.
 * The child's input is a dyno_kernel_options, zero-initialised by its owner and freed with
 * dyno_kernel_options_free. */
typedef struct dyno_kernel_options {
  dyno_registry_options registry;
  const char **force;   /* owned; the strings belong to argv */
  const char **plugins; /* owned likewise */
} dyno_kernel_options;

extern const struct argp dyno_kernel_options_parser;

/* The same without --threads, for verbs that read it their own way and set registry.threads. */
extern const struct argp dyno_kernel_choice_parser;

/* The same for verbs that look at every variant instead of choosing: --isa and --plugin only. */
extern const struct argp dyno_variant_options_parser;

void dyno_kernel_options_free(dyno_kernel_options *options);

#endif
