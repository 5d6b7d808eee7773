/* The guide's tables and the roofline. The guide's figures are those of "Performance Analysis and
 * Optimization Guide", in decimal gigabytes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_summary_internal.h"

/* Choosing a token from the logits runs on one thread that is none of the engine's, within
 * total.wall_ns. */
static bool is_choice(const dyno_bench_op *op)
{
  return strcmp(op->op, "choose_token") == 0;
}

/* What an op took of the wall time, its threads' waiting for each other included: the mean of all
 * threads. */
static double op_ns(const dyno_bench_op *op, const dyno_bench_total *total)
{
  double waited = isnan(op->waited_ns) ? 0 : op->waited_ns;
  return is_choice(op) ? op->thread_ns : (op->thread_ns + waited) / total->threads;
}

/* Components */

/* Time and tokens of a phase in the profile pass, over all cases. */
typedef struct phase_time {
  double component[DYNO_BENCH_COMPONENT_COUNT];
  double all, tokens;
} phase_time;

static phase_time add_up(const dyno_bench_results *results, dyno_bench_phase phase)
{
  phase_time time = {.all = 0};
  for (size_t i = 0; i < results->manifest.case_count; i++) {
    const dyno_bench_total *total = dyno_bench_find_total(results, i, phase);
    if (total == NULL)
      continue;
    time.all += total->wall_ns;
    time.tokens += total->tokens;
    for (size_t j = 0; j < results->op_count; j++) {
      const dyno_bench_op *op = &results->ops[j];
      if (op->case_index != i || op->phase != phase)
        continue;
      time.component[op->component] += op_ns(op, total);
    }
  }
  return time;
}

/* What the timing pass says of the time from request to last token, over all measured iterations.
 */
typedef struct request_time {
  double all, prefill, tokenizing, prompt_tokens;
} request_time;

static request_time add_requests(const dyno_bench_results *results)
{
  request_time time = {.all = 0};
  for (size_t i = 0; i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    if (sample->warmup)
      continue;
    time.all += sample->e2e_ns;
    time.prefill += sample->prefill_ns;
    time.tokenizing += sample->tokenize_ns;
    time.prompt_tokens += (double)sample->prompt_tokens;
  }
  return time;
}

static double over(double value, double by)
{
  return by > 0 ? value / by : NAN;
}

/* A component's share of a request: its share of each phase, weighted with the phases' shares. */
static double request_share(dyno_bench_component component, const phase_time *prefill,
                            const phase_time *decode, const request_time *request)
{
  double of_prefill = prefill->all > 0 ? prefill->component[component] / prefill->all : 0;
  double of_decode = decode->all > 0 ? decode->component[component] / decode->all : 0;
  double decoding =
      request->all - request->prefill - (isnan(request->tokenizing) ? 0 : request->tokenizing);
  if (prefill->all + decode->all == 0)
    return NAN;
  return over(of_prefill * request->prefill + of_decode * decoding, request->all);
}

static dyno_bench_component_row component_row(const dyno_bench_results *results,
                                              dyno_bench_component component)
{
  phase_time prefill = add_up(results, DYNO_BENCH_PREFILL);
  phase_time decode = add_up(results, DYNO_BENCH_DECODE);
  request_time request = add_requests(results);
  return (dyno_bench_component_row){.tps = over(decode.tokens * 1e9, decode.component[component]),
                                    .prefill_tps =
                                        over(prefill.tokens * 1e9, prefill.component[component]),
                                    .share = request_share(component, &prefill, &decode, &request)};
}

/* The guide's rows; `component` COUNT for those that are not of the engine's ops. */
static const struct {
  const char *name;
  dyno_bench_component component;
  double baseline, optimized;
} component_rows[DYNO_BENCH_COMPONENT_ROWS] = {
    {"tokenizer", DYNO_BENCH_COMPONENT_COUNT, 1000, 1200},
    {"embedding", DYNO_BENCH_EMBEDDING, 800, 1200},
    {"attention", DYNO_BENCH_ATTENTION, 50, 80},
    {"feed_forward", DYNO_BENCH_FEED_FORWARD, 45, 70},
    {"sampling", DYNO_BENCH_SAMPLING, 200, 250},
    {"other", DYNO_BENCH_COMPONENT_COUNT, NAN, NAN},
    {"overall", DYNO_BENCH_COMPONENT_COUNT, 30, 45},
};
enum { TOKENIZER = 0, OTHER = 5, OVERALL = 6 };

void dyno_bench_summarize_components(dyno_bench_summary *summary)
{
  const dyno_bench_results *results = summary->results;
  dyno_bench_component_row *rows = summary->components;
  request_time request = add_requests(results);
  double left = 1;
  for (size_t i = 0; i < DYNO_BENCH_COMPONENT_ROWS; i++) {
    if (component_rows[i].component < DYNO_BENCH_COMPONENT_COUNT)
      rows[i] = component_row(results, component_rows[i].component);
    else
      rows[i] = (dyno_bench_component_row){.tps = NAN, .prefill_tps = NAN, .share = NAN};
    if (i == TOKENIZER) {
      rows[i].prefill_tps = over(request.prompt_tokens * 1e9, request.tokenizing);
      rows[i].tps = rows[i].prefill_tps;
      rows[i].share = over(request.tokenizing, request.all);
    }
    if (component_rows[i].component == DYNO_BENCH_SAMPLING)
      rows[i].prefill_tps = NAN; /* once a prompt, whatever its length */
    rows[i].component = component_rows[i].name;
    rows[i].guide_baseline = component_rows[i].baseline;
    rows[i].guide_optimized = component_rows[i].optimized;
    left -= i < OTHER && !isnan(rows[i].share) ? rows[i].share : 0;
  }
  rows[OTHER].share = isnan(rows[OTHER - 1].share) ? NAN : fmax(left, 0);
  rows[OVERALL].tps = summary->geometric[DYNO_BENCH_DECODE_TPS];
  rows[OVERALL].prefill_tps = summary->geometric[DYNO_BENCH_PREFILL_TPS];
  rows[OVERALL].share = request.all > 0 ? 1 : NAN;
}

/* Memory */

static double weights_of(const dyno_bench_memory *memory)
{
  return memory->weights_bytes;
}

static double kv_of(const dyno_bench_memory *memory)
{
  return memory->kv_bytes;
}

static double hidden_of(const dyno_bench_memory *memory)
{
  return memory->workspace_bytes;
}

static double cache_of(const dyno_bench_memory *memory)
{
  return memory->cache_bytes;
}

static double allocator_of(const dyno_bench_memory *memory)
{
  return memory->allocator_bytes;
}

static double resident_of(const dyno_bench_memory *memory)
{
  return memory->rss_bytes;
}

static const struct {
  const char *name;
  double (*of)(const dyno_bench_memory *);
  double baseline, optimized;
} memory_rows[DYNO_BENCH_MEMORY_ROWS] = {
    {"weights", weights_of, 40e9, 10e9},    {"kv", kv_of, 8e9, 4e9},
    {"hidden_states", hidden_of, 2e9, 1e9}, {"caches", cache_of, NAN, NAN},
    {"allocator", allocator_of, NAN, NAN},  {"total", resident_of, 50e9, 15e9},
};

static void summarize_row(dyno_bench_memory_row *row, const dyno_bench_results *results,
                          double (*of)(const dyno_bench_memory *))
{
  double sum = 0, count = 0;
  row->peak = NAN;
  for (size_t i = 0; i < results->memory_count; i++) {
    double value = of(&results->memory[i]);
    if (isnan(value))
      continue;
    row->peak = fmax(row->peak, value); /* fmax ignores a NaN */
    sum += value;
    count++;
  }
  row->average = over(sum, count);
}

/* Bytes that the allocator holds beyond what is live, over all that it holds: everything but the
 * weights, which are no allocations of it. Before anything is live there is nothing to fragment. */
static double fragmentation_of(const dyno_bench_memory *memory)
{
  double live = memory->kv_bytes + memory->workspace_bytes +
                (isnan(memory->cache_bytes) ? 0 : memory->cache_bytes);
  return live > 0 ? over(memory->allocator_bytes, live + memory->allocator_bytes) : NAN;
}

void dyno_bench_summarize_memory(dyno_bench_summary *summary)
{
  const dyno_bench_results *results = summary->results;
  for (size_t i = 0; i < DYNO_BENCH_MEMORY_ROWS; i++) {
    dyno_bench_memory_row *row = &summary->memory[i];
    *row = (dyno_bench_memory_row){.component = memory_rows[i].name,
                                   .guide_baseline = memory_rows[i].baseline,
                                   .guide_optimized = memory_rows[i].optimized};
    summarize_row(row, results, memory_rows[i].of);
  }
  dyno_bench_memory_row *total = &summary->memory[DYNO_BENCH_MEMORY_ROWS - 1];
  for (size_t i = 0; i < results->memory_count; i++)
    total->peak = fmax(total->peak, results->memory[i].peak_rss_bytes);
  for (size_t i = 0; i < results->sample_count; i++)
    total->peak = fmax(total->peak, results->samples[i].rss_bytes);
  dyno_bench_memory_row fragmentation;
  summarize_row(&fragmentation, results, fragmentation_of);
  summary->fragmentation = fragmentation.average;
  summary->largest_fragmentation = fragmentation.peak;
}

/* Latency */

static double prefill_time(const dyno_bench_sample *sample)
{
  return sample->prefill_ns;
}

static double setup_time(const dyno_bench_sample *sample)
{
  return sample->setup_ns;
}

static double median_over(double *scratch, const dyno_bench_results *results,
                          double (*of)(const dyno_bench_sample *))
{
  size_t count = 0;
  for (size_t i = 0; i < results->sample_count; i++) {
    double value = results->samples[i].warmup ? NAN : of(&results->samples[i]);
    if (!isnan(value))
      scratch[count++] = value;
  }
  return count > 0 ? dyno_median(scratch, count) : NAN;
}

static const struct {
  const char *name;
  double (*of)(const dyno_bench_sample *);
  double guide_ms, guide_share;
} latency_rows[DYNO_BENCH_LATENCY_ROWS - 1] = {
    {"prefill", prefill_time, 150, 0.3},
    {"decode_per_token", dyno_bench_tpot, 15, 0.7},
    {"memory_management", setup_time, 5, 0.1},
};

dyno_status dyno_bench_summarize_latency(dyno_bench_summary *summary, dyno_error *error)
{
  const dyno_bench_results *results = summary->results;
  dyno_bench_latency_row *rows = summary->latency, *total = &rows[DYNO_BENCH_LATENCY_ROWS - 1];
  double *scratch = calloc(results->sample_count + 1, sizeof *scratch);
  if (scratch == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu samples", results->sample_count);
  *total = (dyno_bench_latency_row){"total", 0, 1, 170e6, 1};
  for (size_t i = 0; i + 1 < DYNO_BENCH_LATENCY_ROWS; i++) {
    rows[i] = (dyno_bench_latency_row){latency_rows[i].name,
                                       median_over(scratch, results, latency_rows[i].of), NAN,
                                       latency_rows[i].guide_ms * 1e6, latency_rows[i].guide_share};
    total->median += isnan(rows[i].median) ? 0 : rows[i].median;
  }
  for (size_t i = 0; i + 1 < DYNO_BENCH_LATENCY_ROWS; i++)
    rows[i].share = over(rows[i].median, total->median);
  if (total->median == 0)
    total->median = total->share = NAN;
  free(scratch);
  return DYNO_OK;
}

/* Roofline */

dyno_status dyno_bench_summarize_roofline(dyno_bench_summary *summary, dyno_error *error)
{
  const dyno_bench_results *results = summary->results;
  summary->roofline = calloc(results->op_count + 1, sizeof *summary->roofline);
  if (summary->roofline == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu ops", results->op_count);
  for (size_t i = 0; i < results->op_count; i++) {
    const dyno_bench_op *op = &results->ops[i];
    const dyno_bench_total *total = dyno_bench_find_total(results, op->case_index, op->phase);
    double threads = op->threads > 0 ? op->threads : total != NULL ? total->threads : 1;
    if (!(op->bytes > 0) || !(op->macs > 0) || !(op->thread_ns > 0))
      continue;
    double seconds = op->thread_ns / threads * 1e-9;
    summary->roofline[summary->roof_count++] = (dyno_bench_roof_point){
        op, seconds, op->macs / op->bytes, op->macs / seconds, op->bytes / seconds};
  }
  return DYNO_OK;
}
