#include "harness/compare/gate.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"

static void decide(dyno_gate_run *run, dyno_gate_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void decide(dyno_gate_run *run, dyno_gate_verdict verdict, const char *format, ...)
{
  va_list arguments;
  run->verdict = verdict;
  va_start(arguments, format);
  vsnprintf(run->reason, sizeof run->reason, format, arguments);
  va_end(arguments);
}

/* What cannot be measured is inconclusive where the host may be why, and else an error. */
static void decide_failure(dyno_gate_run *run, const dyno_error *error)
{
  run->status = error->status;
  run->interrupted = error->status == DYNO_ERROR_INTERRUPTED;
  bool host = error->status == DYNO_ERROR_UNAVAILABLE || error->status == DYNO_ERROR_INTERRUPTED ||
              error->status == DYNO_ERROR_MEMORY;
  decide(run, host ? DYNO_GATE_INCONCLUSIVE : DYNO_GATE_ERROR, "%.390s", error->message);
}

static bool make_series(dyno_gate_run *run)
{
  run->count = run->comparison.case_count + 1;
  run->series = calloc(run->count, sizeof *run->series);
  run->control = calloc(run->count, sizeof *run->control);
  bool fine = run->series != NULL && run->control != NULL && run->count <= DYNO_GATE_MOST_SERIES;
  size_t most = dyno_gate_looks[DYNO_GATE_LOOKS - 1].rounds;
  for (size_t i = 0; fine && i < run->count; i++) {
    run->series[i] = calloc(most, sizeof **run->series);
    run->control[i] = calloc(most, sizeof **run->control);
    fine = run->series[i] != NULL && run->control[i] != NULL;
  }
  return fine;
}

static double last(const dyno_series *series)
{
  return series->count > 0 ? series->values[series->count - 1] : (double)NAN;
}

/* The round's values go to the series. */
static void take_round(dyno_gate_run *run, const dyno_baseline *baseline)
{
  const dyno_comparison *c = &run->comparison;
  size_t mean = run->count - 1, at = run->rounds++;
  run->series[mean][at] = run->control[mean][at] = 0;
  for (size_t i = 0; i < mean; i++) {
    const dyno_compare_case *one = &c->cases[i];
    double value = last(&one->decode);
    if (baseline != NULL)
      value = log(dyno_baseline_seconds(baseline, one->workload->name) / last(&one->step[1]));
    run->series[i][at] = value;
    run->control[i][at] = last(&one->control);
    run->series[mean][at] += value / (double)mean;
    run->control[mean][at] += run->control[i][at] / (double)mean;
  }
}

const char *dyno_gate_series_name(const dyno_gate_run *run, size_t series)
{
  return series < run->comparison.case_count ? run->comparison.cases[series].workload->name
                                             : "geometric mean";
}

static void describe(dyno_gate_run *run, dyno_gate_verdict verdict, const dyno_gate_rule *rule)
{
  const char *name = dyno_gate_series_name(run, run->which);
  if (verdict == DYNO_GATE_PASS)
    decide(run, verdict, "after %zu rounds no series has lost %.3g %%", run->rounds,
           100 * rule->effect);
  else if (verdict == DYNO_GATE_REGRESSION)
    decide(run, verdict, "after %zu rounds '%s' has lost more than %.3g %%", run->rounds, name,
           100 * rule->tolerance);
  else if (verdict == DYNO_GATE_UNFIT)
    decide(run, verdict, "'%s': an arm differs from itself by more than %.3g %%", name,
           100 * rule->unfit);
  else if (run->which < run->count)
    decide(run, verdict, "'%s' has a round without a valid time", name);
  else
    decide(run, verdict, "after %zu rounds it is not certain either way", run->rounds);
}

/* Runs rounds until there is a verdict. */
static dyno_status run_rounds(dyno_gate_run *run, const dyno_gate_options *options,
                              dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  dyno_gate_verdict verdict = DYNO_GATE_CONTINUE;
  while (verdict == DYNO_GATE_CONTINUE) {
    dyno_status status = dyno_compare_round(&run->comparison, error);
    if (status != DYNO_OK)
      return status;
    take_round(run, options->baseline);
    if (options->progress != NULL)
      options->progress(options->progress_context, run->rounds, "rounds");
    if (dyno_compare_wrong_output(&run->comparison)) {
      decide(run, DYNO_GATE_WRONG, "the same steps chose other tokens in a later round");
      return DYNO_OK;
    }
    verdict = dyno_gate_decide(&run->which, (const double *const *)run->series,
                               (const double *const *)run->control, run->count, run->rounds,
                               &options->rule);
    if (verdict != DYNO_GATE_CONTINUE)
      describe(run, verdict, &options->rule);
    else if (options->seconds > 0 && (double)(dyno_clock_ns() - start) * 1e-9 > options->seconds) {
      decide(run, DYNO_GATE_INCONCLUSIVE, "%zu rounds took all of the %.0f s there were",
             run->rounds, options->seconds);
      return DYNO_OK;
    }
  }
  return DYNO_OK;
}

static dyno_status run_gate(dyno_gate_run *run, const dyno_compare_source *source,
                            const dyno_gate_options *options, dyno_error *error)
{
  dyno_comparison *c = &run->comparison;
  dyno_status status = dyno_compare_open(c, source, &options->compare, error);
  if (status == DYNO_OK && options->baseline != NULL)
    status = dyno_baseline_check(options->baseline, c, error);
  if (status != DYNO_OK)
    return status;
  if (!make_series(run))
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the rounds");
  if (dyno_compare_wrong_output(c)) {
    decide(run, DYNO_GATE_WRONG,
           "the outputs diverge by %.3g nats a token (%.3g allowed); %zu of %zu positions are not "
           "finite",
           c->outputs.mean_nats, c->options.divergence, c->outputs.not_finite,
           c->outputs.positions);
    return DYNO_OK;
  }
  status = run_rounds(run, options, error);
  dyno_error ignored; /* an explanation that cannot be had changes no verdict */
  if (status == DYNO_OK && run->verdict == DYNO_GATE_REGRESSION && options->baseline == NULL)
    dyno_compare_explain(c, &ignored);
  return status;
}

void dyno_gate_run_all(dyno_gate_run *run, const dyno_compare_source *source,
                       const dyno_gate_options *options)
{
  dyno_error error = {0};
  uint64_t start = dyno_clock_ns();
  *run = (dyno_gate_run){.verdict = DYNO_GATE_ERROR, .reason = "nothing was measured"};
  if (run_gate(run, source, options, &error) != DYNO_OK)
    decide_failure(run, &error);
  if (run->comparison.cases != NULL &&
      dyno_compare_conclude(&run->result, &run->comparison, options->rule.tolerance, &error) !=
          DYNO_OK)
    decide_failure(run, &error);
  dyno_compare_close_arms(&run->comparison);
  run->seconds = (double)(dyno_clock_ns() - start) * 1e-9;
}

void dyno_gate_free(dyno_gate_run *run)
{
  for (size_t i = 0; i < run->count; i++) {
    if (run->series != NULL)
      free(run->series[i]);
    if (run->control != NULL)
      free(run->control[i]);
  }
  free(run->series);
  free(run->control);
  dyno_compare_result_free(&run->result);
  dyno_compare_close(&run->comparison);
  *run = (dyno_gate_run){0};
}
