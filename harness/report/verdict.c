/* The guide's success criteria, and what other machines would make of the same engine. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/report/bench_summary_internal.h"
#include "harness/report/units.h"

static const double wanted_tps = 30, wanted_bytes = 32e9;

/* The least that the slowest case's median may be of the fastest's, and the most that decode rates
 * of one case may vary, for cases to count as consistent. */
static const double least_ratio = 0.8, most_variation = 0.05;

/* gpt-oss-20b as its makers publish it: MXFP4 experts, 8 bits for the rest of what a token reads.
 */
static const double published_bytes = 2.57e9, published_macs = 3.607e9, published_file = 12.1e9;

/* What a decode at these shapes reaches of a plain read of the same weights, where it has not been
 * measured. */
static const double assumed_share = 0.9;

/* What a plain read reaches of the memory's peak. */
static const double read_of_peak = 0.8;

bool dyno_bench_is_20b(const dyno_bench_results *results)
{
  return results->manifest.model.layers == 24 && results->manifest.model.vocabulary == 201088 &&
         fabs(results->manifest.model.parameters / 20.91e9 - 1) < 0.02;
}

/* Decoding */

static void add_decode(dyno_bench_summary *summary, size_t case_index, double *tokens)
{
  const dyno_bench_results *results = summary->results;
  const dyno_bench_total *total = dyno_bench_find_total(results, case_index, DYNO_BENCH_DECODE);
  if (total == NULL)
    return;
  *tokens += total->tokens;
  for (size_t i = 0; i < results->op_count; i++) {
    const dyno_bench_op *op = &results->ops[i];
    if (op->case_index != case_index || op->phase != DYNO_BENCH_DECODE)
      continue;
    summary->decode_bytes_per_token += isnan(op->bytes) ? 0 : op->bytes;
    summary->decode_macs_per_token += isnan(op->macs) ? 0 : op->macs;
  }
}

/* What a decoded token of this case reads; that of all when it was not profiled. */
static double case_bytes(const dyno_bench_summary *summary, size_t case_index)
{
  const dyno_bench_results *results = summary->results;
  const dyno_bench_total *total = dyno_bench_find_total(results, case_index, DYNO_BENCH_DECODE);
  double bytes = 0;
  for (size_t i = 0; total != NULL && i < results->op_count; i++)
    if (results->ops[i].case_index == case_index && results->ops[i].phase == DYNO_BENCH_DECODE)
      bytes += isnan(results->ops[i].bytes) ? 0 : results->ops[i].bytes;
  return bytes > 0 ? bytes / total->tokens : summary->decode_bytes_per_token;
}

dyno_status dyno_bench_summarize_decode(dyno_bench_summary *summary, dyno_error *error)
{
  const dyno_bench_results *results = summary->results;
  double tokens = 0, *shares = calloc(results->sample_count + 1, sizeof *shares);
  if (shares == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu samples", results->sample_count);
  summary->read_bandwidth = dyno_bench_median_read(results, true);
  for (size_t i = 0; i < results->manifest.case_count; i++)
    add_decode(summary, i, &tokens);
  bool known = tokens > 0 && summary->decode_bytes_per_token > 0;
  summary->decode_bytes_per_token = known ? summary->decode_bytes_per_token / tokens : NAN;
  summary->decode_macs_per_token = known ? summary->decode_macs_per_token / tokens : NAN;
  for (size_t i = 0; i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    double share =
        case_bytes(summary, sample->case_index) * dyno_bench_decode_rate(sample) / sample->read_all;
    if (!sample->warmup && isfinite(share))
      shares[summary->decode_of_read_count++] = share;
  }
  summary->decode_of_read =
      summary->decode_of_read_count > 0 ? dyno_median(shares, summary->decode_of_read_count) : NAN;
  free(shares);
  return DYNO_OK;
}

/* Projection */

/* Peak bandwidths: 38.4 GB/s for each channel of DDR5-4800, two sockets. */
static const struct {
  const char *name;
  double channels;
} target_machines[] = {
    {"2 sockets x 8 cores, 2 channels of DDR5-4800 each", 4},
    {"2 sockets x 8 cores, 4 channels of DDR5-4800 each", 8},
    {"2 sockets x 8 cores, 8 channels of DDR5-4800 each", 16},
};

void dyno_bench_project(dyno_bench_summary *summary)
{
  dyno_bench_projection *to = &summary->projection;
  bool real = dyno_bench_is_20b(summary->results) && !isnan(summary->decode_bytes_per_token);
  to->bytes_measured = real;
  to->bytes_per_token = real ? summary->decode_bytes_per_token : published_bytes;
  to->macs_per_token = real ? summary->decode_macs_per_token : published_macs;
  /* Small models are limited by other things than memory: their share says nothing of a large one.
   */
  to->share_measured = real && !isnan(summary->decode_of_read);
  to->read_share = to->share_measured ? fmin(summary->decode_of_read, 1) : assumed_share;
  if (!summary->cached && summary->read_bandwidth > 0)
    to->machines[to->machine_count++] =
        (dyno_bench_machine){"this machine", NAN, summary->read_bandwidth, NAN};
  for (size_t i = 0; i < sizeof target_machines / sizeof *target_machines; i++) {
    double peak = target_machines[i].channels * 38.4e9;
    to->machines[to->machine_count++] =
        (dyno_bench_machine){target_machines[i].name, peak, peak * read_of_peak, NAN};
  }
  for (size_t i = 0; i < to->machine_count; i++)
    to->machines[i].decode_tps =
        to->machines[i].read_bandwidth * to->read_share / to->bytes_per_token;
}

/* Verdict */

static void say(dyno_bench_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(dyno_bench_verdict *verdict, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(verdict->reason, sizeof verdict->reason, format, arguments);
  va_end(arguments);
}

static dyno_bench_answer answer(bool holds)
{
  return holds ? DYNO_BENCH_YES : DYNO_BENCH_NO;
}

/* For the model itself. */
static void judge_measured_tps(dyno_bench_verdict *verdict, const dyno_bench_summary *summary)
{
  char tps[DYNO_UNIT_TEXT], allowed[DYNO_UNIT_TEXT], read[DYNO_UNIT_TEXT], needed[DYNO_UNIT_TEXT],
      share[DYNO_UNIT_TEXT], bytes[DYNO_UNIT_TEXT];
  double ceiling = summary->read_bandwidth;
  double most = ceiling / summary->decode_bytes_per_token;
  verdict->holds = answer(verdict->measured > wanted_tps);
  dyno_format_number(tps, verdict->measured);
  if (verdict->holds == DYNO_BENCH_YES || isnan(most)) {
    say(verdict, "decoded %s tokens/s, the geometric mean of the cases' medians", tps);
    return;
  }
  verdict->needed_bandwidth =
      wanted_tps * summary->decode_bytes_per_token / summary->projection.read_share;
  dyno_format_number(allowed, most);
  dyno_format_rate(read, ceiling, "B/s");
  dyno_format_rate(needed, verdict->needed_bandwidth, "B/s");
  dyno_format_rate(bytes, summary->decode_bytes_per_token, "B");
  dyno_format_share(share, summary->projection.read_share);
  say(verdict,
      "decoded %s tokens/s; %s a token from memory that read %s (median, before each iteration) "
      "allow about %s%s; 30 take a read of %s at %s of it%s",
      tps, bytes, read, allowed, most < wanted_tps ? ", so 30 are impossible here" : "", needed,
      share, summary->projection.share_measured ? ", as in this run" : ", as assumed");
}

/* For gpt-oss-20b, from the run of another model. */
static void judge_projected_tps(dyno_bench_verdict *verdict, const dyno_bench_summary *summary)
{
  char tps[DYNO_UNIT_TEXT], read[DYNO_UNIT_TEXT], needed[DYNO_UNIT_TEXT];
  const dyno_bench_projection *projection = &summary->projection;
  verdict->projected = true;
  verdict->needed_bandwidth = wanted_tps * projection->bytes_per_token / projection->read_share;
  dyno_format_rate(needed, verdict->needed_bandwidth, "B/s");
  verdict->measured = NAN;
  if (summary->cached || isnan(projection->machines[0].decode_tps)) {
    say(verdict,
        "not gpt-oss-20b, and so small that caches may hold it: this run says nothing of 20b on "
        "this machine; projection: 30 tokens/s take memory that reads %s",
        needed);
    return;
  }
  verdict->measured = projection->machines[0].decode_tps;
  dyno_format_number(tps, verdict->measured);
  dyno_format_rate(read, projection->machines[0].read_bandwidth, "B/s");
  say(verdict,
      "not gpt-oss-20b; projection: at the %s that this machine reads, 20b would decode at most "
      "about %s tokens/s; 30 take %s",
      read, tps, needed);
}

static void judge_tps(dyno_bench_verdict *verdict, const dyno_bench_summary *summary)
{
  double tps = summary->geometric[DYNO_BENCH_DECODE_TPS];
  *verdict = (dyno_bench_verdict){.criterion = "tps",
                                  .wanted = "> 30 tokens/s, gpt-oss-20b",
                                  .measured = tps,
                                  .holds = DYNO_BENCH_UNKNOWN,
                                  .needed_bandwidth = NAN};
  if (isnan(tps))
    say(verdict, "nothing was decoded");
  else if (dyno_bench_is_20b(summary->results))
    judge_measured_tps(verdict, summary);
  else
    judge_projected_tps(verdict, summary);
}

static void judge_memory(dyno_bench_verdict *verdict, const dyno_bench_summary *summary)
{
  char peak[DYNO_UNIT_TEXT];
  double bytes = summary->memory[DYNO_BENCH_MEMORY_ROWS - 1].peak;
  double others = bytes - summary->memory[0].peak;
  *verdict = (dyno_bench_verdict){.criterion = "memory",
                                  .wanted = "< 32 GB, gpt-oss-20b",
                                  .measured = bytes,
                                  .holds = DYNO_BENCH_UNKNOWN,
                                  .needed_bandwidth = NAN};
  if (isnan(bytes)) {
    say(verdict, "memory was not measured");
  } else if (dyno_bench_is_20b(summary->results)) {
    verdict->holds = answer(bytes < wanted_bytes);
    dyno_format_rate(peak, bytes, "B");
    say(verdict, "the process held at most %s", peak);
  } else {
    verdict->projected = true;
    verdict->measured = published_file + fmax(isnan(others) ? 0 : others, 0);
    dyno_format_rate(peak, verdict->measured, "B");
    say(verdict,
        "not gpt-oss-20b; projection: its weights, 12.1 GB, and what this run held beside its own "
        "make %s, before its larger keys and values (0.8 GB for 32,768 tokens)",
        peak);
  }
}

/* The slowest median decode rate of a case over the fastest; NaN where there are not two. */
static double slowest_over_fastest(const dyno_bench_summary *summary, const char **slowest,
                                   double *variation)
{
  double least = NAN, most = NAN;
  *variation = NAN;
  for (size_t i = 0; i < summary->results->manifest.case_count; i++) {
    const dyno_bench_values *values = &summary->cases[i].metrics[DYNO_BENCH_DECODE_TPS];
    if (values->count == 0)
      continue;
    if (!(values->summary.median >= least))
      *slowest = summary->results->manifest.cases[i].name;
    least = fmin(least, values->summary.median);
    most = fmax(most, values->summary.median);
    *variation = fmax(*variation, values->summary.variation);
  }
  return least / most;
}

static void judge_consistency(dyno_bench_verdict *verdict, const dyno_bench_summary *summary)
{
  const char *slowest = "none";
  double variation, ratio = slowest_over_fastest(summary, &slowest, &variation);
  char fraction[DYNO_UNIT_TEXT], varies[DYNO_UNIT_TEXT];
  const dyno_bench_case_summary *all = &summary->overall;
  *verdict = (dyno_bench_verdict){.criterion = "consistency",
                                  .wanted = "slowest case >= 80 % of fastest, cv <= 5 %",
                                  .measured = ratio,
                                  .holds = DYNO_BENCH_UNKNOWN,
                                  .needed_bandwidth = NAN};
  if (isnan(ratio) || isnan(variation)) {
    say(verdict, "there are too few measurements");
    return;
  }
  bool same = all->hashes_equal != DYNO_BENCH_NO && all->repeated != DYNO_BENCH_NO;
  verdict->holds = answer(ratio >= least_ratio && variation <= most_variation && same);
  dyno_format_share(fraction, ratio);
  dyno_format_share(varies, variation);
  say(verdict,
      "the slowest case, %s, decodes at %s of the fastest's rate; within a case rates vary by at "
      "most %s; outputs %s",
      slowest, fraction, varies, same ? "were the same every time" : "DIFFERED");
}

void dyno_bench_judge(dyno_bench_summary *summary)
{
  judge_tps(&summary->verdicts[0], summary);
  judge_memory(&summary->verdicts[1], summary);
  judge_consistency(&summary->verdicts[2], summary);
}
