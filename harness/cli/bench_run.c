/* A benchmark from its folder to its report. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/cli/bench_internal.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/bench_agreement.h"
#include "harness/report/bench_report.h"
#include "harness/report/rounding_report.h"

/* CLOCK_REALTIME when the run began, the first part of it. */
static int64_t start_of(const json_t *manifest)
{
  const char *text = json_string_value(json_object_get(manifest, "started"));
  struct tm parts = {0};
  long milliseconds = 0;
  const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
  if (rest != NULL && *rest == '.')
    milliseconds = strtol(rest + 1, NULL, 10);
  return ((int64_t)timegm(&parts) * 1000 + milliseconds) * 1000000;
}

/* The peak of the process begins anew: it is the engine's that is measured, not the reference
 * path's beside it. proc(5), clear_refs. */
static void forget_peak_memory(void)
{
  FILE *file = fopen("/proc/self/clear_refs", "we");
  if (file == NULL)
    return;
  fputs("5", file);
  fclose(file);
}

static dyno_status check_output(dyno_bench *b, dyno_error *error)
{
  dyno_bench_agreement agreement;
  dyno_engine_options options = b->plan->engine.engine;
  options.registry = b->plan->engine.kernels.registry;
  dyno_status status = dyno_bench_compare(&agreement, &b->model, &options, &b->works, error);
  if (status != DYNO_OK)
    return status;
  if (agreement.compared)
    forget_peak_memory();
  if (agreement.compared)
    fprintf(stderr,
            "dyno: outputs agree with the reference path: KL %.2g nats (at most %.2g), the same "
            "token at %.1f %% of %zu positions\n",
            agreement.nats, DYNO_BENCH_MOST_NATS,
            100 * (double)agreement.same_top / (double)agreement.positions, agreement.positions);
  else
    fprintf(stderr, "dyno: outputs are not held against the reference path: %s\n",
            agreement.why_not);
  return DYNO_OK;
}

static dyno_status start_memory(dyno_bench *b, dyno_error *error)
{
  char *path;
  dyno_results_log earlier;
  dyno_status opened = dyno_results_log_open(&earlier, &b->folder, "memory.jsonl",
                                             DYNO_GO_ON_WITH_BENCH, NULL, NULL, error);
  dyno_results_log_close(&earlier); /* all that was wanted is that its last line is whole */
  if (opened != DYNO_OK)
    return opened;
  if (asprintf(&path, "%s/memory.jsonl", b->folder.path) < 0)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  const dyno_memory_sampler_options options = {
      .path = path, .started_ns = start_of(b->manifest), .engine = b->model.engine};
  dyno_status status = dyno_memory_sampler_start(&b->memory, &options, error);
  free(path);
  return status;
}
static dyno_status measure(dyno_bench *b, dyno_error *error)
{
  const dyno_bench_plan *plan = b->plan;
  fprintf(stderr,
          "dyno: %zu cases, each %zu warm-ups and %zu iterations, in an order of seed %" PRIu64
          "; results in %s\n",
          plan->cases.count, plan->extent.warmup, plan->extent.iterations, plan->seed,
          b->folder.path);
  dyno_status status = check_output(b, error);
  if (status == DYNO_OK)
    status = start_memory(b, error);
  if (status == DYNO_OK && plan->track)
    status = dyno_rounding_open(&b->rounding, dyno_engine_config(b->model.engine)->layers,
                                DYNO_ROUNDING_SHARE, error);
  if (status == DYNO_OK)
    status = dyno_bench_measure(b, error);
  return status;
}

static dyno_status finish(dyno_bench *b, dyno_error *error)
{
  char now[32];
  dyno_results_format_now(now);
  if (json_object_set_new(b->manifest, "cache", dyno_results_cache(b->model.engine)) != 0 ||
      json_object_set_new(b->manifest, "finished", json_string(now)) != 0)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  return dyno_results_write_object(b->manifest, &b->folder, "manifest.json", error);
}

/* Tables, the files for people, and what to do next. */
static dyno_status report(const dyno_bench *b, dyno_error *error)
{
  const dyno_bench_report_options options = {.tables = stdout};
  dyno_status status = dyno_bench_report(b->folder.path, &options, error);
  if (status != DYNO_OK)
    return status;
  if (b->plan->track) {
    puts("\nin the iterations that this process ran:");
    status = dyno_rounding_print(stdout, &b->rounding, error);
    if (status != DYNO_OK)
      return status;
  }
  char *html;
  if (asprintf(&html, "%s/report.html", b->folder.path) < 0)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  printf("\nreport: %s%s\n", b->folder.path,
         access(html, R_OK) == 0 ? "/report.html" : "/report.md");
  free(html);
  if (strcmp(b->plan->engine.engine.model, "mini") == 0)
    puts("the real model: make bench MODEL=/path/to/gpt-oss-20b.gguf (or ollama:gpt-oss:20b, "
         "hf:openai/gpt-oss-20b,\nor synth:gpt-oss-20b for random weights of its shape)");
  return DYNO_OK;
}

static void close_bench(dyno_bench *b)
{
  dyno_results_log_close(&b->samples);
  dyno_results_log_close(&b->ops);
  dyno_results_log_close(&b->counters);
  dyno_results_log_close(&b->texts);
  dyno_interference_close(&b->disturbances);
  dyno_energy_close(&b->energy);
  dyno_bench_counter_plan_free(&b->counted);
  dyno_environment_free(&b->environment);
  dyno_bench_state_free(&b->state);
  dyno_bench_works_free(&b->works);
  dyno_engine_ceilings_close(&b->ceilings);
  dyno_bench_model_close(&b->model);
  dyno_rounding_free(&b->rounding);
  json_decref(b->manifest);
  free(b->intervals);
  free(b->rates);
  dyno_results_folder_close(&b->folder);
}

dyno_status dyno_bench_execute(dyno_bench_plan *plan, dyno_error *error)
{
  dyno_bench b = {.plan = plan, .folder = {.descriptor = -1}};
  dyno_catch_interrupts();
  dyno_interference_open(&b.disturbances, NULL);
  dyno_energy_open(&b.energy, NULL);
  dyno_status status = dyno_bench_prepare(&b, error);
  if (status == DYNO_OK)
    status = measure(&b, error);
  dyno_status stopped = dyno_memory_sampler_stop(&b.memory, status == DYNO_OK ? error : NULL);
  if (status == DYNO_OK)
    status = stopped;
  if (status == DYNO_OK)
    status = finish(&b, error);
  if (status == DYNO_OK)
    status = report(&b, error);
  else if (status == DYNO_ERROR_INTERRUPTED && b.manifest != NULL)
    dyno_fail(error, status, "stopped; go on with\n  dyno bench --resume %s", b.folder.path);
  close_bench(&b);
  return status;
}
