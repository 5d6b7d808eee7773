#include "harness/measure/quality.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/respond.h"

size_t dyno_quality_range(size_t position, size_t ranges)
{
  size_t range = 0;
  while (range + 1 < ranges && position >= (size_t)DYNO_QUALITY_FIRST_RANGE << range)
    range++;
  return range;
}

size_t dyno_quality_range_start(size_t range)
{
  return range == 0 ? 0 : (size_t)DYNO_QUALITY_FIRST_RANGE << (range - 1);
}

double dyno_perplexity(const dyno_loss *loss)
{
  return loss->tokens > 0 ? exp(loss->nats / (double)loss->tokens) : NAN;
}

static void add_loss(dyno_loss *sum, const dyno_loss *loss)
{
  sum->nats += loss->nats;
  sum->tokens += loss->tokens;
}

static void add_tally(dyno_tally *tally, bool hit)
{
  tally->count++;
  tally->hits += hit;
}

static dyno_quality_family *family_of(dyno_quality *quality, const char *name)
{
  for (size_t i = 0; i < quality->family_count; i++)
    if (strcmp(quality->families[i].name, name) == 0)
      return &quality->families[i];
  dyno_quality_family *family = &quality->families[quality->family_count++];
  family->name = name;
  return family;
}

/* In the order of the items, so that sums are the same whoever computed what. */
static void add_up(dyno_quality *quality, const dyno_items *items)
{
  for (size_t i = 0; i < items->count; i++) {
    const dyno_item *item = &items->items[i];
    const dyno_answer *answer = &quality->answers[i];
    dyno_quality_family *family = family_of(quality, item->family);
    add_tally(&family->exact, answer->exact);
    if (item->rule != NULL)
      add_tally(&family->structured, answer->structured);
    if (item->distance > 0) {
      size_t range = dyno_quality_range(item->distance, DYNO_QUALITY_DISTANCES);
      add_tally(&quality->distances[range], answer->exact);
      add_tally(item->distance < 128 ? &quality->near : &quality->far, answer->exact);
    }
    add_loss(&family->answer, &answer->answer);
    add_loss(&quality->answer, &answer->answer);
    add_loss(&quality->text, &answer->text);
    for (size_t p = 0; p < DYNO_QUALITY_POSITIONS; p++)
      add_loss(&quality->positions[p], &answer->positions[p]);
  }
}

/* What the workers share. */
typedef struct crew {
  const dyno_items *items;
  const dyno_quality_run *run;
  dyno_quality *quality;
  pthread_mutex_t lock; /* of what follows */
  size_t next, done;
  unsigned started;
  dyno_status status;
  dyno_error error;
} crew;

static void fail_crew(crew *c, dyno_status status, const dyno_error *error)
{
  pthread_mutex_lock(&c->lock);
  if (c->status == DYNO_OK) {
    c->status = status;
    c->error = *error;
  }
  pthread_mutex_unlock(&c->lock);
}

/* The next item to do; false when there is none, or someone has failed. */
static bool take_item(crew *c, size_t *index)
{
  pthread_mutex_lock(&c->lock);
  bool there = c->status == DYNO_OK && c->next < c->items->count;
  if (there)
    *index = c->next++;
  pthread_mutex_unlock(&c->lock);
  return there;
}

static unsigned take_number(crew *c)
{
  pthread_mutex_lock(&c->lock);
  unsigned number = c->started++;
  pthread_mutex_unlock(&c->lock);
  return number;
}

static void finish_item(crew *c)
{
  pthread_mutex_lock(&c->lock);
  c->done++;
  if (c->status == DYNO_OK && c->run->progress != NULL &&
      !c->run->progress(c->run->context, c->done, c->items->count))
    c->status = dyno_fail(&c->error, DYNO_ERROR_INTERRUPTED, "stopped");
  pthread_mutex_unlock(&c->lock);
}

/* Engines of one thread each would all stay on the first processor of the mask, so each worker
 * gets a mask of its own: the nth processor of the first one's. */
static void take_processor(unsigned worker, unsigned workers)
{
  cpu_set_t all, own;
  CPU_ZERO(&own);
  if (sched_getaffinity(0, sizeof all, &all) != 0 || (unsigned)CPU_COUNT(&all) < workers)
    return;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &all) && worker-- == 0) {
      CPU_SET(cpu, &own);
      sched_setaffinity(0, sizeof own, &own);
      return;
    }
}

static void *work(void *context)
{
  crew *c = context;
  dyno_error error = {0};
  dyno_responder responder;
  size_t index;
  take_processor(take_number(c), c->run->workers);
  dyno_status status = dyno_responder_open(&responder, c->run->engine, &error);
  while (status == DYNO_OK && take_item(c, &index)) {
    status = dyno_responder_answer(&c->quality->answers[index], &responder, &c->items->items[index],
                                   &error);
    if (status == DYNO_OK)
      finish_item(c);
  }
  if (status != DYNO_OK)
    fail_crew(c, status, &error);
  dyno_responder_close(&responder);
  return NULL;
}

static void run_crew(crew *c, pthread_t *threads)
{
  unsigned started = 0;
  while (started < c->run->workers && pthread_create(&threads[started], NULL, work, c) == 0)
    started++;
  for (unsigned i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
  if (started == 0)
    c->status = dyno_fail(&c->error, DYNO_ERROR_UNAVAILABLE, "no thread could be started");
}

dyno_status dyno_quality_measure(dyno_quality *quality, const dyno_items *items,
                                 const dyno_quality_run *run, dyno_error *error)
{
  *quality = (dyno_quality){.answers = calloc(items->count + 1, sizeof *quality->answers),
                            .answer_count = items->count,
                            .families = calloc(items->count + 1, sizeof *quality->families)};
  pthread_t *threads = calloc(run->workers + 1, sizeof *threads);
  crew c = {.items = items, .run = run, .quality = quality, .lock = PTHREAD_MUTEX_INITIALIZER};
  if (quality->answers == NULL || quality->families == NULL || threads == NULL)
    c.status = dyno_fail(&c.error, DYNO_ERROR_MEMORY, "held-out items: out of memory");
  else
    run_crew(&c, threads);
  free(threads);
  if (c.status == DYNO_OK) {
    add_up(quality, items);
  } else {
    *error = c.error;
    dyno_quality_free(quality);
  }
  return c.status;
}

void dyno_quality_free(dyno_quality *quality)
{
  for (size_t i = 0; quality->answers != NULL && i < quality->answer_count; i++)
    free(quality->answers[i].said);
  free(quality->answers);
  free(quality->families);
  *quality = (dyno_quality){0};
}
