#include "harness/report/claims_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/compare_report.h"
#include "harness/report/markup.h"
#include "harness/report/table.h"
#include "harness/report/tsv.h"
#include "harness/report/units.h"

enum { VALUE_TEXT = 96, REMARK_TEXT = 320 };

static dyno_claim_verdict judge(const dyno_claims_run *run, size_t index)
{
  return dyno_claim_judge(&run->claims->list[index], &run->figures[index]);
}

/* Values */

/* Three digits, with a sign where the unit is a change. */
static void format_number(char text[DYNO_UNIT_TEXT], dyno_claim_unit unit, double value)
{
  bool change = unit == DYNO_UNIT_MORE || unit == DYNO_UNIT_LESS || unit == DYNO_UNIT_POINTS;
  if (!isfinite(value))
    snprintf(text, DYNO_UNIT_TEXT, "n/a");
  else if (!change)
    dyno_format_number(text, value);
  else if (fabs(value) >= 100)
    snprintf(text, DYNO_UNIT_TEXT, "%+.0f", value);
  else
    snprintf(text, DYNO_UNIT_TEXT, fabs(value) >= 10 ? "%+.1f" : "%+.2f", value);
}

/* "+12.3 % more", "3.76 times", "12.2 tokens/s" */
static void format_value(char text[VALUE_TEXT], dyno_claim_unit unit, double value)
{
  char number[DYNO_UNIT_TEXT];
  format_number(number, unit, value);
  snprintf(text, VALUE_TEXT, "%s %s", number, dyno_claim_unit_name(unit));
}

/* "+10.1 to +14.2"; "counted" where nothing is uncertain. */
static void format_interval(char text[VALUE_TEXT], const dyno_claim *claim,
                            const dyno_claim_figure *figure)
{
  char low[DYNO_UNIT_TEXT], high[DYNO_UNIT_TEXT];
  format_number(low, claim->unit, figure->low);
  format_number(high, claim->unit, figure->high);
  if (figure->samples == 0)
    snprintf(text, VALUE_TEXT, "counted");
  else if (isfinite(figure->low) && isfinite(figure->high))
    snprintf(text, VALUE_TEXT, "%s to %s", low, high);
  else
    snprintf(text, VALUE_TEXT, "n/a");
}

static dyno_status written(FILE *stream, dyno_error *error)
{
  return ferror(stream) == 0 ? DYNO_OK
                             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}

/* Runs */

static const char *text_of(const dyno_claims_run *run, const char *group, const char *name)
{
  const char *text =
      json_string_value(json_object_get(json_object_get(run->manifest, group), name));
  return text != NULL ? text : "";
}

static double number_of(const dyno_claims_run *run, const char *group, const char *name)
{
  const json_t *value = json_object_get(json_object_get(run->manifest, group), name);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* What it was measured on, a sentence. */
static void print_conditions(const dyno_claims_run *run, FILE *stream)
{
  char memory[DYNO_UNIT_TEXT], file[DYNO_UNIT_TEXT], one[DYNO_UNIT_TEXT], all[DYNO_UNIT_TEXT];
  char took[DYNO_UNIT_TEXT];
  const char *started = json_string_value(json_object_get(run->manifest, "started"));
  dyno_format_bytes(memory, number_of(run, "machine", "memory_bytes"));
  dyno_format_bytes(file, number_of(run, "model", "file_bytes"));
  dyno_format_rate(one, number_of(run, "machine", "read_one"), "B/s");
  dyno_format_rate(all, number_of(run, "machine", "read_all"), "B/s");
  dyno_format_seconds(took, dyno_claims_run_seconds(run));
  fprintf(stream,
          "%s: %.3g billion parameters in %s; %s, %.0f thread%s, kernels up to %s, %s of memory, "
          "Linux %s; a plain read of the weights' pages gave %s with one thread and %s with all; "
          "dyno %s%s%s%s; %.10s, %s of measuring",
          text_of(run, "model", "name"), number_of(run, "model", "parameters") * 1e-9, file,
          text_of(run, "machine", "processor"), number_of(run, "machine", "threads"),
          number_of(run, "machine", "threads") <= 1 ? "" : "s", text_of(run, "machine", "tier"),
          memory, text_of(run, "machine", "kernel"), one, all, text_of(run, "dyno", "version"),
          *text_of(run, "dyno", "commit") != '\0' ? " at " : "", text_of(run, "dyno", "commit"),
          json_is_true(json_object_get(json_object_get(run->manifest, "dyno"), "dirty"))
              ? ", changed"
              : "",
          started != NULL ? started : "", took);
}

static void print_tally(const dyno_claims_run *run, FILE *stream)
{
  size_t count[DYNO_CLAIM_VERDICT_COUNT] = {0};
  const char *comma = "";
  for (size_t i = 0; i < run->claims->count; i++)
    count[judge(run, i)]++;
  for (int verdict = 0; verdict < DYNO_CLAIM_VERDICT_COUNT; verdict++)
    if (count[verdict] > 0) {
      fprintf(stream, "%s%zu %s", comma, count[verdict],
              dyno_claim_verdict_name((dyno_claim_verdict)verdict));
      comma = ", ";
    }
}

/* Whether outputs of the arms are so far apart that it is worth a word. */
static bool outputs_differ(const dyno_claim_figure *figure)
{
  return figure->state == DYNO_FIGURE_MEASURED && figure->nats > 1e-3;
}

/* A table */

static void table_row(dyno_table *table, const dyno_claims_run *run, size_t index)
{
  const dyno_claim *claim = &run->claims->list[index];
  const dyno_claim_figure *figure = &run->figures[index];
  char value[VALUE_TEXT] = "", interval[VALUE_TEXT] = "";
  if (figure->state == DYNO_FIGURE_MEASURED) {
    format_value(value, claim->unit, figure->value);
    format_interval(interval, claim, figure);
  }
  dyno_table_cell(table, "%s", claim->id);
  dyno_table_cell(table, "%s", claim->guide);
  dyno_table_cell(table, "%s", value);
  dyno_table_cell(table, "%s", interval);
  dyno_table_cell(table, "%s", dyno_claim_verdict_name(judge(run, index)));
  dyno_table_end_row(table);
}

/* What there is to say of a claim beside its figures; "" for nothing. */
static void remark_of(char text[REMARK_TEXT], const dyno_claims_run *run, size_t index)
{
  const dyno_claim *claim = &run->claims->list[index];
  const dyno_claim_figure *figure = &run->figures[index];
  if (claim->why != NULL)
    snprintf(text, REMARK_TEXT, "%s", claim->why);
  else if (figure->reason[0] != '\0')
    snprintf(text, REMARK_TEXT, "%s", figure->reason);
  else if (figure->state == DYNO_FIGURE_MEASURED && dyno_claim_unfit(figure))
    snprintf(text, REMARK_TEXT,
             "an arm differed from itself: the machine was too unsteady, measure it again");
  else if (outputs_differ(figure))
    snprintf(text, REMARK_TEXT, "the outputs of the arms are %.3g nats a token apart",
             figure->nats);
  else
    text[0] = '\0';
}

typedef void print_text(FILE *stream, const char *text);

/* Each remark once, behind the claims that it is about. */
static void print_remarks(const dyno_claims_run *run, FILE *stream, const char *bullet,
                          const char *quote, print_text *print)
{
  char remark[REMARK_TEXT], other[REMARK_TEXT];
  for (size_t i = 0; i < run->claims->count; i++) {
    bool said = false;
    remark_of(remark, run, i);
    for (size_t j = 0; j < i && !said; j++) {
      remark_of(other, run, j);
      said = strcmp(remark, other) == 0;
    }
    if (said || remark[0] == '\0')
      continue;
    fputs(bullet, stream);
    for (size_t j = i; j < run->claims->count; j++) {
      remark_of(other, run, j);
      if (strcmp(remark, other) == 0)
        fprintf(stream, "%s%s%s%s", j > i ? ", " : "", quote, run->claims->list[j].id, quote);
    }
    fputs(": ", stream);
    print(stream, remark);
    fputc('\n', stream);
  }
}

static void print_plain(FILE *stream, const char *text)
{
  fputs(text, stream);
}

dyno_status dyno_claims_report_table(const dyno_claims_report *report, FILE *stream,
                                     dyno_error *error)
{
  static const dyno_column columns[] = {
      {"claim", NULL, false},        {"guide", NULL, true},    {"measured", NULL, true},
      {"95 % interval", NULL, true}, {"verdict", NULL, false},
  };
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < report->count && status == DYNO_OK; i++) {
    const dyno_claims_run *run = &report->runs[i];
    dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
    for (size_t j = 0; j < run->claims->count; j++)
      table_row(table, run, j);
    if (i > 0)
      fputc('\n', stream);
    print_conditions(run, stream);
    fputs("\n\n", stream);
    status = dyno_table_print(table, stream, 0, error);
    fputc('\n', stream);
    print_tally(run, stream);
    fputc('\n', stream);
    print_remarks(run, stream, "", "", print_plain);
    dyno_table_free(&table);
  }
  return status == DYNO_OK ? written(stream, error) : status;
}

/* JSON */

static json_t *claim_json(const dyno_claims_run *run, size_t index)
{
  const dyno_claim *claim = &run->claims->list[index];
  json_t *object = dyno_claims_line(claim, &run->figures[index]);
  if (object == NULL)
    return NULL;
  json_object_set_new(object, "verdict", json_string(dyno_claim_verdict_name(judge(run, index))));
  json_object_set_new(object, "guide", json_string(claim->guide));
  json_object_set_new(object, "figure", dyno_json_number(claim->figure));
  json_object_set_new(object, "metric", json_string(dyno_claim_metric_name(claim->metric)));
  if (claim->why != NULL)
    json_object_set_new(object, "reason", json_string(claim->why));
  json_object_del(object, "entry");
  json_object_del(object, "when");
  return object;
}

dyno_status dyno_claims_report_json(const dyno_claims_report *report, FILE *stream,
                                    dyno_error *error)
{
  json_t *runs = json_array();
  for (size_t i = 0; i < report->count; i++) {
    json_t *claims = json_array();
    for (size_t j = 0; j < report->claims->count; j++)
      json_array_append_new(claims, claim_json(&report->runs[i], j));
    json_array_append_new(
        runs, json_pack("{s:O, s:o}", "conditions", report->runs[i].manifest, "claims", claims));
  }
  json_t *root = json_pack("{s:s, s:o}", "schema", "dyno.ablate.report/1", "runs", runs);
  int result =
      root == NULL ? -1 : json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  json_decref(root);
  return result == 0 && fputc('\n', stream) != EOF
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
}

/* The plot: claims that say how much better B is than A, as ratios. */

static double to_ratio(dyno_claim_unit unit, double value)
{
  return unit == DYNO_UNIT_MORE   ? 1 + value / 100
         : unit == DYNO_UNIT_LESS ? 1 / (1 - value / 100)
                                  : value;
}

static bool is_plotted(const dyno_claims_report *report, size_t index)
{
  const dyno_claim *claim = &report->claims->list[index];
  bool there = false;
  for (size_t i = 0; i < report->count; i++)
    there |= report->runs[i].figures[index].state == DYNO_FIGURE_MEASURED;
  return there && dyno_claim_unit_compares(claim->unit);
}

dyno_status dyno_claims_report_plot(size_t *rows, const dyno_claims_report *report, FILE *stream,
                                    dyno_error *error)
{
  dyno_tsv tsv = DYNO_TSV(stream);
  *rows = 0;
  dyno_tsv_block(&tsv, "row, claim, claimed ratio, and of each run: ratio, low, high");
  for (size_t i = 0; i < report->claims->count; i++) {
    const dyno_claim *claim = &report->claims->list[i];
    if (!is_plotted(report, i))
      continue;
    dyno_tsv_number(&tsv, (double)(*rows)++);
    dyno_tsv_text(&tsv, claim->id, 0);
    dyno_tsv_number(&tsv, to_ratio(claim->unit, claim->figure));
    for (size_t j = 0; j < report->count; j++) {
      const dyno_claim_figure *figure = &report->runs[j].figures[i];
      dyno_tsv_number(&tsv, to_ratio(claim->unit, figure->value));
      dyno_tsv_number(&tsv, to_ratio(claim->unit, figure->low));
      dyno_tsv_number(&tsv, to_ratio(claim->unit, figure->high));
    }
    dyno_tsv_end_row(&tsv);
  }
  dyno_tsv_block(&tsv, "run, its model");
  for (size_t j = 0; j < report->count; j++) {
    dyno_tsv_number(&tsv, (double)j);
    dyno_tsv_text(&tsv, text_of(&report->runs[j], "model", "name"), 40);
    dyno_tsv_end_row(&tsv);
  }
  return written(stream, error);
}

/* The ledger */

static void print_switches(char *text, size_t room, const char *const *list, size_t count)
{
  snprintf(text, room, "%s", count == 0 ? "as given" : "");
  for (size_t i = 0; i < count; i++) {
    size_t used = strlen(text);
    snprintf(text + used, room - used, "%s%s", i > 0 ? " " : "", list[i]);
  }
}

dyno_status dyno_claims_list(const dyno_claims *claims, FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"claim", NULL, false}, {"guide", NULL, true}, {"measures", NULL, false},
      {"A", NULL, false},     {"B", NULL, false},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < claims->count; i++) {
    const dyno_claim *claim = &claims->list[i];
    char a[256], b[256];
    bool none = claim->metric == DYNO_METRIC_NONE;
    if (i == 0 || strcmp(claims->list[i - 1].section, claim->section) != 0)
      dyno_table_heading(table, "%s", claim->section);
    print_switches(a, sizeof a, claim->a, claim->a_count);
    print_switches(b, sizeof b, claim->b, claim->b_count);
    dyno_table_cell(table, "%s", claim->id);
    dyno_table_cell(table, "%s", claim->guide);
    dyno_table_cell(table, "%s%s%s", dyno_claim_metric_name(claim->metric),
                    claim->of != NULL ? " of " : "", claim->of != NULL ? claim->of : "");
    dyno_table_cell(table, "%s", none ? "" : a);
    dyno_table_cell(table, "%s", none ? "" : b);
    dyno_table_end_row(table);
  }
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status == DYNO_OK ? written(stream, error) : status;
}

/* Markdown */

static void markdown_cells(FILE *stream, const dyno_claims_run *run, size_t index)
{
  const dyno_claim *claim = &run->claims->list[index];
  const dyno_claim_figure *figure = &run->figures[index];
  dyno_claim_verdict verdict = judge(run, index);
  char value[VALUE_TEXT], interval[VALUE_TEXT];
  format_value(value, claim->unit, figure->value);
  format_interval(interval, claim, figure);
  if (figure->state == DYNO_FIGURE_MEASURED)
    fprintf(stream, " %s | %s |", value, figure->samples > 0 ? interval : "");
  else
    fputs(" | |", stream);
  bool bold = verdict == DYNO_CLAIM_CONFIRMED || verdict == DYNO_CLAIM_REFUTED;
  fprintf(stream, " %s%s%s |", bold ? "**" : "", dyno_claim_verdict_name(verdict),
          bold ? "**" : "");
}

static void markdown_table(FILE *stream, const dyno_claims_report *report)
{
  const char *section = "";
  fputs("| claim | guide |", stream);
  for (size_t i = 0; i < report->count; i++) {
    fputc(' ', stream);
    dyno_markdown_text(stream, text_of(&report->runs[i], "model", "name"));
    fputs(" | 95 % interval | verdict |", stream);
  }
  fputs("\n|---|---:|", stream);
  for (size_t i = 0; i < report->count; i++)
    fputs("---:|---|---|", stream);
  fputc('\n', stream);
  for (size_t i = 0; i < report->claims->count; i++) {
    const dyno_claim *claim = &report->claims->list[i];
    if (strcmp(section, claim->section) != 0) {
      section = claim->section;
      fprintf(stream, "| **%s** | |", section);
      for (size_t j = 0; j < 3 * report->count; j++)
        fputs(" |", stream);
      fputc('\n', stream);
    }
    fprintf(stream, "| `%s`: %s | %s |", claim->id, claim->claim, claim->guide);
    for (size_t j = 0; j < report->count; j++)
      markdown_cells(stream, &report->runs[j], i);
    fputc('\n', stream);
  }
}

static void markdown_remarks(FILE *stream, const dyno_claims_report *report)
{
  for (size_t i = 0; i < report->count; i++) {
    fputs("\n## Remarks: ", stream);
    dyno_markdown_text(stream, text_of(&report->runs[i], "model", "name"));
    fputs("\n\n", stream);
    print_remarks(&report->runs[i], stream, "- ", "`", dyno_markdown_text);
  }
  fputs("\n## Notes\n\n", stream);
  for (size_t i = 0; i < report->claims->count; i++)
    if (report->claims->list[i].note != NULL)
      fprintf(stream, "- `%s`: %s.\n", report->claims->list[i].id, report->claims->list[i].note);
}

static void markdown_pairs(FILE *stream, const dyno_claims *claims)
{
  fputs("| claim | measures | A | B |\n|---|---|---|---|\n", stream);
  for (size_t i = 0; i < claims->count; i++) {
    const dyno_claim *claim = &claims->list[i];
    char a[256], b[256];
    if (claim->metric == DYNO_METRIC_NONE)
      continue;
    print_switches(a, sizeof a, claim->a, claim->a_count);
    print_switches(b, sizeof b, claim->b, claim->b_count);
    fprintf(stream, "| `%s` | %s%s%s | %s | %s |\n", claim->id,
            dyno_claim_metric_name(claim->metric), claim->of != NULL ? " of " : "",
            claim->of != NULL ? claim->of : "", a, b);
  }
}

dyno_status dyno_claims_report_md(const dyno_claims_report *report, FILE *stream, dyno_error *error)
{
  fprintf(stream,
          "# The guide's claims, measured\n\n"
          "What the *%s* promises, each figure beside what `dyno ablate` measured: with the\n"
          "technique off (A) and on (B), step by step in turn in one process. It is a statement "
          "about these machines\nand models; [ablate.md](ablate.md) says how it is made and what a "
          "verdict means.\n\n",
          report->claims->guide);
  for (size_t i = 0; i < report->count; i++) {
    fputs("- **", stream);
    print_tally(&report->runs[i], stream);
    fputs("** on ", stream);
    print_conditions(&report->runs[i], stream);
    fputs(".\n", stream);
  }
  fputc('\n', stream);
  if (report->plot != NULL)
    fprintf(stream, "![measured ratios beside the claimed ones](%s)\n\n", report->plot);
  markdown_table(stream, report);
  markdown_remarks(stream, report);
  fputs("\n## What was switched\n\n", stream);
  markdown_pairs(stream, report->claims);
  fputs("\nSwitches that no claim is about:\n\n", stream);
  for (size_t i = 0; i < report->claims->switch_count; i++)
    fprintf(stream, "- `%s`: %s.\n", report->claims->switches[i].name,
            report->claims->switches[i].why);
  return written(stream, error);
}
