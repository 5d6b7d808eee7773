/* `dyno synth`: writes a model with random weights. */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/report/units.h"
#include "kernels/base/clock.h"
#include "runtime/synth/synth.h"

/* The keys of a specification are options numbered from here. */
enum { FIRST_KEY = 0x100, MOST_KEYS = 24 };

typedef struct options {
  const char *shape, *output;
  const char *values[MOST_KEYS]; /* of dyno_synth_keys */
  unsigned threads;
  bool json;
} options;

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  options *opts = state->input;
  if (key >= FIRST_KEY && key < FIRST_KEY + MOST_KEYS) {
    opts->values[key - FIRST_KEY] = argument;
    return 0;
  }
  switch (key) {
  case ARGP_KEY_ARG:
    if (opts->shape != NULL)
      argp_error(state, "one SHAPE only, please: '%s' comes after '%s'", argument, opts->shape);
    opts->shape = argument;
    return 0;
  case 'o':
    opts->output = argument;
    return 0;
  case 't':
    opts->threads = (unsigned)dyno_parse_count(state, "--threads", argument, 1, 1024);
    return 0;
  case 'j':
    opts->json = true;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const char documentation[] =
    "Write a model with random weights that behave like real ones: activations of order one, and "
    "differences of rounding that stay small through all layers."
    "\vSHAPE is gpt-oss-20b (the default; 12.1 GB), gpt-oss-20b-4l (four of its layers) or tiny. "
    "Without -o the model goes to the cache folder, where --model synth:SHAPE:KEY=VALUE,... finds "
    "it (and makes it on first use); the keys are the long options above that say what is made.\n\n"
    "The same seed and formats give the same model in every dialect. f32, f16 and bf16 hold the "
    "same numbers. Where rows are no whole blocks of 256, q4_k gives way to q5_0, and q5_k and "
    "q6_k to q8_0.";

static int parse_arguments(options *opts, int argc, char **argv)
{
  struct argp_option list[MOST_KEYS + 4] = {
      {"output", 'o', "PATH", 0, "The file, or for safetensors the folder, to write", 1},
      {"threads", 't', "N", 0, "Threads to use", 3},
      {"json", 'j', NULL, 0, "Say what was made as JSON", 3},
  };
  struct argp_option *option = list + 3;
  for (int i = 0; i < MOST_KEYS && dyno_synth_keys[i].name != NULL; i++)
    *option++ = (struct argp_option){dyno_synth_keys[i].name,     FIRST_KEY + i,
                                     dyno_synth_keys[i].argument, 0,
                                     dyno_synth_keys[i].help,     2};
  const struct argp parser = {list, parse_option, "[SHAPE]", documentation, NULL, NULL, NULL};
  return dyno_parse_arguments(&parser, argc, argv, opts);
}

static dyno_status make_spec(dyno_synth_spec *spec, const options *opts, dyno_error *error)
{
  dyno_status status =
      dyno_synth_spec_init(spec, opts->shape != NULL ? opts->shape : "gpt-oss-20b", error);
  for (size_t i = 0; i < MOST_KEYS && status == DYNO_OK; i++)
    if (opts->values[i] != NULL)
      status = dyno_synth_spec_set(spec, dyno_synth_keys[i].name, opts->values[i], error);
  return status == DYNO_OK ? dyno_synth_spec_check(spec, error) : status;
}

static void print_result(const char *path, const dyno_synth_spec *spec, double seconds, bool json)
{
  uint64_t bytes = dyno_synth_weight_bytes(spec);
  if (json) {
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:f}", "path", path, "shape", spec->shape,
        "dialect", dyno_synth_dialect_name(spec->dialect), "dense", dyno_dtype_name(spec->dense),
        "experts", dyno_dtype_name(spec->experts), "seed", (json_int_t)spec->seed, "version",
        DYNO_SYNTH_VERSION, "weight_bytes", (json_int_t)bytes, "seconds", seconds);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
    return;
  }
  char size[DYNO_UNIT_TEXT], time[DYNO_UNIT_TEXT], rate[DYNO_UNIT_TEXT];
  dyno_format_bytes(size, (double)bytes);
  dyno_format_seconds(time, seconds);
  dyno_format_rate(rate, (double)bytes / seconds, "B/s");
  printf("%s: %s of weights in %s (%s)\n", path, size, time, rate);
}

int dyno_verb_synth(int argc, char **argv)
{
  options opts = {0};
  if (parse_arguments(&opts, argc, argv) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_error error = {0};
  dyno_synth_spec spec;
  char *cached = NULL;
  dyno_status status = make_spec(&spec, &opts, &error);
  if (status == DYNO_OK && opts.output == NULL)
    status = dyno_synth_cache_path(&cached, &spec, &error);
  const char *path = opts.output != NULL ? opts.output : cached;
  uint64_t start = dyno_clock_ns();
  if (status == DYNO_OK)
    status = dyno_write_synth(path, &spec, opts.threads, &error);
  if (status == DYNO_OK)
    print_result(path, &spec, (double)(dyno_clock_ns() - start) * 1e-9, opts.json);
  free(cached);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
