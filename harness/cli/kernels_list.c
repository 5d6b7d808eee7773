/* `dyno kernels list`: every variant, whether it runs here, and what would be chosen. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/kernels.h"
#include "harness/cli/variants.h"
#include "harness/measure/shapes.h"
#include "harness/report/table.h"

enum { OPTION_WHY = 256, OPTION_JSON, OPTION_SHAPES };

typedef struct list_options {
  dyno_kernel_options kernels;
  dyno_variant_filter filter;
  bool why, json;
  const char *shapes;
} list_options;

static const struct argp_option option_list[] = {
    {"why", OPTION_WHY, NULL, 0,
     "Show too which variant is chosen for each shape of gpt-oss-20b, decode and prefill, and "
     "why",
     0},
    {"shapes", OPTION_SHAPES, "FILE", 0,
     "Choose for the shapes of FILE, or of a built-in file: gpt-oss-20b, quick (implies --why)", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    {0},
};

static const struct argp_child children[] = {
    {&dyno_variant_filter_parser, 0, NULL, 0},
    {&dyno_kernel_options_parser, 0, "Choosing kernels:", 1},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  list_options *options = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &options->filter;
    state->child_inputs[1] = &options->kernels;
    return 0;
  case OPTION_WHY:
    options->why = true;
    return 0;
  case OPTION_JSON:
    options->json = true;
    return 0;
  case OPTION_SHAPES:
    options->shapes = argument;
    options->why = true;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .children = children,
    .doc = "Lists the kernel variants: tier, formats, the weights' layout, and whether this CPU "
           "runs them or the reason why not.",
};

static const char *layout_name(const dyno_layout *layout)
{
  return layout == NULL ? "-" : layout->name;
}

static const char *format_name(dyno_dtype dtype)
{
  return dtype == DYNO_NONE ? "-" : dyno_dtype_name(dtype);
}

static const char *tolerance_name(dyno_tolerance tolerance)
{
  static const char *const names[] = {
      [DYNO_TOLERANCE_EXACT] = "exact",
      [DYNO_TOLERANCE_F32] = "f32",
      [DYNO_TOLERANCE_BF16] = "bf16",
      [DYNO_TOLERANCE_APPROX] = "approx",
  };
  return names[tolerance];
}

/* What is chosen for one shape; kernel NULL, and the reason in choice, when nothing can be. */
typedef struct shape_choice {
  const dyno_shape *shape;
  const dyno_layout *layout;
  dyno_choice choice;
} shape_choice;

/* The lines of one tensor or step: those that carry the label of the first. */
typedef struct tensor {
  dyno_problem problems[16];
  dyno_choice choices[16];
  size_t lines[16];
  size_t count;
} tensor;

static dyno_status collect_tensor(tensor *lines, const dyno_shapes *shapes, size_t first,
                                  dyno_error *error)
{
  const dyno_shape *head = &shapes->items[first];
  lines->count = 0;
  for (size_t i = first; i < shapes->count; i++) {
    const dyno_shape *shape = &shapes->items[i];
    if (i != first && (head->label[0] == '\0' || strcmp(shape->label, head->label) != 0))
      continue;
    if (lines->count == sizeof lines->lines / sizeof *lines->lines)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "line %u: more than %zu lines have the label '%s'",
                       shape->line, lines->count, head->label);
    lines->lines[lines->count] = i;
    lines->problems[lines->count++] = shape->problem;
  }
  return DYNO_OK;
}

/* Weights lie in memory once, so their lines share a layout; other steps are free to choose for
 * each line. */
static dyno_status select_tensor(const dyno_layout **layout, tensor *lines,
                                 const dyno_registry *registry, dyno_error *error)
{
  *layout = NULL;
  if (lines->problems[0].op == DYNO_OP_MATMUL)
    return dyno_select_layout(layout, lines->choices, registry, lines->problems, lines->count,
                              error);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < lines->count && status == DYNO_OK; i++)
    status = dyno_select(&lines->choices[i], registry, &lines->problems[i], NULL, NULL, error);
  return status;
}

/* Fills the rows of chosen that belong to the tensor of line `first`. That there is no variant at
 * all is an answer; a forced one that cannot be used is an error. */
static dyno_status choose_tensor(shape_choice *chosen, const dyno_registry *registry,
                                 const dyno_shapes *shapes, size_t first, dyno_error *error)
{
  tensor lines;
  const dyno_layout *layout;
  dyno_error reason = {0};
  dyno_status status = collect_tensor(&lines, shapes, first, error);
  if (status != DYNO_OK)
    return status;
  status = select_tensor(&layout, &lines, registry, &reason);
  for (size_t i = 0; i < lines.count; i++) {
    const dyno_shape *shape = &shapes->items[lines.lines[i]];
    shape_choice *to = &chosen[lines.lines[i]];
    *to = (shape_choice){.shape = shape, .layout = layout};
    if (status == DYNO_OK)
      to->choice = lines.choices[i];
    else
      snprintf(to->choice.reason, sizeof to->choice.reason, "%.*s", DYNO_REASON_TEXT - 1,
               reason.message);
  }
  if (status == DYNO_OK || status == DYNO_ERROR_NOT_FOUND)
    return DYNO_OK;
  if (error != NULL)
    *error = reason;
  return status;
}

static bool label_seen(const dyno_shapes *shapes, size_t index)
{
  for (size_t i = 0; i < index; i++)
    if (shapes->items[index].label[0] != '\0' &&
        strcmp(shapes->items[i].label, shapes->items[index].label) == 0)
      return true;
  return false;
}

static bool shape_matches(const dyno_variant_filter *filter, const dyno_problem *problem)
{
  return (filter->op == DYNO_OP_COUNT || filter->op == problem->op) &&
         (filter->family == DYNO_FAMILY_COUNT || filter->family == dyno_op_family(problem->op));
}

static dyno_status choose_all(shape_choice *chosen, const dyno_registry *registry,
                              const dyno_shapes *shapes, const dyno_variant_filter *filter,
                              dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < shapes->count && status == DYNO_OK; i++)
    if (!label_seen(shapes, i) && shape_matches(filter, &shapes->items[i].problem))
      status = choose_tensor(chosen, registry, shapes, i, error);
  return status;
}

/* Text */

static dyno_status print_variants(const dyno_registry *registry, const dyno_variant_filter *filter,
                                  dyno_error *error)
{
  static const dyno_column columns[] = {
      {"variant", NULL, false},    {"tier", NULL, false},   {"weight", NULL, false},
      {"activation", NULL, false}, {"layout", NULL, false}, {"rank", NULL, true},
      {"accuracy", NULL, false},   {"from", NULL, false},   {"runs here", NULL, false},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  size_t listed = 0, usable = 0;
  for (size_t i = 0; i < dyno_registry_count(registry); i++) {
    const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
    if (!dyno_variant_matches(filter, kernel))
      continue;
    char reason[DYNO_REASON_TEXT];
    bool runs = dyno_registry_usable(registry, kernel, NULL, reason);
    const char *origin = dyno_registry_origin(registry, kernel);
    dyno_table_cell(table, "%s", kernel->name);
    dyno_table_cell(table, "%s", dyno_isa_name(kernel->isa));
    dyno_table_cell(table, "%s", format_name(kernel->weight));
    dyno_table_cell(table, "%s", format_name(kernel->activation));
    dyno_table_cell(table, "%s", layout_name(dyno_kernel_layout(kernel)));
    dyno_table_cell(table, "%d", kernel->rank);
    dyno_table_cell(table, "%s", tolerance_name(kernel->tolerance));
    dyno_table_cell(table, "%s", origin == NULL ? "built in" : origin);
    dyno_table_cell(table, "%s", runs ? "yes" : reason);
    listed++;
    usable += runs;
  }
  dyno_status status = dyno_table_print(table, stdout, 0, error);
  dyno_table_free(&table);
  const dyno_cpu *cpu = dyno_registry_cpu(registry);
  printf("\n%zu variants, %zu of which run here: %s, tier %s", listed, usable, cpu->name,
         dyno_isa_name(cpu->isa));
  if (dyno_registry_isa(registry) != cpu->isa)
    printf(", masked to %s", dyno_isa_name(dyno_registry_isa(registry)));
  puts("");
  return status;
}

static dyno_status print_choices(const shape_choice *chosen, size_t count, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"for", NULL, false},    {"problem", NULL, false}, {"chosen", NULL, false},
      {"layout", NULL, false}, {"why", NULL, false},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  const char *label = "";
  for (size_t i = 0; i < count; i++) {
    if (chosen[i].shape == NULL)
      continue;
    char text[DYNO_PROBLEM_TEXT];
    dyno_problem_format(text, &chosen[i].shape->problem);
    const dyno_choice *choice = &chosen[i].choice;
    dyno_table_cell(table, "%s",
                    strcmp(chosen[i].shape->label, label) == 0 ? "" : chosen[i].shape->label);
    dyno_table_cell(table, "%s", text);
    dyno_table_cell(table, "%s", choice->kernel == NULL ? "none" : choice->kernel->name);
    dyno_table_cell(table, "%s", choice->kernel == NULL ? "-" : layout_name(chosen[i].layout));
    dyno_table_cell(table, "%s", choice->reason);
    label = chosen[i].shape->label;
  }
  puts("");
  dyno_status status = dyno_table_print(table, stdout, 0, error);
  dyno_table_free(&table);
  return status;
}

/* JSON */

/* NULL becomes null. */
static json_t *optional_string(const char *text)
{
  return text == NULL ? json_null() : json_string(text);
}

static json_t *optional_format(dyno_dtype dtype)
{
  return optional_string(dtype == DYNO_NONE ? NULL : dyno_dtype_name(dtype));
}

static json_t *variant_json(const dyno_registry *registry, const dyno_kernel *kernel)
{
  char reason[DYNO_REASON_TEXT];
  bool runs = dyno_registry_usable(registry, kernel, NULL, reason);
  const dyno_layout *layout = dyno_kernel_layout(kernel);
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:s, s:o, s:b, s:o}", "name",
                   kernel->name, "op", dyno_op_name(kernel->op), "family",
                   dyno_family_name(dyno_op_family(kernel->op)), "tier", dyno_isa_name(kernel->isa),
                   "weight", optional_format(kernel->weight), "activation",
                   optional_format(kernel->activation), "layout",
                   optional_string(layout == NULL ? NULL : layout->name), "numerics",
                   optional_string(kernel->numerics), "rank", kernel->rank, "accuracy",
                   tolerance_name(kernel->tolerance), "plugin",
                   optional_string(dyno_registry_origin(registry, kernel)), "usable", runs,
                   "reason", optional_string(runs ? NULL : reason));
}

static json_t *choice_json(const shape_choice *chosen)
{
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, &chosen->shape->problem);
  const dyno_kernel *kernel = chosen->choice.kernel;
  const char *layout = kernel == NULL || chosen->layout == NULL ? NULL : chosen->layout->name;
  return json_pack("{s:s, s:s, s:o, s:o, s:s}", "label", chosen->shape->label, "problem", text,
                   "chosen", optional_string(kernel == NULL ? NULL : kernel->name), "layout",
                   optional_string(layout), "reason", chosen->choice.reason);
}

static dyno_status print_json(const dyno_registry *registry, const dyno_variant_filter *filter,
                              const shape_choice *chosen, size_t count, bool why, dyno_error *error)
{
  const dyno_cpu *cpu = dyno_registry_cpu(registry);
  json_t *root =
      json_pack("{s:{s:s, s:s}, s:s}", "cpu", "name", cpu->name, "tier", dyno_isa_name(cpu->isa),
                "tier", dyno_isa_name(dyno_registry_isa(registry)));
  json_t *variants = json_array(), *choices = json_array();
  for (size_t i = 0; i < dyno_registry_count(registry); i++) {
    const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
    if (dyno_variant_matches(filter, kernel))
      json_array_append_new(variants, variant_json(registry, kernel));
  }
  for (size_t i = 0; i < count; i++)
    if (chosen[i].shape != NULL)
      json_array_append_new(choices, choice_json(&chosen[i]));
  int failed = json_object_set_new(root, "variants", variants);
  if (why)
    failed |= json_object_set_new(root, "choices", choices);
  else
    json_decref(choices);
  failed |= json_dumpf(root, stdout, JSON_INDENT(2));
  puts("");
  json_decref(root);
  return failed ? dyno_fail(error, DYNO_ERROR_MEMORY,
                            "no memory for the JSON, or it cannot be written")
                : DYNO_OK;
}

static dyno_status list(const list_options *options, const dyno_registry *registry,
                        const dyno_shapes *shapes, dyno_error *error)
{
  dyno_status status = dyno_variant_filter_check(&options->filter, registry, error);
  if (status != DYNO_OK)
    return status;
  shape_choice *chosen = calloc(shapes->count + 1, sizeof *chosen);
  if (chosen == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  status = choose_all(chosen, registry, shapes, &options->filter, error);
  if (status == DYNO_OK && options->json) {
    status = print_json(registry, &options->filter, chosen, shapes->count, options->why, error);
  } else if (status == DYNO_OK) {
    status = print_variants(registry, &options->filter, error);
    if (status == DYNO_OK && options->why)
      status = print_choices(chosen, shapes->count, error);
  }
  free(chosen);
  return status;
}

int dyno_kernels_list(int argc, char **argv)
{
  list_options options = {.filter = DYNO_VARIANT_FILTER_ALL, .shapes = "gpt-oss-20b"};
  if (dyno_parse_arguments(&parser, argc, argv, &options) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_error error = {0};
  dyno_registry *registry = NULL;
  dyno_shapes shapes = {0};
  dyno_status status = dyno_registry_open(&registry, &options.kernels.registry, &error);
  if (status == DYNO_OK && options.why)
    status = dyno_shapes_load(&shapes, options.shapes, &error);
  if (status == DYNO_OK)
    status = list(&options, registry, &shapes, &error);
  if (status == DYNO_OK && dyno_registry_tuned_note(registry) != NULL)
    fprintf(stderr, "dyno: %s\n", dyno_registry_tuned_note(registry));
  dyno_shapes_free(&shapes);
  dyno_registry_close(&registry);
  dyno_kernel_options_free(&options.kernels);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
