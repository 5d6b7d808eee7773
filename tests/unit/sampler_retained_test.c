/* Choosing from the largest logits is choosing from all of them. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/sampler.h"
#include "tests/unit/random.h"

enum { N = 1500, POSITIONS = 300 };

/* A retained set as an engine makes it, from all logits: with a tail that is a little too large. */
typedef struct sieve {
  int32_t id[N];
  float logit[N];
  dyno_retained retained;
} sieve;

static int descending(const void *a, const void *b)
{
  float x = *(const float *)a, y = *(const float *)b;
  return x > y ? -1 : x < y;
}

static void retain(sieve *s, const float *logits, const dyno_retain_request *request)
{
  float sorted[N];
  memcpy(sorted, logits, sizeof sorted);
  qsort(sorted, N, sizeof *sorted, descending);
  size_t count = 0;
  double tail = 0;
  s->retained = (dyno_retained){.id = s->id, .logit = s->logit};
  s->retained.floor =
      nextafterf((float)((double)sorted[request->top - 1] - request->within), -INFINITY);
  for (size_t i = 0; i < N; i++) {
    if (logits[i] >= s->retained.floor) {
      s->id[count] = (int32_t)i;
      s->logit[count++] = logits[i];
    } else if (request->temperature > 0) {
      tail += exp(((double)logits[i] - (double)sorted[0]) / request->temperature);
    }
  }
  s->retained.count = count;
  s->retained.tail = 1.3 * tail;
}

static void make_logits(float *logits, uint64_t *state, double size, bool ties)
{
  for (size_t i = 0; i < N; i++) {
    float sum = 0;
    for (int j = 0; j < 4; j++)
      sum += random_float(state, -1, 1);
    logits[i] = (float)size * sum;
    if (ties)
      logits[i] = roundf(logits[i]);
  }
}

typedef struct setting {
  double temperature, top_p, min_p;
  uint64_t top_k;
  double size;
  size_t least_decided; /* of POSITIONS */
} setting;

static size_t compare(const setting *wanted, bool ties)
{
  dyno_error error;
  dyno_sampler *sampler;
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.temperature = wanted->temperature;
  settings.top_p = wanted->top_p;
  settings.min_p = wanted->min_p;
  settings.top_k = wanted->top_k;
  cr_assert(dyno_sampler_create(&sampler, &settings, N, &error) == DYNO_OK, "%s", error.message);
  static sieve s;
  static float logits[N];
  uint64_t state = 7;
  size_t decided = 0;
  dyno_retain_request request = dyno_sampler_request(sampler);
  cr_assert(!request.all, "some logits are enough");
  for (uint64_t position = 0; position < POSITIONS; position++) {
    int32_t full, some;
    make_logits(logits, &state, wanted->size, ties);
    retain(&s, logits, &request);
    cr_assert(dyno_sampler_choose(sampler, &full, logits, position, &error) == DYNO_OK, "%s",
              error.message);
    if (!dyno_sampler_choose_retained(sampler, &some, &s.retained, position))
      continue;
    decided++;
    cr_assert(full == some, "position %u: %d, not %d", (unsigned)position, some, full);
  }
  dyno_sampler_free(sampler);
  return decided;
}

Test(sampler_retained, same_choice)
{
  static const setting list[] = {
      {0, 1, 0, 0, 3, POSITIONS},
      {0, 0.5, 0.1, 7, 3, POSITIONS},
      {1, 1, 0, 1, 3, POSITIONS},
      {1, 1, 0, 40, 3, POSITIONS},
      {0.7, 0.9, 0, 40, 3, POSITIONS},
      {1.5, 0.9, 0.05, 256, 3, POSITIONS},
      {1, 1, 0.05, 0, 3, POSITIONS},
      {0.5, 1, 0.3, 0, 3, POSITIONS},
      {1, 1, 1, 0, 3, POSITIONS},
      {2, 1, 0.01, 0, 3, POSITIONS},
      {1, 0.9, 0, 0, 12, POSITIONS / 2},
      {0.3, 0.95, 0, 0, 5, POSITIONS / 2},
      {1, 0.9, 0.02, 0, 6, 0},
      {1, 0, 0, 0, 3, POSITIONS},
      {1, 0.5, 0, 0, 0.1, 0},
      {1, 0.99, 0.001, 0, 3, 0},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++)
    for (int ties = 0; ties < 2; ties++) {
      size_t decided = compare(&list[i], ties != 0);
      cr_assert(decided >= list[i].least_decided, "setting %zu: %zu decided", i, decided);
    }
}

static dyno_retain_request request_of(double temperature, uint64_t top_k, double penalty)
{
  dyno_error error;
  dyno_sampler *sampler;
  dyno_sampler_settings settings = dyno_sampler_defaults();
  settings.temperature = temperature;
  settings.top_k = top_k;
  settings.repetition_penalty = penalty;
  cr_assert(dyno_sampler_create(&sampler, &settings, N, &error) == DYNO_OK, "%s", error.message);
  dyno_retain_request request = dyno_sampler_request(sampler);
  dyno_sampler_free(sampler);
  return request;
}

Test(sampler_retained, asks_for_all_where_all_count)
{
  cr_assert(request_of(1, 0, 1).all, "every token may be drawn");
  cr_assert(request_of(0, 0, 1.1).all, "the penalty may change any logit");
  cr_assert(request_of(1, DYNO_RETAIN_MOST + 1, 1).all, "too many");
  cr_assert(!request_of(0, 0, 1).all && request_of(0, 0, 1).top == 1, "greedy wants one");
  cr_assert(request_of(1, 50, 1).top == 50, "top-k wants k");
}
