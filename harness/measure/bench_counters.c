#include "harness/measure/bench_counters.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/threads/pool.h"

/* What to count */

static dyno_status add_name(dyno_bench_counter_plan *plan, const char *name, dyno_error *error)
{
  if (name[0] == '\0')
    return dyno_fail(error, DYNO_ERROR_USAGE, "--counters: a name is empty");
  if (plan->count == DYNO_BENCH_MOST_COUNTERS)
    return dyno_fail(error, DYNO_ERROR_USAGE, "--counters: at most %d", DYNO_BENCH_MOST_COUNTERS);
  for (size_t i = 0; i < plan->count; i++)
    if (strcmp(plan->names[i], name) == 0)
      return dyno_fail(error, DYNO_ERROR_USAGE, "--counters: %s is there twice", name);
  plan->names[plan->count++] = name;
  return DYNO_OK;
}

static dyno_status add_set(dyno_bench_counter_plan *plan, const dyno_counter_set *set,
                           dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < sizeof set->names / sizeof *set->names && status == DYNO_OK; i++)
    if (set->names[i] != NULL)
      status = add_name(plan, set->names[i], error);
  return status;
}

/* A name that is asked for should be one; those of a set are there for all CPUs of a kind. */
static dyno_status check_name(const char *name, dyno_error *error)
{
  struct perf_event_attr attributes = {0};
  char event[DYNO_COUNTER_EVENT], reason[DYNO_COUNTER_REASON];
  if (dyno_counter_encode(&attributes, event, name, reason))
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "--counters: %s: %s (instructions, cycles, branch-misses, cache-misses, "
                   "page-faults, task-clock, or a name that libpfm4 knows for this CPU)",
                   name, reason);
}

static dyno_status add_list(dyno_bench_counter_plan *plan, const char *list, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  plan->text = strdup(list);
  if (plan->text == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (char *rest = plan->text; rest != NULL && status == DYNO_OK;) {
    const char *name = strsep(&rest, ",");
    status = add_name(plan, name, error);
    if (status == DYNO_OK)
      status = check_name(name, error);
  }
  return status;
}

dyno_status dyno_bench_counter_plan_make(dyno_bench_counter_plan *plan, const char *list,
                                         const dyno_perf *perf, dyno_error *error)
{
  dyno_cpu cpu;
  dyno_status status = DYNO_OK;
  dyno_cpu_detect(&cpu);
  *plan = (dyno_bench_counter_plan){0};
  if (list == NULL || strcmp(list, "default") == 0)
    status = add_set(plan, dyno_counter_default_set(&cpu), error);
  else if (strcmp(list, "none") != 0)
    status = add_list(plan, list, error);
  if (status == DYNO_OK)
    plan->passes = dyno_counters_plan(plan->pass, plan->names, plan->count,
                                      dyno_counter_group_size(&cpu), perf);
  else
    dyno_bench_counter_plan_free(plan);
  return status;
}

void dyno_bench_counter_plan_free(dyno_bench_counter_plan *plan)
{
  free(plan->text);
  *plan = (dyno_bench_counter_plan){0};
}

/* Counting */

/* What one thread's counters stood at after its last op, and what each op has come to. */
typedef struct thread_sums {
  dyno_counter_reading last[DYNO_BENCH_MOST_COUNTERS];
  dyno_counter_reading op[DYNO_PROBE_OP_COUNT][DYNO_BENCH_MOST_COUNTERS];
  bool ran[DYNO_PROBE_OP_COUNT];
} thread_sums;

/* A pass under way. */
typedef struct counting {
  const dyno_bench_model *model;
  const dyno_bench_counter_plan *plan;
  size_t pass, first, count; /* the pass, and its counters among those of the plan */
  dyno_counters *counters;
  dyno_sequence *sequence;
  unsigned threads;
  pid_t *ids;        /* [threads] */
  thread_sums *sums; /* [threads]; NULL: by phase */
  dyno_bench_counts *counts;
} counting;

static void tell_id(void *context, unsigned thread, unsigned threads)
{
  pid_t *ids = context;
  (void)threads;
  ids[thread] = gettid();
}

static dyno_status add_row(counting *with, const dyno_bench_count *row, dyno_error *error)
{
  dyno_bench_counts *counts = with->counts;
  if (counts->count == counts->capacity) {
    size_t capacity = 2 * counts->capacity + 64;
    dyno_bench_count *longer = realloc(counts->rows, capacity * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "counters: out of memory");
    counts->rows = longer;
    counts->capacity = capacity;
  }
  counts->rows[counts->count++] = *row;
  return DYNO_OK;
}

static dyno_probe_op op_of(const char *name)
{
  int op = 0;
  while (op < DYNO_PROBE_OP_COUNT && dyno_probe_op_name((dyno_probe_op)op) != name)
    op++; /* the same static string for all time */
  return (dyno_probe_op)op;
}

/* Called by every thread after each of its ops. */
static void take_op(void *context, const dyno_probe_event *event)
{
  counting *with = context;
  dyno_counter_reading now[DYNO_BENCH_MOST_COUNTERS];
  dyno_probe_op op = op_of(event->op);
  if (event->thread >= with->threads || op == DYNO_PROBE_OP_COUNT)
    return;
  thread_sums *sums = &with->sums[event->thread];
  dyno_counters_look(with->counters, event->thread, now);
  for (size_t i = 0; i < with->count; i++) {
    sums->op[op][i].value += now[i].value - sums->last[i].value;
    sums->op[op][i].enabled += now[i].enabled - sums->last[i].enabled;
    sums->op[op][i].running += now[i].running - sums->last[i].running;
    sums->last[i] = now[i];
  }
  sums->ran[op] = true;
}

/* What happened since the last op is none's: between two calls of the engine. */
static void skip_gap(counting *with)
{
  for (unsigned t = 0; with->sums != NULL && t < with->threads; t++)
    dyno_counters_look(with->counters, t, with->sums[t].last);
}

static dyno_status run_tokens(counting *with, const int32_t *tokens, size_t count, size_t each,
                              dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t done = 0; done < count && status == DYNO_OK; done += each) {
    int32_t id;
    skip_gap(with);
    status = dyno_sequence_append(with->sequence, tokens + done, each, NULL, NULL, error);
    skip_gap(with);
    if (status == DYNO_OK)
      status = dyno_bench_choose(&id, with->model, with->sequence, error);
  }
  return status;
}

static dyno_status add_phase(counting *with, dyno_bench_count *row, dyno_error *error)
{
  dyno_counter_value values[DYNO_BENCH_MOST_COUNTERS];
  dyno_status status = DYNO_OK;
  dyno_counters_read(with->counters, values);
  for (size_t i = 0; i < with->count && status == DYNO_OK; i++) {
    row->counter = with->plan->names[with->first + i];
    row->value = values[i];
    status = add_row(with, row, error);
  }
  return status;
}

static dyno_status add_op(counting *with, dyno_bench_count *row, dyno_probe_op op,
                          dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < with->count && status == DYNO_OK; i++) {
    dyno_counter_reading sum = {0};
    bool ran = false;
    for (unsigned t = 0; t < with->threads; t++) {
      const dyno_counter_reading *of = &with->sums[t].op[op][i];
      ran = ran || with->sums[t].ran[op];
      sum.value += of->value;
      sum.enabled += of->enabled;
      sum.running += of->running;
    }
    if (!ran || dyno_counters_reason(with->counters, i)[0] != '\0')
      continue;
    row->op = dyno_probe_op_name(op);
    row->counter = with->plan->names[with->first + i];
    dyno_counter_judge(&row->value, sum.value, sum.enabled, sum.running);
    status = add_row(with, row, error);
  }
  return status;
}

static dyno_status run_phase(counting *with, bool decode, const int32_t *tokens, size_t count,
                             dyno_error *error)
{
  dyno_engine *engine = with->model->engine;
  dyno_bench_count row = {.decode = decode, .pass = with->pass, .tokens = count};
  const dyno_probe probe = {.event = take_op, .context = with};
  if (with->sums != NULL)
    memset(with->sums, 0, with->threads * sizeof *with->sums);
  dyno_counters_start(with->counters);
  dyno_engine_set_probe(engine, with->sums != NULL ? &probe : NULL);
  dyno_status status = run_tokens(with, tokens, count, decode ? 1 : count, error);
  dyno_engine_set_probe(engine, NULL);
  if (status == DYNO_OK && with->sums == NULL)
    return add_phase(with, &row, error);
  for (int op = 0; op < DYNO_PROBE_OP_COUNT && status == DYNO_OK; op++)
    status = add_op(with, &row, (dyno_probe_op)op, error);
  return status;
}

/* Whether any counter of the pass can be had; if not, there is nothing to look at after ops. */
static bool any_counts(const counting *with)
{
  bool any = false;
  for (size_t i = 0; i < with->count; i++)
    any = any || dyno_counters_reason(with->counters, i)[0] == '\0';
  return any;
}

static dyno_status run_work(counting *with, const dyno_bench_work *work, const dyno_tokens *prompt,
                            dyno_error *error)
{
  size_t decoded = work->trace.count - 1;
  if (decoded > DYNO_BENCH_COUNTED_TOKENS)
    decoded = DYNO_BENCH_COUNTED_TOKENS;
  dyno_sampler_reset(with->model->sampler);
  dyno_status status =
      dyno_sequence_open(&with->sequence, with->model->engine, prompt->count + decoded + 1, error);
  if (status == DYNO_OK)
    status = run_phase(with, false, prompt->ids, prompt->count, error);
  if (status == DYNO_OK && decoded > 0)
    status = run_phase(with, true, work->trace.ids, decoded, error);
  dyno_sequence_close(&with->sequence);
  return status;
}

static dyno_status run_pass(counting *with, const dyno_bench_work *work, const dyno_tokens *prompt,
                            const dyno_perf *perf, dyno_error *error)
{
  const dyno_counter_options options = {with->ids, with->threads, perf};
  dyno_status status = dyno_counters_open_on(&with->counters, with->plan->names + with->first,
                                             with->count, &options, error);
  if (status == DYNO_OK)
    status = run_work(with, work, prompt, error);
  if (status == DYNO_OK && any_counts(with)) {
    with->sums = calloc(with->threads, sizeof *with->sums);
    status = with->sums != NULL ? run_work(with, work, prompt, error)
                                : dyno_fail(error, DYNO_ERROR_MEMORY, "counters: out of memory");
  }
  free(with->sums);
  with->sums = NULL;
  dyno_counters_close(&with->counters);
  return status;
}

dyno_status dyno_bench_count_work(dyno_bench_counts *counts, const dyno_bench_model *model,
                                  const dyno_bench_work *work, const dyno_bench_counter_plan *plan,
                                  const dyno_perf *perf, dyno_error *error)
{
  *counts = (dyno_bench_counts){0};
  counting with = {.model = model,
                   .plan = plan,
                   .counts = counts,
                   .threads = dyno_engine_threads(model->engine)};
  dyno_tokens prompt = {0};
  with.ids = calloc(with.threads, sizeof *with.ids);
  if (with.ids == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "counters: out of memory");
  dyno_pool_run(dyno_engine_pool(model->engine), tell_id, with.ids);
  dyno_status status =
      dyno_bench_prompt_tokens(&prompt, model, work->prompt->prompt, work->from->effort, error);
  for (; with.pass < plan->passes && status == DYNO_OK; with.pass++) {
    with.first += with.count;
    with.count = 0;
    while (with.first + with.count < plan->count &&
           plan->pass[with.first + with.count] == with.pass)
      with.count++;
    status = run_pass(&with, work, &prompt, perf, error);
  }
  dyno_tokens_free(&prompt);
  free(with.ids);
  return status;
}

void dyno_bench_counts_free(dyno_bench_counts *counts)
{
  free(counts->rows);
  *counts = (dyno_bench_counts){0};
}
