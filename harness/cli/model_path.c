#include "config.h"

#include "harness/cli/model_path.h"

#include <stdbool.h>
#include <string.h>

#include "harness/cli/interrupt.h"
#include "harness/report/progress.h"
#include "runtime/model/reference.h"

typedef struct watcher {
  dyno_progress bar;
  bool started;
  const volatile sig_atomic_t *interrupted;
  struct sigaction sigint, sigterm; /* as they were */
} watcher;

/* Signals are only caught while there is something to clean up: most verbs are content to die. */
static bool watch(void *context, uint64_t done, uint64_t total)
{
  watcher *w = context;
  if (!w->started) {
    dyno_progress_start(&w->bar, stderr, (double)total);
    w->started = true;
  }
  dyno_progress_update(&w->bar, (double)done,
                       done < total ? "writing random weights" : "flushing to disk");
  return *w->interrupted == 0;
}

static void start_watching(watcher *w)
{
  *w = (watcher){0};
  sigaction(SIGINT, NULL, &w->sigint);
  sigaction(SIGTERM, NULL, &w->sigterm);
  w->interrupted = dyno_catch_interrupts();
}

static void stop_watching(watcher *w)
{
  sigaction(SIGINT, &w->sigint, NULL);
  sigaction(SIGTERM, &w->sigterm, NULL);
  if (w->started)
    dyno_progress_clear(&w->bar);
}

dyno_status dyno_write_synth(const char *path, const dyno_synth_spec *spec, unsigned threads,
                             dyno_error *error)
{
  watcher w;
  start_watching(&w);
  dyno_synth_run run = {.threads = threads, .progress = watch, .context = &w};
  dyno_status status = dyno_synth_write(path, spec, &run, error);
  stop_watching(&w);
  return status;
}

dyno_status dyno_find_model(char **path, const char *reference, dyno_error *error)
{
  if (strncmp(reference, DYNO_SYNTH_PREFIX, strlen(DYNO_SYNTH_PREFIX)) != 0)
    return dyno_model_resolve(path, reference, error);
  watcher w;
  start_watching(&w);
  dyno_synth_run run = {.progress = watch, .context = &w};
  dyno_status status = dyno_synth_resolve(path, reference + strlen(DYNO_SYNTH_PREFIX), &run, error);
  stop_watching(&w);
  return status;
}
