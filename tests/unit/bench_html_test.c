/* report.html and the data of plots: hostile names stay text, ids stay apart, nothing is fetched.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/report/bench_html.h"
#include "harness/report/bench_html_internal.h"
#include "harness/report/bench_plots.h"
#include "harness/report/markup.h"
#include "harness/report/tsv.h"
#include "runtime/text/file.h"

enum { MOST = 16 << 20 };

static const char *const raw_files[] = {"manifest.json", "samples.jsonl",  "ops.jsonl",
                                        "memory.jsonl",  "counters.jsonl", "texts.jsonl",
                                        "summary.json"};

static char *path_text(const char *folder, const char *name)
{
  char *path;
  cr_assert(asprintf(&path, "%s/%s", folder, name) > 0);
  return path;
}

static char *read_text(const char *folder, const char *name)
{
  char *path = path_text(folder, name), *text;
  size_t bytes;
  dyno_error error = {0};
  cr_assert(dyno_file_read(&text, &bytes, path, MOST, &error) == DYNO_OK, "%s", error.message);
  free(path);
  return text;
}

static void write_text(const char *folder, const char *name, const char *text)
{
  char *path = path_text(folder, name);
  FILE *file = fopen(path, "w");
  cr_assert(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
  free(path);
}

/* A copy of the fixture, as a new folder in a new one: what lies beside a run is its history. */
static char *copy_fixture(void)
{
  const char *source = getenv("top_srcdir"), *place = getenv("TMPDIR");
  char *parent = path_text(place != NULL ? place : "/tmp", "dyno-html.XXXXXX");
  char *from =
      path_text(source != NULL ? source : ".", "tests/data/bench/20261122T021500Z-host-f457fa1");
  cr_assert(mkdtemp(parent) != NULL);
  char *folder = path_text(parent, "run");
  free(parent);
  cr_assert(mkdir(folder, 0777) == 0);
  for (size_t i = 0; i < sizeof raw_files / sizeof *raw_files; i++) {
    char *text = read_text(from, raw_files[i]);
    write_text(folder, raw_files[i], text);
    free(text);
  }
  free(from);
  return folder;
}

static void remove_file(const char *folder, const char *name)
{
  char *path = path_text(folder, name);
  if (unlink(path) != 0)
    rmdir(path);
  free(path);
}

static void remove_folder(char *folder)
{
  const dyno_bench_plot *plot;
  for (size_t i = 0; (plot = dyno_bench_plot_at(i)) != NULL; i++) {
    static const char *const formats[] = {"plots/%s.svg", "plots/%s.png", "plots/data/%s.tsv"};
    for (size_t j = 0; j < sizeof formats / sizeof *formats; j++) {
      char name[64];
      snprintf(name, sizeof name, formats[j], plot->name);
      remove_file(folder, name);
    }
  }
  remove_file(folder, "plots/data");
  remove_file(folder, "plots");
  for (size_t i = 0; i < sizeof raw_files / sizeof *raw_files; i++)
    remove_file(folder, raw_files[i]);
  remove_file(folder, "report.html");
  rmdir(folder);
  *strrchr(folder, '/') = '\0';
  rmdir(folder);
  free(folder);
}

static size_t occurrences(const char *text, const char *what)
{
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
    count++;
  return count;
}

static void has(const char *text, const char *what)
{
  cr_assert(strstr(text, what) != NULL, "there is no '%s'", what);
}

static void has_not(const char *text, const char *what)
{
  const char *found = strstr(text, what);
  cr_assert(found == NULL, "there is '%.60s'", found);
}

static char *markup(void (*put)(FILE *, const char *), const char *text)
{
  char *result;
  size_t bytes;
  FILE *stream = open_memstream(&result, &bytes);
  put(stream, text);
  cr_assert(fclose(stream) == 0);
  return result;
}

static void becomes(void (*put)(FILE *, const char *), const char *text, const char *want)
{
  char *got = markup(put, text);
  cr_assert(strcmp(got, want) == 0, "got '%s', not '%s'", got, want);
  free(got);
}

Test(markup, text_is_nothing_but_text)
{
  becomes(dyno_markup_text, "a<b>&\"'", "a&#60;b&#62;&#38;&#34;&#39;");
  becomes(dyno_markup_text, "ä漢\n\t", "ä漢\n\t");
  becomes(dyno_markup_text, "\x01\x7f", "\xef\xbf\xbd\xef\xbf\xbd");
  becomes(dyno_markup_text, "\xff(", "\xef\xbf\xbd(");
  becomes(dyno_markup_text, "\xe2\x80\xae", "\xef\xbf\xbd");
  becomes(dyno_markup_text, NULL, "");
  becomes(dyno_markdown_text, "a|b*c\n`<", "a&#124;b&#42;c &#96;&#60;");
}

Test(tsv, text_means_nothing_to_gnuplot)
{
  char *text;
  size_t bytes;
  FILE *stream = open_memstream(&text, &bytes);
  dyno_tsv tsv = DYNO_TSV(stream);
  dyno_tsv_text(&tsv, "<ls\t\"x\"\\n", 0);
  dyno_tsv_text(&tsv, NULL, 0);
  dyno_tsv_text(&tsv, "one-two-three", 7);
  dyno_tsv_number(&tsv, 0.5);
  dyno_tsv_end_row(&tsv);
  cr_assert(fclose(stream) == 0);
  cr_assert(strcmp(text, " ls 'x'/n\t-\tone…ree\t0.5\n") == 0, "got '%s'", text);
  free(text);
}

Test(svg, ids_are_prefixed_and_inks_follow_the_page)
{
  static const char svg[] = "<?xml version=\"1.0\"?>\n<svg \n width=\"10\" height=\"5\"\n "
                            "viewBox=\"0 0 10 5\"\n>\n<g id=\"a\" fill=\"black\"><use "
                            "xlink:href='#b'/><text> id=\"c\" \"black\"</text></g></svg>";
  char *text;
  size_t bytes;
  FILE *stream = open_memstream(&text, &bytes);
  dyno_html_svg(stream, svg, "p");
  cr_assert(fclose(stream) == 0);
  has(text, "id=\"p-a\"");
  has(text, "'#p-b'");
  has(text, "fill=\"var(--ink)\"");
  has(text, "<text> id=\"c\" \"black\"</text>");
  has_not(text, "<?xml");
  has_not(text, "width=\"10\"");
  has(text, "viewBox");
  free(text);
}

Test(html, hostile_names_stay_text)
{
  char *folder = copy_fixture();
  dyno_error error = {0};
  cr_assert(dyno_bench_html(folder, &error) == DYNO_OK, "%s", error.message);
  char *page = read_text(folder, "report.html");
  has_not(page, "<script");
  has_not(page, "<svg onload");
  has_not(page, "<img");
  has_not(page, "</pre><");
  has_not(page, "\xe2\x80\xae");
  has(page, "&#60;script&#62;alert(1)");
  has(page, "&#39;it&#39;\\&#39;&#39;s &#60;b&#62;&#39;");
  has(page, "does not hold");
  has(page, "<td>questions</td><td class=\"n\">3</td>");
  has(page, "<td class=\"n\">1</td><td>&#60;svg onload=alert(2)&#62;</td><td>decode_tps</td>");
  has(page, "did not become steady");
  has(page, "gave different outputs for the same prompt");
  has(page, "890 <small>");
  cr_assert(occurrences(page, "http:") + occurrences(page, "https:") == 0,
            "something would be fetched");
  free(page);
  remove_folder(folder);
}

Test(html, a_folder_without_a_summary_is_refused)
{
  char *folder = copy_fixture();
  dyno_error error = {0};
  remove_file(folder, "summary.json");
  cr_assert(dyno_bench_html(folder, &error) == DYNO_ERROR_NOT_FOUND);
  has(error.message, "dyno report");
  write_text(folder, "summary.json", "[1, 2");
  cr_assert(dyno_bench_html(folder, &error) == DYNO_ERROR_FORMAT);
  write_text(folder, "summary.json", "[]");
  cr_assert(dyno_bench_html(folder, &error) == DYNO_ERROR_FORMAT);
  remove_folder(folder);
}

/* A summary of other shapes than ours: whatever is not there is not shown. */
Test(html, a_summary_of_odd_shapes_is_survived)
{
  static const char *const summaries[] = {
      "{}", "{\"cases\": 3, \"verdict\": {}, \"overall\": []}",
      "{\"cases\": [1, {\"name\": 2}, {\"name\": \"questions\", \"metrics\": [], \"steady\": 1}]}",
      "{\"verdict\": [null, {\"criterion\": null, \"holds\": \"x\"}], \"components\": [[]]}"};
  char *folder = copy_fixture();
  dyno_error error = {0};
  for (size_t i = 0; i < sizeof summaries / sizeof *summaries; i++) {
    write_text(folder, "summary.json", summaries[i]);
    cr_assert(dyno_bench_html(folder, &error) == DYNO_OK, "%s", error.message);
  }
  remove_folder(folder);
}

Test(plots, are_drawn_and_shown_on_the_page)
{
  char *folder = copy_fixture();
  dyno_error error = {0};
  char *notes;
  size_t bytes;
  FILE *stream = open_memstream(&notes, &bytes);
  /* The scripts are beside the program dyno, not beside this one. */
  const char *source = getenv("top_srcdir");
  setenv("DYNO_DATA", source != NULL ? source : ".", 1);
  cr_assert(dyno_bench_plots(folder, stream, &error) == DYNO_OK, "%s", error.message);
  cr_assert(fclose(stream) == 0);
  char *data = read_text(folder, "plots/data/decode.tsv");
  has(data, "\tquestions\t");
  free(data);
  if (strstr(notes, "gnuplot is missing") == NULL) {
    cr_assert(notes[0] == '\0', "%s", notes);
    cr_assert(dyno_bench_html(folder, &error) == DYNO_OK, "%s", error.message);
    char *page = read_text(folder, "report.html");
    cr_assert(occurrences(page, "<figure") == 7, "%zu plots", occurrences(page, "<figure"));
    cr_assert(occurrences(page, "id='gpPt1'") == 0, "ids are not prefixed");
    cr_assert(occurrences(page, "id='decode-gpPt1'") == 1);
    has_not(page, "<script");
    has_not(page, "xlink:href='#gp");
    free(page);
  }
  free(notes);
  remove_folder(folder);
}
