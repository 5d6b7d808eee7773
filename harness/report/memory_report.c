#include "config.h"

#include "harness/report/memory_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

#include "harness/report/table.h"
#include "harness/report/units.h"

static void add_bytes(dyno_table *table, double bytes)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_bytes(text, bytes);
  dyno_table_cell(table, "%s", text);
}

static dyno_status finish(dyno_table *table, FILE *stream, dyno_error *error)
{
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

static dyno_status print_json(json_t *root, FILE *stream, dyno_error *error)
{
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  bool done = json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 &&
              fputc('\n', stream) != EOF;
  json_decref(root);
  return done ? DYNO_OK : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}

/* NaN has no number in JSON. */
static json_t *real(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

/* The account */

static dyno_status print_rows(const dyno_memory_account *account, FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {{"component", NULL, false},
                                        {"current", NULL, true},
                                        {"peak", NULL, true},
                                        {"average", NULL, true}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i <= DYNO_MEMORY_ROWS; i++) {
    const dyno_memory_row *row = i < DYNO_MEMORY_ROWS ? &account->rows[i] : &account->total;
    dyno_table_cell(table, "%s",
                    i < DYNO_MEMORY_ROWS ? dyno_memory_row_name((dyno_memory_row_kind)i) : "total");
    add_bytes(table, (double)row->now);
    add_bytes(table, (double)row->peak);
    add_bytes(table, row->average);
  }
  return finish(table, stream, error);
}

typedef struct named_bytes {
  const char *name, *key;
  double bytes;
} named_bytes;

enum { PARTS = 8 };

static void list_parts(named_bytes parts[PARTS], const dyno_memory_account *account)
{
  const uint64_t *kernel = account->process.resident;
  const named_bytes all[PARTS] = {
      {"rows above, in memory", "rows", (double)account->resident},
      {"program", "program", (double)kernel[DYNO_MAPPING_PROGRAM]},
      {"libraries", "libraries", (double)kernel[DYNO_MAPPING_LIBRARY]},
      {"stacks", "stacks", (double)kernel[DYNO_MAPPING_STACK]},
      {"malloc, heap", "heap", (double)account->heap},
      {"malloc, mapped", "mapped", (double)account->mapped},
      {"kernel's", "kernel", (double)kernel[DYNO_MAPPING_KERNEL]},
      {"unexplained", "unexplained", (double)account->unexplained},
  };
  for (size_t i = 0; i < PARTS; i++)
    parts[i] = all[i];
}

static dyno_status print_parts(const dyno_memory_account *account, FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"resident set", NULL, false}, {"bytes", NULL, true}, {"share", "%", true}};
  named_bytes parts[PARTS];
  double total = (double)account->process.total;
  list_parts(parts, account);
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < PARTS; i++) {
    dyno_table_cell(table, "%s", parts[i].name);
    if (parts[i].bytes < 0) { /* sizes are formatted from 0 on */
      char text[DYNO_UNIT_TEXT];
      dyno_format_bytes(text, -parts[i].bytes);
      dyno_table_cell(table, "-%s", text);
    } else
      add_bytes(table, parts[i].bytes);
    dyno_table_cell(table, "%.2f", 100 * parts[i].bytes / total);
  }
  dyno_table_cell(table, "as /proc/self/smaps_rollup has it");
  add_bytes(table, total);
  dyno_table_cell(table, "%.2f", 100.0);
  return finish(table, stream, error);
}

static double share_of(uint64_t part, uint64_t whole)
{
  return whole == 0 ? 0 : 1 - (double)part / (double)whole;
}

static void print_allocator(const dyno_memory_account *account, FILE *stream)
{
  const dyno_allocator_statistics *a = &account->allocator;
  char given[DYNO_UNIT_TEXT], held[DYNO_UNIT_TEXT];
  dyno_format_bytes(given, (double)a->given);
  dyno_format_bytes(held, (double)a->held);
  fprintf(stream,
          "allocator: %" PRIu64
          " blocks of %s in huge pages of %s; fragmentation %.1f %% inside of "
          "blocks, %.1f %% between them; %" PRIu64 " allocations, %" PRIu64 " releases\n",
          a->blocks, given, held, 100 * share_of(a->total.live, a->given),
          100 * share_of(a->given, a->held), a->allocations, a->releases);
}

/* The bucket that holds the middle one. */
static void print_latency(const char *what, const uint64_t buckets[DYNO_LATENCY_BUCKETS],
                          FILE *stream)
{
  uint64_t all = 0;
  for (size_t i = 0; i < DYNO_LATENCY_BUCKETS; i++)
    all += buckets[i];
  fprintf(stream, "%s by time:", what);
  for (size_t i = 0; i < DYNO_LATENCY_BUCKETS; i++)
    if (buckets[i] > 0) {
      char text[DYNO_UNIT_TEXT];
      dyno_format_seconds(text, ldexp(1e-9, (int)i + 1));
      fprintf(stream, " below %s %.0f %%", text, 100 * (double)buckets[i] / (double)all);
    }
  fputc('\n', stream);
}

static json_t *latency_json(const uint64_t buckets[DYNO_LATENCY_BUCKETS])
{
  json_t *list = json_array();
  for (size_t i = 0; i < DYNO_LATENCY_BUCKETS; i++)
    if (buckets[i] > 0)
      json_array_append_new(list, json_pack("{s:I, s:I}", "below_ns", (json_int_t)2 << i, "count",
                                            (json_int_t)buckets[i]));
  return list;
}

static json_t *account_json(const dyno_memory_account *account)
{
  const dyno_allocator_statistics *a = &account->allocator;
  named_bytes parts[PARTS];
  json_t *rows = json_array(), *resident = json_object();
  list_parts(parts, account);
  for (size_t i = 0; i <= DYNO_MEMORY_ROWS; i++) {
    const dyno_memory_row *row = i < DYNO_MEMORY_ROWS ? &account->rows[i] : &account->total;
    json_array_append_new(
        rows,
        json_pack("{s:s, s:I, s:I, s:f}", "component",
                  i < DYNO_MEMORY_ROWS ? dyno_memory_row_name((dyno_memory_row_kind)i) : "total",
                  "current", (json_int_t)row->now, "peak", (json_int_t)row->peak, "average",
                  row->average));
  }
  for (size_t i = 0; i < PARTS; i++)
    json_object_set_new(resident, parts[i].key, json_integer((json_int_t)parts[i].bytes));
  json_object_set_new(resident, "total", json_integer((json_int_t)account->process.total));
  return json_pack(
      "{s:i, s:o, s:o, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}}", "schema", 1, "rows",
      rows, "resident", resident, "agrees", dyno_memory_account_agrees(account), "allocator",
      "blocks", (json_int_t)a->blocks, "live", (json_int_t)a->total.live, "given",
      (json_int_t)a->given, "held", (json_int_t)a->held, "reserved", (json_int_t)a->reserved,
      "allocations", (json_int_t)a->allocations, "releases", (json_int_t)a->releases,
      "allocation_ns", latency_json(a->allocation_ns), "release_ns", latency_json(a->release_ns));
}

dyno_status dyno_memory_report(const dyno_memory_account *account, FILE *stream, bool json,
                               dyno_error *error)
{
  if (json)
    return print_json(account_json(account), stream, error);
  dyno_status status = print_rows(account, stream, error);
  fputc('\n', stream);
  if (status == DYNO_OK)
    status = print_parts(account, stream, error);
  fprintf(stream, "\n%s: %.2f %% of the resident set are unexplained, %.0f %% may be\n",
          dyno_memory_account_agrees(account) ? "the accounts agree" : "the accounts do not agree",
          100 * (double)account->unexplained / (double)account->process.total,
          100 * DYNO_MEMORY_TOLERANCE);
  print_allocator(account, stream);
  print_latency("allocations", account->allocator.allocation_ns, stream);
  if (account->allocator.releases > 0)
    print_latency("releases", account->allocator.release_ns, stream);
  return status;
}

/* The replay */

static void add_figures(dyno_table *table, const char *what, const dyno_replay_figures *figures)
{
  dyno_table_cell(table, "%s", what);
  dyno_table_cell(table, "%.1f", figures->buddy.median);
  dyno_table_cell(table, "%.1f", figures->malloc_.median);
  dyno_table_cell(table, "%.3f", figures->ratio);
  if (isnan(figures->interval.low))
    dyno_table_cell(table, "too few rounds");
  else
    dyno_table_cell(table, "%.3f to %.3f", figures->interval.low, figures->interval.high);
  dyno_table_cell(table, "%+.1f", 100 * (figures->ratio - 1));
}

static json_t *figures_json(const dyno_replay_figures *figures)
{
  return json_pack("{s:f, s:f, s:f, s:o, s:o}", "buddy_ns", figures->buddy.median, "malloc_ns",
                   figures->malloc_.median, "ratio", figures->ratio, "low",
                   real(figures->interval.low), "high", real(figures->interval.high));
}

dyno_status dyno_replay_report(const dyno_replay *replay, const dyno_allocation_trace *trace,
                               FILE *stream, bool json, dyno_error *error)
{
  if (json)
    return print_json(
        json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "schema", 1, "operations",
                  (json_int_t)trace->count, "allocations", (json_int_t)trace->allocated, "rounds",
                  (json_int_t)replay->rounds, "peak", (json_int_t)replay->peak, "given",
                  (json_int_t)replay->given, "held", (json_int_t)replay->held, "calls",
                  figures_json(&replay->calls), "touched", figures_json(&replay->touched)),
        stream, error);
  static const dyno_column columns[] = {{"an operation", NULL, false}, {"buddy", "ns", true},
                                        {"malloc", "ns", true},        {"ratio", NULL, true},
                                        {"95 % interval", NULL, true}, {"change", "%", true}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  char peak[DYNO_UNIT_TEXT], given[DYNO_UNIT_TEXT], held[DYNO_UNIT_TEXT];
  dyno_format_bytes(peak, (double)replay->peak);
  dyno_format_bytes(given, (double)replay->given);
  dyno_format_bytes(held, (double)replay->held);
  add_figures(table, "calls alone", &replay->calls);
  add_figures(table, "and a write to each page", &replay->touched);
  dyno_status status = finish(table, stream, error);
  fprintf(stream,
          "\n%zu operations, %zu of them allocations, in %zu rounds; medians. At most %s at once: "
          "%s as given, in huge pages of %s. The guide claims 40 %% less.\n",
          trace->count, trace->allocated, replay->rounds, peak, given, held);
  return status;
}

/* Fragmentation */

static void add_arm(dyno_table *table, const char *what, const dyno_fragmentation_arm *arm)
{
  char longest[DYNO_UNIT_TEXT], total[DYNO_UNIT_TEXT];
  dyno_format_seconds(longest, arm->longest);
  dyno_format_seconds(total, arm->total);
  dyno_table_cell(table, "%s", what);
  dyno_table_cell(table, "%.1f", 100 * arm->mean);
  dyno_table_cell(table, "%.1f", 100 * arm->worst);
  add_bytes(table, (double)arm->held_peak);
  add_bytes(table, (double)arm->held_end);
  dyno_table_cell(table, "%" PRIu64, arm->moved);
  dyno_table_cell(table, "%s", longest);
  dyno_table_cell(table, "%s", total);
}

static json_t *arm_json(const dyno_fragmentation_arm *arm)
{
  return json_pack("{s:f, s:f, s:I, s:I, s:I, s:f, s:f}", "mean", arm->mean, "worst", arm->worst,
                   "held_peak", (json_int_t)arm->held_peak, "held_end", (json_int_t)arm->held_end,
                   "moved", (json_int_t)arm->moved, "longest_seconds", arm->longest, "seconds",
                   arm->total);
}

dyno_status dyno_fragmentation_report(const dyno_fragmentation *found, FILE *stream, bool json,
                                      dyno_error *error)
{
  if (json)
    return print_json(json_pack("{s:i, s:I, s:o, s:o}", "schema", 1, "requests",
                                (json_int_t)found->requests, "scattered",
                                arm_json(&found->scattered), "moved", arm_json(&found->moved)),
                      stream, error);
  static const dyno_column columns[] = {{"blocks", NULL, false},    {"mean", "%", true},
                                        {"worst", "%", true},       {"held at most", NULL, true},
                                        {"at the end", NULL, true}, {"moved", NULL, true},
                                        {"longest", NULL, true},    {"in all", NULL, true}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  add_arm(table, "stay where they are", &found->scattered);
  add_arm(table, "are moved together", &found->moved);
  dyno_status status = finish(table, stream, error);
  fprintf(stream, "\nafter each of %zu requests: the share of chunks that holds no block\n",
          found->requests);
  return status;
}
