#include "harness/measure/kernel_bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/measure/ceilings.h"
#include "harness/measure/host.h"
#include "harness/measure/operands.h"
#include "kernels/base/buffer.h"
#include "kernels/base/clock.h"
#include "kernels/check/rng.h"
#include "runtime/threads/pool.h"

struct dyno_bench {
  const dyno_registry *registry;
  dyno_bench_options options;
  dyno_pool *pool;
  int cpu;
  size_t cache;
  dyno_buffer memory; /* of the operands; kept, because first touch is slow */
  dyno_rng rng;
};

/* What variants of one layout share: the operands in memory, and the plain read of them. */
typedef struct bench_ground {
  const dyno_layout *layout;
  dyno_operands_size size;
  dyno_operands *operands;
  size_t copies, offset;
  double huge_pages;
  dyno_ceiling_probe read;
  double *read_samples; /* [rounds] */
} bench_ground;

typedef struct bench_contender {
  const dyno_kernel *kernel;
  bench_ground *ground;
  size_t granule, rows, calls;
  size_t next_copy;
  double *samples; /* [rounds], seconds of a call on the rows */
  size_t disturbed;
} bench_contender;

/* The arithmetic that some variants are held against. */
typedef struct bench_arithmetic {
  bool wanted;
  dyno_ceiling_probe probe;
  double *samples; /* [rounds] */
} bench_arithmetic;

typedef struct bench_contest {
  dyno_bench *bench;
  const dyno_problem *problem;
  dyno_bench_condition condition;
  size_t rows;
  bench_contender *contenders;
  size_t count;
  bench_ground *grounds; /* [count] at most */
  size_t ground_count;
  bench_arithmetic arithmetics[DYNO_CEILING_KIND_COUNT];
  size_t *order; /* of a round: contenders, then grounds, then arithmetics */
  double *samples;
} bench_contest;

/* Cold is four times the largest cache, and never less than this. */
static const size_t least_pool = (size_t)256 << 20;

const char *dyno_bench_condition_name(dyno_bench_condition condition)
{
  return condition == DYNO_BENCH_COLD ? "cold" : "warm";
}

dyno_status dyno_bench_open(dyno_bench **bench, const dyno_registry *registry,
                            const dyno_bench_options *options, dyno_error *error)
{
  *bench = NULL;
  if (options->rounds < 3)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%u rounds: at least 3 are needed for a median",
                     options->rounds);
  dyno_bench *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  made->registry = registry;
  made->options = *options;
  made->rng.state = options->seed;
  made->cache = dyno_largest_cache();
  if (made->options.memory == 0)
    made->options.memory = dyno_available_memory() / 4 * 3;
  /* Workers first: they must not inherit the one CPU of this thread. */
  dyno_status status = dyno_pool_open(&made->pool, options->threads, error);
  if (status == DYNO_OK)
    status = dyno_pin_thread(&made->cpu, options->cpu, options->threads, error);
  if (status != DYNO_OK)
    dyno_bench_close(&made);
  *bench = made;
  return status;
}

void dyno_bench_close(dyno_bench **bench)
{
  if (*bench == NULL)
    return;
  dyno_pool_close(&(*bench)->pool);
  dyno_buffer_close(&(*bench)->memory);
  free(*bench);
  *bench = NULL;
}

int dyno_bench_cpu(const dyno_bench *bench)
{
  return bench->cpu;
}

size_t dyno_bench_cache(const dyno_bench *bench)
{
  return bench->cache;
}

/* Preparing */

static dyno_ceiling_kind arithmetic_of(const dyno_kernel *kernel)
{
  if (kernel->activation == DYNO_A8 && kernel->op == DYNO_OP_MATMUL)
    return DYNO_CEILING_MAC_I8;
  return kernel->tolerance == DYNO_TOLERANCE_BF16 ? DYNO_CEILING_MAC_BF16 : DYNO_CEILING_MAC_F32;
}

static size_t scratch_bytes(const bench_contest *contest)
{
  size_t most = 0;
  for (size_t i = 0; i < contest->count; i++) {
    const dyno_kernel *kernel = contest->contenders[i].kernel;
    size_t bytes = kernel->scratch_bytes == NULL ? 0 : kernel->scratch_bytes(contest->problem);
    most = bytes > most ? bytes : most;
  }
  return most;
}

/* Copies of what is streamed: one when warm, else as many as no cache can hold. */
static size_t copies_of(const bench_contest *contest, size_t streamed)
{
  size_t pool = 4 * contest->bench->cache;
  pool = pool > least_pool ? pool : least_pool;
  if (contest->condition == DYNO_BENCH_WARM || streamed == 0 || streamed >= pool)
    return 1;
  return (pool + streamed - 1) / streamed;
}

/* Gives every ground its place, on huge pages of its own; *total is the bytes of all. */
static dyno_status lay_out(bench_contest *contest, size_t *total, dyno_error *error)
{
  *total = 0;
  for (size_t i = 0; i < contest->ground_count; i++) {
    bench_ground *ground = &contest->grounds[i];
    dyno_status status = dyno_operands_measure(&ground->size, contest->problem, ground->layout,
                                               scratch_bytes(contest),
                                               dyno_pool_threads(contest->bench->pool), error);
    if (status != DYNO_OK)
      return status;
    ground->copies = copies_of(contest, ground->size.streamed);
    ground->offset = *total;
    double wanted = (double)*total + (double)ground->copies * (double)ground->size.streamed +
                    (double)ground->size.fixed;
    if (wanted > (double)contest->bench->options.memory) {
      char text[DYNO_PROBLEM_TEXT];
      dyno_problem_format(text, contest->problem);
      return dyno_fail(error, DYNO_ERROR_MEMORY,
                       "%s: %.2f GiB of operands, and only %.2f GiB may be used (--memory)", text,
                       wanted / 0x1p30, (double)contest->bench->options.memory / 0x1p30);
    }
    *total += ground->copies * ground->size.streamed + ground->size.fixed;
    *total = (*total + DYNO_HUGE_PAGE - 1) / DYNO_HUGE_PAGE * DYNO_HUGE_PAGE;
  }
  return DYNO_OK;
}

static dyno_status fill_grounds(bench_contest *contest, dyno_error *error)
{
  dyno_bench *bench = contest->bench;
  size_t total;
  dyno_status status = lay_out(contest, &total, error);
  if (status == DYNO_OK && bench->memory.size < total) {
    dyno_buffer_close(&bench->memory);
    status = dyno_buffer_open(&bench->memory, total, error);
    if (status == DYNO_OK)
      dyno_prefer_local_memory(bench->memory.data, bench->memory.size);
  }
  for (size_t i = 0; i < contest->ground_count && status == DYNO_OK; i++) {
    bench_ground *ground = &contest->grounds[i];
    char *memory = (char *)bench->memory.data + ground->offset;
    status = dyno_operands_open(&ground->operands, contest->problem, ground->layout,
                                scratch_bytes(contest), dyno_pool_threads(bench->pool), memory,
                                ground->copies, bench->options.seed, error);
    ground->huge_pages =
        dyno_huge_page_share(memory, ground->copies * ground->size.streamed + ground->size.fixed);
  }
  return status;
}

static bench_ground *ground_of(bench_contest *contest, const dyno_layout *layout)
{
  for (size_t i = 0; i < contest->ground_count; i++)
    if (contest->grounds[i].layout == layout)
      return &contest->grounds[i];
  bench_ground *added = &contest->grounds[contest->ground_count++];
  added->layout = layout;
  return added;
}

static dyno_status contest_open(bench_contest *contest, const dyno_kernel *const *kernels,
                                size_t count, dyno_error *error)
{
  size_t rounds = contest->bench->options.rounds;
  size_t parties = 2 * count + DYNO_CEILING_KIND_COUNT;
  contest->contenders = calloc(count, sizeof *contest->contenders);
  contest->grounds = calloc(count, sizeof *contest->grounds);
  contest->order = calloc(parties, sizeof *contest->order);
  contest->samples = calloc(parties * rounds, sizeof *contest->samples);
  if (contest->contenders == NULL || contest->grounds == NULL || contest->order == NULL ||
      contest->samples == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  contest->rows = dyno_problem_rows(contest->problem);
  contest->count = count;
  double *samples = contest->samples;
  for (size_t i = 0; i < count; i++, samples += 2 * rounds) {
    const dyno_layout *layout = dyno_kernel_layout(kernels[i]);
    contest->contenders[i] = (bench_contender){
        .kernel = kernels[i],
        .ground = ground_of(contest, layout),
        .granule = dyno_operands_granule(contest->problem, layout),
        .samples = samples,
    };
    contest->grounds[i].read_samples = samples + rounds;
    contest->arithmetics[arithmetic_of(kernels[i])].wanted = true;
  }
  for (size_t kind = 0; kind < DYNO_CEILING_KIND_COUNT; kind++, samples += rounds)
    contest->arithmetics[kind].samples = samples;
  return fill_grounds(contest, error);
}

static void contest_close(bench_contest *contest)
{
  for (size_t i = 0; i < contest->ground_count; i++)
    dyno_operands_close(&contest->grounds[i].operands);
  free(contest->contenders);
  free(contest->grounds);
  free(contest->order);
  free(contest->samples);
}

/* Timing */

typedef struct part_of_call {
  const bench_contender *contender;
  size_t copy;
} part_of_call;

static void run_part(void *context, unsigned thread, unsigned threads)
{
  const part_of_call *call = context;
  const bench_contender *contender = call->contender;
  size_t begin, end;
  dyno_partition(&begin, &end, contender->rows, contender->granule, thread, threads);
  if (begin < end)
    dyno_operands_run(contender->ground->operands, contender->kernel, call->copy, begin, end,
                      thread);
}

/* Seconds of a call, over `calls` consecutive ones, each on the next copy. */
static double time_calls(const bench_contest *contest, bench_contender *contender, size_t calls)
{
  part_of_call call = {contender, contender->next_copy};
  size_t copies = contender->ground->copies;
  uint64_t start = dyno_clock_ns();
  for (size_t i = 0; i < calls; i++) {
    dyno_pool_run(contest->bench->pool, run_part, &call);
    call.copy = call.copy + 1 < copies ? call.copy + 1 : 0;
  }
  uint64_t end = dyno_clock_ns();
  contender->next_copy = call.copy;
  return (double)(end - start) * 1e-9 / (double)calls;
}

/* How often this thread was made to give way to another program. */
static long preemptions(void)
{
  struct rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static double take_sample(const bench_contest *contest, bench_contender *contender)
{
  if (contest->condition == DYNO_BENCH_WARM)
    time_calls(contest, contender, 1);
  long before = preemptions();
  double seconds = time_calls(contest, contender, contender->calls);
  contender->disturbed += preemptions() != before;
  return seconds;
}

/* The work of the first `rows` rows, in a unit of the problem's own. Rows cost the same, but for
 * attention, where later queries see more: there the rows of a KV head are a problem themselves. */
static double work_of(const bench_contest *contest, const dyno_kernel *kernel, size_t rows)
{
  dyno_problem head = *contest->problem;
  if (head.op != DYNO_OP_ATTENTION)
    return (double)rows;
  size_t queries = head.m;
  double whole = (double)(rows / queries) * dyno_kernel_cost(kernel, &head).macs;
  head.m = rows % queries;
  head.n = head.n - queries + head.m;
  return whole + dyno_kernel_cost(kernel, &head).macs;
}

/* By what the time of a call on the contender's rows is multiplied to be that of all rows. */
static double scale_of(const bench_contest *contest, const bench_contender *contender)
{
  return work_of(contest, contender->kernel, contest->rows) /
         work_of(contest, contender->kernel, contender->rows);
}

static size_t whole_granules(double rows, const bench_contender *contender, size_t least)
{
  size_t whole = (size_t)rows / contender->granule * contender->granule;
  return whole > least ? whole : least;
}

/* Decides on how many rows a call computes and how many calls a sample is. Starts with as few rows
 * as there can be and takes more while that is quick, so that even the slowest variant is soon
 * known. */
static void calibrate(const bench_contest *contest, bench_contender *contender)
{
  const dyno_bench_options *options = &contest->bench->options;
  size_t threads = dyno_pool_threads(contest->bench->pool);
  size_t least = contender->granule * threads;
  least = least < contest->rows ? least : contest->rows;
  contender->rows = least;
  double seconds = time_calls(contest, contender, 1);
  while (contender->rows < contest->rows && seconds < options->call_seconds / 16) {
    double more = (double)contender->rows * 8;
    contender->rows =
        more < (double)contest->rows ? whole_granules(more, contender, least) : contest->rows;
    seconds = time_calls(contest, contender, 1);
  }
  /* The first call of a size may find cold code and pages. */
  seconds = fmin(seconds, time_calls(contest, contender, 1));
  if (seconds * scale_of(contest, contender) <= options->call_seconds)
    contender->rows = contest->rows;
  else
    contender->rows = whole_granules(
        fmin((double)contender->rows * options->call_seconds / seconds, (double)contest->rows),
        contender, least);
  seconds = time_calls(contest, contender, 1);
  double calls = ceil(options->sample_seconds / fmax(seconds, 1e-9));
  contender->calls = calls < 1 ? 1 : (size_t)calls;
}

static void prepare_probes(bench_contest *contest)
{
  dyno_pool *pool = contest->bench->pool;
  dyno_isa isa = dyno_registry_isa(contest->bench->registry);
  double seconds = contest->bench->options.sample_seconds;
  for (size_t i = 0; i < contest->ground_count; i++) {
    bench_ground *ground = &contest->grounds[i];
    dyno_ceiling_probe_read(&ground->read, pool, isa, dyno_operands_streamed(ground->operands),
                            ground->copies * ground->size.streamed, seconds);
  }
  for (size_t kind = 0; kind < DYNO_CEILING_KIND_COUNT; kind++)
    if (contest->arithmetics[kind].wanted)
      dyno_ceiling_probe_mac(&contest->arithmetics[kind].probe, pool, isa, (dyno_ceiling_kind)kind,
                             seconds);
}

/* One sample of the party with that number: contenders, then grounds, then arithmetics. */
static void sample_party(bench_contest *contest, size_t party, size_t round)
{
  if (party < contest->count) {
    bench_contender *contender = &contest->contenders[party];
    contender->samples[round] = take_sample(contest, contender);
    return;
  }
  party -= contest->count;
  dyno_pool *pool = contest->bench->pool;
  if (party < contest->ground_count) {
    const bench_ground *ground = &contest->grounds[party];
    if (contest->condition == DYNO_BENCH_WARM) {
      dyno_ceiling_probe once = ground->read;
      once.passes = 1;
      dyno_ceiling_probe_sample(&once, pool);
    }
    ground->read_samples[round] = dyno_ceiling_probe_sample(&ground->read, pool);
    return;
  }
  bench_arithmetic *arithmetic = &contest->arithmetics[party - contest->ground_count];
  if (arithmetic->wanted)
    arithmetic->samples[round] = dyno_ceiling_probe_sample(&arithmetic->probe, pool);
}

static bool stopped(const dyno_bench *bench)
{
  return bench->options.stop != NULL && *bench->options.stop != 0;
}

static dyno_status run_rounds(bench_contest *contest, dyno_error *error)
{
  dyno_bench *bench = contest->bench;
  size_t parties = contest->count + contest->ground_count + DYNO_CEILING_KIND_COUNT;
  for (size_t i = 0; i < parties; i++)
    contest->order[i] = i;
  for (size_t round = 0; round < bench->options.rounds; round++) {
    for (size_t i = parties; i > 1; i--) { /* Fisher and Yates */
      size_t j = dyno_rng_below(&bench->rng, i), kept = contest->order[i - 1];
      contest->order[i - 1] = contest->order[j];
      contest->order[j] = kept;
    }
    for (size_t i = 0; i < parties; i++) {
      if (stopped(bench))
        return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "interrupted");
      sample_party(contest, contest->order[i], round);
    }
  }
  return DYNO_OK;
}

/* Counters, in a sample of its own: reading them must not disturb the times. */
static dyno_status count_events(const bench_contest *contest, bench_contender *contender,
                                dyno_counter_value *values, dyno_error *error)
{
  static const char *const names[DYNO_BENCH_COUNTERS] = {
      [DYNO_BENCH_INSTRUCTIONS] = "instructions",
      [DYNO_BENCH_CYCLES] = "cycles",
  };
  dyno_counters *counters;
  dyno_status status = dyno_counters_open(&counters, names, DYNO_BENCH_COUNTERS, error);
  if (status != DYNO_OK)
    return status;
  if (contest->condition == DYNO_BENCH_WARM)
    time_calls(contest, contender, 1);
  dyno_counters_start(counters);
  time_calls(contest, contender, contender->calls);
  dyno_counters_read(counters, values);
  dyno_counters_close(&counters);
  double calls = (double)contender->calls / scale_of(contest, contender);
  for (size_t i = 0; i < DYNO_BENCH_COUNTERS; i++)
    values[i].value /= calls;
  return DYNO_OK;
}

/* Results */

/* The ceilings, and how near the medians come to them. */
static void hold_against_ceilings(dyno_bench_result *result, const bench_ground *ground,
                                  const bench_arithmetic *arithmetic, size_t rounds)
{
  double seconds = result->seconds.median, bytes = dyno_cost_bytes(&result->cost);
  result->bytes_per_second = bytes / seconds;
  result->macs_per_second = result->cost.macs / seconds;
  result->read_ceiling = result->mac_ceiling = NAN;
  if (ground->read.loop != NULL) {
    result->read_ceiling = dyno_median(ground->read_samples, rounds);
    result->read_ceiling_by = ground->read.loop->name;
  }
  if (arithmetic->probe.loop != NULL) {
    result->mac_ceiling = dyno_median(arithmetic->samples, rounds);
    result->mac_ceiling_by = arithmetic->probe.loop->name;
  }
  result->read_share = result->bytes_per_second / result->read_ceiling;
  result->mac_share = result->macs_per_second / result->mac_ceiling;
  /* The larger share is that of the ceiling which takes longer; fmax passes over a NaN. */
  result->attainment = fmax(result->read_share, result->mac_share);
  result->memory_bound = !(result->mac_share > result->read_share);
}

static dyno_status describe_result(dyno_bench_result *result, const bench_contest *contest,
                                   bench_contender *contender, dyno_error *error)
{
  const bench_ground *ground = contender->ground;
  size_t rounds = contest->bench->options.rounds;
  *result = (dyno_bench_result){
      .kernel = contender->kernel,
      .problem = *contest->problem,
      .condition = contest->condition,
      .threads = dyno_pool_threads(contest->bench->pool),
      .cost = dyno_kernel_cost(contender->kernel, contest->problem),
      .disturbed = contender->disturbed,
      .calls = contender->calls,
      .rows = contest->rows,
      .rows_measured = contender->rows,
      .copies = ground->copies,
      .working_set = (double)ground->copies * (double)ground->size.streamed,
      .huge_pages = ground->huge_pages,
  };
  double scale = scale_of(contest, contender);
  for (size_t i = 0; i < rounds; i++)
    contender->samples[i] *= scale;
  dyno_status status = dyno_summarize(&result->seconds, contender->samples, rounds, error);
  if (status == DYNO_OK)
    hold_against_ceilings(result, ground, &contest->arithmetics[arithmetic_of(contender->kernel)],
                          rounds);
  if (status == DYNO_OK && contest->bench->options.counters)
    status = count_events(contest, contender, result->counters, error);
  return status;
}

static void mark_fastest(dyno_bench_result *results, size_t count)
{
  size_t best = 0;
  for (size_t i = 1; i < count; i++)
    if (results[i].seconds.median < results[best].seconds.median)
      best = i;
  results[best].fastest = true;
  for (size_t i = 0; i < count; i++)
    results[i].tied =
        i != best && results[i].seconds.median <= results[best].seconds.median_interval.high;
}

static dyno_status measure(bench_contest *contest, dyno_bench_result *results, dyno_error *error)
{
  for (size_t i = 0; i < contest->count; i++) {
    if (stopped(contest->bench))
      return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "interrupted");
    calibrate(contest, &contest->contenders[i]);
  }
  prepare_probes(contest);
  dyno_status status = run_rounds(contest, error);
  for (size_t i = 0; i < contest->count && status == DYNO_OK; i++)
    status = describe_result(&results[i], contest, &contest->contenders[i], error);
  if (status == DYNO_OK)
    mark_fastest(results, contest->count);
  return status;
}

dyno_status dyno_bench_run(dyno_bench *bench, dyno_bench_result *results,
                           const dyno_kernel *const *kernels, size_t count,
                           const dyno_problem *problem, dyno_bench_condition condition,
                           dyno_error *error)
{
  bench_contest contest = {.bench = bench, .problem = problem, .condition = condition};
  if (count == 0 || dyno_problem_rows(problem) == 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "there is nothing to measure: %s",
                     count == 0 ? "no variant" : "a problem without rows");
  dyno_status status = contest_open(&contest, kernels, count, error);
  if (status == DYNO_OK)
    status = measure(&contest, results, error);
  contest_close(&contest);
  return status;
}
