#include "config.h"

#include "runtime/sample/sampler.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/rng.h"
#include "runtime/sample/sampler_internal.h"

enum { MOST_TOKENS = 1 << 24 };

static dyno_status allocate(dyno_sampler *s, dyno_error *error)
{
  s->logits = calloc(s->vocabulary, sizeof *s->logits);
  s->weight = calloc(s->vocabulary, sizeof *s->weight);
  s->candidate = calloc(s->vocabulary, sizeof *s->candidate);
  bool enough = s->logits != NULL && s->weight != NULL && s->candidate != NULL;
  if (s->settings.repetition_penalty != 1) {
    s->seen = calloc(s->vocabulary, sizeof *s->seen);
    s->window = calloc(s->settings.repetition_window + 1, sizeof *s->window);
    enough = enough && s->seen != NULL && s->window != NULL;
  }
  return enough ? DYNO_OK
                : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory to sample from %zu tokens",
                            s->vocabulary);
}

dyno_status dyno_sampler_create(dyno_sampler **sampler, const dyno_sampler_settings *settings,
                                size_t vocabulary, dyno_error *error)
{
  *sampler = NULL;
  dyno_status status = dyno_sampler_check(settings, error);
  if (status != DYNO_OK)
    return status;
  if (vocabulary == 0 || vocabulary > MOST_TOKENS)
    return dyno_fail(error, DYNO_ERROR_USAGE, "cannot sample from %zu tokens, only from 1 to %d",
                     vocabulary, MOST_TOKENS);
  dyno_sampler *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for a sampler");
  made->settings = *settings;
  made->vocabulary = vocabulary;
  status = allocate(made, error);
  if (status != DYNO_OK) {
    dyno_sampler_free(made);
    return status;
  }
  *sampler = made;
  return DYNO_OK;
}

void dyno_sampler_free(dyno_sampler *sampler)
{
  if (sampler == NULL)
    return;
  free(sampler->logits);
  free(sampler->weight);
  free(sampler->candidate);
  free(sampler->seen);
  free(sampler->window);
  free(sampler);
}

void dyno_sampler_accept(dyno_sampler *s, int32_t id)
{
  if (s->seen == NULL || id < 0 || (size_t)id >= s->vocabulary)
    return;
  size_t length = (size_t)s->settings.repetition_window;
  if (length == 0) {
    s->seen[id] = 1;
    return;
  }
  if (s->window_count == length)
    s->seen[s->window[s->window_at]]--;
  else
    s->window_count++;
  s->window[s->window_at] = id;
  s->window_at = (s->window_at + 1) % length;
  s->seen[id]++;
}

void dyno_sampler_reset(dyno_sampler *s)
{
  s->window_count = 0;
  s->window_at = 0;
  if (s->seen != NULL)
    memset(s->seen, 0, s->vocabulary * sizeof *s->seen);
}

/* Stays finite, so that no penalty looks like a broken logit. */
static float penalise(float logit, double penalty)
{
  double penalised = logit > 0 ? (double)logit / penalty : (double)logit * penalty;
  if (logit == -INFINITY)
    return logit;
  return (float)fmax(-(double)FLT_MAX, fmin((double)FLT_MAX, penalised));
}

/* Copies the logits, with the penalty, and finds the likeliest token: the first of the largest. */
static dyno_status take_logits(dyno_sampler *s, int32_t *likeliest, const float *logits,
                               dyno_error *error)
{
  float largest = -INFINITY;
  *likeliest = -1;
  for (size_t i = 0; i < s->vocabulary; i++) {
    float logit = logits[i];
    if (isnan(logit) || logit == INFINITY)
      return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                       "the logit of token %zu is %s: the model's weights or a kernel are broken; "
                       "try --check-weights, or `dyno kernels check`",
                       i, isnan(logit) ? "not a number" : "infinite");
    if (s->seen != NULL && s->seen[i] > 0)
      logit = penalise(logit, s->settings.repetition_penalty);
    s->logits[i] = logit;
    if (logit > largest) {
      largest = logit;
      *likeliest = (int32_t)i;
    }
  }
  return *likeliest >= 0 ? DYNO_OK
                         : dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                                     "the logits of all tokens are minus infinity: the model's "
                                     "weights or a kernel are broken");
}

static bool is_likelier(const dyno_sampler *s, int32_t a, int32_t b)
{
  return s->logits[a] > s->logits[b] || (s->logits[a] == s->logits[b] && a < b);
}

/* The probability as a share of that of the likeliest token. */
static double weight_of(const dyno_sampler *s, int32_t id, int32_t likeliest)
{
  return exp(((double)s->logits[id] - (double)s->logits[likeliest]) / s->settings.temperature);
}

/* Weighs all tokens; returns the sum. */
static double weigh_all(dyno_sampler *s, int32_t likeliest)
{
  double sum = 0;
  for (size_t i = 0; i < s->vocabulary; i++) {
    s->weight[i] = weight_of(s, (int32_t)i, likeliest);
    sum += s->weight[i];
  }
  return sum;
}

/* Of the candidates as a heap, the unlikeliest is on top. */
static void sift_down(dyno_sampler *s, size_t at)
{
  int32_t id = s->candidate[at];
  for (size_t child; (child = 2 * at + 1) < s->count; at = child) {
    if (child + 1 < s->count && is_likelier(s, s->candidate[child], s->candidate[child + 1]))
      child++;
    if (is_likelier(s, s->candidate[child], id))
      break;
    s->candidate[at] = s->candidate[child];
  }
  s->candidate[at] = id;
}

/* Makes the k likeliest tokens the candidates, and weighs them; returns the sum. */
static double keep_top_k(dyno_sampler *s, int32_t likeliest)
{
  s->count = (size_t)s->settings.top_k;
  for (size_t i = 0; i < s->count; i++)
    s->candidate[i] = (int32_t)i;
  for (size_t i = s->count / 2; i-- > 0;)
    sift_down(s, i);
  for (size_t i = s->count; i < s->vocabulary; i++) {
    if (!is_likelier(s, (int32_t)i, s->candidate[0]))
      continue;
    s->candidate[0] = (int32_t)i;
    sift_down(s, 0);
  }
  double sum = 0;
  for (size_t i = 0; i < s->count; i++) {
    int32_t id = s->candidate[i];
    s->weight[id] = weight_of(s, id, likeliest);
    sum += s->weight[id];
  }
  return sum;
}

/* Makes candidates of all tokens that top-p and min-p could leave, where sum is that of all
 * weights: those that are lighter than (1 - p) sum / n have less than (1 - p) sum together, so the
 * others have more than p sum. Half of that, for rounding's sake. */
static void keep_likely(dyno_sampler *s, double sum)
{
  double floor = (1 - s->settings.top_p) * sum / (double)s->vocabulary / 2;
  if (floor < s->settings.min_p)
    floor = s->settings.min_p;
  s->count = 0;
  for (size_t i = 0; i < s->vocabulary; i++)
    if (s->weight[i] >= floor)
      s->candidate[s->count++] = (int32_t)i;
}

static void keep_min_p(dyno_sampler *s)
{
  size_t kept = 0;
  for (size_t i = 0; i < s->count; i++)
    if (s->weight[s->candidate[i]] >= s->settings.min_p)
      s->candidate[kept++] = s->candidate[i];
  s->count = kept;
}

static void swap(int32_t *a, int32_t *b)
{
  int32_t kept = *a;
  *a = *b;
  *b = kept;
}

/* Puts those of candidate[first..end) that are likelier than the middle one before it, the others
 * behind it. Returns where it lies then and, in mass, the weight of those before it. */
static size_t partition(dyno_sampler *s, size_t first, size_t end, double *mass)
{
  int32_t *candidate = s->candidate;
  swap(&candidate[first + (end - first) / 2], &candidate[end - 1]);
  int32_t pivot = candidate[end - 1];
  size_t split = first;
  *mass = 0;
  for (size_t i = first; i + 1 < end; i++) {
    if (!is_likelier(s, candidate[i], pivot))
      continue;
    *mass += s->weight[candidate[i]];
    swap(&candidate[i], &candidate[split++]);
  }
  swap(&candidate[split], &candidate[end - 1]);
  return split;
}

/* The candidate with which the likeliest ones, taken in order, first have the wanted weight. Found
 * like a median, without sorting: Hoare 1961, "Algorithm 65: Find". */
static int32_t last_of_mass(dyno_sampler *s, double wanted)
{
  size_t first = 0, end = s->count;
  while (end - first > 1) {
    double before;
    size_t split = partition(s, first, end, &before);
    int32_t pivot = s->candidate[split];
    if (split > first && before >= wanted) {
      end = split;
    } else if (before + s->weight[pivot] >= wanted || split + 1 == end) {
      return pivot;
    } else {
      wanted -= before + s->weight[pivot];
      first = split + 1;
    }
  }
  return s->candidate[first];
}

static int32_t unlikeliest(const dyno_sampler *s)
{
  int32_t last = s->candidate[0];
  for (size_t i = 1; i < s->count; i++)
    if (is_likelier(s, last, s->candidate[i]))
      last = s->candidate[i];
  return last;
}

/* Steps 3 to 5: the unlikeliest token that stays, -1 if all do. */
static int32_t cut(dyno_sampler *s, int32_t likeliest)
{
  bool top_k = s->settings.top_k != 0 && s->settings.top_k < s->vocabulary;
  bool top_p = s->settings.top_p < 1;
  double sum = top_k ? keep_top_k(s, likeliest) : weigh_all(s, likeliest);
  if (!top_k && !top_p && s->settings.min_p == 0)
    return -1;
  if (top_k)
    keep_min_p(s);
  else
    keep_likely(s, sum);
  return top_p ? last_of_mass(s, s->settings.top_p * sum) : unlikeliest(s);
}

/* Step 6, in the order of ids: then a small change of the logits rarely changes the choice. */
static int32_t draw(const dyno_sampler *s, int32_t last, double unit)
{
  double sum = 0;
  for (size_t i = 0; i < s->vocabulary; i++)
    if (last < 0 || !is_likelier(s, last, (int32_t)i))
      sum += s->weight[i];
  double left = unit * sum;
  int32_t drawn = last;
  for (size_t i = 0; i < s->vocabulary; i++) {
    if ((last >= 0 && is_likelier(s, last, (int32_t)i)) || s->weight[i] == 0)
      continue;
    drawn = (int32_t)i; /* where rounding leaves a little at the end, it is the last one */
    left -= s->weight[i];
    if (left < 0)
      break;
  }
  return drawn;
}

dyno_status dyno_sampler_choose(dyno_sampler *s, int32_t *id, const float *logits,
                                uint64_t position, dyno_error *error)
{
  dyno_status status = take_logits(s, id, logits, error);
  if (status != DYNO_OK || s->settings.temperature == 0)
    return status;
  int32_t last = cut(s, *id);
  *id = draw(s, last, dyno_random_unit(s->settings.seed, position));
  return DYNO_OK;
}
