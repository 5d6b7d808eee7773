#include "harness/report/cache_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "harness/measure/statistics.h"
#include "harness/report/csv.h"
#include "harness/report/table.h"
#include "harness/report/tsv.h"
#include "harness/report/units.h"
#include "runtime/cache/kv.h"

const double dyno_cache_guide_hits[3] = {0.90, 0.75, 0.60};
const double dyno_cache_guide_compression = 0.50;
const double dyno_prefix_promise[DYNO_PREFIX_LANES] = {(double)NAN, 0.05, 0.15};

static double share(uint64_t part, uint64_t whole)
{
  return whole > 0 ? (double)part / (double)whole : (double)NAN;
}

void dyno_cache_curve(dyno_cache_point points[DYNO_CACHE_CURVE_POINTS],
                      const dyno_cache_report *report)
{
  const dyno_recency_counts *rows = &report->simulation->rows;
  const dyno_recency_counts *prefixes = &report->simulation->prefixes;
  for (int i = 0; i < DYNO_CACHE_CURVE_POINTS; i++) {
    double factor = ldexp(1, i - DYNO_CACHE_CURVE_POINTS / 2);
    uint64_t row_room = (uint64_t)((double)report->sizes.rows * factor);
    uint64_t node_room = (uint64_t)((double)report->sizes.nodes * factor);
    points[i] = (dyno_cache_point){
        .factor = factor,
        .rows = row_room,
        .nodes = node_room,
        .row_hits = share(dyno_recency_hits(rows, row_room), rows->lookups),
        .node_hits = share(dyno_recency_hits(prefixes, node_room), prefixes->lookups),
    };
  }
}

size_t dyno_cache_different(const dyno_cache_report *report)
{
  size_t different = 0;
  for (size_t i = 0; i < report->cached->count && report->plain != NULL; i++)
    different += report->cached->list[i].hash != report->plain->list[i].hash;
  return different;
}

static void share_cell(dyno_table *table, double value)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_share(text, value);
  dyno_table_cell(table, "%s", text);
}

static void bytes_cell(dyno_table *table, double value)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_bytes(text, value);
  dyno_table_cell(table, "%s", text);
}

static void seconds_cell(dyno_table *table, double value)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_seconds(text, value);
  dyno_table_cell(table, "%s", text);
}

static dyno_status print_table(dyno_table *table, FILE *stream, dyno_error *error)
{
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

static dyno_status print_curve(FILE *stream, const dyno_cache_report *report, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"size", NULL, true}, {"L1", "rows", true},        {"L1", "bytes", true},
      {"hits", NULL, true}, {"prefixes", "nodes", true}, {"prefixes", "bytes", true},
      {"hits", NULL, true},
  };
  dyno_cache_point points[DYNO_CACHE_CURVE_POINTS];
  dyno_cache_curve(points, report);
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (int i = 0; i < DYNO_CACHE_CURVE_POINTS; i++) {
    const dyno_cache_point *at = &points[i];
    dyno_table_cell(table, at->factor < 1 ? "1/%.0f" : "%.0f",
                    at->factor < 1 ? 1 / at->factor : at->factor);
    dyno_table_cell(table, "%" PRIu64, at->rows);
    bytes_cell(table, (double)at->rows * (double)report->sizes.row_bytes);
    share_cell(table, at->row_hits);
    dyno_table_cell(table, "%" PRIu64, at->nodes);
    bytes_cell(table, (double)at->nodes * (double)report->sizes.node_bytes);
    share_cell(table, at->node_hits);
    dyno_table_end_row(table);
  }
  fputs("\nWhat caches of other sizes would have had, replaced by recency:\n", stream);
  return print_table(table, stream, error);
}

static void print_distances(FILE *stream, const dyno_cache_report *report)
{
  const dyno_recency_counts *rows = &report->simulation->rows;
  const dyno_recency_counts *prefixes = &report->simulation->prefixes;
  fprintf(stream,
          "\nOther things used before one comes again (median, 90 %%): rows %" PRIu64 ", %" PRIu64
          "; nodes of %d tokens %" PRIu64 ", %" PRIu64
          ". Never before: %.1f %% of rows, %.1f %% of "
          "nodes\n",
          dyno_recency_quantile(rows, 0.5), dyno_recency_quantile(rows, 0.9), DYNO_KV_BLOCK_TOKENS,
          dyno_recency_quantile(prefixes, 0.5), dyno_recency_quantile(prefixes, 0.9),
          100 * share(rows->never, rows->lookups), 100 * share(prefixes->never, prefixes->lookups));
}

typedef struct level {
  const char *name, *what;
  uint64_t lookups, hits, evictions;
  double bytes;
} level;

static dyno_status print_levels(FILE *stream, const dyno_cache_report *report, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"level", NULL, false}, {"of", NULL, false},     {"lookups", NULL, true},
      {"hits", NULL, true},   {"share", NULL, true},   {"guide", NULL, true},
      {"held", NULL, true},   {"evicted", NULL, true},
  };
  const dyno_cache_statistics *s = report->statistics;
  const dyno_cache_prefixes *p = &s->prefixes;
  const dyno_cache_compressed *c = &s->compressed;
  const level levels[] = {
      {"L1", "embedding rows", s->rows.lookups, s->rows.hits, s->rows.evictions,
       (double)s->rows.bytes},
      {"L2", "prefix tokens", p->asked, p->found - DYNO_KV_BLOCK_TOKENS * p->restored, p->evicted,
       (double)p->nodes * (double)p->node_bytes},
      {"L3", "nodes not in L2", c->asked, c->restored + c->recalled, c->evicted, (double)c->bytes},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    dyno_table_cell(table, "%s", levels[i].name);
    dyno_table_cell(table, "%s", levels[i].what);
    dyno_table_cell(table, "%" PRIu64, levels[i].lookups);
    dyno_table_cell(table, "%" PRIu64, levels[i].hits);
    share_cell(table, share(levels[i].hits, levels[i].lookups));
    share_cell(table, dyno_cache_guide_hits[i]);
    bytes_cell(table, levels[i].bytes);
    dyno_table_cell(table, "%" PRIu64, levels[i].evictions);
    dyno_table_end_row(table);
  }
  fputc('\n', stream);
  return print_table(table, stream, error);
}

static void print_compression(FILE *stream, const dyno_cache_report *report)
{
  char compress[DYNO_UNIT_TEXT], restore[DYNO_UNIT_TEXT];
  const dyno_cache_compressed *c = &report->statistics->compressed;
  if (c->compressed == 0)
    return;
  dyno_format_seconds(compress, (double)c->compress_ns * 1e-9 / (double)c->compressed);
  dyno_format_seconds(restore, c->restored > 0 ? (double)c->restore_ns * 1e-9 / (double)c->restored
                                               : (double)NAN);
  fprintf(stream,
          "\nL3: %" PRIu64 " nodes compressed to %.1f %% (guide: %.0f %%), %s of processor time "
          "each; %" PRIu64 " restored, %s each; %" PRIu64 " not kept for want of room or time\n",
          c->compressed, 100 * share(c->compressed_out, c->compressed_in),
          100 * dyno_cache_guide_compression, compress, c->restored, restore,
          c->dropped + c->refused);
}

static dyno_status print_classes(FILE *stream, const dyno_cache_report *report, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"found", NULL, false}, {"requests", NULL, true},        {"prompt tokens", NULL, true},
      {"taken", NULL, true},  {"first token", "median", true}, {"uncached", "median", true},
      {"share", NULL, true},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  dyno_status status = DYNO_OK;
  for (dyno_cache_hit hit = 0; hit <= DYNO_CACHE_HIT_COUNT && status == DYNO_OK; hit++) {
    dyno_cache_sum cached, plain = {.first_median = (double)NAN};
    status = dyno_cache_answers_sum(&cached, report->cached, report->cached, hit, error);
    if (status == DYNO_OK && report->plain != NULL)
      status = dyno_cache_answers_sum(&plain, report->plain, report->cached, hit, error);
    if (status != DYNO_OK || cached.requests == 0)
      continue;
    dyno_table_cell(table, "%s", hit < DYNO_CACHE_HIT_COUNT ? dyno_cache_hit_name(hit) : "all");
    dyno_table_cell(table, "%zu", cached.requests);
    dyno_table_cell(table, "%" PRIu64, cached.prompt);
    share_cell(table, share(cached.taken, cached.prompt));
    seconds_cell(table, cached.first_median);
    seconds_cell(table, plain.first_median);
    share_cell(table, cached.first_median / plain.first_median);
    dyno_table_end_row(table);
  }
  if (status != DYNO_OK) {
    dyno_table_free(&table);
    return status;
  }
  fputc('\n', stream);
  return print_table(table, stream, error);
}

static dyno_status print_totals(FILE *stream, const dyno_cache_report *report, dyno_error *error)
{
  char first[DYNO_UNIT_TEXT], plain_first[DYNO_UNIT_TEXT], answer[DYNO_UNIT_TEXT],
      plain_answer[DYNO_UNIT_TEXT];
  dyno_cache_sum cached, plain;
  dyno_status status =
      dyno_cache_answers_sum(&cached, report->cached, report->cached, DYNO_CACHE_HIT_COUNT, error);
  if (status != DYNO_OK)
    return status;
  dyno_format_seconds(first, cached.first_seconds);
  dyno_format_seconds(answer, cached.answer_seconds);
  if (report->plain == NULL) {
    fprintf(stream, "\nprefill %s in all, answers %s\n", first, answer);
    return DYNO_OK;
  }
  status =
      dyno_cache_answers_sum(&plain, report->plain, report->plain, DYNO_CACHE_HIT_COUNT, error);
  if (status != DYNO_OK)
    return status;
  dyno_format_seconds(plain_first, plain.first_seconds);
  dyno_format_seconds(plain_answer, plain.answer_seconds);
  size_t different = dyno_cache_different(report);
  fprintf(stream, "\nprefill %s in all, %s without caches: %.2f times as fast; answers %s and %s\n",
          first, plain_first, plain.first_seconds / cached.first_seconds, answer, plain_answer);
  if (different == 0)
    fprintf(stream, "logits: the same, bit for bit, in all %zu requests\n", cached.requests);
  else
    fprintf(stream, "logits: DIFFERENT in %zu of %zu requests\n", different, cached.requests);
  return DYNO_OK;
}

dyno_status dyno_cache_report_print(FILE *stream, const dyno_cache_report *report,
                                    dyno_error *error)
{
  char limit[DYNO_UNIT_TEXT];
  const dyno_cache_simulation *s = report->simulation;
  dyno_format_bytes(limit, (double)report->sizes.limit);
  fprintf(stream,
          "%s%s%s, seed %" PRIu64 ": %" PRIu64 " requests, prompts of %" PRIu64
          " tokens, answers of %" PRIu64 "\n%s, caches of %s\n",
          report->trace, report->title[0] != '\0' ? ": " : "", report->title, report->seed,
          s->requests, s->prompt_tokens, s->answer_tokens, report->model, limit);
  dyno_status status = DYNO_OK;
  if (report->cached != NULL) {
    status = print_levels(stream, report, error);
    print_compression(stream, report);
    if (status == DYNO_OK)
      status = print_classes(stream, report, error);
    if (status == DYNO_OK)
      status = print_totals(stream, report, error);
  }
  if (status == DYNO_OK)
    status = print_curve(stream, report, error);
  if (status == DYNO_OK)
    print_distances(stream, report);
  return status;
}

void dyno_cache_report_csv(FILE *stream, const dyno_cache_report *report)
{
  static const char *const names[] = {"factor",   "l1_rows",  "l1_bytes", "l1_hits",
                                      "l2_nodes", "l2_bytes", "l2_hits"};
  dyno_csv csv = DYNO_CSV(stream);
  dyno_cache_point points[DYNO_CACHE_CURVE_POINTS];
  dyno_cache_curve(points, report);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    dyno_csv_text(&csv, names[i]);
  dyno_csv_end_row(&csv);
  for (int i = 0; i < DYNO_CACHE_CURVE_POINTS; i++) {
    dyno_csv_number(&csv, points[i].factor);
    dyno_csv_integer(&csv, points[i].rows);
    dyno_csv_integer(&csv, points[i].rows * report->sizes.row_bytes);
    dyno_csv_number(&csv, points[i].row_hits);
    dyno_csv_integer(&csv, points[i].nodes);
    dyno_csv_integer(&csv, points[i].nodes * report->sizes.node_bytes);
    dyno_csv_number(&csv, points[i].node_hits);
    dyno_csv_end_row(&csv);
  }
}

void dyno_cache_report_tsv(FILE *stream, const dyno_cache_report *report)
{
  dyno_tsv tsv = DYNO_TSV(stream);
  dyno_cache_point points[DYNO_CACHE_CURVE_POINTS];
  dyno_cache_curve(points, report);
  dyno_tsv_block(&tsv, "factor, L1 bytes, share of hits, prefix bytes, share of hits");
  for (int i = 0; i < DYNO_CACHE_CURVE_POINTS; i++) {
    dyno_tsv_number(&tsv, points[i].factor);
    dyno_tsv_number(&tsv, (double)points[i].rows * (double)report->sizes.row_bytes);
    dyno_tsv_number(&tsv, points[i].row_hits);
    dyno_tsv_number(&tsv, (double)points[i].nodes * (double)report->sizes.node_bytes);
    dyno_tsv_number(&tsv, points[i].node_hits);
    dyno_tsv_end_row(&tsv);
  }
}

dyno_status dyno_prefix_summarize(dyno_prefix_summary *summary, const dyno_prefix_rounds *rounds,
                                  dyno_prefix_lane lane, dyno_error *error)
{
  double *values = malloc(2 * rounds->rounds * sizeof *values), *shares = values + rounds->rounds;
  if (values == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < rounds->rounds; i++) {
    values[i] = rounds->seconds[lane][i];
    shares[i] = values[i] / rounds->seconds[DYNO_PREFIX_UNCACHED][i];
  }
  *summary = (dyno_prefix_summary){dyno_median(values, rounds->rounds),
                                   dyno_median(shares, rounds->rounds)};
  free(values);
  return DYNO_OK;
}

dyno_status dyno_prefix_report_print(FILE *stream, const dyno_prefix_rounds *rounds,
                                     const char *model, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"prefix", NULL, false},         {"tokens taken", NULL, true},
      {"first token", "median", true}, {"of uncached", "median", true},
      {"promised", NULL, true},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  dyno_status status = DYNO_OK;
  for (dyno_prefix_lane lane = 0; lane < DYNO_PREFIX_LANES && status == DYNO_OK; lane++) {
    dyno_prefix_summary summary;
    if (lane == DYNO_PREFIX_L3 && !rounds->has_l3)
      continue;
    status = dyno_prefix_summarize(&summary, rounds, lane, error);
    dyno_table_cell(table, "%s", dyno_prefix_lane_name(lane));
    dyno_table_cell(table, "%zu", rounds->taken[lane]);
    seconds_cell(table, summary.seconds);
    share_cell(table, summary.share);
    char promised[32] = "";
    if (lane != DYNO_PREFIX_UNCACHED)
      snprintf(promised, sizeof promised, "%.0f %% at most", 100 * dyno_prefix_promise[lane]);
    dyno_table_cell(table, "%s", promised);
    dyno_table_end_row(table);
  }
  fprintf(stream, "%s: a prefix of %zu tokens and one more, %zu rounds\n\n", model, rounds->tokens,
          rounds->rounds);
  if (status == DYNO_OK)
    status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  if (rounds->has_l3)
    fprintf(stream, "\n%" PRIu64 " nodes of %d tokens were restored from L3\n", rounds->restored,
            DYNO_KV_BLOCK_TOKENS);
  fprintf(stream, "logits: %s\n",
          rounds->equal ? "the same, bit for bit, in all rounds" : "DIFFERENT");
  return status;
}
