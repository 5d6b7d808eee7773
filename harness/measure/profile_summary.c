#include "harness/measure/profile_summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* An event and the row it belongs to; of a barrier, the row that was waited for. */
typedef struct timed_event {
  const dyno_probe_event *event;
  size_t row;
} timed_event;

static const size_t no_row = SIZE_MAX;

static double seconds_of(const dyno_probe_event *event)
{
  return event->end_ns > event->begin_ns ? (double)(event->end_ns - event->begin_ns) * 1e-9 : 0;
}

static bool is_barrier(const dyno_probe_event *event)
{
  return strcmp(event->op, DYNO_PROFILE_BARRIER) == 0;
}

/* The row of an op and kernel, made on first sight; SIZE_MAX when out of memory. A model has a few
 * dozen, so that looking through them will do. */
static size_t find_row(dyno_profile_summary *summary, const dyno_probe_event *event)
{
  for (size_t i = 0; i < summary->row_count; i++)
    if (summary->rows[i].kernel == event->kernel && strcmp(summary->rows[i].op, event->op) == 0)
      return i;
  dyno_profile_row *longer = realloc(summary->rows, (summary->row_count + 1) * sizeof *longer);
  if (longer == NULL)
    return SIZE_MAX;
  summary->rows = longer;
  longer[summary->row_count] = (dyno_profile_row){
      .op = event->op, .kernel = event->kernel, .limit = DYNO_CEILING_KIND_COUNT, .attained = NAN};
  return summary->row_count++;
}

static int by_end(const void *a, const void *b)
{
  const dyno_probe_event *left = ((const timed_event *)a)->event;
  const dyno_probe_event *right = ((const timed_event *)b)->event;
  return (left->end_ns > right->end_ns) - (left->end_ns < right->end_ns);
}

static int by_time_spent(const void *a, const void *b)
{
  const dyno_profile_row *left = a, *right = b;
  double one = left->seconds + left->waited_seconds, other = right->seconds + right->waited_seconds;
  return (one < other) - (one > other);
}

/* Adds the events of one thread to their rows, and lists them. */
static bool add_thread(dyno_profile_summary *summary, timed_event *list,
                       const dyno_profile_recorder *recorder, unsigned thread)
{
  for (size_t i = 0; i < dyno_profile_recorder_count(recorder, thread); i++) {
    const dyno_probe_event *event = dyno_profile_recorder_event(recorder, thread, i);
    double seconds = seconds_of(event);
    list[i] = (timed_event){event, no_row};
    if (is_barrier(event)) {
      summary->barrier_seconds += seconds;
      continue;
    }
    size_t row = find_row(summary, event);
    if (row == SIZE_MAX)
      return false;
    list[i].row = row;
    summary->rows[row].calls++;
    summary->rows[row].seconds += seconds;
    summary->rows[row].bytes += (double)event->bytes;
    summary->rows[row].macs += (double)event->macs;
  }
  return true;
}

/* What each row took of one thread. spent has room for all rows. */
static void add_shares(dyno_profile_summary *summary, double *spent, const timed_event *list,
                       size_t count)
{
  memset(spent, 0, summary->row_count * sizeof *spent);
  for (size_t i = 0; i < count; i++)
    if (list[i].row != no_row)
      spent[list[i].row] += seconds_of(list[i].event);
  for (size_t i = 0; i < summary->row_count; i++) {
    dyno_profile_row *row = &summary->rows[i];
    row->threads += spent[i] > 0;
    row->slowest_seconds = fmax(row->slowest_seconds, spent[i]);
  }
}

/* A barrier ends when the last thread comes to it, so that the op which ended last before is the
 * one that was waited for. Sorts the list. */
static void blame_waits(dyno_profile_summary *summary, timed_event *list, size_t count)
{
  size_t last = no_row;
  qsort(list, count, sizeof *list, by_end);
  for (size_t i = 0; i < count; i++)
    if (!is_barrier(list[i].event))
      last = list[i].row;
    else if (last != no_row)
      summary->rows[last].waited_seconds += seconds_of(list[i].event);
}

static void finish_row(dyno_profile_row *row)
{
  double mean = row->seconds / (row->threads > 0 ? row->threads : 1);
  row->bytes_per_second = mean > 0 ? row->bytes / mean : NAN;
  row->macs_per_second = mean > 0 ? row->macs / mean : NAN;
  row->imbalance = mean > 0 ? row->slowest_seconds / mean - 1 : 0;
}

static bool add_up(dyno_profile_summary *summary, const dyno_profile_recorder *recorder)
{
  timed_event *list = calloc(summary->events + 1, sizeof *list);
  bool fine = list != NULL;
  for (size_t thread = 0, at = 0; fine && thread < summary->threads; thread++) {
    fine = add_thread(summary, list + at, recorder, (unsigned)thread);
    at += dyno_profile_recorder_count(recorder, (unsigned)thread);
  }
  double *spent = calloc(summary->row_count + 1, sizeof *spent);
  fine = fine && spent != NULL;
  for (size_t thread = 0, at = 0; fine && thread < summary->threads; thread++) {
    size_t count = dyno_profile_recorder_count(recorder, (unsigned)thread);
    add_shares(summary, spent, list + at, count);
    at += count;
  }
  if (fine)
    blame_waits(summary, list, summary->events);
  free(spent);
  free(list);
  return fine;
}

dyno_status dyno_profile_summarize(dyno_profile_summary *summary,
                                   const dyno_profile_recorder *recorder, double wall_seconds,
                                   dyno_error *error)
{
  *summary = (dyno_profile_summary){
      .threads = dyno_profile_recorder_threads(recorder),
      .wall_seconds = wall_seconds,
      .events = dyno_profile_recorder_total(recorder),
      .lost = dyno_profile_recorder_lost(recorder),
      .attained = NAN,
  };
  if (!add_up(summary, recorder)) {
    dyno_profile_summary_free(summary);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to add up events");
  }
  for (size_t i = 0; i < summary->row_count; i++) {
    dyno_profile_row *row = &summary->rows[i];
    finish_row(row);
    summary->op_seconds += row->seconds;
    summary->bytes += row->bytes;
    summary->macs += row->macs;
  }
  summary->between_seconds =
      summary->threads * wall_seconds - summary->op_seconds - summary->barrier_seconds;
  if (summary->row_count > 0)
    qsort(summary->rows, summary->row_count, sizeof *summary->rows, by_time_spent);
  return DYNO_OK;
}

dyno_ceiling_kind dyno_profile_arithmetic(const dyno_kernel *kernel)
{
  if (kernel->activation == DYNO_A8 && kernel->op == DYNO_OP_MATMUL)
    return DYNO_CEILING_MAC_I8;
  return kernel->tolerance == DYNO_TOLERANCE_BF16 ? DYNO_CEILING_MAC_BF16 : DYNO_CEILING_MAC_F32;
}

/* The seconds that the ceilings allow for a row, and which of them limits; 0 when unknown. */
static double allowed_seconds(dyno_ceiling_kind *limit, const dyno_profile_row *row,
                              const dyno_profile_ceilings *ceilings, unsigned threads)
{
  const dyno_ceiling_kind kinds[] = {DYNO_CEILING_READ, dyno_profile_arithmetic(row->kernel)};
  const double amounts[] = {row->bytes, row->macs};
  double longest = 0;
  for (size_t i = 0; i < 2; i++) {
    double ceiling = ceilings->all[kinds[i]];
    /* Fewer than all threads reach no more than so many single ones. */
    if (row->threads < threads)
      ceiling = fmin(ceiling, row->threads * ceilings->one[kinds[i]]);
    if (!(ceiling > 0) || amounts[i] / ceiling <= longest)
      continue;
    longest = amounts[i] / ceiling;
    *limit = kinds[i];
  }
  return longest;
}

void dyno_profile_hold_against(dyno_profile_summary *summary, const dyno_profile_ceilings *ceilings)
{
  double allowed = 0;
  for (size_t i = 0; i < summary->row_count; i++) {
    dyno_profile_row *row = &summary->rows[i];
    /* The others work on what the caches hold. */
    if (row->kernel == NULL || row->threads == 0 ||
        (row->kernel->op != DYNO_OP_MATMUL && row->kernel->op != DYNO_OP_ATTENTION))
      continue;
    double seconds = allowed_seconds(&row->limit, row, ceilings, summary->threads);
    if (seconds <= 0)
      continue;
    row->attained = seconds / (row->seconds / row->threads);
    allowed += seconds;
  }
  summary->attained =
      allowed > 0 && summary->wall_seconds > 0 ? allowed / summary->wall_seconds : NAN;
}

void dyno_profile_summary_free(dyno_profile_summary *summary)
{
  free(summary->rows);
  *summary = (dyno_profile_summary){0};
}
