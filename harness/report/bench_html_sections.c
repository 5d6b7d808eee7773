/* The sections of report.html that summary.json fills: verdict, cases, the guide's tables. */
#include <math.h>
#include <string.h>

#include "harness/report/bench_html_internal.h"
#include "harness/report/markup.h"
#include "harness/report/units.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *text_of(const json_t *object, const char *key)
{
  return dyno_bench_member_text(object, key);
}

/* ---- verdict ---- */

static void holds_cell(FILE *stream, const json_t *holds)
{
  const char *kind = json_is_true(holds) ? "good" : json_is_false(holds) ? "bad" : "open";
  const char *word = json_is_true(holds)    ? "holds"
                     : json_is_false(holds) ? "does not hold"
                                            : "open";
  fprintf(stream, "<td><span class=\"%s\">%s</span></td>", kind, word);
}

void dyno_html_verdict(const dyno_html *page)
{
  static const char *const columns[] = {"Criterion", "Wanted", "", "Why"};
  const json_t *overall = json_object_get(page->folder->summary, "overall");
  const json_t *verdict = json_object_get(page->folder->summary, "verdict");
  double rate = dyno_bench_member(json_object_get(overall, "geometric_means"), "decode_tps");
  if (isfinite(rate)) {
    char text[DYNO_UNIT_TEXT];
    dyno_format_number(text, rate);
    fprintf(page->stream,
            "<p class=\"big\">%s <small>tokens/s decoding, geometric mean of the cases' "
            "medians</small></p>\n",
            text);
  }
  if (json_array_size(verdict) == 0)
    return;
  fputs("<h2>Verdict</h2>\n", page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < json_array_size(verdict); i++) {
    const json_t *one = json_array_get(verdict, i);
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, text_of(one, "criterion"));
    dyno_html_text(page->stream, text_of(one, "wanted"));
    holds_cell(page->stream, json_object_get(one, "holds"));
    dyno_html_text(page->stream, text_of(one, "reason"));
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
}

/* ---- warnings ---- */

static void case_warning(const dyno_html *page, const json_t *one, const char *what,
                         const char *detail, const char *advice)
{
  fputs("<li><b>", page->stream);
  dyno_markup_text(page->stream, text_of(one, "name"));
  fprintf(page->stream, "</b> %s", what);
  if (detail != NULL && detail[0] != '\0') {
    fputs(": ", page->stream);
    dyno_markup_text(page->stream, detail);
  }
  fprintf(page->stream, ". <span class=\"muted\">%s</span></li>\n", advice);
}

static void warn_of_cases(const dyno_html *page)
{
  const json_t *cases = json_object_get(page->folder->summary, "cases");
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const json_t *one = json_array_get(cases, i);
    const json_t *steady = json_object_get(one, "steady");
    const char *verdict = text_of(steady, "verdict");
    if (json_is_false(json_object_get(one, "hashes_equal")))
      case_warning(page, one, "gave different outputs for the same prompt", NULL,
                   "Its speed means nothing until that is found: run dyno kernels check.");
    if (verdict != NULL && strcmp(verdict, "unsteady") == 0)
      case_warning(page, one, "did not become steady", text_of(steady, "reason"),
                   "More warm-ups (--warmup), or a quieter machine (dyno doctor).");
  }
}

static void warn_of_machine(const dyno_html *page)
{
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  for (size_t i = 0; i < m->fact_count; i++) {
    const dyno_bench_fact *fact = &m->environment[i];
    if (fact->advice == NULL || fact->advice[0] == '\0')
      continue;
    fputs("<li><b>", page->stream);
    dyno_markup_text(page->stream, fact->name);
    fputs("</b>: ", page->stream);
    dyno_markup_text(page->stream, fact->value);
    fputs(". <span class=\"muted\">", page->stream);
    dyno_markup_text(page->stream, fact->why);
    fputs("</span><br><code>", page->stream);
    dyno_markup_text(page->stream, fact->advice);
    fputs("</code></li>\n", page->stream);
  }
}

void dyno_html_warnings(const dyno_html *page)
{
  fputs("<h2>Warnings, and what to do</h2>\n<ul class=\"warnings\">\n", page->stream);
  if (page->folder->results->manifest.finished == NULL ||
      json_is_false(json_object_get(page->folder->summary, "complete"))) {
    fputs("<li>The run is <b>not complete</b>: <code>dyno bench --resume ", page->stream);
    dyno_markup_text(page->stream, page->folder->results->manifest.id);
    fputs("</code> finishes it.</li>\n", page->stream);
  }
  warn_of_cases(page);
  warn_of_machine(page);
  fputs("<li class=\"muted\">Two runs cannot be told from each other by this page: <code>dyno "
        "compare</code> measures both in turns.</li>\n</ul>\n",
        page->stream);
}

/* ---- cases ---- */

static void interval_cells(FILE *stream, const json_t *metric)
{
  char low[DYNO_UNIT_TEXT], high[DYNO_UNIT_TEXT];
  const json_t *interval = json_object_get(metric, "median_95");
  dyno_html_number(stream, dyno_bench_member(metric, "median"));
  dyno_format_number(low, dyno_bench_member(interval, "low"));
  dyno_format_number(high, dyno_bench_member(interval, "high"));
  if (isfinite(dyno_bench_member(interval, "low")))
    fprintf(stream, "<td class=\"n\">%s to %s</td>", low, high);
  else
    fputs("<td class=\"n\">–</td>", stream);
}

static void case_row(const dyno_html *page, const dyno_bench_case *about)
{
  const json_t *summary = page->folder->summary,
               *one = dyno_bench_summary_case(summary, about->name);
  const json_t *decode = dyno_bench_summary_metric(summary, about->name, "decode_tps");
  const json_t *itl = dyno_bench_summary_metric(summary, about->name, "itl_ns");
  const json_t *ttft = dyno_bench_summary_metric(summary, about->name, "ttft_ns");
  const json_t *steady = json_object_get(one, "steady");
  fputs("<tr>", page->stream);
  dyno_html_text(page->stream, about->name);
  dyno_html_count(page->stream, dyno_bench_member(one, "iterations"));
  interval_cells(page->stream, decode);
  dyno_html_share(page->stream, dyno_bench_member(decode, "variation"));
  interval_cells(page->stream, dyno_bench_summary_metric(summary, about->name, "prefill_tps"));
  dyno_html_seconds(page->stream, dyno_bench_member(ttft, "median"));
  dyno_html_seconds(page->stream, dyno_bench_member(itl, "median"));
  dyno_html_seconds(page->stream, dyno_bench_member(itl, "p99"));
  dyno_html_number(
      page->stream,
      dyno_bench_member(dyno_bench_summary_metric(summary, about->name, "overall_tps"), "median"));
  dyno_html_count(page->stream, (double)json_array_size(json_object_get(one, "outliers")));
  dyno_html_text(page->stream, text_of(steady, "verdict"));
  fputs("</tr>\n", page->stream);
}

void dyno_html_cases(const dyno_html *page)
{
  static const char *const columns[] = {"Case",         ">Iterations",       ">Decode tokens/s",
                                        ">95 %",        ">Variation",        ">Prefill tokens/s",
                                        ">95 %",        ">First token",      ">Between tokens",
                                        ">99 % within", ">Overall tokens/s", ">Outliers",
                                        "Steady"};
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  fputs("<h2>Cases</h2>\n<p class=\"muted\">Medians over the measured iterations.</p>\n",
        page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < m->case_count; i++)
    case_row(page, &m->cases[i]);
  dyno_html_table_end(page->stream);
}

/* What lay beside an outlier: what of it is not 0. */
static void beside_cell(FILE *stream, const json_t *beside)
{
  bool any = false;
  const char *key;
  json_t *value;
  fputs("<td>", stream);
  if (json_is_string(beside))
    dyno_markup_text(stream, json_string_value(beside));
  json_object_foreach ((json_t *)(uintptr_t)beside, key, value) {
    char text[DYNO_UNIT_TEXT];
    double number = json_is_number(value) ? json_number_value(value) : 0;
    size_t length = strlen(key);
    if (!(number > 0))
      continue;
    if (length > 3 && strcmp(key + length - 3, "_ns") == 0)
      dyno_format_seconds(text, number / 1e9);
    else
      dyno_format_number(text, number);
    fputs(any ? ", " : "", stream);
    for (const char *at = key; at < key + length; at++)
      if (strcmp(at, "_ns") != 0)
        fputc(*at == '_' ? ' ' : *at == '<' || *at == '&' ? '?' : *at, stream);
      else
        break;
    fprintf(stream, " %s", text);
    any = true;
  }
  fputs(any || json_is_string(beside) ? "</td>" : "nothing that was looked at</td>", stream);
}

void dyno_html_outliers(const dyno_html *page)
{
  static const char *const columns[] = {"Case",   ">Iteration", "Prompt",
                                        "Figure", "Outlier",    "Beside it"};
  const json_t *cases = json_object_get(page->folder->summary, "cases");
  size_t count = 0;
  for (size_t i = 0; i < json_array_size(cases); i++)
    count += json_array_size(json_object_get(json_array_get(cases, i), "outliers"));
  if (count == 0)
    return;
  fprintf(page->stream, "<details><summary>%zu outliers, and what lay beside them</summary>\n",
          count);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const json_t *one = json_array_get(cases, i), *outliers = json_object_get(one, "outliers");
    for (size_t j = 0; j < json_array_size(outliers); j++) {
      const json_t *outlier = json_array_get(outliers, j);
      fputs("<tr>", page->stream);
      dyno_html_text(page->stream, text_of(one, "name"));
      dyno_html_count(page->stream, dyno_bench_member(outlier, "iteration"));
      dyno_html_text(page->stream, text_of(outlier, "prompt"));
      dyno_html_text(page->stream, text_of(outlier, "metric"));
      dyno_html_text(page->stream, text_of(outlier, "label"));
      beside_cell(page->stream, json_object_get(outlier, "beside"));
      fputs("</tr>\n", page->stream);
    }
  }
  dyno_html_table_end(page->stream);
  fputs("</details>\n", page->stream);
}

/* ---- the guide's tables ---- */

void dyno_html_components(const dyno_html *page)
{
  static const char *const columns[] = {"Component", ">Measured, tokens/s", ">Share of the time",
                                        ">Guide, baseline", ">Guide, optimized"};
  const json_t *rows = json_object_get(page->folder->summary, "components");
  if (json_array_size(rows) == 0)
    return;
  fputs("<h2>Components</h2>\n<p class=\"muted\">The guide's figures are for gpt-oss-20b on its "
        "target machine.</p>\n",
        page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, dyno_bench_row_title(text_of(row, "component")));
    dyno_html_number(page->stream, dyno_bench_member(row, "tps"));
    dyno_html_share(page->stream, dyno_bench_member(row, "share"));
    dyno_html_number(page->stream, dyno_bench_member(row, "guide_baseline"));
    dyno_html_number(page->stream, dyno_bench_member(row, "guide_optimized"));
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
}

void dyno_html_memory(const dyno_html *page)
{
  static const char *const columns[] = {"Memory", ">Peak", ">Average", ">Guide, baseline",
                                        ">Guide, optimized"};
  const json_t *rows = json_object_get(page->folder->summary, "memory");
  const json_t *fragmentation = json_object_get(page->folder->summary, "fragmentation");
  if (json_array_size(rows) == 0)
    return;
  fputs("<h2>Memory</h2>\n", page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, dyno_bench_row_title(text_of(row, "component")));
    dyno_html_bytes(page->stream, dyno_bench_member(row, "peak_bytes"));
    dyno_html_bytes(page->stream, dyno_bench_member(row, "average_bytes"));
    dyno_html_bytes(page->stream, dyno_bench_member(row, "guide_baseline_bytes"));
    dyno_html_bytes(page->stream, dyno_bench_member(row, "guide_optimized_bytes"));
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
  double average = dyno_bench_member(fragmentation, "average");
  if (isfinite(average)) {
    char text[DYNO_UNIT_TEXT];
    dyno_format_share(text, average);
    fprintf(page->stream, "<p>Fragmentation: %s on average.</p>\n", text);
  }
}

void dyno_html_latency(const dyno_html *page)
{
  static const char *const columns[] = {"Phase", ">Median", ">Share", ">Guide", ">Guide's share"};
  const json_t *rows = json_object_get(page->folder->summary, "latency");
  if (json_array_size(rows) == 0)
    return;
  fputs("<h2>Latency</h2>\n", page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, dyno_bench_row_title(text_of(row, "phase")));
    dyno_html_seconds(page->stream, dyno_bench_member(row, "median_ns"));
    dyno_html_share(page->stream, dyno_bench_member(row, "share"));
    dyno_html_seconds(page->stream, dyno_bench_member(row, "guide_ns"));
    dyno_html_share(page->stream, dyno_bench_member(row, "guide_share"));
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
}

void dyno_html_projection(const dyno_html *page)
{
  static const char *const columns[] = {"Machine", ">Decode, tokens/s"};
  const json_t *projection = json_object_get(page->folder->summary, "projection");
  const json_t *machines = json_object_get(projection, "machines");
  if (json_array_size(machines) == 0)
    return;
  fputs("<h2>Other machines</h2>\n<p class=\"muted\">", page->stream);
  dyno_markup_text(page->stream, text_of(projection, "label"));
  fputs(". ", page->stream);
  dyno_markup_text(page->stream, text_of(projection, "assumptions"));
  fputs("</p>\n", page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < json_array_size(machines); i++) {
    const json_t *row = json_array_get(machines, i);
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, text_of(row, "name"));
    dyno_html_number(page->stream, dyno_bench_member(row, "decode_tps"));
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
}
