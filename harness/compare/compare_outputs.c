/* Whether two arms say the same, and how far apart they are. */
#include "harness/compare/compare_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/logits.h"

static bool all_finite(const float *logits, size_t vocab)
{
  for (size_t i = 0; i < vocab; i++)
    if (!isfinite(logits[i]))
      return false;
  return true;
}

/* held are A's logits. */
static void compare_position(dyno_compare_outputs *outputs, const float *held, const float *other,
                             size_t vocab)
{
  outputs->positions++;
  if (!all_finite(held, vocab) || !all_finite(other, vocab)) {
    outputs->not_finite++;
    return;
  }
  double nats = dyno_logits_divergence(held, other, vocab);
  outputs->mean_nats += nats;
  outputs->largest_nats = fmax(outputs->largest_nats, nats);
  outputs->other_token += dyno_argmax(held, vocab) != dyno_argmax(other, vocab);
  for (size_t i = 0; i < vocab; i++)
    outputs->largest_difference =
        fmax(outputs->largest_difference, fabs((double)held[i] - (double)other[i]));
}

static dyno_status show_position(dyno_comparison *c, size_t index, size_t count, int32_t **chosen,
                                 float *held, dyno_error *error)
{
  size_t vocab = c->facts[0].vocab;
  dyno_compare_outputs *outputs = &c->cases[index].outputs;
  for (unsigned i = 0; i < DYNO_COMPARE_ARMS; i++) {
    dyno_arm *arm = c->arms[i];
    const float *logits;
    uint64_t ns;
    int32_t likeliest;
    dyno_status status = arm->calls->step(arm, index, 0, count, &ns, &likeliest, error);
    if (status == DYNO_OK)
      status = arm->calls->logits(arm, index, 0, &logits, error);
    if (status != DYNO_OK)
      return status;
    if (chosen != NULL)
      *chosen[i]++ = likeliest;
    if (i == 0)
      memcpy(held, logits, vocab * sizeof *held);
    else
      compare_position(outputs, held, logits, vocab);
  }
  return dyno_compare_go_on(c, error);
}

/* The logits after the prompt and after every step. */
static dyno_status compare_case_outputs(dyno_comparison *c, size_t index, float *held,
                                        dyno_error *error)
{
  dyno_compare_case *one = &c->cases[index];
  int32_t *chosen[DYNO_COMPARE_ARMS] = {one->chosen[0], one->chosen[1]};
  size_t chunk = c->options.chunk, prompt = one->workload->prompt;
  dyno_status status = dyno_compare_rewind(c, index, 0, error);
  for (size_t done = 0; done < prompt && status == DYNO_OK; done += chunk)
    status =
        show_position(c, index, chunk < prompt - done ? chunk : prompt - done, NULL, held, error);
  for (size_t i = 0; i < one->workload->steps && status == DYNO_OK; i++)
    status = show_position(c, index, 1, chosen, held, error);
  dyno_compare_show(c, "comparing outputs");
  return status;
}

static void add_outputs(dyno_compare_outputs *sum, const dyno_compare_outputs *one)
{
  sum->positions += one->positions;
  sum->other_token += one->other_token;
  sum->not_finite += one->not_finite;
  sum->mean_nats += one->mean_nats * (double)one->positions;
  sum->largest_nats = fmax(sum->largest_nats, one->largest_nats);
  sum->largest_difference = fmax(sum->largest_difference, one->largest_difference);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    sum->unsteady[arm] += one->unsteady[arm];
}

void dyno_compare_sum_outputs(dyno_comparison *c)
{
  c->outputs = (dyno_compare_outputs){0};
  for (size_t i = 0; i < c->case_count; i++)
    add_outputs(&c->outputs, &c->cases[i].outputs);
  c->outputs.mean_nats /= (double)(c->outputs.positions > 0 ? c->outputs.positions : 1);
}

dyno_status dyno_compare_outputs_of_all(dyno_comparison *c, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  float *held = malloc(c->facts[0].vocab * sizeof *held);
  if (held == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to compare outputs");
  for (size_t i = 0; i < c->case_count && status == DYNO_OK; i++) {
    dyno_compare_outputs *outputs = &c->cases[i].outputs;
    status = compare_case_outputs(c, i, held, error);
    outputs->mean_nats /= (double)(outputs->positions > 0 ? outputs->positions : 1);
  }
  free(held);
  dyno_compare_sum_outputs(c);
  return status;
}

bool dyno_compare_wrong_output(const dyno_comparison *comparison)
{
  const dyno_compare_outputs *outputs = &comparison->outputs;
  return outputs->not_finite > 0 || outputs->unsteady[0] > 0 || outputs->unsteady[1] > 0 ||
         !(outputs->mean_nats <= comparison->options.divergence);
}
