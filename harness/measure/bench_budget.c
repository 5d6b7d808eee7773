#include "harness/measure/bench_budget.h"

#include "harness/measure/bench_iteration.h"
#include "harness/measure/bench_ops.h"

enum { PACE_TOKENS = 8, FEWEST_ITERATIONS = 3, STEPS = 40 };

static const double least_scale = 1.0 / 16;

/* What a run takes beyond its tokens: canaries, writing, the report. */
static const double overhead = 1.1, start_seconds = 5;

dyno_status dyno_bench_find_pace(dyno_bench_pace *pace, const dyno_bench_model *model,
                                 const dyno_bench_works *works, dyno_error *error)
{
  uint64_t intervals[PACE_TOKENS];
  dyno_bench_iteration iteration;
  dyno_bench_work shorter = works->works[0];
  dyno_status status = DYNO_OK;
  if (shorter.trace.count > PACE_TOKENS)
    shorter.trace.count = PACE_TOKENS;
  for (int trial = 0; trial < 2 && status == DYNO_OK; trial++) /* the first one warms up */
    status = dyno_bench_iterate(&iteration, intervals, model, &shorter, NULL, NULL, error);
  if (status != DYNO_OK)
    return status;
  size_t decoded = iteration.output_tokens - 1;
  pace->prefill = (double)iteration.prefill_ns * 1e-9 / (double)iteration.prompt_tokens;
  pace->decode = decoded > 0
                     ? (double)(iteration.e2e_ns - iteration.ttft_ns) * 1e-9 / (double)decoded
                     : (double)iteration.ttft_ns * 1e-9;
  return status;
}

size_t dyno_bench_most_said(size_t target)
{
  return target + target / 4 + 96;
}

/* A prompt in its share of the iterations, the profile pass, and said twice. */
static double work_seconds(const dyno_bench_extent *extent, const dyno_bench_work *work,
                           size_t index, const dyno_bench_pace *pace)
{
  size_t prompts = work->from->prompt_count;
  size_t tokens = dyno_bench_scaled_tokens(work->trace.count, extent->scale);
  size_t profiled = tokens < DYNO_BENCH_PROFILED_TOKENS ? tokens : DYNO_BENCH_PROFILED_TOKENS;
  double prefill = (double)work->prompt_tokens * pace->prefill;
  double rounds = (double)(extent->warmup + extent->iterations) / (double)prompts;
  double seconds = rounds * (prefill + (double)tokens * pace->decode);
  if (index == 0)
    seconds += prefill + (double)profiled * pace->decode;
  if (extent->texts && index < extent->text_prompts)
    seconds += 2 * (prefill + (double)dyno_bench_most_said(tokens) * pace->decode);
  return seconds;
}

double dyno_bench_expected_seconds(const dyno_bench_extent *extent, const dyno_bench_works *works,
                                   const dyno_bench_pace *pace)
{
  double seconds = 0;
  for (size_t i = 0; i < works->count; i++) {
    const dyno_bench_work *work = &works->works[i];
    seconds += work_seconds(extent, work, (size_t)(work->prompt - work->from->prompts), pace);
  }
  return start_seconds + overhead * seconds;
}

bool dyno_bench_fit(dyno_bench_extent *extent, double seconds, const dyno_bench_works *works,
                    const dyno_bench_pace *pace)
{
  double low = least_scale, high = extent->scale;
  if (dyno_bench_expected_seconds(extent, works, pace) <= seconds)
    return true;
  for (int step = 0; step < STEPS; step++) {
    extent->scale = (low + high) / 2;
    if (dyno_bench_expected_seconds(extent, works, pace) <= seconds)
      low = extent->scale;
    else
      high = extent->scale;
  }
  extent->scale = low;
  while (dyno_bench_expected_seconds(extent, works, pace) > seconds) {
    if (extent->iterations > FEWEST_ITERATIONS)
      extent->iterations--;
    else if (extent->warmup > 1)
      extent->warmup--;
    else
      return false;
  }
  return true;
}
