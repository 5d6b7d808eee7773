/* The counter passes of a benchmark, on a model and a PMU that are not there otherwise. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/bench_counters.h"
#include "harness/report/results_counters.h"

/* A PMU of two counters that all threads read: the first goes on by 10 and the second by 20 at each
 * look, so that sums tell how often was looked. */
enum { FILES = 256, AT_ONCE = 2 };

static struct {
  atomic_bool open;
  uint64_t config;
  int leader;
  atomic_ullong looks;
} files[FILES];

static int fake_open(const struct perf_event_attr *attributes, pid_t thread, int cpu, int leader)
{
  int file = 0, members = 0;
  (void)thread;
  (void)cpu;
  if (attributes->config == PERF_COUNT_HW_CACHE_MISSES) {
    errno = ENOENT;
    return -1;
  }
  for (int i = 0; i < FILES; i++)
    members += files[i].open && leader >= 0 && (i == leader || files[i].leader == leader);
  if (members >= AT_ONCE) {
    errno = EINVAL;
    return -1;
  }
  while (files[file].open)
    file++;
  files[file].open = true;
  files[file].config = attributes->config;
  files[file].leader = leader;
  files[file].looks = 0;
  return file;
}

static ssize_t fake_read(int file, void *data, size_t size)
{
  uint64_t looks = atomic_fetch_add(&files[file].looks, 1) + 1;
  *(dyno_counter_reading *)data =
      (dyno_counter_reading){looks * (files[file].config + 1), looks * 1000, looks * 1000};
  return (ssize_t)size;
}

static int fake_close(int file)
{
  files[file].open = false;
  return 0;
}

static const dyno_perf fake = {fake_open, fake_read, fake_close};

static const char prompt_text[] = "What is the capital of France?";

static void open_mini(dyno_bench_model *model, unsigned threads)
{
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  dyno_engine *engine;
  dyno_error error = {0};
  const char *source = getenv("top_srcdir");
  char data[1024];
  snprintf(data, sizeof data, "%s/testcases", source == NULL ? "." : source);
  setenv("DYNO_DATA", data, 1);
  options.model = "mini";
  options.registry.threads = threads;
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_bench_model_open(model, engine, &error) == DYNO_OK, "%s", error.message);
}

Test(bench_counters, cuts_names_into_passes)
{
  dyno_bench_counter_plan plan;
  dyno_error error = {0};
  cr_assert(dyno_bench_counter_plan_make(&plan, "cycles,cache-misses,instructions,branch-misses",
                                         &fake, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(plan.count == 4 && plan.passes == 2 && plan.pass[2] == 0 && plan.pass[3] == 1,
            "%zu passes", plan.passes);
  dyno_bench_counter_plan_free(&plan);
  cr_assert(dyno_bench_counter_plan_make(&plan, "none", &fake, &error) == DYNO_OK &&
                plan.count == 0 && plan.passes == 0,
            "none is none");
  cr_assert(dyno_bench_counter_plan_make(&plan, NULL, &fake, &error) == DYNO_OK && plan.count >= 6,
            "the default");
  dyno_bench_counter_plan_free(&plan);
}

Test(bench_counters, names_that_make_no_sense_are_refused)
{
  static const char *const lists[] = {
      "", "cycles,", ",cycles", "cycles,,page-faults", "no_such_event_anywhere", "cycles,cycles"};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    dyno_bench_counter_plan plan;
    dyno_error error = {0};
    cr_assert(dyno_bench_counter_plan_make(&plan, lists[i], &fake, &error) == DYNO_ERROR_USAGE,
              "'%s'", lists[i]);
    cr_assert(strstr(error.message, "--counters") != NULL && plan.count == 0, "%s", error.message);
  }
}

Test(bench_counters, counts_phases_and_ops_of_all_threads, .timeout = 60)
{
  enum { THREADS = 2, DECODED = 3 };
  dyno_bench_model model;
  dyno_bench_counter_plan plan;
  dyno_bench_counts counts;
  dyno_error error = {0};
  int32_t trace[DECODED + 1] = {100, 101, 102, 103};
  const dyno_testcase_prompt prompt = {.prompt = (char *)prompt_text};
  const dyno_testcase from = {0};
  const dyno_bench_work work = {
      .from = &from, .prompt = &prompt, .trace = {.ids = trace, .count = DECODED + 1}};
  open_mini(&model, THREADS);
  cr_assert(dyno_bench_counter_plan_make(&plan, "cycles,cache-misses,instructions,branch-misses",
                                         &fake, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(dyno_bench_count_work(&counts, &model, &work, &plan, &fake, &error) == DYNO_OK, "%s",
            error.message);
  size_t whole = 0, heads = 0, missing = 0, decodes = 0;
  for (size_t i = 0; i < counts.count; i++) {
    const dyno_bench_count *row = &counts.rows[i];
    decodes += row->decode;
    cr_assert(!row->decode || row->tokens == DECODED, "%zu tokens", row->tokens);
    cr_assert(row->pass == (strcmp(row->counter, "branch-misses") == 0), "%s in pass %zu",
              row->counter, row->pass);
    if (strcmp(row->counter, "cache-misses") == 0) {
      cr_assert(row->op == NULL && !row->value.available, "it is not there");
      cr_assert(strncmp(row->value.reason, "unsupported", 11) == 0, "%s", row->value.reason);
      missing++;
      continue;
    }
    cr_assert(row->value.available && row->value.value > 0, "%s of %s: %s", row->counter,
              row->op == NULL ? "all" : row->op, row->value.reason);
    if (row->op == NULL) {
      /* Each thread is looked at before and after, and that is all. */
      double each = strcmp(row->counter, "cycles") == 0         ? 1
                    : strcmp(row->counter, "instructions") == 0 ? 2
                                                                : 6;
      cr_assert(fabs(row->value.value - THREADS * each) < 1e-9, "%s: %g", row->counter,
                row->value.value);
      whole++;
    } else if (row->decode && strcmp(row->op, "router") == 0) {
      heads++;
    }
  }
  cr_assert(whole == 6 && missing == 2, "three counters and one that is not, in two phases");
  cr_assert(heads == 3 && decodes > 10, "%zu rows of the router", heads);
  json_t *lines = dyno_results_counter_lines("questions", &counts);
  cr_assert(json_array_size(lines) == counts.count, "a line each");
  for (size_t i = 0; i < counts.count; i++)
    cr_assert(dyno_results_counters_end(json_array_get(lines, i)) == (i + 1 == counts.count),
              "the last one says so");
  json_decref(lines);
  dyno_bench_counts_free(&counts);
  dyno_bench_counter_plan_free(&plan);
  dyno_bench_model_close(&model);
  for (int i = 0; i < FILES; i++)
    cr_assert(!files[i].open, "file %d is left open", i);
}
