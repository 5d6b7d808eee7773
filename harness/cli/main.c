/* `dyno VERB ...`: finds the verb and hands over. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "runtime/model/mapped_file.h"

static const dyno_verb verbs[] = {
    {"run", "answer a question, continue a text, or chat", dyno_verb_run},
    {"bench", "measure a model by the documented protocol", dyno_verb_bench},
    {"cache", "tell what the caches make of a trace of requests", dyno_verb_cache},
    {"export", "write a benchmark for another tool", dyno_verb_export},
    {"inspect", "show what a model file holds", dyno_verb_inspect},
    {"kernels", "list, check and benchmark the kernel variants", dyno_verb_kernels},
    {"logits", "print the most likely next tokens", dyno_verb_logits},
    {"memory", "show what a model's memory is for", dyno_verb_memory},
    {"profile", "measure a model: its speed, and where the time goes", dyno_verb_profile},
    {"doctor", "tell what of this machine makes measurements slow or uncertain", dyno_verb_doctor},
    {"compare-worker", NULL, dyno_verb_compare_worker},
    {"compare", "tell two ways to run a model apart, in turns", dyno_verb_compare},
    {"ablate", "test what the guide claims, each technique off and on", dyno_verb_ablate},
    {"gate", "stop a change that costs tokens per second", dyno_verb_gate},
    {"history", "show speeds over many results, and the commits that changed them",
     dyno_verb_history},
    {"selftest", "tell how often the gate is right here", dyno_verb_selftest},
    {"tune", "measure the kernel variants and write what to choose by", dyno_verb_tune},
    {"pack", "write a model as its kernels read it, to be mapped at once", dyno_verb_pack},
    {"quantize", "write a model with fewer bits", dyno_verb_quantize},
    {"quality", "measure what a model knows, and what a faster path changes", dyno_verb_quality},
    {"report", "make the report of a benchmark's folder anew", dyno_verb_report},
    {"synth", "write a model with random weights", dyno_verb_synth},
    {"tokenize", "turn text into tokens and back", dyno_verb_tokenize},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static void print_help(FILE *stream)
{
  fputs("Usage: dyno VERB [OPTION...]\n"
        "An inference engine for GPT-OSS on CPUs, bolted to the bench that measures it.\n\n"
        "Verbs:\n",
        stream);
  for (size_t i = 0; i < VERB_COUNT; i++)
    if (verbs[i].summary != NULL)
      fprintf(stream, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
  fputs("\n`dyno VERB --help` describes a verb; `man dyno` describes them all.\n", stream);
}

int main(int argc, char **argv)
{
  signal(SIGXFSZ, SIG_IGN); /* a file that may grow no longer is an error like a full disk */
  dyno_report_lost_mappings();
  if (argc < 2) {
    print_help(stderr);
    return DYNO_EXIT_USAGE;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
    print_help(stdout);
    return DYNO_EXIT_OK;
  }
  if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
    puts(PACKAGE_STRING);
    return DYNO_EXIT_OK;
  }
  for (size_t i = 0; i < VERB_COUNT; i++) {
    if (strcmp(name, verbs[i].name) != 0)
      continue;
    char program[64];
    snprintf(program, sizeof program, "dyno %s", name);
    argv[1] = program;
    return verbs[i].run(argc - 1, argv + 1);
  }
  fprintf(stderr, "dyno: there is no verb '%s'; `dyno --help` lists them\n", name);
  return DYNO_EXIT_USAGE;
}
