/* `dyno quantize`: writes a model with fewer bits. */
#include "config.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/model_path.h"
#include "harness/cli/quantize_choice.h"
#include "harness/report/progress.h"
#include "harness/report/table.h"
#include "harness/report/units.h"
#include "kernels/base/clock.h"
#include "runtime/engine.h"
#include "runtime/model/pack.h"
#include "runtime/model/quant_plan.h"
#include "runtime/model/quantize_file.h"
#include "runtime/threads/topology.h"

typedef struct quantize_arguments {
  dyno_kernel_options kernels;
  dyno_quantize_wish wish;
  const char *model, *output, *save_plan;
  char *plan; /* "plan:FILE"; owned */
  bool packed, json;
} quantize_arguments;

enum {
  KEY_TO = 256,
  KEY_PACKED,
  KEY_CALIBRATE,
  KEY_TOKENS,
  KEY_SENSITIVITY_TOKENS,
  KEY_BUDGET,
  KEY_LOSS,
  KEY_PLAN,
  KEY_SAVE_PLAN
};

enum { DEFAULT_TOKENS = 8192, DEFAULT_SENSITIVITY_TOKENS = 1024 };

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0, "What to lower: whatever dyno run takes", 0},
    {"output", 'o', "FILE", 0, "The file to write", 0},
    {"to", KEY_TO, "METHOD", 0,
     "int8; int4, int4-zero or mxfp4, each with -search for scales of least error; or dynamic: "
     "what "
     "suits each tensor best, by --budget or --loss",
     0},
    {"calibrate", KEY_CALIBRATE, "TEXT", 0,
     "Run the model on this text, or on the items in a folder, and weigh the columns of each "
     "matrix "
     "by the activations they meet",
     1},
    {"calibrate-tokens", KEY_TOKENS, "N", 0, "At most N tokens of it (8192)", 1},
    {"sensitivity-tokens", KEY_SENSITIVITY_TOKENS, "N", 0,
     "dynamic: at most N tokens to measure each tensor on (1024)", 1},
    {"budget", KEY_BUDGET, "SIZE", 0,
     "dynamic: a size, as 6.5MiB, a share, as 70%, or a method's name, of the matrices that can be "
     "lowered",
     1},
    {"loss", KEY_LOSS, "NATS", 0, "dynamic: the fewest bytes with at most this mean KL divergence",
     1},
    {"plan", KEY_PLAN, "FILE", 0, "Do as this plan says, instead of --to", 1},
    {"save-plan", KEY_SAVE_PLAN, "FILE", 0, "Write what is done to each tensor", 1},
    {"packed", KEY_PACKED, NULL, 0, "Write a packed file, for dyno alone, instead of GGUF", 0},
    {"json", 'j', NULL, 0, "Print JSON", 0},
    {0},
};

static void check_arguments(quantize_arguments *arguments, struct argp_state *state)
{
  dyno_quantize_wish *wish = &arguments->wish;
  bool dynamic = wish->to != NULL && strcmp(wish->to, "dynamic") == 0;
  if (arguments->model == NULL || (wish->to == NULL) == (arguments->plan == NULL))
    argp_error(state, "--model MODEL and one of --to METHOD and --plan FILE are wanted");
  if (arguments->output == NULL && arguments->save_plan == NULL)
    argp_error(state, "--output FILE is wanted, or --save-plan FILE");
  if (dynamic && (wish->text == NULL || (wish->budget == NULL) == isinf(wish->loss)))
    argp_error(state, "dynamic goes with --calibrate TEXT and one of --budget and --loss");
  if (!dynamic && (wish->budget != NULL || isfinite(wish->loss)))
    argp_error(state, "--budget and --loss go with --to dynamic");
  if (arguments->plan != NULL)
    wish->to = arguments->plan;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  quantize_arguments *arguments = state->input;
  dyno_quantization quantization;
  dyno_error error = {0};
  char *end;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->kernels;
    arguments->wish.tokens = DEFAULT_TOKENS;
    arguments->wish.sensitivity_tokens = DEFAULT_SENSITIVITY_TOKENS;
    arguments->wish.loss = INFINITY;
    return 0;
  case 'm':
    arguments->model = argument;
    return 0;
  case 'o':
    arguments->output = argument;
    return 0;
  case KEY_TO:
    if (strcmp(argument, "dynamic") != 0 &&
        dyno_quantization_open(&quantization, argument, NULL, &error) != DYNO_OK)
      argp_error(state, "--to: %s", error.message);
    arguments->wish.to = argument;
    return 0;
  case KEY_CALIBRATE:
    arguments->wish.text = argument;
    return 0;
  case KEY_TOKENS:
    arguments->wish.tokens = dyno_parse_count(state, "--calibrate-tokens", argument, 1, 1 << 24);
    return 0;
  case KEY_SENSITIVITY_TOKENS:
    arguments->wish.sensitivity_tokens =
        dyno_parse_count(state, "--sensitivity-tokens", argument, 1, 1 << 24);
    return 0;
  case KEY_BUDGET:
    arguments->wish.budget = argument;
    return 0;
  case KEY_LOSS:
    arguments->wish.loss = strtod(argument, &end);
    if (*end != '\0' || !(arguments->wish.loss > 0) || isinf(arguments->wish.loss))
      argp_error(state, "--loss=%s: a number of nats above 0 is wanted", argument);
    return 0;
  case KEY_PLAN:
    if (asprintf(&arguments->plan, "plan:%s", argument) < 0)
      argp_failure(state, DYNO_EXIT_FAILURE, 0, "out of memory");
    return 0;
  case KEY_SAVE_PLAN:
    arguments->save_plan = argument;
    return 0;
  case KEY_PACKED:
    arguments->packed = true;
    return 0;
  case 'j':
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    check_arguments(arguments, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Write a model with its weights in fewer bits, as GGUF that other engines read too. "
           "Attention, embedding, output matrix and experts are lowered where that takes fewer "
           "bytes; routers, norms and biases never are.",
    .children = (const struct argp_child[]){{&dyno_kernel_options_parser, 0, "Kernels:", 1}, {0}},
};

/* What the work has in its hands. */
typedef struct quantizing {
  const quantize_arguments *arguments;
  dyno_registry *registry;
  dyno_pool *pool;
  dyno_checkpoint *checkpoint;
  dyno_quantize_choice choice;
  dyno_progress bar;
  bool started;
} quantizing;

static bool watch(void *context, uint64_t done, uint64_t total)
{
  quantizing *q = context;
  if (!q->started)
    dyno_progress_start(&q->bar, stderr, (double)total);
  q->started = true;
  dyno_progress_update(&q->bar, (double)done, done < total ? "lowering weights" : "flushing");
  return !dyno_interrupted();
}

static dyno_status write_model(quantizing *q, dyno_error *error)
{
  const quantize_arguments *arguments = q->arguments;
  const dyno_quantize_file_options file = {&q->choice.quantization, watch, q};
  const dyno_pack_options pack = {.source = arguments->model,
                                  .prefill_tokens = DYNO_DEFAULT_BATCH,
                                  .quantization = &q->choice.quantization,
                                  .show = watch,
                                  .context = q};
  dyno_status status = arguments->packed ? dyno_pack(arguments->output, NULL, q->checkpoint,
                                                     q->registry, q->pool, &pack, error)
                                         : dyno_quantize_file(arguments->output, q->checkpoint,
                                                              q->registry, q->pool, &file, error);
  if (q->started)
    dyno_progress_clear(&q->bar);
  q->started = false;
  return status;
}

/* Matrices, and how many of them were lowered; bytes of them before and after. */
typedef struct tally {
  size_t matrices, lowered;
  uint64_t before, after;
} tally;

static tally count(const quantizing *q)
{
  tally t = {0};
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(q->checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(q->checkpoint, i);
    if (!dyno_quant_role(tensor->role))
      continue;
    uint64_t rows = tensor->groups * tensor->n;
    dyno_dtype dtype = dyno_quantized_dtype(&q->choice.quantization, tensor);
    t.matrices++;
    t.lowered += dtype != tensor->dtype;
    t.before += rows * tensor->row_bytes;
    t.after += rows * dyno_row_bytes(dtype, tensor->k);
  }
  return t;
}

static json_t *choice_json(const dyno_quantize_choice *choice)
{
  const dyno_sensitivity *s = &choice->sensitivity;
  json_t *tensors = json_array(), *rivals = json_array();
  for (size_t i = 0; i < s->count; i++) {
    json_t *losses = json_object();
    for (size_t j = 0; j < s->method_count; j++)
      if (s->options[i * s->method_count + j].bytes != UINT64_MAX)
        json_object_set_new(losses, dyno_quant_get(s->methods[j])->name,
                            json_pack("{s:I, s:f}", "bytes",
                                      (json_int_t)s->options[i * s->method_count + j].bytes, "kl",
                                      s->options[i * s->method_count + j].loss));
    json_array_append_new(
        tensors, json_pack("{s:s, s:s, s:o}", "tensor", choice->names[i], "method",
                           dyno_quant_get(s->methods[choice->chosen[i]])->name, "options", losses));
  }
  for (size_t i = 0; i < choice->rival_count; i++)
    json_array_append_new(rivals, json_pack("{s:s, s:I, s:f}", "what", choice->rivals[i].name,
                                            "bytes", (json_int_t)choice->rivals[i].bytes, "kl",
                                            choice->rivals[i].nats));
  return json_pack("{s:f, s:f, s:o, s:o}", "base_kl", s->base, "predicted_kl", choice->predicted,
                   "tensors", tensors, "compared", rivals);
}

static dyno_status print_json(const quantizing *q, double seconds, dyno_error *error)
{
  const quantize_arguments *arguments = q->arguments;
  const tally t = count(q);
  json_t *object = json_pack("{s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:f}", "path", arguments->output,
                             "method", arguments->wish.to, "matrices", (json_int_t)t.matrices,
                             "lowered", (json_int_t)t.lowered, "bytes_before", (json_int_t)t.before,
                             "bytes", (json_int_t)t.after, "calibration_tokens",
                             (json_int_t)q->choice.importance.tokens, "seconds", seconds);
  if (q->choice.rival_count > 0)
    json_object_set_new(object, "dynamic", choice_json(&q->choice));
  int failed =
      object == NULL || json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
  putchar('\n');
  json_decref(object);
  return failed ? dyno_fail(error, DYNO_ERROR_IO, "cannot write the output") : DYNO_OK;
}

static dyno_status print_plan(const dyno_quantize_choice *choice, dyno_error *error)
{
  static const dyno_column columns[] = {{"tensor", NULL, false},
                                        {"method", NULL, false},
                                        {"size", NULL, true},
                                        {"rise of mean KL", "nats", true}};
  const dyno_sensitivity *s = &choice->sensitivity;
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < s->count; i++) {
    const dyno_knapsack_option *option = &s->options[i * s->method_count + choice->chosen[i]];
    char size[DYNO_UNIT_TEXT];
    dyno_format_bytes(size, (double)option->bytes);
    dyno_table_cell(table, "%s", choice->names[i]);
    dyno_table_cell(table, "%s", dyno_quant_get(s->methods[choice->chosen[i]])->name);
    dyno_table_cell(table, "%s", size);
    dyno_table_cell(table, "%.2e", option->loss);
    dyno_table_end_row(table);
  }
  dyno_status status = dyno_table_print(table, stdout, 0, error);
  dyno_table_free(&table);
  return status;
}

/* The plan, then each method for all beside what dynamic makes of as many bytes. */
static dyno_status print_rivals(const dyno_quantize_choice *choice, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"all of them by", NULL, false}, {"size", NULL, true}, {"mean KL", "nats", true}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < choice->rival_count; i++) {
    char size[DYNO_UNIT_TEXT];
    dyno_format_bytes(size, (double)choice->rivals[i].bytes);
    dyno_table_cell(table, "%s", choice->rivals[i].name);
    dyno_table_cell(table, "%s", size);
    dyno_table_cell(table, "%.5f", choice->rivals[i].nats);
    dyno_table_end_row(table);
  }
  putchar('\n');
  dyno_status status = dyno_table_print(table, stdout, 0, error);
  dyno_table_free(&table);
  printf("none lowered: %.5f; the plan as its losses add up: %.5f\n\n", choice->sensitivity.base,
         choice->predicted);
  return status;
}

static dyno_status print(const quantizing *q, double seconds, dyno_error *error)
{
  const quantize_arguments *arguments = q->arguments;
  const tally t = count(q);
  dyno_status status = DYNO_OK;
  if (arguments->json)
    return print_json(q, seconds, error);
  if (q->choice.rival_count > 0)
    status = print_plan(&q->choice, error);
  if (status == DYNO_OK && q->choice.rival_count > 0)
    status = print_rivals(&q->choice, error);
  char before[DYNO_UNIT_TEXT], after[DYNO_UNIT_TEXT], time[DYNO_UNIT_TEXT];
  dyno_format_bytes(before, (double)t.before);
  dyno_format_bytes(after, (double)t.after);
  dyno_format_seconds(time, seconds);
  printf("%s: %zu of %zu matrices to %s, %s to %s, in %s\n",
         arguments->output != NULL ? arguments->output : arguments->save_plan, t.lowered,
         t.matrices, arguments->wish.to, before, after, time);
  return status;
}

/* A plan has a method for each tensor, also where all have the same. */
static dyno_status save_plan(const quantizing *q, dyno_error *error)
{
  const dyno_quantization *quantization = &q->choice.quantization;
  size_t tensors = dyno_checkpoint_tensor_count(q->checkpoint);
  dyno_quant_method *methods = calloc(tensors, sizeof *methods);
  if (methods == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", q->arguments->save_plan);
  for (size_t i = 0; i < tensors; i++)
    methods[i] =
        dyno_quantization_method(quantization, dyno_checkpoint_tensor_at(q->checkpoint, i));
  dyno_status status = dyno_quant_plan_write(q->arguments->save_plan, methods,
                                             q->arguments->wish.text, q->checkpoint, error);
  free(methods);
  return status;
}

static dyno_status quantize(quantizing *q, dyno_error *error)
{
  const quantize_arguments *arguments = q->arguments;
  dyno_quantize_wish wish = arguments->wish;
  char *path = NULL;
  dyno_status status = dyno_find_model(&path, arguments->model, error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_open(&q->checkpoint, path, error);
  uint64_t start = dyno_clock_ns();
  wish.model = path;
  wish.registry = &arguments->kernels.registry;
  if (status == DYNO_OK)
    status = dyno_quantize_choose(&q->choice, &wish, q->checkpoint, error);
  if (status == DYNO_OK && arguments->output != NULL)
    status = write_model(q, error);
  if (status == DYNO_OK && arguments->save_plan != NULL)
    status = save_plan(q, error);
  if (status == DYNO_OK)
    status = print(q, (double)(dyno_clock_ns() - start) * 1e-9, error);
  dyno_quantize_choice_close(&q->choice);
  dyno_checkpoint_close(&q->checkpoint);
  free(path);
  return status;
}

int dyno_verb_quantize(int argc, char **argv)
{
  quantize_arguments arguments = {0};
  quantizing q = {.arguments = &arguments};
  dyno_error error = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_registry_options *options = &arguments.kernels.registry;
  dyno_catch_interrupts();
  dyno_status status = dyno_choose_threads(&options->threads, &error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&q.registry, options, &error);
  if (status == DYNO_OK)
    status = dyno_pool_open(&q.pool, options->threads, &error);
  if (status == DYNO_OK)
    status = quantize(&q, &error);
  dyno_pool_close(&q.pool);
  dyno_registry_close(&q.registry);
  dyno_kernel_options_free(&arguments.kernels);
  free(arguments.plan);
  if (status == DYNO_OK)
    return DYNO_EXIT_OK;
  int code = dyno_report_error(&error);
  return status == DYNO_ERROR_INTERRUPTED ? dyno_interrupt_exit_code() : code;
}
