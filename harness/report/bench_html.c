#include "harness/report/bench_html.h"

#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_html_internal.h"
#include "harness/report/bench_plots.h"
#include "harness/report/markup.h"
#include "kernels/base/atomic_file.h"
#include "runtime/text/file.h"

enum { MOST_SVG = 16 << 20 };

/* No external request, and none from what is shown: no script, no font, no picture of elsewhere. */
static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char style[] =
    "<style>\n"
    ":root{--paper:#fff;--ink:#1f2328;--muted:#59636e;--faint:#d1d9e0;--ground:#f6f8fa;"
    "--good:#1a7f37;--bad:#cf222e;--open:#9a6700;--accent:#0969da}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--muted:#9198a1;"
    "--faint:#3d444d;--ground:#161b22;--good:#3fb950;--bad:#f85149;--open:#d29922;"
    "--accent:#4493f8}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:74rem;padding:1.5rem 1.25rem 4rem;background:var(--paper);"
    "color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:0 0 .25rem}\n"
    "h2{font-size:1.15rem;margin:2.5rem 0 .5rem;padding-bottom:.25rem;"
    "border-bottom:1px solid var(--faint)}\n"
    "h3{font-size:1rem;margin:1.5rem 0 .25rem}\n"
    "p{margin:.4rem 0;max-width:48rem}\n"
    "h1,dd,li,p,pre{overflow-wrap:anywhere}\n"
    "td{overflow-wrap:break-word;max-width:24rem}\n"
    ".muted,figcaption{color:var(--muted)}\n"
    ".big{font-size:2.2rem;font-weight:600;line-height:1.2;margin:.75rem 0 0}\n"
    ".big small{font-size:1rem;font-weight:400;color:var(--muted)}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;margin:.5rem 0;font-size:.86rem;"
    "font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.3rem .55rem .3rem 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--faint)}\n"
    "th{font-weight:600;color:var(--muted)}\n"
    "th.n,td.n{text-align:right}td.n{white-space:nowrap}th{vertical-align:bottom}\n"
    "td.n+td:not(.n){padding-left:.5rem}\n"
    ".good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}\n"
    ".good,.bad,.open{font-weight:600;white-space:nowrap}\n"
    "figure{margin:1rem 0;break-inside:avoid}\n"
    "figure svg{display:block;width:100%;height:auto}\n"
    "figcaption{font-size:.85rem;max-width:48rem}\n"
    "dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0;"
    "font-size:.9rem}\n"
    "dl.facts dt{color:var(--muted)}dl.facts dd{margin:0}\n"
    "dl.terms dt{font-weight:600}dl.terms dd{margin:0 0 .4rem 1rem}\n"
    "pre,code{font-family:ui-monospace,monospace;font-size:.85rem}\n"
    "pre{background:var(--ground);padding:.6rem .8rem;border-radius:6px;white-space:pre-wrap;"
    "margin:.4rem 0}\n"
    "ul.warnings{padding-left:1.2rem}ul.warnings li{margin:.4rem 0}\n"
    "details{margin:.5rem 0}summary{cursor:pointer;color:var(--accent)}\n"
    "@media print{body{max-width:none;padding:0;font-size:11px}h2{break-after:avoid}"
    "details>*{display:block}}\n"
    "</style>\n";

static const char definitions[] =
    "<h2>What the figures mean</h2>\n<dl class=\"terms\">\n"
    "<dt>First token (TTFT)</dt><dd>from the request to its first token: text to tokens, prefill, "
    "and the first choice</dd>\n"
    "<dt>Between tokens (ITL)</dt><dd>the time between two consecutive tokens</dd>\n"
    "<dt>Time per token (TPOT)</dt><dd>(request to last token &minus; first token) / (tokens "
    "&minus; 1)</dd>\n"
    "<dt>Prefill</dt><dd>tokens of the prompt / time of the prefill</dd>\n"
    "<dt>Decode</dt><dd>(tokens &minus; 1) / (request to last token &minus; first token)</dd>\n"
    "<dt>Overall</dt><dd>tokens / request to last token</dd>\n"
    "<dt>Intervals</dt><dd>95 % intervals of the median, from order statistics: exact for any "
    "distribution. They tell how sure this run is of its own median, not how another run on "
    "another day would come out.</dd>\n"
    "<dt>Speed runs</dt><dd>are teacher-forced: every token is chosen, but that of a fixed trace "
    "is fed next, so that every iteration does the same work. Caches of prompts are off.</dd>\n"
    "<dt>Outliers</dt><dd>are labelled, never dropped: beyond 1.5 interquartile ranges mild, "
    "beyond 3 severe (Tukey).</dd>\n"
    "<dt>Roofline</dt><dd>bytes and multiply-accumulates are counted by the engine; the ceilings "
    "are measured in the same run.</dd>\n</dl>\n";

/* ---- how to run it again ---- */

/* As a shell reads it back: in single quotes unless it is plain. */
static void put_argument(FILE *stream, const char *argument)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_-+=:,./@%";
  if (argument[0] != '\0' && argument[strspn(argument, plain)] == '\0') {
    fputs(argument, stream);
    return;
  }
  fputs("&#39;", stream);
  for (const char *at = argument; *at != '\0'; at++)
    if (*at == '\'')
      fputs("&#39;\\&#39;&#39;", stream);
    else {
      const char one[] = {*at, '\0'};
      /* Bytes of a character that is longer than one must not be looked at alone. */
      if ((unsigned char)*at >= 0x80)
        fputc(*at, stream);
      else
        dyno_markup_text(stream, one);
    }
  fputs("&#39;", stream);
}

static void write_rerun(const dyno_html *page)
{
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  fputs("<h2>Run it again</h2>\n<pre>", page->stream);
  for (size_t i = 0; i < m->command_count; i++) {
    if (i > 0)
      fputc(' ', page->stream);
    put_argument(page->stream, m->command[i]);
  }
  fputs("</pre>\n<p>With dyno ", page->stream);
  dyno_markup_text(page->stream, m->dyno.version);
  fputs(", commit ", page->stream);
  dyno_markup_text(page->stream, m->dyno.commit != NULL ? m->dyno.commit : "unknown");
  fputs(m->dyno.dirty ? " with changes that are not committed.</p>\n" : ".</p>\n", page->stream);
  fputs("<p>This page and the plots from the raw files, a plot by hand, and to tell this run "
        "from another:</p>\n<pre>dyno report ",
        page->stream);
  put_argument(page->stream, m->id);
  fputs("\ngnuplot -c plots/decode.gp plots/data/decode.tsv plots/decode\ndyno compare --help"
        "</pre>\n",
        page->stream);
}

/* ---- plots ---- */

void dyno_html_plot(const dyno_html *page, const char *name)
{
  char *path, *svg;
  size_t bytes;
  const dyno_bench_plot *plot;
  size_t index = 0;
  while ((plot = dyno_bench_plot_at(index)) != NULL && strcmp(plot->name, name) != 0)
    index++;
  if (plot == NULL || asprintf(&path, "%s/plots/%s.svg", page->path, name) < 0)
    return;
  if (dyno_file_read(&svg, &bytes, path, MOST_SVG, NULL) == DYNO_OK) {
    fprintf(page->stream, "<figure id=\"plot-%s\">\n", name);
    dyno_html_svg(page->stream, svg, name);
    fprintf(page->stream, "\n<figcaption>%s</figcaption>\n</figure>\n", plot->caption);
    free(svg);
  }
  free(path);
}

/* ---- the page ---- */

static void write_head(const dyno_html *page)
{
  const dyno_bench_manifest *m = &page->folder->results->manifest;
  fputs(head, page->stream);
  fputs("<title>", page->stream);
  dyno_markup_text(page->stream, m->model.name);
  fputs(" - dyno bench</title>\n", page->stream);
  fputs(style, page->stream);
  fputs("</head>\n<body>\n<h1>", page->stream);
  dyno_markup_text(page->stream, m->model.name);
  fputs("</h1>\n<p class=\"muted\">dyno bench, ", page->stream);
  dyno_markup_text(page->stream, m->id);
  fputs("</p>\n", page->stream);
}

static void write_page(const dyno_html *page)
{
  write_head(page);
  dyno_html_verdict(page);
  dyno_html_conditions(page);
  dyno_html_warnings(page);
  dyno_html_cases(page);
  dyno_html_plot(page, "decode");
  dyno_html_plot(page, "itl");
  dyno_html_plot(page, "tokens");
  dyno_html_outliers(page);
  dyno_html_components(page);
  dyno_html_plot(page, "components");
  dyno_html_latency(page);
  dyno_html_plot(page, "time");
  dyno_html_plot(page, "roofline");
  dyno_html_memory(page);
  dyno_html_plot(page, "memory");
  dyno_html_plot(page, "history");
  dyno_html_projection(page);
  dyno_html_texts(page);
  dyno_html_counters(page);
  dyno_html_kernels(page);
  dyno_html_environment(page);
  fputs(definitions, page->stream);
  write_rerun(page);
  fputs("</body>\n</html>\n", page->stream);
}

dyno_status dyno_bench_html(const char *folder, dyno_error *error)
{
  dyno_bench_folder opened;
  dyno_atomic_file file;
  char *path = NULL;
  dyno_status status = dyno_bench_folder_open(&opened, folder, error);
  if (status == DYNO_OK && asprintf(&path, "%s/report.html", folder) < 0)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  if (status == DYNO_OK)
    status = dyno_atomic_file_open(&file, path, error);
  if (status == DYNO_OK) {
    write_page(&(dyno_html){file.stream, &opened, folder});
    status = dyno_atomic_file_commit(&file, error);
  }
  free(path);
  dyno_bench_folder_close(&opened);
  return status;
}
