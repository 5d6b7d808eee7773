/* The sections of report.html that the manifest and the raw files fill. */
#include <math.h>

#include "harness/report/bench_html_internal.h"
#include "harness/report/markup.h"
#include "harness/report/units.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- conditions ---- */

static void fact(FILE *stream, const char *name, const char *value)
{
  if (value == NULL || value[0] == '\0')
    return;
  fprintf(stream, "<dt>%s</dt><dd>", name);
  dyno_markup_text(stream, value);
  fputs("</dd>\n", stream);
}

static void model_facts(FILE *stream, const dyno_bench_manifest *m)
{
  char text[3 * DYNO_UNIT_TEXT + 64], parameters[DYNO_UNIT_TEXT], weights[DYNO_UNIT_TEXT];
  dyno_format_rate(parameters, m->model.parameters, "");
  dyno_format_bytes(weights, m->model.weight_bytes);
  snprintf(text, sizeof text, "%s parameters, %s of weights", parameters, weights);
  fact(stream, "model", m->model.name);
  fact(stream, "its size", isfinite(m->model.parameters) ? text : NULL);
  fact(stream, "file", m->model.path);
}

static void engine_facts(FILE *stream, const dyno_bench_manifest *m)
{
  char text[64];
  snprintf(text, sizeof text, "%u%s", m->engine.threads, m->engine.pinned ? ", pinned" : "");
  fact(stream, "threads", text);
  fact(stream, "instruction sets", m->engine.tier);
  fact(stream, "precision", m->engine.precision);
  fact(stream, "thread pool", m->engine.pool);
  fact(stream, "huge pages", m->engine.huge_pages);
  fact(stream, "NUMA", m->engine.numa);
  fact(stream, "logits", m->engine.logits);
}

static void ceiling_facts(FILE *stream, const dyno_bench_manifest *m)
{
  char one[DYNO_UNIT_TEXT], all[DYNO_UNIT_TEXT], macs[DYNO_UNIT_TEXT];
  char text[3 * DYNO_UNIT_TEXT + 96];
  dyno_format_rate(one, m->ceilings.read_one, "B/s");
  dyno_format_rate(all, m->ceilings.read_all, "B/s");
  dyno_format_rate(macs, m->ceilings.mac_i8, "MAC/s");
  snprintf(text, sizeof text,
           "at the start, reads %s with one thread, %s with all; %s of 8 bits a thread", one, all,
           macs);
  if (isfinite(m->ceilings.read_all))
    fact(stream, "ceilings", text);
}

void dyno_html_conditions(const dyno_html *page)
{
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  char text[160];
  fputs("<h2>Conditions</h2>\n<dl class=\"facts\">\n", page->stream);
  model_facts(page->stream, m);
  engine_facts(page->stream, m);
  ceiling_facts(page->stream, m);
  snprintf(text, sizeof text, "%.40s: %zu warm-ups and %zu measured iterations a case, seed %llu",
           m->protocol.profile, m->protocol.warmup, m->protocol.iterations,
           (unsigned long long)m->protocol.seed);
  fact(page->stream, "protocol", text);
  fact(page->stream, "preset", m->protocol.preset);
  fact(page->stream, "started", m->started);
  fact(page->stream, "finished", m->finished != NULL ? m->finished : "not finished");
  fact(page->stream, "compiler", m->dyno.compiler);
  fact(page->stream, "flags", m->dyno.flags);
  fputs("</dl>\n", page->stream);
}

/* ---- what the model said ---- */

static const char *answer_text(dyno_bench_answer answer, const char *yes, const char *no)
{
  return answer == DYNO_BENCH_YES ? yes : answer == DYNO_BENCH_NO ? no : NULL;
}

static void write_text(const dyno_html *page, const dyno_bench_text *text)
{
  const char *correct = answer_text(text->correct, "as expected", "not as expected");
  const char *repeated = answer_text(text->repeated, "the same again", "different the second time");
  const char *ended = answer_text(text->ended, NULL, "cut off at the most tokens");
  const char *const remarks[] = {correct, repeated, ended};
  fputs("<h3>", page->stream);
  if (text->case_index != DYNO_BENCH_NO_CASE)
    dyno_markup_text(page->stream, page->folder->results->manifest.cases[text->case_index].name);
  fputs(", ", page->stream);
  dyno_markup_text(page->stream, text->prompt);
  fputs("</h3>\n<p class=\"muted\">", page->stream);
  bool any = false;
  for (size_t i = 0; i < COUNT(remarks); i++)
    if (remarks[i] != NULL) {
      fprintf(page->stream, "%s%s", any ? "; " : "", remarks[i]);
      any = true;
    }
  fputs("</p>\n<pre>", page->stream);
  dyno_markup_text(page->stream, text->text);
  fputs("</pre>\n", page->stream);
}

void dyno_html_texts(const dyno_html *page)
{
  const dyno_bench_results *results = page->folder->results;
  if (results->text_count == 0)
    return;
  fprintf(page->stream,
          "<h2>What the model said</h2>\n<details><summary>%zu texts, generated greedily in a pass "
          "of their own</summary>\n",
          results->text_count);
  for (size_t i = 0; i < results->text_count; i++)
    write_text(page, &results->texts[i]);
  fputs("</details>\n", page->stream);
}

/* ---- counters ---- */

void dyno_html_counters(const dyno_html *page)
{
  static const char *const columns[] = {"Case",     "Phase",        "Counter",
                                        ">A token", ">Counted for", "Remark"};
  const dyno_bench_results *results = page->folder->results;
  size_t count = 0;
  for (size_t i = 0; i < results->counter_count; i++)
    count += results->counters[i].op == NULL;
  if (count == 0)
    return;
  fputs("<h2>Counters</h2>\n<details><summary>of whole phases, from passes of their own"
        "</summary>\n",
        page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < results->counter_count; i++) {
    const dyno_bench_counter *counter = &results->counters[i];
    if (counter->op != NULL)
      continue;
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, counter->case_index == DYNO_BENCH_NO_CASE
                                     ? NULL
                                     : results->manifest.cases[counter->case_index].name);
    dyno_html_text(page->stream, dyno_bench_phase_name(counter->phase));
    dyno_html_text(page->stream, counter->counter);
    dyno_html_number(page->stream, counter->per_token);
    dyno_html_share(page->stream, counter->running);
    dyno_html_text(page->stream, counter->reason);
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
  fputs("</details>\n", page->stream);
}

/* ---- kernels and environment ---- */

static void write_features(const dyno_html *page)
{
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  if (m->engine.feature_count == 0)
    return;
  fputs("<h3>Switches</h3>\n<p>", page->stream);
  for (size_t i = 0; i < m->engine.feature_count; i++) {
    fputs(i > 0 ? ", " : "", page->stream);
    fputs("<code>", page->stream);
    dyno_markup_text(page->stream, m->engine.features[i].name);
    fputs("=", page->stream);
    dyno_markup_text(page->stream, m->engine.features[i].value);
    fputs("</code>", page->stream);
  }
  fputs("</p>\n", page->stream);
}

void dyno_html_kernels(const dyno_html *page)
{
  static const char *const columns[] = {"For", "Kernel", "Why it was chosen"};
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  if (m->engine.kernel_count == 0)
    return;
  fputs("<h2>Kernels</h2>\n", page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < m->engine.kernel_count; i++) {
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, m->engine.kernels[i].purpose);
    dyno_html_text(page->stream, m->engine.kernels[i].kernel);
    dyno_html_text(page->stream, m->engine.kernels[i].why);
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
  write_features(page);
}

void dyno_html_environment(const dyno_html *page)
{
  static const char *const columns[] = {"Environment", "Found", "Why it matters"};
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  if (m->fact_count == 0)
    return;
  fputs("<h2>Environment</h2>\n", page->stream);
  dyno_html_table_begin(page->stream, columns, COUNT(columns));
  for (size_t i = 0; i < m->fact_count; i++) {
    fputs("<tr>", page->stream);
    dyno_html_text(page->stream, m->environment[i].name);
    dyno_html_text(page->stream, m->environment[i].value);
    dyno_html_text(page->stream, m->environment[i].why);
    fputs("</tr>\n", page->stream);
  }
  dyno_html_table_end(page->stream);
}
