/* Tables of trials of the gate. */
#include <jansson.h>
#include <string.h>

#include "harness/report/compare_report.h"
#include "harness/report/selftest_log.h"
#include "harness/report/table.h"
#include "harness/report/units.h"

/* "mini on bench1 (AMD EPYC), avx2, 2 threads, shared: 16 tokens, ..." */
static void write_heading(dyno_table *table, const dyno_selftest_cell *cell)
{
  const dyno_selftest_conditions *c = &cell->first->conditions;
  const dyno_selftest_trial *t = &cell->first->trial;
  dyno_table_heading(table, "%s on %s (%s), %s, %u threads%s%s: %s", c->model, c->host,
                     c->processor, t->tier, t->threads, c->label[0] != '\0' ? ", " : "", c->label,
                     c->settings);
}

static void write_cell(dyno_table *table, const dyno_selftest_cell *cell)
{
  char seconds[DYNO_UNIT_TEXT];
  const size_t *verdicts = cell->verdicts;
  dyno_format_seconds(seconds, cell->mean_seconds);
  dyno_table_cell(table, "%.3g %%", 100 * cell->first->trial.drop);
  dyno_table_cell(table, "%s", cell->first->trial.loaded ? "stress-ng" : "none of ours");
  dyno_table_cell(table, "%zu", cell->trials);
  dyno_table_cell(table, "%zu", verdicts[DYNO_GATE_PASS]);
  dyno_table_cell(table, "%zu", verdicts[DYNO_GATE_REGRESSION]);
  dyno_table_cell(table, "%zu", verdicts[DYNO_GATE_INCONCLUSIVE]);
  dyno_table_cell(table, "%zu", verdicts[DYNO_GATE_UNFIT]);
  dyno_table_cell(table, "%zu", verdicts[DYNO_GATE_ERROR] + verdicts[DYNO_GATE_WRONG]);
  dyno_table_cell(table, "%.1f to %.1f %%", 100 * cell->regressions.low,
                  100 * cell->regressions.high);
  dyno_table_cell(table, "%.1f", cell->mean_rounds);
  dyno_table_cell(table, "%s", seconds);
  dyno_table_cell(table, "%.2g %%", 100 * cell->median_sigma);
}

static bool same_heading(const dyno_selftest_cell *a, const dyno_selftest_cell *b)
{
  return memcmp(&a->first->conditions, &b->first->conditions, sizeof a->first->conditions) == 0;
}

dyno_status dyno_selftest_table(const dyno_selftest_cell *cells, size_t count, bool markdown,
                                FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"put in", NULL, true},     {"load", NULL, false},      {"gates", NULL, true},
      {"pass", NULL, true},       {"regression", NULL, true}, {"inconclusive", NULL, true},
      {"unfit host", NULL, true}, {"error", NULL, true},      {"regressions", "95 %", true},
      {"rounds", "mean", true},   {"time", "mean", true},     {"σ", "median", true},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < count; i++) {
    if (i == 0 || !same_heading(&cells[i - 1], &cells[i]))
      write_heading(table, &cells[i]);
    write_cell(table, &cells[i]);
  }
  dyno_status status = markdown ? dyno_table_print_markdown(table, stream, error)
                                : dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  for (size_t i = 0; i < count && !markdown; i++)
    if (cells[i].unmeasured != NULL)
      fprintf(stream, "could not be measured: %s\n", cells[i].unmeasured->trial.reason);
  return status;
}

static json_t *cell_json(const dyno_selftest_cell *cell)
{
  const dyno_selftest_conditions *c = &cell->first->conditions;
  json_t *verdicts = json_object();
  for (dyno_gate_verdict verdict = DYNO_GATE_PASS; verdict < DYNO_GATE_VERDICT_COUNT; verdict++)
    json_object_set_new(verdicts, dyno_gate_verdict_name(verdict),
                        json_integer((json_int_t)cell->verdicts[verdict]));
  return json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:I, s:o, s:[o, o], s:o, s:o, s:o, s:s?}", "host",
      c->host, "processor", c->processor, "label", c->label, "model", c->model, "settings",
      c->settings, "drop", cell->first->trial.drop, "load",
      cell->first->trial.loaded ? "stress" : "quiet", "gates", (json_int_t)cell->trials, "verdicts",
      verdicts, "regression_share_95", dyno_json_number(cell->regressions.low),
      dyno_json_number(cell->regressions.high), "mean_rounds", dyno_json_number(cell->mean_rounds),
      "mean_seconds", dyno_json_number(cell->mean_seconds), "median_sigma",
      dyno_json_number(cell->median_sigma), "last_reason",
      cell->unmeasured != NULL ? cell->unmeasured->trial.reason : NULL);
}

dyno_status dyno_selftest_json(const dyno_selftest_cell *cells, size_t count, FILE *stream,
                               dyno_error *error)
{
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, cell_json(&cells[i]));
  json_t *root = json_pack("{s:s, s:o}", "schema", "dyno.selftest/2", "cells", list);
  int result =
      root == NULL ? -1 : json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  json_decref(root);
  return result == 0 && fputc('\n', stream) != EOF
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}
