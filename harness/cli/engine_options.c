#include "harness/cli/engine_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/model_path.h"
#include "harness/measure/switches.h"
#include "harness/report/progress.h"

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0,
     "A GGUF file, a safetensors file or folder, a packed file, ollama:NAME:TAG, "
     "hf:OWNER/NAME, or synth:SHAPE for random weights",
     0},
    {"precision", 'p' + 256, "WHICH", 0,
     "fast (activations in 8 bits where kernels take them so) or reference (F32 throughout)", 0},
    {"kv", 'v' + 256, "FORMAT", 0,
     "Keys and values in bf16, f32, or int8 with a scale for each head of each token; auto is "
     "bf16, "
     "and f32 with --precision=reference",
     0},
    {"rope", 'r' + 256, "WHICH", 0,
     "reference (as the published model) or ggml (YaRN's correction range rounded)", 0},
    {"logits", 'l' + 256, "WHICH", 0,
     "full, or two-stage: the largest from a screen of the output matrix, with the same tokens", 0},
    {"prefetch", 'f' + 256, "WHICH", 0,
     "Ask memory early for embedding (rows of likely next tokens), experts (where the chosen ones' "
     "matrices begin), on (both), or off",
     0},
    {"quant", 'q' + 256, "METHOD", 0,
     "Lower weights while they are loaded, where that saves bytes: int8; int4, int4-zero or "
     "mxfp4, each with -search for scales of least error; plan:FILE; none",
     0},
    {"batch", 'b' + 256, "N", 0, "Tokens in one pass of a prefill (512)", 0},
    {"pool", 'o' + 256, "WHICH", 0,
     "How threads hand work over: spin (atomics, sleeping only after a while) or mutex", 0},
    {"huge-pages", 'h' + 256, "WHICH", 0,
     "For weights and KV cache: load (asked for; without room for both, a file that is packed "
     "leaves "
     "the page cache), background (mapped weights are moved there too, while running), keep-cache "
     "(load, but no file leaves the page cache) or off",
     0},
    {"numa", 'n' + 256, "WHICH", 0,
     "On several nodes, weights are by rows (where the thread is that reads them) or off", 0},
    {"alloc", 'a' + 256, "WHICH", 0,
     "Memory of sequences and caches comes from buddy (cut from large stretches of huge pages) or "
     "malloc",
     0},
    {"alloc-checks", 'c' + 256, "WHICH", 0,
     "off, or on: look for writes beyond that memory, and for what is read before it was written",
     0},
    {0},
};

/* One table has the values of all switches (harness/measure/switches.h). */
static void set_switch(dyno_engine_arguments *arguments, const char *name, const char *value,
                       struct argp_state *state)
{
  dyno_settings settings = {.engine = arguments->engine};
  dyno_error error = {0};
  if (dyno_settings_set(&settings, name, value, &error) != DYNO_OK)
    argp_error(state, "--%s", error.message);
  arguments->engine = settings.engine;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
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
    set_switch(arguments, "precision", argument, state);
    return 0;
  case 'v' + 256:
    set_switch(arguments, "kv", argument, state);
    return 0;
  case 'r' + 256:
    set_switch(arguments, "rope", argument, state);
    return 0;
  case 'l' + 256:
    arguments->logits_given = true;
    set_switch(arguments, "logits", argument, state);
    return 0;
  case 'f' + 256:
    set_switch(arguments, "prefetch", argument, state);
    return 0;
  case 'q' + 256:
    set_switch(arguments, "quant", argument, state);
    return 0;
  case 'b' + 256:
    set_switch(arguments, "batch", argument, state);
    return 0;
  case 'o' + 256:
    set_switch(arguments, "pool", argument, state);
    return 0;
  case 'h' + 256:
    set_switch(arguments, "huge-pages", argument, state);
    return 0;
  case 'n' + 256:
    set_switch(arguments, "numa", argument, state);
    return 0;
  case 'a' + 256:
    set_switch(arguments, "alloc", argument, state);
    return 0;
  case 'c' + 256:
    set_switch(arguments, "alloc-checks", argument, state);
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

static const struct argp_option cache_option_list[] = {
    {"cache", 'c' + 256, "LEVELS", 0,
     "What is kept between prompts: off, on, or a list of l1 (embedding rows), l2 (keys and values "
     "of prefixes) and l3 (those that left l2, compressed)",
     0},
    {"cache-size", 's' + 256, "MIB", 0,
     "What all levels may hold together (CACHE_SIZE_MB in the environment, or 1024)", 0},
    {"cache-file", 'f' + 256, "FILE", 0,
     "Read l3 from this file at the start, and write what the caches hold to it at the end", 0},
    {"cache-threshold", 'e' + 256, "SHARE", 0,
     "Evict down to this share of it when idle (CACHE_EVICTION_THRESHOLD, or 0.8)", 0},
    {"defragment", 'd' + 256, "WHICH", 0,
     "Move blocks of keys and values together when idle: on (default) or off", 0},
    {0},
};

static error_t parse_cache_option(int key, char *argument, struct argp_state *state)
{
  for (const struct argp_option *option = cache_option_list; option->name != NULL; option++)
    if (option->key == key && key != 0) {
      set_switch(state->input, option->name, argument, state);
      return 0;
    }
  return ARGP_ERR_UNKNOWN;
}

const struct argp dyno_cache_options_parser = {
    .options = cache_option_list,
    .parser = parse_cache_option,
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

/* What a cache cannot do is no reason to end. */
static void print_notice(void *context, const char *message)
{
  (void)context;
  fprintf(stderr, "%s: note: %s\n", program_invocation_short_name, message);
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
  options.cache.notice = print_notice;
  status = dyno_engine_open(engine, &options, error);
  if (progress.started)
    dyno_progress_clear(&progress.bar);
  free(path);
  return status;
}
