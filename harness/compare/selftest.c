#include "harness/compare/selftest.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* stress-ng, for as long as a gate runs. */
static dyno_status start_load(pid_t *process, unsigned processors, dyno_error *error)
{
  char count[16];
  posix_spawn_file_actions_t actions;
  snprintf(count, sizeof count, "%u", processors);
  char *const arguments[] = {(char *)(uintptr_t) "stress-ng", (char *)(uintptr_t) "--cpu", count,
                             (char *)(uintptr_t) "--quiet", NULL};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  int result = posix_spawnp(process, arguments[0], &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return result == 0 ? DYNO_OK
                     : dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                                 "stress-ng cannot be started: %s (apt-get install stress-ng, or "
                                 "--load=quiet)",
                                 strerror(result));
}

static void end_load(pid_t process)
{
  if (process <= 0)
    return;
  kill(process, SIGTERM);
  waitpid(process, NULL, 0);
}

static dyno_selftest_trial tell(const dyno_gate_run *run, double drop, bool loaded, uint64_t seed)
{
  const dyno_arm_facts *facts = &run->comparison.facts[1];
  dyno_selftest_trial trial = {
      .drop = drop,
      .loaded = loaded,
      .seed = seed,
      .verdict = run->verdict,
      .rounds = run->rounds,
      .seconds = run->seconds,
      .sigma = NAN,
      .threads = facts->threads,
  };
  if (run->result.count > 0)
    trial.sigma = dyno_compare_mean(&run->result)->decode.sigma;
  memcpy(trial.reason, run->reason, sizeof trial.reason);
  memcpy(trial.tier, facts->tier, sizeof trial.tier);
  snprintf(trial.commit, sizeof trial.commit, "%s%s", facts->commit, facts->dirty ? "+" : "");
  return trial;
}

static dyno_status run_one(const dyno_selftest_options *options, double drop, bool loaded,
                           size_t index, dyno_error *error)
{
  dyno_worker_arms arms = options->arms;
  dyno_gate_options gate = options->gate;
  dyno_gate_run run;
  pid_t load = 0;
  /* A speed of 1 - drop is a time of 1 / (1 - drop). */
  arms.slowdown[1] = 1 / (1 - drop) - 1;
  gate.compare.seed += index;
  const dyno_compare_source source = dyno_compare_workers(&arms);
  dyno_status status = loaded ? start_load(&load, options->load_processors, error) : DYNO_OK;
  if (status != DYNO_OK)
    return status;
  dyno_gate_run_all(&run, &source, &gate);
  end_load(load);
  const dyno_selftest_trial trial = tell(&run, drop, loaded, gate.compare.seed);
  status = run.interrupted ? dyno_fail(error, DYNO_ERROR_INTERRUPTED, "the test was stopped")
                           : options->take(options->context, &trial, error);
  dyno_gate_free(&run);
  return status;
}

/* A drop under a load, and how often it was tried. */
typedef struct cell {
  double drop;
  bool loaded;
  size_t done;
} cell;

static size_t list_cells(cell cells[2 * DYNO_SELFTEST_MOST_DROPS],
                         const dyno_selftest_options *options)
{
  size_t count = 0;
  for (size_t i = 0; i < options->drop_count; i++)
    for (unsigned loaded = 0; loaded < 2; loaded++) {
      if (loaded ? !options->loaded : !options->quiet)
        continue;
      cells[count] = (cell){.drop = options->drops[i], .loaded = loaded};
      if (options->done != NULL)
        cells[count].done = options->done(options->context, options->drops[i], loaded);
      count++;
    }
  return count;
}

static void show(const dyno_selftest_options *options, const cell *one, size_t done, size_t all)
{
  char label[64];
  snprintf(label, sizeof label, "%.3g %% slower, %s", 100 * one->drop,
           one->loaded ? "under load" : "quiet");
  if (options->progress != NULL)
    options->progress(options->progress_context, done, all, label);
}

dyno_status dyno_selftest_run(const dyno_selftest_options *options, dyno_error *error)
{
  cell cells[2 * DYNO_SELFTEST_MOST_DROPS];
  size_t count = list_cells(cells, options);
  dyno_status status = DYNO_OK;
  for (size_t trial = 0; trial < options->trials; trial++)
    for (size_t i = 0; i < count && status == DYNO_OK; i++) {
      if (trial < cells[i].done)
        continue;
      show(options, &cells[i], trial * count + i, options->trials * count);
      if (options->stop != NULL && *options->stop != 0)
        status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "the test was stopped");
      else
        status = run_one(options, cells[i].drop, cells[i].loaded, trial, error);
    }
  return status;
}
