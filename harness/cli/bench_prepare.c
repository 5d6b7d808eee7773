/* What a benchmark needs before it measures anything. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/cli/bench_internal.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/profile_recorder.h"
#include "harness/report/build_info.h"

static const double watch_seconds = 0.5;

dyno_status dyno_bench_stopped(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
}
dyno_read_sample dyno_bench_read(dyno_bench *b, dyno_read_sample *one)
{
  uint64_t seed = b->plan->seed + ++b->reads;
  dyno_read_sample all = dyno_profile_reader_all(b->ceilings.reader, seed);
  *one = dyno_engine_threads(b->model.engine) == 1
             ? all
             : dyno_profile_reader_one(b->ceilings.reader, seed);
  return all;
}

double dyno_bench_read_rate(dyno_read_sample sample)
{
  return sample.seconds > 0 ? sample.bytes / sample.seconds : NAN;
}

/* About what the files will take: a number a token, and some for everything else. */
static uint64_t expected_bytes(const dyno_bench_plan *plan)
{
  uint64_t tokens = 0, rounds = plan->extent.warmup + plan->extent.iterations;
  for (size_t i = 0; i < plan->cases.count; i++)
    tokens += plan->cases.cases[i].output_tokens;
  return (4 << 20) + rounds * (10 * tokens + 2048 * plan->cases.count) + 40 * tokens;
}

static dyno_status open_folder(dyno_bench *b, dyno_error *error)
{
  const dyno_bench_plan *plan = b->plan;
  dyno_status status = plan->resume != NULL
                           ? dyno_results_folder_open(&b->folder, plan->resume, error)
                           : dyno_results_folder_create(&b->folder, plan->output,
                                                        dyno_get_build_info().commit, error);
  if (status == DYNO_OK)
    status = dyno_results_folder_check_space(&b->folder, expected_bytes(plan), error);
  return status;
}

static dyno_status open_model(dyno_bench *b, dyno_error *error)
{
  dyno_engine *engine = NULL;
  dyno_status status = dyno_open_engine(&engine, &b->plan->engine, error);
  if (status == DYNO_OK)
    status = dyno_bench_model_open(&b->model, engine, error);
  if (status == DYNO_OK)
    status = dyno_engine_ceilings_open(&b->ceilings, b->model.engine, b->plan->read_bytes, error);
  if (status == DYNO_OK)
    status = dyno_profile_recording_seconds(&b->event_seconds, error);
  return status;
}

/* A budget decides once how much is run; who goes on with a run does as much. */
static void take_extent(dyno_bench_extent *extent, const json_t *manifest)
{
  const json_t *protocol = json_object_get(manifest, "protocol");
  const json_t *scale = json_object_get(protocol, "scale");
  extent->warmup = (size_t)json_integer_value(json_object_get(protocol, "warmup"));
  extent->iterations = (size_t)json_integer_value(json_object_get(protocol, "iterations"));
  if (json_is_number(scale))
    extent->scale = json_number_value(scale);
}

static dyno_status fit_budget(dyno_bench *b, dyno_error *error)
{
  dyno_bench_plan *plan = b->plan;
  dyno_bench_pace pace;
  if (plan->budget_seconds <= 0)
    return DYNO_OK;
  if (plan->resume != NULL) {
    take_extent(&plan->extent, b->manifest);
    return DYNO_OK;
  }
  dyno_status status = dyno_bench_works_make(&b->works, &b->model, &plan->cases, 1, error);
  if (status == DYNO_OK)
    status = dyno_bench_find_pace(&pace, &b->model, &b->works, error);
  if (status != DYNO_OK)
    return status;
  dyno_bench_extent wanted = plan->extent;
  bool fits = dyno_bench_fit(&plan->extent, plan->budget_seconds, &b->works, &pace);
  double seconds = dyno_bench_expected_seconds(&plan->extent, &b->works, &pace);
  dyno_bench_works_free(&b->works);
  if (plan->extent.scale < wanted.scale || plan->extent.iterations < wanted.iterations)
    fprintf(stderr,
            "dyno: to fit into %.0f s, answers have %.3g of their tokens, and there are %zu "
            "warm-ups and %zu iterations\n",
            plan->budget_seconds, plan->extent.scale, plan->extent.warmup, plan->extent.iterations);
  if (!fits)
    fprintf(stderr,
            "dyno: %.0f s are too few: this will take about %.0f s; --case and --no-texts "
            "leave something out\n",
            plan->budget_seconds, seconds);
  return DYNO_OK;
}

/* What of the machine makes figures slow or uncertain is said before they are measured. */
static dyno_status look_around(dyno_bench *b, dyno_error *error)
{
  const dyno_engine_placement placement = dyno_engine_get_placement(b->model.engine);
  dyno_watch watch;
  dyno_status status = dyno_watch_machine(&watch, dyno_engine_pool(b->model.engine),
                                          dyno_registry_isa(dyno_engine_registry(b->model.engine)),
                                          watch_seconds, error);
  const dyno_environment_options options = {.placement = &placement, .watch = &watch};
  if (status == DYNO_OK)
    status = dyno_environment_gather(&b->environment, &options, error);
  for (size_t i = 0; status == DYNO_OK && i < b->environment.count; i++) {
    const dyno_finding *item = &b->environment.items[i];
    if (item->severity >= DYNO_SEVERITY_WARNING)
      fprintf(stderr, "dyno: %s: %s: %s\n", dyno_severity_name(item->severity), item->name,
              item->value);
  }
  return status;
}

static dyno_status make_manifest(dyno_bench *b, json_t **manifest, dyno_error *error)
{
  const dyno_bench_plan *plan = b->plan;
  dyno_engine_options options = plan->engine.engine;
  dyno_read_sample one, all = dyno_bench_read(b, &one);
  options.registry = plan->engine.kernels.registry;
  const dyno_results_facts facts = {
      .id = b->folder.id,
      .argc = plan->argc,
      .argv = plan->argv,
      .model = options.model,
      .options = &options,
      .engine = b->model.engine,
      .cases = &plan->cases,
      .works = &b->works,
      .ceilings = &b->ceilings,
      .read_one = dyno_bench_read_rate(one),
      .read_all = dyno_bench_read_rate(all),
      .environment = &b->environment,
      .protocol = {.profile = plan->profile,
                   .warmup = plan->extent.warmup,
                   .iterations = plan->extent.iterations,
                   .seed = plan->seed,
                   .budget_seconds = plan->budget_seconds > 0 ? plan->budget_seconds : NAN,
                   .preset = plan->preset,
                   .counters = b->counted.names,
                   .counter_count = b->counted.count,
                   .scale = plan->extent.scale,
                   .texts = plan->extent.texts,
                   .tracked = plan->track},
  };
  return dyno_results_manifest_make(manifest, &facts, error);
}

static dyno_status settle_manifest(dyno_bench *b, dyno_error *error)
{
  json_t *now = NULL;
  dyno_status status = make_manifest(b, &now, error);
  if (status == DYNO_OK && b->manifest != NULL)
    status = dyno_results_manifest_same(b->manifest, now, error);
  else if (status == DYNO_OK)
    status = dyno_results_write_object(now, &b->folder, "manifest.json", error);
  if (b->manifest == NULL)
    b->manifest = now;
  else
    json_decref(now);
  return status;
}

static dyno_status open_logs(dyno_bench *b, dyno_error *error)
{
  const dyno_bench_plan *plan = b->plan;
  dyno_bench_state *state = &b->state;
  dyno_status status = dyno_bench_state_make(state, &plan->cases, &b->works, plan->extent.warmup,
                                             plan->extent.iterations, plan->seed, error);
  if (status == DYNO_OK)
    status = dyno_results_log_open(&b->samples, &b->folder, "samples.jsonl", DYNO_GO_ON_WITH_BENCH,
                                   dyno_bench_state_add_sample, state, error);
  if (status == DYNO_OK)
    status = dyno_results_log_open(&b->ops, &b->folder, "ops.jsonl", DYNO_GO_ON_WITH_BENCH,
                                   dyno_bench_state_add_op, state, error);
  if (status == DYNO_OK)
    status =
        dyno_results_log_open(&b->counters, &b->folder, "counters.jsonl", DYNO_GO_ON_WITH_BENCH,
                              dyno_bench_state_add_counter, state, error);
  if (status == DYNO_OK)
    status = dyno_results_log_open(&b->texts, &b->folder, "texts.jsonl", DYNO_GO_ON_WITH_BENCH,
                                   dyno_bench_state_add_text, state, error);
  if (status == DYNO_OK && state->wrong != DYNO_OK)
    status = dyno_fail(error, state->wrong,
                       "%s: iterations of the same prompt have different hashes; begin a new run",
                       b->samples.path);
  return status;
}
dyno_status dyno_bench_prepare(dyno_bench *b, dyno_error *error)
{
  dyno_bench_plan *plan = b->plan;
  dyno_status status = dyno_bench_counter_plan_make(&b->counted, plan->counters, NULL, error);
  if (status == DYNO_OK)
    status = open_folder(b, error);
  if (status == DYNO_OK && plan->resume != NULL)
    status = dyno_results_read_object(&b->manifest, &b->folder, "manifest.json", error);
  if (status == DYNO_OK)
    status = open_model(b, error);
  if (status == DYNO_OK)
    status = fit_budget(b, error);
  if (status == DYNO_OK)
    status = dyno_bench_works_make(&b->works, &b->model, &plan->cases, plan->extent.scale, error);
  if (status == DYNO_OK)
    status = look_around(b, error);
  if (status == DYNO_OK)
    status = settle_manifest(b, error);
  if (status == DYNO_OK)
    status = open_logs(b, error);
  b->intervals = calloc(b->works.longest + 1, sizeof *b->intervals);
  b->rates = calloc(plan->cases.count + 1, sizeof *b->rates);
  if (status == DYNO_OK && (b->intervals == NULL || b->rates == NULL))
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  return status == DYNO_OK && dyno_interrupted() ? dyno_bench_stopped(error) : status;
}
