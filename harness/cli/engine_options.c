#include "harness/cli/engine_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/model_path.h"
#include "harness/report/progress.h"

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0,
     "A GGUF file, a safetensors file or folder, a packed file, ollama:NAME:TAG, "
     "hf:OWNER/NAME, or synth:SHAPE for random weights",
     0},
    {"precision", 'p' + 256, "WHICH", 0,
     "fast (activations in 8 bits where kernels take them so) or reference (F32 throughout)", 0},
    {"rope", 'r' + 256, "WHICH", 0,
     "reference (as the published model) or ggml (YaRN's correction range rounded)", 0},
    {"logits", 'l' + 256, "WHICH", 0,
     "full, or two-stage: the largest from a screen of the output matrix, with the same tokens", 0},
    {"batch", 'b' + 256, "N", 0, "Tokens in one pass of a prefill (512)", 0},
    {"pool", 'o' + 256, "WHICH", 0,
     "How threads hand work over: spin (atomics, sleeping only after a while) or mutex", 0},
    {"huge-pages", 'h' + 256, "WHICH", 0,
     "For weights and KV cache: load (asked for), background (mapped weights are moved there too, "
     "while running) or off",
     0},
    {"numa", 'n' + 256, "WHICH", 0,
     "On several nodes, weights are by rows (where the thread is that reads them) or off", 0},
    {0},
};

/* The choices of an option, by name. */
typedef struct named_value {
  const char *name;
  int value;
} named_value;

/* choices end with a NULL name. */
static int parse_choice(struct argp_state *state, const char *option, const char *argument,
                        const named_value *choices)
{
  char names[128] = "";
  for (const named_value *choice = choices; choice->name != NULL; choice++) {
    if (strcmp(argument, choice->name) == 0)
      return choice->value;
    size_t length = strlen(names);
    snprintf(names + length, sizeof names - length, "%s%s",
             choice == choices        ? ""
             : choice[1].name != NULL ? ", "
                                      : " or ",
             choice->name);
  }
  argp_error(state, "--%s=%s: %s is wanted", option, argument, names);
  return 0;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  static const named_value precisions[] = {
      {"fast", DYNO_PRECISION_FAST}, {"reference", DYNO_PRECISION_REFERENCE}, {0}};
  static const named_value ropes[] = {{"reference", false}, {"ggml", true}, {0}};
  static const named_value pools[] = {{"spin", DYNO_POOL_SPIN}, {"mutex", DYNO_POOL_MUTEX}, {0}};
  static const named_value huge_pages[] = {
      {"load", DYNO_HUGE_PAGES_LOAD}, {"off", DYNO_HUGE_PAGES_OFF}, {0}};
  static const named_value numas[] = {{"rows", DYNO_NUMA_ROWS}, {"off", DYNO_NUMA_OFF}, {0}};
  static const named_value logits[] = {
      {"full", DYNO_LOGITS_FULL}, {"two-stage", DYNO_LOGITS_TWO_STAGE}, {0}};
  dyno_engine_arguments *arguments = state->input;
  dyno_engine_options *engine = &arguments->engine;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->kernels;
    return 0;
  case 'm':
    engine->model = argument;
    return 0;
  case 'p' + 256:
    engine->precision = (dyno_precision)parse_choice(state, "precision", argument, precisions);
    return 0;
  case 'r' + 256:
    engine->rope_ggml = parse_choice(state, "rope", argument, ropes) != 0;
    return 0;
  case 'l' + 256:
    engine->logits = (dyno_logits_mode)parse_choice(state, "logits", argument, logits);
    return 0;
  case 'b' + 256:
    engine->batch = dyno_parse_count(state, "--batch", argument, 1, 4096);
    return 0;
  case 'o' + 256:
    engine->pool = (dyno_pool_kind)parse_choice(state, "pool", argument, pools);
    return 0;
  case 'h' + 256:
    engine->huge_pages = (dyno_huge_pages)parse_choice(state, "huge-pages", argument, huge_pages);
    return 0;
  case 'n' + 256:
    engine->numa = (dyno_numa)parse_choice(state, "numa", argument, numas);
    return 0;
  case ARGP_KEY_END:
    if (engine->model == NULL)
      argp_error(state, "--model is missing: a file, a folder, ollama:NAME:TAG, hf:OWNER/NAME or "
                        "synth:SHAPE");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp dyno_engine_arguments_parser = {
    .options = option_list,
    .parser = parse_option,
    .children = (const struct argp_child[]){{&dyno_kernel_options_parser, 0, "Kernels:", 1}, {0}},
};

const struct argp dyno_engine_choice_parser = {
    .options = option_list,
    .parser = parse_option,
    .children = (const struct argp_child[]){{&dyno_kernel_choice_parser, 0, "Kernels:", 1}, {0}},
};

void dyno_engine_arguments_free(dyno_engine_arguments *arguments)
{
  dyno_kernel_options_free(&arguments->kernels);
  *arguments = (dyno_engine_arguments){0};
}

typedef struct load_progress {
  dyno_progress bar;
  bool started;
} load_progress;

static bool show_progress(void *context, uint64_t done, uint64_t total)
{
  load_progress *progress = context;
  if (!progress->started)
    dyno_progress_start(&progress->bar, stderr, (double)total);
  progress->started = true;
  dyno_progress_update(&progress->bar, (double)done, "loading weights");
  return true;
}

dyno_status dyno_open_engine(dyno_engine **engine, const dyno_engine_arguments *arguments,
                             dyno_error *error)
{
  load_progress progress = {0};
  dyno_engine_options options = arguments->engine;
  char *path;
  dyno_status status = dyno_find_model(&path, options.model, error);
  if (status != DYNO_OK)
    return status;
  options.model = path;
  options.registry = arguments->kernels.registry;
  options.progress = show_progress;
  options.progress_context = &progress;
  status = dyno_engine_open(engine, &options, error);
  if (progress.started)
    dyno_progress_clear(&progress.bar);
  free(path);
  return status;
}
