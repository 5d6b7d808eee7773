/* `dyno pack`: writes a model as its kernels read it; and proves such a file. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/report/progress.h"
#include "harness/report/units.h"
#include "kernels/base/clock.h"
#include "runtime/engine.h"
#include "runtime/model/pack.h"
#include "runtime/model/packed.h"
#include "runtime/threads/topology.h"

typedef struct pack_arguments {
  dyno_kernel_options kernels;
  const char *model, *output, *verify;
  size_t batch;
  bool screen, json;
} pack_arguments;

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0, "What to pack: whatever dyno run takes", 0},
    {"output", 'o', "FILE", 0, "The packed file to write", 0},
    {"verify", 'v', "FILE", 0, "Compare every tensor of a packed file with its checksum instead",
     0},
    {"batch", 'b' + 256, "N", 0,
     "Tokens in one pass of the prefill that layouts are chosen for (512)", 0},
    {"screen", 's', NULL, 0,
     "Add the screen of the output matrix, which --logits=two-stage makes at every load without it",
     0},
    {"json", 'j', NULL, 0, "Print JSON", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  pack_arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->kernels;
    arguments->batch = DYNO_DEFAULT_BATCH;
    return 0;
  case 'm':
    arguments->model = argument;
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case 'v':
    arguments->verify = argument;
    return 0;
  case 'b' + 256:
    arguments->batch = dyno_parse_count(state, "--batch", argument, 1, 4096);
    return 0;
  case 's':
    arguments->screen = true;
    return 0;
  case 'j':
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if (arguments->verify != NULL && (arguments->model != NULL || arguments->output != NULL))
      argp_error(state, "--verify writes nothing: it goes without --model and --output");
    if (arguments->verify == NULL && (arguments->model == NULL || arguments->output == NULL))
      argp_error(state, "--model MODEL and --output FILE are wanted, or --verify FILE");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Write a model with every matrix in the layout that its kernels read on this machine. "
           "Such a file is mapped and used as it is: it loads at once, and its weights are the "
           "page cache's.",
    .children = (const struct argp_child[]){{&dyno_kernel_options_parser, 0, "Kernels:", 1}, {0}},
};

typedef struct watcher {
  dyno_progress bar;
  bool started;
  const char *label;
} watcher;

static bool watch(void *context, uint64_t done, uint64_t total)
{
  watcher *w = context;
  if (!w->started)
    dyno_progress_start(&w->bar, stderr, (double)total);
  w->started = true;
  dyno_progress_update(&w->bar, (double)done, done < total ? w->label : "flushing to disk");
  return !dyno_interrupted();
}

static void stop_watching(watcher *w)
{
  if (w->started)
    dyno_progress_clear(&w->bar);
}

static dyno_status print_json(json_t *object, dyno_error *error)
{
  if (object == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY,
                     "the result cannot be put into JSON: out of memory, or a path is no UTF-8");
  int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
  putchar('\n');
  json_decref(object);
  return failed == 0 && fflush(stdout) == 0
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the output");
}

static dyno_status print_packed(const pack_arguments *arguments, const dyno_pack_summary *summary,
                                double seconds, dyno_error *error)
{
  if (arguments->json)
    return print_json(json_pack("{s:s, s:I, s:s, s:I, s:I, s:f}", "path", arguments->output,
                                "bytes", (json_int_t)summary->bytes, "model_hash", summary->hash,
                                "matrices", (json_int_t)summary->matrices, "matrices_in_plain_rows",
                                (json_int_t)summary->rows, "seconds", seconds),
                      error);
  char size[DYNO_UNIT_TEXT], time[DYNO_UNIT_TEXT];
  dyno_format_bytes(size, (double)summary->bytes);
  dyno_format_seconds(time, seconds);
  printf("%s: %s in %s, %zu of %zu matrices packed%s\n", arguments->output, size, time,
         summary->matrices - summary->rows, summary->matrices,
         summary->rows > 0 ? ", the others in plain rows" : "");
  return DYNO_OK;
}

static dyno_status pack(const pack_arguments *arguments, dyno_pool *pool,
                        const dyno_registry *registry, dyno_error *error)
{
  char *path = NULL;
  dyno_checkpoint *checkpoint = NULL;
  dyno_pack_summary summary;
  watcher w = {.label = "packing weights"};
  const dyno_pack_options options = {
      .source = arguments->model,
      .prefill_tokens = arguments->batch,
      .screen = arguments->screen,
      .show = watch,
      .context = &w,
  };
  dyno_status status = dyno_find_model(&path, arguments->model, error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_open(&checkpoint, path, error);
  uint64_t start = dyno_clock_ns();
  dyno_catch_interrupts();
  if (status == DYNO_OK)
    status = dyno_pack(arguments->output, &summary, checkpoint, registry, pool, &options, error);
  stop_watching(&w);
  if (status == DYNO_OK)
    status = print_packed(arguments, &summary, (double)(dyno_clock_ns() - start) * 1e-9, error);
  dyno_checkpoint_close(&checkpoint);
  free(path);
  return status;
}

static dyno_status print_verified(const pack_arguments *arguments,
                                  const dyno_checkpoint *checkpoint, double seconds,
                                  dyno_error *error)
{
  uint64_t bytes = dyno_checkpoint_file_bytes(checkpoint);
  char hash[DYNO_CHECKPOINT_HASH_TEXT], time[DYNO_UNIT_TEXT], size[DYNO_UNIT_TEXT];
  dyno_checkpoint_hash(checkpoint, hash);
  if (arguments->json)
    return print_json(json_pack("{s:s, s:I, s:s, s:b, s:f}", "path", arguments->verify, "bytes",
                                (json_int_t)bytes, "model_hash", hash, "intact", 1, "seconds",
                                seconds),
                      error);
  dyno_format_seconds(time, seconds);
  dyno_format_bytes(size, (double)bytes);
  printf("%s: %s, every checksum matches (%s)\n", arguments->verify, size, time);
  return DYNO_OK;
}

static dyno_status verify(const pack_arguments *arguments, dyno_pool *pool, dyno_error *error)
{
  dyno_checkpoint *checkpoint = NULL;
  watcher w = {.label = "verifying checksums"};
  uint64_t start = dyno_clock_ns();
  dyno_status status = dyno_checkpoint_open(&checkpoint, arguments->verify, error);
  if (status == DYNO_OK && dyno_checkpoint_packed(checkpoint) == NULL)
    status =
        dyno_fail(error, DYNO_ERROR_USAGE, "%s: this is no packed file (%s), and has no checksums",
                  arguments->verify, dyno_checkpoint_dialect(checkpoint));
  dyno_catch_interrupts();
  if (status == DYNO_OK)
    status = dyno_packed_verify(dyno_checkpoint_packed(checkpoint), pool, watch, &w, error);
  stop_watching(&w);
  if (status == DYNO_OK)
    status = print_verified(arguments, checkpoint, (double)(dyno_clock_ns() - start) * 1e-9, error);
  dyno_checkpoint_close(&checkpoint);
  return status;
}

int dyno_verb_pack(int argc, char **argv)
{
  pack_arguments arguments = {0};
  dyno_error error = {0};
  dyno_registry *registry = NULL;
  dyno_pool *pool = NULL;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_registry_options *options = &arguments.kernels.registry;
  dyno_status status = dyno_choose_threads(&options->threads, &error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&registry, options, &error);
  if (status == DYNO_OK)
    status = dyno_pool_open(&pool, options->threads, &error);
  if (status == DYNO_OK)
    status = arguments.verify != NULL ? verify(&arguments, pool, &error)
                                      : pack(&arguments, pool, registry, &error);
  dyno_pool_close(&pool);
  dyno_registry_close(&registry);
  dyno_kernel_options_free(&arguments.kernels);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
