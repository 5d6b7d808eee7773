/* Choosing from the largest logits alone. The result must be the one that all logits would give, to
 * the bit, so everything is computed in the same order or, where that cannot be, kept apart from
 * where it would matter. */
#include <math.h>
#include <stdlib.h>

#include "runtime/sample/rng.h"
#include "runtime/sample/sampler_internal.h"

/* Sums of up to 2^24 terms in different orders are this close. */
static const double sum_slack = 0x1p-28;

/* With top-p, tokens that are lighter than (1 - p) e^-6 of the likeliest hardly ever count. */
static const double top_p_reach = 6;

static bool uses_top_k(const dyno_sampler *s)
{
  return s->settings.top_k != 0 && s->settings.top_k < s->vocabulary;
}

dyno_retain_request dyno_sampler_request(const dyno_sampler *s)
{
  const dyno_sampler_settings *settings = &s->settings;
  dyno_retain_request request = {.top = 1};
  if (settings->repetition_penalty != 1) {
    request.all = true;
  } else if (settings->temperature == 0) {
    return request;
  } else if (uses_top_k(s)) {
    request.top = (size_t)settings->top_k;
    request.all = settings->top_k > DYNO_RETAIN_MOST;
  } else if (settings->min_p == 0 && settings->top_p >= 1) {
    request.all = true;
  } else {
    double lightest = settings->top_p < 1 ? (1 - settings->top_p) * exp(-top_p_reach) : 0;
    if (lightest < settings->min_p)
      lightest = settings->min_p;
    /* A little more, so that those of exactly min-p are certain to be there. */
    request.within = -log(lightest) * settings->temperature * (1 + 1e-6) + 1e-6;
    request.temperature = settings->top_p < 1 ? settings->temperature : 0;
  }
  return request;
}

typedef struct entry {
  size_t at; /* in retained */
  float logit;
  int32_t id;
  double weight;
} entry;

static int by_likelihood(const void *a, const void *b)
{
  const entry *x = a, *y = b;
  if (x->logit != y->logit)
    return x->logit > y->logit ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* How many of the likeliest have the wanted weight together; `count` + 1 when all have less. */
static size_t count_of_mass(const entry *sorted, size_t count, double wanted)
{
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    sum += sorted[i].weight;
    if (sum >= wanted)
      return i + 1;
  }
  return count + 1;
}

/* How many of the likeliest tokens stay; 0 when that cannot be told. */
static size_t count_kept(const dyno_sampler *s, const entry *sorted, const dyno_retained *retained)
{
  const dyno_sampler_settings *settings = &s->settings;
  size_t count = retained->count;
  double sum = 0, tail = retained->tail;
  bool complete; /* no other token could be heavy enough for min-p */
  if (uses_top_k(s)) {
    if (count < settings->top_k)
      return 0;
    count = (size_t)settings->top_k;
    complete = true;
    tail = 0;
  } else {
    double lighter =
        exp(((double)retained->floor - (double)sorted[0].logit) / settings->temperature);
    complete = lighter * (1 + sum_slack) < settings->min_p;
  }
  for (size_t i = 0; i < count; i++)
    sum += sorted[i].weight;
  while (count > 0 && sorted[count - 1].weight < settings->min_p)
    count--;
  if (settings->top_p >= 1)
    return complete ? count : 0;
  double p = settings->top_p;
  size_t least = count_of_mass(sorted, count, p * sum * (1 - sum_slack));
  size_t most = count_of_mass(sorted, count, p * (sum + tail) * (1 + sum_slack));
  if (complete) {
    least = least < count ? least : count;
    most = most < count ? most : count;
  }
  return least == most && most <= count ? most : 0;
}

/* In the order of ids, as if all the others had weighed nothing. */
static int32_t draw(const entry *by_id, size_t count, int32_t last, double unit)
{
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += by_id[i].weight;
  double left = unit * sum;
  int32_t drawn = last;
  for (size_t i = 0; i < count; i++) {
    if (by_id[i].weight == 0)
      continue;
    drawn = by_id[i].id;
    left -= by_id[i].weight;
    if (left < 0)
      break;
  }
  return drawn;
}

static int by_place(const void *a, const void *b)
{
  const entry *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

bool dyno_sampler_choose_retained(dyno_sampler *s, int32_t *id, const dyno_retained *retained,
                                  uint64_t position)
{
  size_t count = retained->count;
  entry *sorted = count > 0 ? calloc(count, sizeof *sorted) : NULL;
  if (sorted == NULL)
    return false;
  for (size_t i = 0; i < count; i++)
    sorted[i] = (entry){.at = i, .logit = retained->logit[i], .id = retained->id[i]};
  qsort(sorted, count, sizeof *sorted, by_likelihood);
  size_t kept = 1;
  *id = sorted[0].id;
  if (s->settings.temperature != 0) {
    for (size_t i = 0; i < count; i++)
      sorted[i].weight =
          exp(((double)sorted[i].logit - (double)sorted[0].logit) / s->settings.temperature);
    kept = count_kept(s, sorted, retained);
    int32_t last = sorted[kept > 0 ? kept - 1 : 0].id;
    qsort(sorted, kept, sizeof *sorted, by_place);
    if (kept > 0)
      *id = draw(sorted, kept, last, dyno_random_unit(s->settings.seed, position));
  }
  free(sorted);
  return kept > 0;
}
