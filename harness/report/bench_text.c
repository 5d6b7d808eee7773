/* A benchmark for people: on a terminal of 100 columns, and as Markdown. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness/report/bench_report_internal.h"
#include "harness/report/bench_tables.h"
#include "harness/report/units.h"

enum { COLUMNS = 100, MOST_NOTES = 3 };

/* Breaks text between words; `column` is where the stream is in its line. */
static void put_wrapped(FILE *stream, const char *text, size_t column, size_t indent)
{
  bool first = column == 0;
  while (*text != '\0') {
    char word[512];
    size_t length = strcspn(text, " ");
    snprintf(word, sizeof word, "%.*s", (int)length, text);
    size_t width = dyno_text_width(word);
    if (!first && column + 1 + width > COLUMNS) {
      fprintf(stream, "\n%*s", (int)indent, "");
      column = indent;
    } else if (!first) {
      putc(' ', stream);
      column++;
    }
    fputs(word, stream);
    first = false;
    column += width;
    text += length + (text[length] == ' ');
  }
  putc('\n', stream);
}

static const char *or_unknown(const char *text)
{
  return text == NULL ? "unknown" : text;
}

static void format_conditions(char text[512], const dyno_bench_summary *summary)
{
  const dyno_bench_manifest *manifest = &summary->results->manifest;
  char bytes[DYNO_UNIT_TEXT], read[DYNO_UNIT_TEXT];
  dyno_format_rate(bytes, manifest->model.weight_bytes, "B");
  dyno_format_rate(read, summary->read_bandwidth, "B/s");
  snprintf(
      text, 512,
      "%.120s, %s of weights; %u thread%s, %.40s, %.40s precision; %.40s profile: %zu warm-up%s "
      "and %zu iteration%s a case, seed %llu; plain read %s%s",
      manifest->model.name, bytes, manifest->engine.threads,
      manifest->engine.threads == 1 ? "" : "s", or_unknown(manifest->engine.tier),
      or_unknown(manifest->engine.precision), manifest->protocol.profile, manifest->protocol.warmup,
      manifest->protocol.warmup == 1 ? "" : "s", manifest->protocol.iterations,
      manifest->protocol.iterations == 1 ? "" : "s", (unsigned long long)manifest->protocol.seed,
      read, summary->complete ? "" : "; INCOMPLETE");
}

static void format_decode(char text[512], const dyno_bench_summary *summary)
{
  char bytes[DYNO_UNIT_TEXT], share[DYNO_UNIT_TEXT];
  if (isnan(summary->decode_bytes_per_token)) {
    snprintf(text, 512, "What a token reads was not profiled.");
    return;
  }
  dyno_format_rate(bytes, summary->decode_bytes_per_token, "B");
  dyno_format_share(share, summary->decode_of_read);
  snprintf(text, 512,
           "A decoded token reads %s: %s of what a plain read of the weights did in the same "
           "seconds%s.",
           bytes, share, summary->cached ? ", though caches may hold weights this small" : "");
}

static void format_projection(char text[512], const dyno_bench_summary *summary)
{
  char bytes[DYNO_UNIT_TEXT], share[DYNO_UNIT_TEXT];
  const dyno_bench_projection *projection = &summary->projection;
  dyno_format_rate(bytes, projection->bytes_per_token, "B");
  dyno_format_share(share, projection->read_share);
  snprintf(text, 512,
           "A projection, not a measurement: %s a token (%s), decoding at %s of a plain read (%s). "
           "Taken for granted: %s.",
           bytes, projection->bytes_measured ? "measured" : "published shapes", share,
           projection->share_measured ? "measured" : "assumed", DYNO_BENCH_ASSUMPTIONS);
}

static void format_texts(char text[512], const dyno_bench_summary *summary)
{
  const dyno_bench_case_summary *all = &summary->overall;
  static const char *const outputs[] = {
      [DYNO_BENCH_NO] = "Output DIFFERED between iterations",
      [DYNO_BENCH_YES] = "Output was the same, bit for bit, in all iterations",
      [DYNO_BENCH_UNKNOWN] = "No prompt ran twice, so that output could not be compared"};
  int length = snprintf(text, 512, "%s", outputs[all->hashes_equal]);
  if (all->asked > 0)
    snprintf(text + length, 512 - (size_t)length, "; %zu of %zu checked answers are right.",
             all->hits, all->asked);
  else
    snprintf(text + length, 512 - (size_t)length, ".");
}

static int put_rate(char *text, size_t size, const char *of, double found, double asked,
                    const char *guide)
{
  return asked > 0
             ? snprintf(text, size, "; %.1f %% %s (the guide: %s)", 100 * found / asked, of, guide)
             : 0;
}

/* Empty without caches. */
static void format_cache(char text[512], const dyno_bench_summary *summary)
{
  const dyno_bench_manifest *m = &summary->results->manifest;
  *text = '\0';
  if (isnan(m->cache.tokens_asked))
    return;
  size_t at = (size_t)snprintf(text, 512,
                               "Caches are on, and prompts come again: prefill and first "
                               "tokens are what is left for them");
  at += (size_t)put_rate(text + at, 512 - at, "of embedding rows from L1", m->cache.rows_found,
                         m->cache.rows_asked, "90 %");
  at += (size_t)put_rate(text + at, 512 - at, "of the prompts' tokens from L2",
                         m->cache.tokens_found, m->cache.tokens_asked, "75 %");
  at += (size_t)put_rate(text + at, 512 - at, "of what L2 had not from L3",
                         m->cache.compressed_found, m->cache.compressed_asked, "60 %");
  at += (size_t)put_rate(text + at, 512 - at, "left of the bytes there",
                         m->cache.compressed_out_bytes, m->cache.compressed_in_bytes, "50 %");
  snprintf(text + at, 512 - at, ".");
}

/* Terminal */

static void put_notes(const dyno_bench_summary *summary, FILE *stream, const char *before,
                      bool markdown)
{
  char note[DYNO_BENCH_NOTE_TEXT];
  for (size_t i = 0; i < summary->results->manifest.case_count; i++) {
    const char *name = summary->results->manifest.cases[i].name;
    for (size_t number = 0; dyno_bench_case_note(note, summary, i, number); number++) {
      if (number == MOST_NOTES && !markdown) {
        fprintf(stream, "%s%s: more in report.md\n", before, name);
        break;
      }
      fprintf(stream, "%s%s:", before, name);
      if (markdown)
        fprintf(stream, " %s\n", note);
      else
        put_wrapped(stream, note, strlen(before) + dyno_text_width(name) + 1, 4);
    }
  }
}

static bool is_section(const dyno_bench_section *section, const char *title)
{
  return strcmp(section->title, title) == 0;
}

dyno_status dyno_bench_write_tables(const dyno_bench_summary *summary, FILE *stream,
                                    dyno_error *error)
{
  char text[512];
  dyno_status status = DYNO_OK;
  format_conditions(text, summary);
  put_wrapped(stream, text, 0, 0);
  for (size_t i = 0; i < dyno_bench_section_count && status == DYNO_OK; i++) {
    const dyno_bench_section *section = &dyno_bench_sections[i];
    dyno_table *table = section->table(summary);
    putc('\n', stream);
    status = dyno_table_print(table, stream, 0, error);
    dyno_table_free(&table);
    if (is_section(section, "Cases")) {
      put_notes(summary, stream, "", false);
      format_decode(text, summary);
      put_wrapped(stream, text, 0, 0);
      format_texts(text, summary);
      put_wrapped(stream, text, 0, 0);
      format_cache(text, summary);
      if (*text != '\0')
        put_wrapped(stream, text, 0, 0);
    }
    if (is_section(section, "Projection")) {
      format_projection(text, summary);
      put_wrapped(stream, text, 0, 0);
    }
  }
  for (size_t i = 0; i < DYNO_BENCH_VERDICTS; i++) {
    fprintf(stream, "%s:", summary->verdicts[i].criterion);
    put_wrapped(stream, summary->verdicts[i].reason, strlen(summary->verdicts[i].criterion) + 1, 4);
  }
  if (status == DYNO_OK && ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the tables: %m");
  return status;
}

/* Markdown */

static void put_environment(const dyno_bench_manifest *manifest, FILE *stream)
{
  if (manifest->fact_count == 0)
    return;
  fputs("## Environment\n\n", stream);
  for (size_t i = 0; i < manifest->fact_count; i++) {
    const dyno_bench_fact *fact = &manifest->environment[i];
    fprintf(stream, "- %s: %s", fact->name, fact->value);
    if (fact->advice != NULL && fact->advice[0] != '\0')
      fprintf(stream, " (%s)", fact->advice);
    fputc('\n', stream);
  }
  fputc('\n', stream);
}

static dyno_status put_sections(const dyno_bench_summary *summary, FILE *stream, dyno_error *error)
{
  char text[512];
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < dyno_bench_section_count && status == DYNO_OK; i++) {
    const dyno_bench_section *section = &dyno_bench_sections[i];
    dyno_table *table = section->table(summary);
    fprintf(stream, "## %s\n\n", section->title);
    status = dyno_table_print_markdown(table, stream, error);
    dyno_table_free(&table);
    fputc('\n', stream);
    if (section->note != NULL)
      fprintf(stream, "%s\n\n", section->note);
    if (is_section(section, "Projection")) {
      format_projection(text, summary);
      fprintf(stream, "%s\n\n", text);
    }
    if (is_section(section, "Cases")) {
      format_decode(text, summary);
      fprintf(stream, "%s ", text);
      format_texts(text, summary);
      fprintf(stream, "%s\n\n", text);
      format_cache(text, summary);
      if (*text != '\0')
        fprintf(stream, "%s\n\n", text);
      put_notes(summary, stream, "- ", true);
      fputc('\n', stream);
    }
  }
  return status;
}

dyno_status dyno_bench_write_markdown(const dyno_bench_summary *summary, FILE *stream,
                                      dyno_error *error)
{
  char text[512];
  const dyno_bench_manifest *manifest = &summary->results->manifest;
  format_conditions(text, summary);
  fprintf(stream, "# %s\n\n%s\n\n", manifest->id, text);
  fprintf(stream, "Started %s%s%s; dyno %s, commit %s%s.\n\n", manifest->started,
          manifest->finished == NULL ? "" : ", finished ",
          manifest->finished == NULL ? "" : manifest->finished, or_unknown(manifest->dyno.version),
          or_unknown(manifest->dyno.commit), manifest->dyno.dirty ? " and changes" : "");
  dyno_status status = put_sections(summary, stream, error);
  for (size_t i = 0; i < DYNO_BENCH_VERDICTS; i++)
    fprintf(stream, "- %s: %s\n", summary->verdicts[i].criterion, summary->verdicts[i].reason);
  fputc('\n', stream);
  put_environment(manifest, stream);
  if (status == DYNO_OK && ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  return status;
}
