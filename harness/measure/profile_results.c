/* What the rounds of a profile come to. */
#include <math.h>
#include <stdlib.h>

#include "harness/measure/profile.h"

const char *dyno_profile_kind_name(dyno_profile_kind kind)
{
  static const char *const names[DYNO_PROFILE_KIND_COUNT] = {
      [DYNO_PROFILE_PREFILL] = "prefill", [DYNO_PROFILE_DECODE] = "decode"};
  return kind < DYNO_PROFILE_KIND_COUNT ? names[kind] : "?";
}

double dyno_profile_bytes_per_token(const dyno_profile_phase *phase)
{
  return phase->recorder != NULL ? phase->summary.bytes / (double)phase->tokens : NAN;
}

double dyno_profile_macs_per_token(const dyno_profile_phase *phase)
{
  return phase->recorder != NULL ? phase->summary.macs / (double)phase->tokens : NAN;
}

/* Summarizes one value of each round; leaves *summary alone when there are none. */
static dyno_status summarize_rounds(dyno_summary *summary, const dyno_profile_phase *phase,
                                    const dyno_profile_phase *first,
                                    double value(const dyno_profile_phase *phase,
                                                 const dyno_profile_phase *first, size_t round),
                                    dyno_error *error)
{
  double values[DYNO_PROFILE_MOST_ROUNDS];
  for (size_t i = 0; i < phase->round_count; i++)
    values[i] = value(phase, first, i);
  if (phase->round_count == 0 || !isfinite(values[0]))
    return DYNO_OK;
  return dyno_summarize(summary, values, phase->round_count, error);
}

static double rate_of(const dyno_profile_phase *phase, const dyno_profile_phase *first,
                      size_t round)
{
  (void)first;
  return phase->rounds[round].rate;
}

static double share_of(const dyno_profile_phase *phase, const dyno_profile_phase *first,
                       size_t round)
{
  (void)first;
  return phase->rounds[round].read_share;
}

/* An interrupt may leave the later phase with a round less, never with one more. */
static double relative_of(const dyno_profile_phase *phase, const dyno_profile_phase *first,
                          size_t round)
{
  return phase->rounds[round].rate / first->rounds[round].rate;
}

static dyno_status summarize_phase(dyno_profile_run *run, dyno_profile_phase *phase,
                                   dyno_error *error)
{
  const dyno_profile_phase *first = run->phases;
  double bytes = dyno_profile_bytes_per_token(phase);
  while (first->kind != phase->kind)
    first++;
  for (size_t i = 0; i < phase->round_count; i++) {
    dyno_profile_round *round = &phase->rounds[i];
    round->read_share = bytes * round->rate / round->reads.all;
  }
  dyno_status status = summarize_rounds(&phase->rate, phase, first, rate_of, error);
  if (status == DYNO_OK)
    status = summarize_rounds(&phase->read_share, phase, first, share_of, error);
  if (status == DYNO_OK && first != phase)
    status = summarize_rounds(&phase->relative, phase, first, relative_of, error);
  return status;
}

dyno_status dyno_profile_summarize_rounds(dyno_profile_run *run, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < run->phase_count && status == DYNO_OK; i++)
    status = summarize_phase(run, &run->phases[i], error);
  return status;
}

void dyno_profile_run_free(dyno_profile_run *run)
{
  for (size_t i = 0; i < run->phase_count; i++) {
    dyno_profile_phase *phase = &run->phases[i];
    dyno_profile_summary_free(&phase->summary);
    dyno_profile_recorder_close(&phase->recorder);
    free(phase->rounds);
    free(phase->steps);
  }
  free(run->phases);
  *run = (dyno_profile_run){0};
}
