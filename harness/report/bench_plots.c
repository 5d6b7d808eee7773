#include "config.h"

#include "harness/report/bench_plots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/report/bench_plots_internal.h"
#include "harness/report/gnuplot.h"
#include "kernels/base/atomic_file.h"

static const struct {
  dyno_bench_plot plot;
  dyno_plot_writer *write;
} plots[] = {
    {{"decode", "Decode speed",
      "Each case's measured iterations: the shape is their density, the box the middle half, the "
      "line across it the median, the bar through that its 95 % interval, dots single iterations "
      "(red: outliers by Tukey's fences, which are kept)."},
     dyno_plot_decode},
    {{"tokens", "Time of every token",
      "Time between consecutive tokens, in the order they were made: the line is the median of a "
      "few neighbours, the band their lowest and highest; triangles are severe outliers. Vertical "
      "lines part iterations, named after their prompts. Orange ground: iterations from which the "
      "hypervisor took more than 0.5 % of the processors' time."},
     dyno_plot_tokens},
    {{"itl", "Distribution of the time between tokens",
      "How many of a case's tokens took no longer than that. A steep curve is steady; what bends "
      "away to the right at the top are the tokens that one notices."},
     dyno_plot_itl},
    {{"time", "Where the time goes",
      "Share of all threads' time by op, from the profile pass, which is separate from the timing "
      "pass. At the right, what a token takes."},
     dyno_plot_time},
    {{"roofline", "Roofline",
      "How much arithmetic each op does for a byte it reads, and how fast. The lines are what this "
      "machine allows, measured in the same run: memory the slope, arithmetic the level. What lies "
      "on a line cannot be made faster by a better kernel, only by fewer bytes or operations. What "
      "lies above the slope reads from the caches."},
     dyno_plot_roofline},
    {{"components", "The guide's components",
      "Tokens per second of each component on its own, beside the guide's figures, which are for "
      "gpt-oss-20b. The scale is logarithmic."},
     dyno_plot_components},
    {{"memory", "Memory over time",
      "What the resident memory is made of. The strip above says which case was running."},
     dyno_plot_memory},
    {{"history", "History",
      "Median decode speed of each run of this model in the same folder, with its 95 % interval. "
      "Runs on a shared machine differ by several percent without a cause: dyno compare decides."},
     dyno_plot_history},
};
enum { PLOT_COUNT = sizeof plots / sizeof *plots };

const dyno_bench_plot *dyno_bench_plot_at(size_t index)
{
  return index < PLOT_COUNT ? &plots[index].plot : NULL;
}

/* ---- data files ---- */

static dyno_status write_data(size_t *rows, size_t plot, const char *path,
                              const dyno_plot_source *source, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  dyno_tsv tsv = DYNO_TSV(file.stream);
  *rows = 0;
  status = plots[plot].write(&tsv, rows, source, error);
  if (status == DYNO_OK && *rows > 0)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

static dyno_status make_folder(const char *path, dyno_error *error)
{
  if (mkdir(path, 0777) == 0 || errno == EEXIST)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot create it: %s", path, strerror(errno));
}

/* ---- drawing ---- */

/* "mini, 2 threads, avx512vnni, 20261123T021500Z-host-f457fa1": what every plot says of itself. */
static int about_text(char **text, const dyno_bench_results *results)
{
  const dyno_bench_manifest *m = &results->manifest;
  int length = asprintf(text, "%s, %u thread%s, %s, %s", m->model.name, m->engine.threads,
                        m->engine.threads == 1 ? "" : "s",
                        m->engine.tier != NULL ? m->engine.tier : "-", m->id);
  for (char *at = *text; length >= 0 && *at != '\0'; at++)
    if ((unsigned char)*at < ' ' || *at == '\\')
      *at = ' ';
  return length;
}

/* gnuplot draws beside the final place, so that a picture is never half there. */
static void put_in_place(const char *folder, const char *name, const char *suffix)
{
  char *from = NULL, *to = NULL;
  if (asprintf(&from, "%s/plots/.%s.%s", folder, name, suffix) >= 0 &&
      asprintf(&to, "%s/plots/%s.%s", folder, name, suffix) >= 0 && rename(from, to) != 0)
    unlink(from);
  free(from);
  free(to);
}

static void remove_file(const char *folder, const char *before, const char *name,
                        const char *suffix)
{
  char *path;
  if (asprintf(&path, "%s/plots/%s%s.%s", folder, before, name, suffix) < 0)
    return;
  unlink(path);
  free(path);
}

/* What gnuplot left behind when it failed. */
static void discard(const char *folder, const char *name)
{
  remove_file(folder, ".", name, "svg");
  remove_file(folder, ".", name, "png");
}

/* A plot that there is no data for any more. */
static void remove_plot(const char *folder, const char *name)
{
  remove_file(folder, "", name, "svg");
  remove_file(folder, "", name, "png");
  remove_file(folder, "data/", name, "tsv");
}

static dyno_status draw(size_t plot, const char *folder, const char *about, dyno_error *error)
{
  const char *name = plots[plot].plot.name;
  char script[64], data[64], output[64];
  snprintf(script, sizeof script, "%s.gp", name);
  snprintf(data, sizeof data, "plots/data/%s.tsv", name);
  snprintf(output, sizeof output, "plots/.%s", name);
  dyno_status status =
      dyno_gnuplot(&(dyno_gnuplot_run){.script = script,
                                       .folder = folder,
                                       .arguments = (const char *[]){data, output, about, NULL}},
                   error);
  if (status != DYNO_OK) {
    discard(folder, name);
    return status;
  }
  put_in_place(folder, name, "svg");
  put_in_place(folder, name, "png");
  return DYNO_OK;
}

static dyno_status plot_folder(const char *folder, const dyno_bench_folder *o, FILE *notes,
                               dyno_error *error)
{
  const dyno_plot_source source = {o->results, o->summary};
  bool drawing = true;
  char *about = NULL;
  if (about_text(&about, o->results) < 0)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < PLOT_COUNT && status == DYNO_OK; i++) {
    char *path;
    size_t rows = 0;
    if (asprintf(&path, "%s/plots/data/%s.tsv", folder, plots[i].plot.name) < 0) {
      status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
      break;
    }
    status = write_data(&rows, i, path, &source, error);
    free(path);
    if (status == DYNO_OK && rows == 0)
      remove_plot(folder, plots[i].plot.name);
    dyno_error complaint = {0};
    if (status == DYNO_OK && rows > 0 && drawing && draw(i, folder, about, &complaint) != DYNO_OK) {
      if (notes != NULL)
        fprintf(notes, "dyno: note: %s\n", complaint.message);
      /* Without the program or its scripts there is no use in trying on. */
      drawing = complaint.status == DYNO_ERROR_IO;
    }
  }
  free(about);
  return status;
}

dyno_status dyno_bench_plots(const char *folder, FILE *notes, dyno_error *error)
{
  dyno_bench_folder o;
  char *path = NULL;
  dyno_status status = dyno_bench_folder_open(&o, folder, error);
  if (status == DYNO_OK && asprintf(&path, "%s/plots", folder) < 0)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  if (status == DYNO_OK)
    status = make_folder(path, error);
  free(path);
  path = NULL;
  if (status == DYNO_OK && asprintf(&path, "%s/plots/data", folder) < 0)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  if (status == DYNO_OK)
    status = make_folder(path, error);
  free(path);
  if (status == DYNO_OK)
    status = plot_folder(folder, &o, notes, error);
  dyno_bench_folder_close(&o);
  return status;
}

/* ---- in a terminal ---- */

static dyno_status draw_in_terminal(const char *folder, const dyno_bench_folder *o,
                                    unsigned columns, bool colour, dyno_error *error)
{
  /* The plots that terminal.gp draws. */
  static const char *const shown[] = {"decode", "itl", "components"};
  const dyno_plot_source source = {o->results, o->summary};
  dyno_status status = DYNO_OK;
  char width[16];
  snprintf(width, sizeof width, "%u", columns < 60 ? 60 : columns);
  for (size_t i = 0; i < PLOT_COUNT && status == DYNO_OK; i++)
    for (size_t j = 0; j < sizeof shown / sizeof *shown && status == DYNO_OK; j++) {
      char *path;
      size_t rows;
      if (strcmp(plots[i].plot.name, shown[j]) != 0)
        continue;
      if (asprintf(&path, "%s/%s.tsv", folder, shown[j]) < 0)
        return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
      status = write_data(&rows, i, path, &source, error);
      char data[64];
      snprintf(data, sizeof data, "%s.tsv", shown[j]);
      fflush(stdout);
      if (status == DYNO_OK && rows > 0)
        status = dyno_gnuplot(
            &(dyno_gnuplot_run){.script = "terminal.gp",
                                .folder = folder,
                                .to_stdout = true,
                                .arguments = (const char *[]){data, shown[j], width,
                                                              colour ? "ansi256" : "mono", NULL}},
            error);
      unlink(path);
      free(path);
    }
  return status;
}

dyno_status dyno_bench_plots_terminal(const char *folder, unsigned columns, bool colour,
                                      dyno_error *error)
{
  dyno_bench_folder o;
  const char *place = getenv("TMPDIR");
  char *scratch = NULL;
  dyno_status status = dyno_bench_folder_open(&o, folder, error);
  if (status == DYNO_OK &&
      asprintf(&scratch, "%s/dyno-plots.XXXXXX", place != NULL ? place : "/tmp") < 0)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  if (status == DYNO_OK && mkdtemp(scratch) == NULL)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot create it: %s", scratch, strerror(errno));
  else if (status == DYNO_OK) {
    status = draw_in_terminal(scratch, &o, columns, colour, error);
    rmdir(scratch);
  }
  free(scratch);
  dyno_bench_folder_close(&o);
  return status;
}
