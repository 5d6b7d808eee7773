/* Data of the plots of ops and components: time, roofline, components. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_plots_internal.h"

enum {
  COLOURS = 10, /* that can be told apart: so many ops get one, the rest share another */
  KERNEL_WIDTH = 62,
  MOST_POINTS = 40,
  FRAME_WIDTH = 600, /* pixels of the roofline's frame, to place labels by */
  FRAME_HEIGHT = 400,
  LABEL_WIDTH = 20,
  LABEL_HEIGHT = 14,
  PLACES = 8
};

static const double nanoseconds_per_second = 1e9, nanoseconds_per_millisecond = 1e6, giga = 1e9;

/* ---- time: what the threads did ---- */

/* An op with the kernels that did it, and its share of all bars. */
typedef struct op_colour {
  const char *op;
  char kernels[KERNEL_WIDTH * 4];
  double weight;
} op_colour;

typedef struct op_colours {
  op_colour *list; /* heaviest first */
  size_t count;
} op_colours;

static op_colour *find_colour(const op_colours *colours, const char *op)
{
  for (size_t i = 0; i < colours->count; i++)
    if (strcmp(colours->list[i].op, op) == 0)
      return &colours->list[i];
  return NULL;
}

static void add_kernel(op_colour *colour, const char *kernel)
{
  if (kernel == NULL || strstr(colour->kernels, kernel) != NULL)
    return;
  size_t length = strlen(colour->kernels);
  snprintf(colour->kernels + length, sizeof colour->kernels - length, "%s%s",
           length > 0 ? ", " : "", kernel);
}

static int heavier(const void *a, const void *b)
{
  double x = ((const op_colour *)a)->weight, y = ((const op_colour *)b)->weight;
  return (x < y) - (x > y);
}

/* The time of all threads in the phase of an op, in ns; NaN when there is no total. */
static double whole_time(const dyno_plot_source *source, const dyno_bench_op *op)
{
  const dyno_bench_total *total = dyno_bench_find_total(source->results, op->case_index, op->phase);
  return total == NULL ? NAN : total->wall_ns * total->threads;
}

static dyno_status gather_colours(op_colours *colours, const dyno_plot_source *source,
                                  dyno_error *error)
{
  const dyno_bench_results *results = source->results;
  *colours = (op_colours){calloc(results->op_count + 1, sizeof *colours->list), 0};
  if (colours->list == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the data of a plot");
  for (size_t i = 0; i < results->op_count; i++) {
    const dyno_bench_op *op = &results->ops[i];
    double whole = whole_time(source, op);
    if (!(whole > 0))
      continue;
    op_colour *colour = find_colour(colours, op->op);
    if (colour == NULL) {
      colour = &colours->list[colours->count++];
      colour->op = op->op;
    }
    colour->weight += op->thread_ns / whole;
    add_kernel(colour, op->kernel);
  }
  qsort(colours->list, colours->count, sizeof *colours->list, heavier);
  return DYNO_OK;
}

static size_t shown(const op_colours *colours)
{
  return colours->count < COLOURS ? colours->count : COLOURS;
}

static void write_legend(dyno_tsv *tsv, const op_colours *colours)
{
  dyno_tsv_block(tsv, "colour, op, kernels");
  for (size_t i = 0; i < shown(colours); i++) {
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_text(tsv, colours->list[i].op, DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_text(tsv, colours->list[i].kernels, KERNEL_WIDTH);
    dyno_tsv_end_row(tsv);
  }
  static const char *const rest[] = {"other ops", "waiting for other threads", "between ops"};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
    dyno_tsv_number(tsv, (double)(COLOURS + 1 + i));
    dyno_tsv_text(tsv, rest[i], DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_text(tsv, NULL, 0);
    dyno_tsv_end_row(tsv);
  }
}

static void write_piece(dyno_tsv *tsv, const dyno_bench_total *total, double row, size_t colour,
                        double *at, double share)
{
  if (!(share > 0))
    return;
  dyno_tsv_number(tsv, total->phase);
  dyno_tsv_number(tsv, row);
  dyno_tsv_number(tsv, (double)colour);
  dyno_tsv_number(tsv, 100 * *at);
  *at += share;
  dyno_tsv_number(tsv, 100 * *at);
  dyno_tsv_end_row(tsv);
}

/* The bar of a case and phase: ops in the order of the legend, then what is none. */
static void write_bar(dyno_tsv *tsv, const dyno_plot_source *source, const op_colours *colours,
                      const dyno_bench_total *total, double row)
{
  double shares[COLOURS + 3] = {0}, at = 0, sum = 0;
  const double whole = total->wall_ns * total->threads;
  for (size_t i = 0; i < source->results->op_count; i++) {
    const dyno_bench_op *op = &source->results->ops[i];
    if (op->case_index != total->case_index || op->phase != total->phase)
      continue;
    const op_colour *colour = find_colour(colours, op->op);
    size_t index = colour == NULL ? COLOURS : (size_t)(colour - colours->list);
    shares[index < COLOURS ? index : COLOURS] += op->thread_ns / whole;
    if (op->waited_ns > 0)
      shares[COLOURS + 1] += op->waited_ns / whole;
  }
  for (size_t i = 0; i < COLOURS + 2; i++)
    sum += shares[i];
  shares[COLOURS + 2] = sum < 1 ? 1 - sum : 0;
  for (size_t i = 0; i < COLOURS + 3; i++)
    write_piece(tsv, total, row, i + 1, &at, shares[i]);
}

/* Rows in the order of the cases; those without a profile are left out. */
static double row_of_case(const dyno_plot_source *source, size_t case_index)
{
  double row = 0;
  for (size_t i = 0; i <= case_index; i++)
    if (dyno_bench_find_total(source->results, i, DYNO_BENCH_PREFILL) != NULL ||
        dyno_bench_find_total(source->results, i, DYNO_BENCH_DECODE) != NULL)
      row++;
  return row;
}

static void for_each_bar(dyno_tsv *tsv, const dyno_plot_source *source, const op_colours *colours,
                         bool labels)
{
  const dyno_bench_manifest *manifest = &source->results->manifest;
  for (size_t i = 0; i < manifest->case_count; i++)
    for (unsigned phase = 0; phase < DYNO_BENCH_PHASE_COUNT; phase++) {
      const dyno_bench_total *total =
          dyno_bench_find_total(source->results, i, (dyno_bench_phase)phase);
      if (total == NULL)
        continue;
      double row = row_of_case(source, i);
      if (!labels) {
        write_bar(tsv, source, colours, total, row);
        continue;
      }
      dyno_tsv_number(tsv, phase);
      dyno_tsv_number(tsv, row);
      dyno_tsv_text(tsv, manifest->cases[i].name, DYNO_PLOT_NAME_WIDTH);
      dyno_tsv_number(tsv, total->wall_ns / total->tokens / nanoseconds_per_millisecond);
      dyno_tsv_end_row(tsv);
    }
}

dyno_status dyno_plot_time(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                           dyno_error *error)
{
  op_colours colours;
  dyno_status status = gather_colours(&colours, source, error);
  if (status != DYNO_OK)
    return status;
  *rows = colours.count;
  write_legend(tsv, &colours);
  dyno_tsv_block(tsv, "phase (0 prefill, 1 decode), row, colour, from and to % of thread time");
  for_each_bar(tsv, source, &colours, false);
  dyno_tsv_block(tsv, "phase, row, case, ms per token");
  for_each_bar(tsv, source, &colours, true);
  free(colours.list);
  return DYNO_OK;
}

/* ---- roofline ---- */

typedef struct point {
  const char *op, *kernel;
  dyno_bench_phase phase;
  dyno_bench_component component;
  double macs, bytes, ns;
  double x, y;             /* MAC/byte, GMAC/s */
  double label_x, label_y; /* where its number goes */
} point;

static bool same_text(const char *a, const char *b)
{
  return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static point *find_point(point *points, size_t *count, const dyno_bench_op *op)
{
  for (size_t i = 0; i < *count; i++)
    if (points[i].phase == op->phase && same_text(points[i].op, op->op) &&
        same_text(points[i].kernel, op->kernel))
      return &points[i];
  points[*count] =
      (point){.op = op->op, .kernel = op->kernel, .phase = op->phase, .component = op->component};
  return &points[(*count)++];
}

static int slower(const void *a, const void *b)
{
  double x = ((const point *)a)->ns, y = ((const point *)b)->ns;
  return (x < y) - (x > y);
}

/* What an op did in all cases together; those that took the most time first. */
static dyno_status gather_points(point **points, size_t *count, const dyno_plot_source *source,
                                 dyno_error *error)
{
  const dyno_bench_results *results = source->results;
  *count = 0;
  *points = calloc(results->op_count + 1, sizeof **points);
  if (*points == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the data of a plot");
  for (size_t i = 0; i < results->op_count; i++) {
    const dyno_bench_op *op = &results->ops[i];
    if (!(op->macs > 0) || !(op->bytes > 0) || !(op->thread_ns > 0))
      continue;
    point *p = find_point(*points, count, op);
    p->macs += op->macs;
    p->bytes += op->bytes;
    p->ns += op->thread_ns / (op->threads >= 1 ? op->threads : 1);
  }
  for (size_t i = 0; i < *count; i++) {
    point *p = &(*points)[i];
    p->x = p->macs / p->bytes;
    p->y = p->macs / p->ns * nanoseconds_per_second / giga;
  }
  qsort(*points, *count, sizeof **points, slower);
  *count = *count < MOST_POINTS ? *count : MOST_POINTS;
  return DYNO_OK;
}

typedef struct frame {
  double left, right, bottom, top; /* powers of ten */
} frame;

static void include(double *low, double *high, double value)
{
  *low = fmin(*low, value);
  *high = fmax(*high, value);
}

static frame roofline_frame(const point *points, size_t count, const dyno_plot_source *source)
{
  const dyno_bench_manifest *manifest = &source->results->manifest;
  frame f = {0, 1.5, 1, 1};
  for (size_t i = 0; i < count; i++) {
    include(&f.left, &f.right, log10(points[i].x));
    include(&f.bottom, &f.top, log10(points[i].y));
  }
  double threads = manifest->engine.threads > 0 ? manifest->engine.threads : 1;
  double roof = fmax(fmax(manifest->ceilings.mac_i8, manifest->ceilings.mac_bf16),
                     manifest->ceilings.mac_f32);
  if (roof > 0)
    include(&f.bottom, &f.top, log10(roof * threads / giga));
  return (frame){floor(f.left * 2 - 0.2) / 2, ceil(f.right * 2 + 0.6) / 2,
                 floor(f.bottom * 2 - 0.2) / 2, ceil(f.top * 2 + 0.4) / 2};
}

static double pixels_x(const frame *f, double x)
{
  return (log10(x) - f->left) / (f->right - f->left) * FRAME_WIDTH;
}

static double pixels_y(const frame *f, double y)
{
  return (log10(y) - f->bottom) / (f->top - f->bottom) * FRAME_HEIGHT;
}

static bool too_near(double dx, double dy)
{
  return fabs(dx) < LABEL_WIDTH && fabs(dy) < LABEL_HEIGHT;
}

/* How much of what is drawn already a label at (x, y) would cover. */
static unsigned collisions(const point *points, size_t count, size_t placed, const frame *f,
                           double x, double y)
{
  unsigned found = 0;
  for (size_t i = 0; i < count; i++)
    if (too_near(x - pixels_x(f, points[i].x), y - pixels_y(f, points[i].y)))
      found += 2;
  for (size_t i = 0; i < placed; i++)
    if (too_near(x - pixels_x(f, points[i].label_x), y - pixels_y(f, points[i].label_y)))
      found += 3;
  if (x < 0 || y < 0 || x > FRAME_WIDTH || y > FRAME_HEIGHT)
    found += 100;
  return found;
}

/* Greedy: each number goes to the freest place around its point, near ones first. */
static void place_labels(point *points, size_t count, const frame *f)
{
  static const double around[PLACES][2] = {{1, 0},  {0, 1}, {-1, 0}, {0, -1},
                                           {1, -1}, {1, 1}, {-1, 1}, {-1, -1}};
  for (size_t i = 0; i < count; i++) {
    unsigned best = UINT32_MAX;
    for (size_t ring = 1; ring <= 3; ring++)
      for (size_t place = 0; place < PLACES; place++) {
        double x = pixels_x(f, points[i].x) + around[place][0] * 17 * (double)ring;
        double y = pixels_y(f, points[i].y) + around[place][1] * 15 * (double)ring;
        unsigned found = 4 * collisions(points, count, i, f, x, y) + (unsigned)ring;
        if (found >= best)
          continue;
        best = found;
        points[i].label_x = pow(10, f->left + x / FRAME_WIDTH * (f->right - f->left));
        points[i].label_y = pow(10, f->bottom + y / FRAME_HEIGHT * (f->top - f->bottom));
      }
  }
}

static void write_points(dyno_tsv *tsv, const point *points, size_t count)
{
  dyno_tsv_block(tsv, "number, MAC/byte, GMAC/s, phase (0 prefill, 1 decode), component, op, "
                      "kernel, where its number goes");
  for (size_t i = 0; i < count; i++) {
    const point *p = &points[i];
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_number(tsv, p->x);
    dyno_tsv_number(tsv, p->y);
    dyno_tsv_number(tsv, p->phase);
    dyno_tsv_number(tsv, p->component);
    dyno_tsv_text(tsv, p->op, DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_text(tsv, p->kernel, KERNEL_WIDTH);
    dyno_tsv_number(tsv, p->label_x);
    dyno_tsv_number(tsv, p->label_y);
    dyno_tsv_end_row(tsv);
  }
}

static void write_ceilings(dyno_tsv *tsv, const dyno_bench_results *results)
{
  const dyno_bench_manifest *manifest = &results->manifest;
  const double threads = manifest->engine.threads > 0 ? manifest->engine.threads : 1;
  const struct {
    const char *name;
    bool arithmetic;
    double per_second;
  } rows[] = {
      {"read, all threads", false, dyno_bench_median_read(results, true)},
      {"read, one thread", false, dyno_bench_median_read(results, false)},
      {"8-bit arithmetic", true, manifest->ceilings.mac_i8 * threads},
      {"BF16 arithmetic", true, manifest->ceilings.mac_bf16 * threads},
      {"F32 arithmetic", true, manifest->ceilings.mac_f32 * threads},
  };
  dyno_tsv_block(tsv, "ceiling, arithmetic (0, 1), GB/s or GMAC/s");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    dyno_tsv_text(tsv, rows[i].name, 0);
    dyno_tsv_number(tsv, rows[i].arithmetic);
    dyno_tsv_number(tsv, rows[i].per_second / giga);
    dyno_tsv_end_row(tsv);
  }
}

dyno_status dyno_plot_roofline(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                               dyno_error *error)
{
  point *points;
  dyno_status status = gather_points(&points, rows, source, error);
  if (status != DYNO_OK)
    return status;
  const frame f = roofline_frame(points, *rows, source);
  place_labels(points, *rows, &f);
  write_points(tsv, points, *rows);
  write_ceilings(tsv, source->results);
  dyno_tsv_block(tsv, "frame: powers of ten (left, right, bottom, top), threads");
  const double numbers[] = {f.left, f.right, f.bottom, f.top,
                            source->results->manifest.engine.threads};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    dyno_tsv_number(tsv, numbers[i]);
  dyno_tsv_end_row(tsv);
  free(points);
  return DYNO_OK;
}

/* ---- the guide's components ---- */

dyno_status dyno_plot_components(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                                 dyno_error *error)
{
  (void)error;
  const json_t *components = json_object_get(source->summary, "components");
  *rows = 0;
  dyno_tsv_block(tsv, "row, component, measured, guide's baseline, guide's optimized; tokens/s");
  for (size_t i = 0; i < json_array_size(components); i++) {
    const json_t *component = json_array_get(components, i);
    /* What is neither measured nor in the guide has no bar. */
    if (!isfinite(dyno_bench_member(component, "tps")) &&
        !isfinite(dyno_bench_member(component, "guide_baseline")))
      continue;
    dyno_tsv_number(tsv, (double)++*rows);
    dyno_tsv_text(tsv, dyno_bench_row_title(dyno_bench_member_text(component, "component")),
                  DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_number(tsv, dyno_bench_member(component, "tps"));
    dyno_tsv_number(tsv, dyno_bench_member(component, "guide_baseline"));
    dyno_tsv_number(tsv, dyno_bench_member(component, "guide_optimized"));
    dyno_tsv_end_row(tsv);
  }
  return DYNO_OK;
}
