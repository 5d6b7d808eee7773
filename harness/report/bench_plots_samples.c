/* Data of the plots of single iterations and tokens: decode, tokens, itl. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/statistics.h"
#include "harness/report/bench_plots_internal.h"
#include "harness/report/units.h"

enum {
  BINS = 600,       /* columns of a timeline: beyond what a screen shows, files only grow */
  MOST_MARKS = 150, /* marked tokens of a case */
  STEPS = 400,      /* of a distribution */
  OUTLINE = 96,     /* points of a violin's outline */
  LEAST_VIOLIN = 3, /* values that a density can be guessed from */
  TIMELINE_CHARACTERS = 130
};

static const double nanoseconds_per_millisecond = 1e6;

/* The smallest half-width of a kernel, as a share of the median: values that are all alike would
 * otherwise make a needle that nobody sees. */
static const double least_bandwidth = 0.002;

dyno_status dyno_plot_append(dyno_plot_values *list, double value, dyno_error *error)
{
  if (list->count == list->capacity) {
    size_t capacity = list->capacity == 0 ? 256 : 2 * list->capacity;
    double *values = realloc(list->values, capacity * sizeof *values);
    if (values == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the data of a plot");
    list->values = values;
    list->capacity = capacity;
  }
  list->values[list->count++] = value;
  return DYNO_OK;
}

static bool is_measured(const dyno_bench_sample *sample, size_t case_index)
{
  return !sample->warmup && sample->case_index == case_index;
}

static const char *case_name(const dyno_plot_source *source, size_t case_index)
{
  return source->results->manifest.cases[case_index].name;
}

static dyno_status gather_decode(dyno_plot_values *list, const dyno_plot_source *source,
                                 size_t case_index, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  list->count = 0;
  for (size_t i = 0; i < source->results->sample_count && status == DYNO_OK; i++) {
    const dyno_bench_sample *sample = &source->results->samples[i];
    double rate = is_measured(sample, case_index) ? dyno_bench_decode_rate(sample) : NAN;
    if (isfinite(rate))
      status = dyno_plot_append(list, rate, error);
  }
  return status;
}

/* Silverman's rule of thumb: Silverman 1986, "Density Estimation", equation 3.31. */
static double kernel_bandwidth(const dyno_summary *summary)
{
  double spread = (summary->p75 - summary->p25) / 1.34;
  if (!(spread > 0) || summary->standard_deviation < spread)
    spread = summary->standard_deviation;
  double width = 0.9 * spread * pow((double)summary->count, -0.2);
  double least = least_bandwidth * fabs(summary->median);
  return width > least ? width : least;
}

/* Tukey's fences: 0 inside, 1 mild (beyond 1.5 interquartile ranges), 2 severe (beyond 3). */
static int fence(const dyno_summary *summary, double value)
{
  double range = summary->p75 - summary->p25;
  double beyond = value < summary->p25 ? summary->p25 - value : value - summary->p75;
  return beyond > 3 * range ? 2 : beyond > 1.5 * range ? 1 : 0;
}

/* "28.4  [27.9, 28.8]"; gnuplot would make nothing of an expression with a NaN in it. */
static void write_interval_text(dyno_tsv *tsv, const dyno_summary *summary)
{
  char median[DYNO_UNIT_TEXT], low[DYNO_UNIT_TEXT], high[DYNO_UNIT_TEXT], text[4 * DYNO_UNIT_TEXT];
  dyno_format_number(median, summary->median);
  dyno_format_number(low, summary->median_interval.low);
  dyno_format_number(high, summary->median_interval.high);
  if (isfinite(summary->median_interval.low))
    snprintf(text, sizeof text, "%s  [%s, %s]", median, low, high);
  else
    snprintf(text, sizeof text, "%s", median);
  dyno_tsv_text(tsv, text, 0);
}

static void write_box(dyno_tsv *tsv, double row, size_t case_index, const char *name,
                      const dyno_summary *summary)
{
  const bool interval = isfinite(summary->median_interval.low);
  const double numbers[] = {(double)summary->count,
                            summary->median,
                            interval ? summary->median_interval.low : summary->median,
                            interval ? summary->median_interval.high : summary->median,
                            summary->p25,
                            summary->p75,
                            summary->minimum,
                            summary->maximum,
                            kernel_bandwidth(summary)};
  dyno_tsv_number(tsv, row);
  dyno_tsv_text(tsv, name, DYNO_PLOT_NAME_WIDTH);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    dyno_tsv_number(tsv, numbers[i]);
  write_interval_text(tsv, summary);
  dyno_tsv_number(tsv, (double)case_index + 1);
  dyno_tsv_end_row(tsv);
}

static void write_values(dyno_tsv *tsv, double row, const dyno_plot_values *list,
                         const dyno_summary *summary)
{
  for (size_t i = 0; i < list->count; i++) {
    dyno_tsv_number(tsv, row);
    dyno_tsv_number(tsv, list->values[i]);
    dyno_tsv_number(tsv, fence(summary, list->values[i]));
    dyno_tsv_end_row(tsv);
  }
}

static double density(const dyno_plot_values *list, double bandwidth, double at)
{
  double sum = 0;
  for (size_t i = 0; i < list->count; i++) {
    double z = (at - list->values[i]) / bandwidth;
    sum += exp(-z * z / 2);
  }
  return sum;
}

/* A Gaussian kernel density, its highest point 1, out to two bandwidths beyond the values, but
 * never near 0, where there is no speed and a logarithmic axis no end. */
static void write_outline(dyno_tsv *tsv, double row, const dyno_plot_values *list,
                          const dyno_summary *summary)
{
  const double bandwidth = kernel_bandwidth(summary);
  const double start = fmax(summary->minimum - 2 * bandwidth, 0.8 * summary->minimum);
  const double step = (summary->maximum + 2 * bandwidth - start) / (OUTLINE - 1);
  double highest = 0, outline[OUTLINE];
  dyno_tsv_block(tsv, "row, tokens/s, density as a share of the highest");
  for (size_t i = 0; i < OUTLINE; i++) {
    outline[i] =
        list->count < LEAST_VIOLIN ? NAN : density(list, bandwidth, start + (double)i * step);
    highest = fmax(highest, outline[i]);
  }
  for (size_t i = 0; i < OUTLINE; i++) {
    dyno_tsv_number(tsv, row);
    dyno_tsv_number(tsv, start + (double)i * step);
    dyno_tsv_number(tsv, outline[i] / highest);
    dyno_tsv_end_row(tsv);
  }
}

typedef enum decode_block { BOXES, VALUES, OUTLINES } decode_block;

static dyno_status write_decode_block(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                                      decode_block block, dyno_error *error)
{
  dyno_plot_values list = {0};
  dyno_status status = DYNO_OK;
  *rows = 0;
  for (size_t i = 0; i < source->results->manifest.case_count && status == DYNO_OK; i++) {
    dyno_summary summary;
    status = gather_decode(&list, source, i, error);
    if (status != DYNO_OK || list.count == 0)
      continue;
    status = dyno_summarize(&summary, list.values, list.count, error);
    double row = (double)++*rows;
    if (status != DYNO_OK)
      continue;
    if (block == VALUES)
      write_values(tsv, row, &list, &summary);
    else if (block == OUTLINES)
      write_outline(tsv, row, &list, &summary);
    else
      write_box(tsv, row, i, case_name(source, i), &summary);
  }
  free(list.values);
  return status;
}

dyno_status dyno_plot_decode(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                             dyno_error *error)
{
  dyno_tsv_block(tsv, "row, case, count, median, its 95 % interval (low, high), p25, p75, minimum, "
                      "maximum, kernel bandwidth; tokens/s; in words; colour");
  dyno_status status = write_decode_block(tsv, rows, source, BOXES, error);
  dyno_tsv_block(tsv, "row, tokens/s, outlier (0 no, 1 mild, 2 severe: Tukey)");
  if (status == DYNO_OK)
    status = write_decode_block(tsv, rows, source, VALUES, error);
  return status == DYNO_OK ? write_decode_block(tsv, rows, source, OUTLINES, error) : status;
}

/* All tokens of a case, in the order they were made. */
static dyno_status gather_itl(dyno_plot_values *list, const dyno_plot_source *source,
                              size_t case_index, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  list->count = 0;
  for (size_t i = 0; i < source->results->sample_count; i++) {
    const dyno_bench_sample *sample = &source->results->samples[i];
    for (size_t j = 0; is_measured(sample, case_index) && j < sample->itl_count; j++)
      if (status == DYNO_OK)
        status = dyno_plot_append(list, sample->itl_ns[j] / nanoseconds_per_millisecond, error);
  }
  return status;
}

/* The tokens of a column: lowest, median, highest. */
static void write_bin(dyno_tsv *tsv, double row, const double *values, size_t start, size_t count,
                      double *scratch)
{
  memcpy(scratch, values + start, count * sizeof *values);
  dyno_sort(scratch, count);
  dyno_tsv_number(tsv, row);
  dyno_tsv_number(tsv, (double)start + ((double)count + 1) / 2);
  dyno_tsv_number(tsv, scratch[0]);
  dyno_tsv_number(tsv, scratch[(count - 1) / 2]);
  dyno_tsv_number(tsv, scratch[count - 1]);
  dyno_tsv_end_row(tsv);
}

static dyno_status write_bins(dyno_tsv *tsv, double row, const dyno_plot_values *list,
                              dyno_error *error)
{
  size_t width = (list->count + BINS - 1) / BINS;
  double *scratch = calloc(width, sizeof *scratch);
  if (scratch == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the data of a plot");
  for (size_t start = 0; start < list->count; start += width) {
    size_t left = list->count - start;
    write_bin(tsv, row, list->values, start, left < width ? left : width, scratch);
  }
  free(scratch);
  return DYNO_OK;
}

/* Marks the slowest tokens, as far as they are severe outliers. */
static dyno_status write_marks(dyno_tsv *tsv, double row, const dyno_plot_values *list,
                               dyno_error *error)
{
  dyno_summary summary;
  dyno_status status = dyno_summarize(&summary, list->values, list->count, error);
  double *sorted = calloc(list->count, sizeof *sorted);
  if (sorted == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the data of a plot");
  memcpy(sorted, list->values, list->count * sizeof *sorted);
  dyno_sort(sorted, list->count);
  double least = list->count > MOST_MARKS ? sorted[list->count - MOST_MARKS] : sorted[0];
  free(sorted);
  for (size_t i = 0; i < list->count && status == DYNO_OK; i++) {
    double value = list->values[i];
    if (value < least || value <= summary.median || fence(&summary, value) < 2)
      continue;
    dyno_tsv_number(tsv, row);
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_number(tsv, value);
    dyno_tsv_end_row(tsv);
  }
  return status;
}

/* Of the time of all processors that the iteration could have had. */
static double steal_share(const dyno_bench_sample *sample, unsigned threads)
{
  double available = sample->e2e_ns * (threads > 0 ? threads : 1);
  return sample->steal_ns / available;
}

static void write_iterations(dyno_tsv *tsv, double row, const dyno_plot_source *source,
                             size_t case_index, size_t tokens)
{
  size_t at = 0;
  for (size_t i = 0; i < source->results->sample_count; i++) {
    const dyno_bench_sample *sample = &source->results->samples[i];
    if (!is_measured(sample, case_index) || sample->itl_count == 0)
      continue;
    size_t room = TIMELINE_CHARACTERS * sample->itl_count / tokens;
    dyno_tsv_number(tsv, row);
    dyno_tsv_number(tsv, (double)at + 0.5);
    at += sample->itl_count;
    dyno_tsv_number(tsv, (double)at + 0.5);
    dyno_tsv_number(tsv, (double)sample->iteration + 1);
    dyno_tsv_text(tsv, room >= 3 ? sample->prompt : NULL, room);
    dyno_tsv_number(tsv, steal_share(sample, source->results->manifest.engine.threads));
    dyno_tsv_end_row(tsv);
  }
}

/* A row that draws nothing: gnuplot skips an empty block and would take the next one for it, and
 * gnuplot 5.4 crashes on boxes that are a single row. */
static void write_nothing(dyno_tsv *tsv, double row, size_t columns)
{
  dyno_tsv_number(tsv, row);
  for (size_t i = 0; i < columns; i++)
    dyno_tsv_number(tsv, NAN);
  dyno_tsv_end_row(tsv);
}

static dyno_status write_timeline(dyno_tsv *tsv, double row, const dyno_plot_source *source,
                                  size_t case_index, const dyno_plot_values *list,
                                  dyno_error *error)
{
  dyno_summary summary;
  dyno_status status = dyno_summarize(&summary, list->values, list->count, error);
  if (status != DYNO_OK)
    return status;
  dyno_tsv_block(tsv, "row, case, tokens, median, p99, minimum, maximum; ms");
  dyno_tsv_number(tsv, row);
  dyno_tsv_text(tsv, case_name(source, case_index), DYNO_PLOT_NAME_WIDTH);
  dyno_tsv_number(tsv, (double)list->count);
  dyno_tsv_number(tsv, summary.median);
  dyno_tsv_number(tsv, summary.p99);
  dyno_tsv_number(tsv, summary.minimum);
  dyno_tsv_number(tsv, summary.maximum);
  dyno_tsv_end_row(tsv);
  dyno_tsv_block(tsv, "row, token, lowest, median, highest of a few neighbours; ms");
  status = write_bins(tsv, row, list, error);
  dyno_tsv_block(tsv, "row, token, ms: the slowest severe outliers");
  write_nothing(tsv, row, 2);
  if (status == DYNO_OK)
    status = write_marks(tsv, row, list, error);
  dyno_tsv_block(tsv, "row, first and last token, iteration, prompt, share of stolen time");
  write_nothing(tsv, row, 5);
  write_iterations(tsv, row, source, case_index, list->count);
  return status;
}

dyno_status dyno_plot_tokens(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                             dyno_error *error)
{
  dyno_plot_values list = {0};
  dyno_status status = DYNO_OK;
  *rows = 0;
  for (size_t i = 0; i < source->results->manifest.case_count && status == DYNO_OK; i++) {
    status = gather_itl(&list, source, i, error);
    if (status == DYNO_OK && list.count > 0)
      status = write_timeline(tsv, (double)++*rows, source, i, &list, error);
  }
  free(list.values);
  return status;
}

/* Evenly spaced in probability, and finer towards the slow end, which is what one looks for. */
static void write_steps(dyno_tsv *tsv, double row, const double *sorted, size_t count)
{
  size_t steps = count < STEPS ? count : STEPS;
  for (size_t i = 0; i <= steps; i++) {
    double share = (double)i / (double)steps;
    double probability = 1 - (1 - share) * (1 - share);
    if (count < STEPS)
      probability = share;
    dyno_tsv_number(tsv, row);
    dyno_tsv_number(tsv, dyno_quantile(sorted, count, probability));
    dyno_tsv_number(tsv, probability);
    dyno_tsv_end_row(tsv);
  }
}

dyno_status dyno_plot_itl(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                          dyno_error *error)
{
  dyno_plot_values list = {0};
  dyno_status status = DYNO_OK;
  *rows = 0;
  for (size_t i = 0; i < source->results->manifest.case_count && status == DYNO_OK; i++) {
    status = gather_itl(&list, source, i, error);
    if (status != DYNO_OK || list.count == 0)
      continue;
    dyno_sort(list.values, list.count);
    dyno_tsv_block(tsv, "row, case, tokens, minimum, median, p99, maximum; ms; colour");
    dyno_tsv_number(tsv, (double)++*rows);
    dyno_tsv_text(tsv, case_name(source, i), DYNO_PLOT_NAME_WIDTH);
    dyno_tsv_number(tsv, (double)list.count);
    dyno_tsv_number(tsv, list.values[0]);
    dyno_tsv_number(tsv, dyno_quantile(list.values, list.count, 0.5));
    dyno_tsv_number(tsv, dyno_quantile(list.values, list.count, 0.99));
    dyno_tsv_number(tsv, list.values[list.count - 1]);
    dyno_tsv_number(tsv, (double)i + 1);
    dyno_tsv_end_row(tsv);
    dyno_tsv_block(tsv, "row, ms, share of tokens that took no longer");
    write_steps(tsv, (double)*rows, list.values, list.count);
  }
  free(list.values);
  return status;
}
