/* What there is to say of a case beside its row. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/report/bench_report_internal.h"
#include "harness/report/bench_tables.h"
#include "harness/report/units.h"

void dyno_bench_describe_steadiness(char text[DYNO_BENCH_STEADY_TEXT],
                                    const dyno_bench_case_summary *summary)
{
  char drift[DYNO_UNIT_TEXT], size[DYNO_UNIT_TEXT];
  const dyno_trend *trend = &summary->steady;
  if (trend->change == 0) {
    snprintf(text, DYNO_BENCH_STEADY_TEXT, "%zu iterations are too few to tell, of %d",
             summary->measured, DYNO_STEADY_LEAST_VALUES);
    return;
  }
  dyno_format_share(drift, trend->drift);
  dyno_format_share(size, trend->change_size);
  bool doubtful = trend->verdict == DYNO_UNDECIDED;
  snprintf(
      text, DYNO_BENCH_STEADY_TEXT,
      "drift of %s over the iterations (p %.2g), largest change %s at iteration %zu (p %.2g)%s",
      drift, trend->drift_p, size, trend->change, trend->change_p,
      doubtful ? "; noise alone may look like it" : "");
}

/* Adds "; NAME TEXT" for what was not 0. */
static void add_beside(char text[DYNO_BENCH_NOTE_TEXT], const char *name, double ns)
{
  char took[DYNO_UNIT_TEXT];
  size_t length = strlen(text);
  if (!(ns > 0))
    return;
  dyno_format_seconds(took, ns * 1e-9);
  snprintf(text + length, DYNO_BENCH_NOTE_TEXT - length, "; %s %s", name, took);
}

/* Adds ", NAME VALUE (LABEL)", without the comma for the first. */
static void add_outlier(char text[DYNO_BENCH_NOTE_TEXT], const dyno_bench_outlier *outlier,
                        bool first)
{
  char value[DYNO_UNIT_TEXT];
  const char *name = dyno_bench_metric_name(outlier->metric);
  size_t length = strlen(text);
  bool time = strcmp(name + strlen(name) - 3, "_ns") == 0;
  if (time)
    dyno_format_seconds(value, outlier->value * 1e-9);
  else
    dyno_format_number(value, outlier->value);
  snprintf(text + length, DYNO_BENCH_NOTE_TEXT - length, "%s %.*s %s%s (%s)", first ? "" : ",",
           (int)strlen(name) - (time ? 3 : 4), name, value, time ? "" : " t/s", outlier->label);
}

/* Describes an iteration by all its outliers, and what disturbed it. */
static void describe_outliers(char text[DYNO_BENCH_NOTE_TEXT], const dyno_bench_case_summary *of,
                              const dyno_bench_sample *sample)
{
  bool first = true;
  snprintf(text, DYNO_BENCH_NOTE_TEXT, "iteration %zu:", sample->iteration);
  for (size_t i = 0; i < of->outlier_count; i++)
    if (of->outliers[i].sample == sample) {
      add_outlier(text, &of->outliers[i], first);
      first = false;
    }
  add_beside(text, "steal", sample->steal_ns);
  add_beside(text, "stalled for a CPU", sample->pressure_cpu_ns);
  add_beside(text, "for memory", sample->pressure_memory_ns);
  add_beside(text, "for I/O", sample->pressure_io_ns);
  size_t length = strlen(text);
  if (sample->involuntary_switches > 0)
    length += (size_t)snprintf(text + length, DYNO_BENCH_NOTE_TEXT - length,
                               "; %.0f involuntary switches", sample->involuntary_switches);
  if (sample->major_faults > 0)
    snprintf(text + length, DYNO_BENCH_NOTE_TEXT - length, "; %.0f major faults",
             sample->major_faults);
}

/* The n-th iteration that has an outlier; NULL when there are fewer. */
static const dyno_bench_sample *find_disturbed(const dyno_bench_case_summary *of, size_t number)
{
  for (size_t i = 0; i < of->outlier_count; i++) {
    bool seen = false;
    for (size_t j = 0; j < i && !seen; j++)
      seen = of->outliers[j].sample == of->outliers[i].sample;
    if (!seen && number-- == 0)
      return of->outliers[i].sample;
  }
  return NULL;
}

bool dyno_bench_case_note(char text[DYNO_BENCH_NOTE_TEXT], const dyno_bench_summary *summary,
                          size_t case_index, size_t number)
{
  const dyno_bench_case_summary *of = &summary->cases[case_index];
  size_t wanted = summary->results->manifest.protocol.iterations, seen = 0;
  char steady[DYNO_BENCH_STEADY_TEXT];
  if (of->measured < wanted && seen++ == number) {
    snprintf(text, DYNO_BENCH_NOTE_TEXT, "incomplete: %zu of %zu iterations", of->measured, wanted);
    return true;
  }
  if (of->hashes_equal == DYNO_BENCH_NO && seen++ == number) {
    snprintf(text, DYNO_BENCH_NOTE_TEXT,
             "WRONG OUTPUT: the same prompt did not always give the same tokens and logits");
    return true;
  }
  if (of->repeated == DYNO_BENCH_NO && seen++ == number) {
    snprintf(text, DYNO_BENCH_NOTE_TEXT, "the same question was not always answered alike");
    return true;
  }
  if (of->measured > 0 && of->steady.verdict == DYNO_UNSTEADY && seen++ == number) {
    dyno_bench_describe_steadiness(steady, of);
    snprintf(text, DYNO_BENCH_NOTE_TEXT, "unsteady: %s", steady);
    return true;
  }
  const dyno_bench_sample *disturbed = find_disturbed(of, number - seen);
  if (disturbed != NULL)
    describe_outliers(text, of, disturbed);
  return disturbed != NULL;
}
