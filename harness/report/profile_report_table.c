#include <math.h>
#include <string.h>

#include "harness/report/profile_report.h"
#include "harness/report/table.h"
#include "harness/report/units.h"

static void cell_number(dyno_table *table, double value)
{
  char number[DYNO_UNIT_TEXT];
  dyno_format_number(number, value);
  dyno_table_cell(table, "%s", isnan(value) ? "-" : number);
}

/* Shares of a whole, which add up. */
static void cell_percent(dyno_table *table, double share)
{
  dyno_table_cell(table, "%.2f", 100 * share);
}

static void cell_text(dyno_table *table, void format(char text[DYNO_UNIT_TEXT], double),
                      double value)
{
  char text[DYNO_UNIT_TEXT];
  format(text, value);
  dyno_table_cell(table, "%s", isnan(value) ? "-" : text);
}

/* Speed */

static const dyno_column speed_columns[] = {
    {"phase", NULL, false},
    {"median", "tokens/s", true},
    {"lowest", "tokens/s", true},
    {"highest", "tokens/s", true},
    {"of first", "%", true},
    {"needs", "MB/token", true},
    {"needs", "MMAC/token", true},
    {"reads", "GB/s", true},
    {"1 thread", "GB/s", true},
    {"of read", "%", true},
    {"lowest", "%", true},
    {"highest", "%", true},
    /* Only where there are rounds enough for it: */
    {"95 % of median", "tokens/s", true},
};

static void cell_interval(dyno_table *table, const dyno_interval *interval)
{
  char low[DYNO_UNIT_TEXT], high[DYNO_UNIT_TEXT];
  dyno_format_number(low, interval->low);
  dyno_format_number(high, interval->high);
  if (isnan(interval->low))
    dyno_table_cell(table, "-");
  else
    dyno_table_cell(table, "%s to %s", low, high);
}

/* The median over the rounds of a read ceiling. */
static double median_read(const dyno_profile_phase *phase, bool one)
{
  double values[DYNO_PROFILE_MOST_ROUNDS];
  size_t count = phase->round_count;
  for (size_t i = 0; i < count; i++)
    values[i] = one ? phase->rounds[i].reads.one : phase->rounds[i].reads.all;
  return count > 0 ? dyno_median(values, count) : NAN;
}

static void add_speed(dyno_table *table, const dyno_profile_phase *phase, bool intervals)
{
  char name[DYNO_PROFILE_PHASE_TEXT];
  const dyno_summary *rate = &phase->rate, *share = &phase->read_share;
  bool decode = phase->kind == DYNO_PROFILE_DECODE;
  dyno_profile_phase_name(name, phase);
  dyno_table_cell(table, "%s", name);
  if (rate->count == 0) {
    dyno_table_cell(table, "not measured");
    dyno_table_end_row(table);
    return;
  }
  cell_number(table, rate->median);
  cell_number(table, rate->minimum);
  cell_number(table, rate->maximum);
  cell_number(table, phase->relative.count > 0 ? phase->relative.median * 100 : NAN);
  cell_number(table, dyno_profile_bytes_per_token(phase) * 1e-6);
  cell_number(table, dyno_profile_macs_per_token(phase) * 1e-6);
  cell_number(table, median_read(phase, false) * 1e-9);
  cell_number(table, median_read(phase, true) * 1e-9);
  bool shares = decode && share->count > 0;
  cell_number(table, shares ? share->median * 100 : NAN);
  cell_number(table, shares ? share->minimum * 100 : NAN);
  cell_number(table, shares ? share->maximum * 100 : NAN);
  if (intervals)
    cell_interval(table, &rate->median_interval);
  dyno_table_end_row(table);
}

static dyno_status print_speed(const dyno_profile_run *run, FILE *stream, dyno_error *error)
{
  bool intervals = false;
  for (size_t i = 0; i < run->phase_count; i++)
    intervals = intervals ||
                (run->phases[i].rate.count > 0 && !isnan(run->phases[i].rate.median_interval.low));
  size_t columns = sizeof speed_columns / sizeof *speed_columns;
  dyno_table *table = dyno_table_new(speed_columns, intervals ? columns : columns - 1);
  for (size_t i = 0; i < run->phase_count; i++)
    add_speed(table, &run->phases[i], intervals);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

/* Ops */

static const dyno_column op_columns[] = {
    {"op", NULL, false},     {"kernel", NULL, false}, {"calls", NULL, true},
    {"time", NULL, true},    {"time", "%", true},     {"waited for", "%", true},
    {"bytes", NULL, true},   {"bytes", "GB/s", true}, {"MACs", "GMAC/s", true},
    {"attained", "%", true}, {"limit", NULL, false},  {"imbalance", "%", true},
};

static void add_row(dyno_table *table, const dyno_profile_row *row,
                    const dyno_profile_summary *summary)
{
  double all = summary->threads * summary->wall_seconds;
  dyno_table_cell(table, "%s", row->op);
  dyno_table_cell(table, "%s", dyno_profile_kernel_name(row->kernel));
  dyno_table_cell(table, "%zu", row->calls);
  cell_text(table, dyno_format_seconds, row->seconds / summary->threads);
  cell_percent(table, row->seconds / all);
  cell_percent(table, row->waited_seconds / all);
  cell_text(table, dyno_format_bytes, row->bytes > 0 ? row->bytes : NAN);
  cell_number(table, row->bytes > 0 ? row->bytes_per_second * 1e-9 : NAN);
  cell_number(table, row->macs > 0 ? row->macs_per_second * 1e-9 : NAN);
  cell_number(table, 100 * row->attained);
  dyno_table_cell(table, "%s",
                  row->limit == DYNO_CEILING_KIND_COUNT ? "-" : dyno_ceiling_kind_name(row->limit));
  cell_number(table, row->threads > 1 ? 100 * row->imbalance : NAN);
}

static void add_sum(dyno_table *table, const char *name, double thread_seconds,
                    const dyno_profile_summary *summary)
{
  dyno_table_cell(table, "%s", name);
  dyno_table_cell(table, "%s", "");
  dyno_table_cell(table, "%s", "");
  cell_text(table, dyno_format_seconds, thread_seconds / summary->threads);
  cell_percent(table, thread_seconds / (summary->threads * summary->wall_seconds));
  dyno_table_end_row(table);
}

static void add_rows(dyno_table *table, const dyno_profile_summary *summary)
{
  for (size_t i = 0; i < summary->row_count; i++)
    add_row(table, &summary->rows[i], summary);
  dyno_table_heading(table, "together, the mean of all threads:");
  add_sum(table, "ops", summary->op_seconds, summary);
  add_sum(table, "barriers", summary->barrier_seconds, summary);
  add_sum(table, "between ops", summary->between_seconds, summary);
  add_sum(table, "wall time", summary->threads * summary->wall_seconds, summary);
}

static void print_ceilings(const dyno_profile_phase *phase, unsigned threads, FILE *stream)
{
  const dyno_profile_ceilings *ceilings = &phase->ceilings;
  fputs("ceilings:", stream);
  for (dyno_ceiling_kind kind = 0; kind < DYNO_CEILING_KIND_COUNT; kind++) {
    char all[DYNO_UNIT_TEXT], one[DYNO_UNIT_TEXT];
    const char *unit = kind == DYNO_CEILING_READ ? "B/s" : "MAC/s";
    dyno_format_rate(all, ceilings->all[kind], unit);
    dyno_format_rate(one, ceilings->one[kind], unit);
    fprintf(stream, "%s %s %s", kind == 0 ? "" : ";", dyno_ceiling_kind_name(kind), all);
    if (threads > 1)
      fprintf(stream, " (one thread %s)", one);
  }
  fputc('\n', stream);
}

static dyno_status print_ops(const dyno_profile_phase *phase, unsigned threads, FILE *stream,
                             dyno_error *error)
{
  char name[DYNO_PROFILE_PHASE_TEXT], took[DYNO_UNIT_TEXT], rate[DYNO_UNIT_TEXT],
      probe[DYNO_UNIT_TEXT], attained[DYNO_UNIT_TEXT];
  const dyno_profile_summary *summary = &phase->summary;
  dyno_profile_phase_name(name, phase);
  dyno_format_seconds(took, phase->probed_seconds);
  dyno_format_number(rate, (double)phase->tokens / phase->probed_seconds);
  fprintf(stream, "\n%s, with a probe: %s, %s tokens/s\n\n", name, took, rate);
  dyno_table *table = dyno_table_new(op_columns, sizeof op_columns / sizeof *op_columns);
  add_rows(table, summary);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  fputc('\n', stream);
  print_ceilings(phase, threads, stream);
  dyno_format_share(attained, summary->attained);
  dyno_format_share(probe, phase->probe_share);
  fprintf(stream, "attained altogether: %s; the probe took about %s of the time (%zu events)\n",
          attained, probe, summary->events);
  if (summary->lost > 0)
    fprintf(stream, "warning: %zu events were lost for want of memory: take fewer tokens\n",
            summary->lost);
  return status;
}

/* All together */

static void print_run(const dyno_profile_run *run, FILE *stream)
{
  char load[DYNO_UNIT_TEXT], first[DYNO_UNIT_TEXT], age[DYNO_UNIT_TEXT], peak[DYNO_UNIT_TEXT],
      weights[DYNO_UNIT_TEXT], huge[DYNO_UNIT_TEXT], resident[DYNO_UNIT_TEXT];
  dyno_format_seconds(load, run->load_seconds);
  dyno_format_seconds(first, run->first_token_seconds);
  dyno_format_seconds(age, run->first_token_age);
  dyno_format_bytes(peak, run->peak_memory);
  const dyno_engine_placement *at = &run->placement;
  double in_memory = at->resident > 0 ? (double)at->resident : NAN;
  dyno_format_bytes(weights, (double)at->weights);
  dyno_format_share(huge, (double)at->huge / in_memory);
  dyno_format_share(resident, in_memory / (double)at->weights);
  fprintf(stream, "\n%u thread%s on %u node%s%s, tier %s\n", run->threads,
          run->threads > 1 ? "s" : "", at->nodes_used, at->nodes_used > 1 ? "s" : "",
          at->pinned ? "" : ", not pinned", dyno_isa_name(run->isa));
  fprintf(stream, "loaded in %s; first token %s later", load, first);
  if (!isnan(run->first_token_age))
    fprintf(stream, ", %s after the program was started", age);
  fprintf(stream, "\nweights %s, %s in memory, of that %s on huge pages; peak memory %s\n\n",
          weights, resident, huge, peak);
}

static void print_conditions(const dyno_profile_report *report, FILE *stream)
{
  char file[DYNO_UNIT_TEXT], sample[DYNO_UNIT_TEXT], took[DYNO_UNIT_TEXT];
  const dyno_profile_options *options = &report->options;
  dyno_format_bytes(file, report->run_count > 0 ? report->runs[0].file_bytes : NAN);
  dyno_format_bytes(sample, (double)options->read_bytes);
  dyno_format_seconds(took, report->seconds);
  fprintf(stream, "%s: %s, %s; %s precision\n", report->path, report->dialect, file,
          report->precision);
  fprintf(stream, "%s; %u round%s, seed %llu, %s tokens; %s\n", report->cpu->name, options->rounds,
          options->rounds > 1 ? "s" : "", (unsigned long long)options->seed,
          report->text ? "the text's" : "random", took);
  if (options->depth_copied)
    fprintf(stream, "depths beyond %d are filled with copies of keys and values: synthetic\n",
            DYNO_PROFILE_COPIED);
  fprintf(stream,
          "reads: a plain read of up to %s of the weights' own pages, before, after and during "
          "each phase\n",
          sample);
}

static void print_notes(const dyno_profile_report *report, FILE *stream)
{
  for (size_t i = 0; i < report->run_count; i++) {
    const dyno_profile_run *run = &report->runs[i];
    if ((double)run->placement.weights < 4.0 * (double)report->cache) {
      char cache[DYNO_UNIT_TEXT];
      dyno_format_bytes(cache, (double)report->cache);
      fprintf(stream,
              "\nnote: the caches (%s) hold much of these weights, so that shares of the read "
              "ceiling say little\n",
              cache);
      break;
    }
  }
  if (report->interrupted)
    fputs("\ninterrupted: what comes after was not measured\n", stream);
}

dyno_status dyno_profile_report_table(const dyno_profile_report *report, FILE *stream,
                                      dyno_error *error)
{
  dyno_status status = DYNO_OK;
  print_conditions(report, stream);
  for (size_t i = 0; i < report->run_count && status == DYNO_OK; i++) {
    const dyno_profile_run *run = &report->runs[i];
    print_run(run, stream);
    status = print_speed(run, stream, error);
    for (size_t j = 0; j < run->phase_count && status == DYNO_OK; j++)
      if (run->phases[j].recorder != NULL)
        status = print_ops(&run->phases[j], run->threads, stream, error);
  }
  print_notes(report, stream);
  if (status == DYNO_OK && ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  return status;
}
