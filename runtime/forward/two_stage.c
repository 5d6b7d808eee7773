#include "runtime/forward/two_stage.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/clock.h"
#include "kernels/sampling/screen.h"

enum {
  CAPACITY = 4096,     /* candidates of a thread */
  MOST_CROWDED = 3072, /* of these, after the hopeless ones were taken out */
  MOST_EXACT = 1024,   /* rows worth computing: then the head as a whole is nearly as fast */
  PORTION = 256,       /* rows between two looks: their bounds stay in a level-1 cache */
  LONGEST_PASS = 64,   /* requests */
};

typedef struct dyno_candidate {
  int32_t row;
  float lower, upper;
  bool exact; /* then both are its logit */
} candidate;

/* What one thread finds in its rows. */
typedef struct dyno_screen_thread {
  candidate *list; /* [CAPACITY], rows ascending */
  size_t count;
  float best[DYNO_RETAIN_MOST]; /* the largest lower bounds, as a heap with the least on top */
  size_t best_count;
  float threshold; /* a smaller upper bound is hopeless */
  float reference; /* the tail is in units of exp(reference / temperature) */
  double tail;     /* of those that were left out */
} screen_thread;

/* The blocks it holds, each of count times size bytes. */
typedef struct piece {
  void **block;
  size_t count, size;
} piece;

enum { PIECES = 7 };

static void list_pieces(piece pieces[PIECES], dyno_two_stage *t)
{
  const piece all[PIECES] = {
      {(void **)&t->candidate, (size_t)t->threads * CAPACITY, sizeof(candidate)},
      {(void **)&t->thread, t->threads, sizeof(screen_thread)},
      {&t->query, 1, dyno_screen_query_bytes(t->head->k)},
      {(void **)&t->values, t->head->k, sizeof(float)},
      {&t->a8_row, 1, dyno_a8_row_bytes(t->head->k)},
      {(void **)&t->id, MOST_EXACT, sizeof(int32_t)},
      {(void **)&t->logit, MOST_EXACT, sizeof(float)},
  };
  memcpy(pieces, all, sizeof all);
}

dyno_status dyno_two_stage_open(dyno_two_stage *two_stage, const dyno_linear *head,
                                const dyno_head_screen *screen, unsigned threads,
                                dyno_allocator *allocator, dyno_error *error)
{
  piece pieces[PIECES];
  *two_stage = (dyno_two_stage){
      .screen = screen,
      .head = head,
      .allocator = allocator,
      .threads = threads,
      .passes = 1,
  };
  list_pieces(pieces, two_stage);
  for (size_t i = 0; i < PIECES; i++) {
    size_t bytes = pieces[i].count * pieces[i].size;
    *pieces[i].block = dyno_allocate_zeroed(allocator, bytes, 64, DYNO_PURPOSE_WORKSPACE);
    if (*pieces[i].block == NULL) {
      dyno_two_stage_close(two_stage);
      return dyno_fail(error, DYNO_ERROR_MEMORY, "two-stage logits: no memory for %zu bytes",
                       bytes);
    }
  }
  return DYNO_OK;
}

void dyno_two_stage_close(dyno_two_stage *two_stage)
{
  piece pieces[PIECES];
  if (two_stage->allocator == NULL)
    return;
  list_pieces(pieces, two_stage);
  for (size_t i = 0; i < PIECES; i++)
    dyno_release(two_stage->allocator, *pieces[i].block);
  *two_stage = (dyno_two_stage){0};
}

/* The clock, or 0 where nobody measures. */
static uint64_t clock_of(const dyno_two_stage_crew *crew)
{
  return crew->probe == NULL || crew->probe->event == NULL ? 0 : dyno_clock_ns();
}

/* Tells of an op that is over now. */
static void tell(const dyno_two_stage_crew *crew, dyno_probe_event *event)
{
  if (crew->probe == NULL || crew->probe->event == NULL)
    return;
  event->layer = -1;
  event->end_ns = dyno_clock_ns();
  event->tokens = 1;
  crew->probe->event(crew->probe->context, event);
}

/* The first stage, on all threads. */
typedef struct screen_job {
  dyno_two_stage *two_stage;
  const dyno_screen_query *query;
  const dyno_retain_request *request;
  const dyno_two_stage_crew *crew;
  atomic_bool crowded;
} screen_job;

/* Puts a lower bound among the largest ones; returns the least of them, or minus infinity as long
 * as they are not complete. */
static float offer(float *best, size_t *count, size_t wanted, float lower)
{
  size_t at;
  if (*count < wanted) {
    for (at = (*count)++; at > 0 && best[(at - 1) / 2] > lower; at = (at - 1) / 2)
      best[at] = best[(at - 1) / 2];
    best[at] = lower;
    return *count < wanted ? -INFINITY : best[0];
  }
  if (!(lower > best[0]))
    return best[0];
  at = 0;
  for (size_t child; (child = 2 * at + 1) < wanted; at = child) {
    child += child + 1 < wanted && best[child + 1] < best[child];
    if (best[child] >= lower)
      break;
    best[at] = best[child];
  }
  best[at] = lower;
  return best[0];
}

/* What is this far below a logit. Rounded down, so that nothing is lost by it. */
static float below(float logit, double within)
{
  return nextafterf((float)((double)logit - within), -INFINITY);
}

/* Not less than the share of a token's tail, but for some units of 2^-24 that answer() makes up
 * for. What is too small to matter is not worth an exp. */
static double tail_of(float upper, float reference, const dyno_retain_request *request)
{
  enum { TOO_SMALL = -32 };
  static const double share_of_small = 0x1p-46; /* > exp(-32) */
  if (!(request->temperature > 0))
    return 0;
  double exponent = ((double)upper - (double)reference) / request->temperature;
  if (exponent < TOO_SMALL)
    return share_of_small;
  return exponent < 64 ? (double)expf((float)exponent) : exp(exponent);
}

/* Takes the hopeless candidates out of a full list. False when that does not help. */
static bool thin_out(screen_thread *mine, const dyno_retain_request *request)
{
  size_t kept = 0;
  for (size_t i = 0; i < mine->count; i++)
    if (mine->list[i].upper < mine->threshold)
      mine->tail += tail_of(mine->list[i].upper, mine->reference, request);
    else
      mine->list[kept++] = mine->list[i];
  mine->count = kept;
  return kept <= MOST_CROWDED;
}

static void add_candidate(screen_thread *mine, const dyno_retain_request *request, size_t row,
                          float lower, float upper)
{
  mine->list[mine->count++] = (candidate){(int32_t)row, lower, upper, false};
  float least = offer(mine->best, &mine->best_count, request->top, lower);
  float threshold = below(least, request->within);
  mine->threshold = threshold > mine->threshold ? threshold : mine->threshold;
}

enum { GLANCE = 16 };

/* Whether all of GLANCE upper bounds are below the threshold. (NaN is below nothing.) */
static bool hopeless(const float *upper, float threshold)
{
  unsigned below_it = 0;
  for (size_t i = 0; i < GLANCE; i++)
    below_it += upper[i] < threshold;
  return below_it == GLANCE;
}

/* Looks at the bounds of `count` rows from `row` on. False when the list is full of rows that
 * cannot be ruled out. */
static bool look(screen_thread *mine, const dyno_retain_request *request, const float *lower,
                 const float *upper, size_t row, size_t count)
{
  bool no_tail = !(request->temperature > 0);
  for (size_t i = 0; i < count; i++) {
    if (no_tail && i % GLANCE == 0 && i + GLANCE <= count && hopeless(upper + i, mine->threshold)) {
      i += GLANCE - 1;
      continue;
    }
    if (upper[i] < mine->threshold) {
      mine->tail += tail_of(upper[i], mine->reference, request);
      continue;
    }
    if (mine->count == CAPACITY && !thin_out(mine, request))
      return false;
    add_candidate(mine, request, row + i, lower[i], upper[i]);
  }
  return true;
}

static float largest_of(const float *values, size_t count)
{
  float largest = values[0];
  for (size_t i = 1; i < count; i++)
    largest = values[i] > largest ? values[i] : largest;
  return largest;
}

static void screen_part(void *context, unsigned thread, unsigned threads)
{
  screen_job *job = context;
  uint64_t begin_ns = clock_of(job->crew);
  dyno_two_stage *two_stage = job->two_stage;
  screen_thread *mine = &two_stage->thread[thread];
  size_t begin, end;
  dyno_partition(&begin, &end, two_stage->head->n, DYNO_SCREEN_ROWS, thread, threads);
  mine->list = two_stage->candidate + (size_t)thread * CAPACITY;
  mine->count = mine->best_count = 0;
  mine->threshold = -INFINITY;
  mine->tail = 0;
  float lower[PORTION], upper[PORTION];
  dyno_screen_args args = {
      .lower = lower,
      .upper = upper,
      .screen = two_stage->screen->panels,
      .quants = job->query->quants,
      .scales = job->query->scales,
      .offsets = job->query->offsets,
      .energies = job->query->energies,
      .spread = job->query->spread,
      .margin = job->query->margin,
      .n = two_stage->head->n,
      .k = two_stage->head->k,
  };
  for (size_t row = begin; row < end; row += PORTION) {
    size_t count = end - row < PORTION ? end - row : PORTION;
    args.first_row = row;
    two_stage->screen->kernel.kernel->run.screen(&args, row, row + count);
    if (row == begin)
      mine->reference = largest_of(upper, count);
    if (!look(mine, job->request, lower, upper, row, count))
      atomic_store_explicit(&job->crowded, true, memory_order_relaxed);
    if (atomic_load_explicit(&job->crowded, memory_order_relaxed))
      end = row + count;
  }
  tell(job->crew, &(dyno_probe_event){.op = dyno_probe_op_name(DYNO_PROBE_SCREEN),
                                      .thread = thread,
                                      .kernel = two_stage->screen->kernel.kernel,
                                      .begin_ns = begin_ns,
                                      .bytes = dyno_screen_bytes(end - begin, args.k),
                                      .macs = (end - begin) * args.k});
}

/* Everything that the threads found. */
typedef struct found {
  candidate *list; /* rows ascending */
  size_t count;
  float threshold, reference;
  double tail;
} found;

/* The wanted-th largest lower bound of the candidates that are exact, or of all. */
static float nth_largest(const found *all, size_t wanted, bool exact_only)
{
  float best[DYNO_RETAIN_MOST], least = -INFINITY;
  size_t count = 0;
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i].exact || !exact_only)
      least = offer(best, &count, wanted, all->list[i].lower);
  return least;
}

/* Puts the lists one after the other. Tails are brought to one reference. */
static found gather(dyno_two_stage *two_stage, const dyno_retain_request *request)
{
  found all = {.list = two_stage->candidate, .reference = two_stage->thread[0].reference};
  for (unsigned t = 0; t < two_stage->threads; t++) {
    const screen_thread *part = &two_stage->thread[t];
    if (part->count > 0)
      memmove(all.list + all.count, part->list, part->count * sizeof *part->list);
    all.count += part->count;
    if (part->tail > 0)
      all.tail += part->tail * tail_of(part->reference, all.reference, request);
  }
  all.threshold = below(nth_largest(&all, request->top, false), request->within);
  return all;
}

/* The second stage: the head on the rows of some candidates. */
typedef struct exact_job {
  const dyno_linear *head;
  const dyno_two_stage_crew *crew;
  const found *all;
  float least; /* of the upper bounds of the candidates to be computed */
  dyno_matmul_args args;
} exact_job;

static bool is_wanted(const exact_job *job, size_t i)
{
  return !job->all->list[i].exact && !(job->all->list[i].upper < job->least);
}

/* Candidates in the same granule come together. */
static void exact_part(void *context, unsigned thread, unsigned threads)
{
  const exact_job *job = context;
  const candidate *list = job->all->list;
  const dyno_matmul_args *args = &job->args;
  size_t granule = job->head->layout->row_granule, n = job->head->n, done = 0, begin, end;
  dyno_partition(&begin, &end, job->all->count, 1, thread, threads);
  /* A granule belongs to the thread that has its first wanted candidate. */
  for (size_t i = begin; begin < end && i-- > 0;) {
    size_t row = (size_t)list[i].row / granule * granule;
    if (row != (size_t)list[begin].row / granule * granule)
      break;
    if (is_wanted(job, i))
      done = row + granule;
  }
  uint64_t begin_ns = clock_of(job->crew), rows = 0;
  for (size_t i = begin; i < end; i++) {
    size_t row = (size_t)list[i].row / granule * granule;
    if (row < done || !is_wanted(job, i))
      continue;
    done = row + granule;
    job->head->decode.kernel->run.matmul(args, row, done < n ? done : n);
    rows += granule;
  }
  tell(job->crew, &(dyno_probe_event){.op = dyno_probe_op_name(DYNO_PROBE_HEAD),
                                      .thread = thread,
                                      .kernel = job->head->decode.kernel,
                                      .begin_ns = begin_ns,
                                      .bytes = rows * dyno_row_bytes(job->head->weight, args->k),
                                      .macs = rows * args->k});
}

/* Computes the candidates whose upper bound is not less than `least`. False when one of them turns
 * out to lie outside of its bounds. */
static bool make_exact(dyno_two_stage *two_stage, found *all, float least, float *logits,
                       const dyno_two_stage_vector *vector, const dyno_two_stage_crew *crew)
{
  const dyno_linear *head = two_stage->head;
  const size_t group_begin[2] = {0, 1};
  exact_job job = {
      .head = head,
      .crew = crew,
      .all = all,
      .least = least,
      .args = {.output = logits,
               .output_stride = head->n,
               .weight = head->group_weight,
               .activation = head->activation == DYNO_A8 ? vector->a8_row : vector->values,
               .group_begin = group_begin,
               .groups = 1,
               .m = 1,
               .n = head->n,
               .k = head->k},
  };
  dyno_pool_run(crew->pool, exact_part, &job);
  bool kept = true;
  for (size_t i = 0; i < all->count; i++) {
    candidate *it = &all->list[i];
    if (!is_wanted(&job, i))
      continue;
    float logit = logits[it->row];
    kept = kept && isfinite(logit) && logit >= it->lower && logit <= it->upper;
    *it = (candidate){it->row, logit, logit, true};
    two_stage->counts.rows++;
  }
  return kept;
}

static size_t count_wanted(const found *all, float least)
{
  size_t count = 0;
  for (size_t i = 0; i < all->count; i++)
    count += !(all->list[i].upper < least);
  return count;
}

/* The upper bound that `wanted` candidates with the largest lower bounds have at least. */
static float seed_bound(const found *all, size_t wanted)
{
  float largest = nth_largest(all, wanted, false), least = INFINITY;
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i].lower >= largest && all->list[i].upper < least)
      least = all->list[i].upper;
  return least;
}

/* First the likeliest few: what they have shows how far down it is worth going. */
static bool settle(dyno_two_stage *two_stage, found *all, float *logits,
                   const dyno_two_stage_vector *vector, const dyno_two_stage_crew *crew,
                   const dyno_retain_request *request)
{
  size_t tokens = two_stage->head->n, wanted = request->top < tokens ? request->top : tokens;
  float seed = seed_bound(all, wanted);
  bool few = count_wanted(all, seed) <= MOST_EXACT;
  bool kept = !few || make_exact(two_stage, all, seed, logits, vector, crew);
  if (few && kept) {
    all->threshold = below(nth_largest(all, wanted, true), request->within);
    few = count_wanted(all, all->threshold) <= MOST_EXACT;
  }
  if (few && kept) {
    kept = make_exact(two_stage, all, all->threshold, logits, vector, crew);
    all->threshold = below(nth_largest(all, wanted, true), request->within);
  }
  two_stage->counts.crowded += kept && !few;
  two_stage->counts.violated += !kept;
  return kept && few;
}

static void answer(dyno_two_stage *two_stage, dyno_retained *retained, const found *all,
                   const dyno_retain_request *request)
{
  float largest = nth_largest(all, 1, true);
  double tail = all->tail > 0 ? all->tail * tail_of(all->reference, largest, request) : 0;
  *retained =
      (dyno_retained){.id = two_stage->id, .logit = two_stage->logit, .floor = all->threshold};
  for (size_t i = 0; i < all->count; i++) {
    const candidate *it = &all->list[i];
    if (!it->exact || it->lower < all->threshold) {
      tail += tail_of(it->upper, largest, request);
      continue;
    }
    two_stage->id[retained->count] = it->row;
    two_stage->logit[retained->count++] = it->lower;
  }
  /* Exponents of up to 64 were rounded to float, three times at most. */
  retained->tail = tail * (1 + 0x1p-14);
  two_stage->counts.tail = retained->tail;
  if (retained->tail > two_stage->counts.largest_tail)
    two_stage->counts.largest_tail = retained->tail;
}

/* Failures tend to come together: after each the screen is left alone for twice as long. */
static void note_failure(dyno_two_stage *two_stage)
{
  two_stage->pass = two_stage->passes;
  two_stage->passes = 2 * two_stage->passes < LONGEST_PASS ? 2 * two_stage->passes : LONGEST_PASS;
}

static bool run_screen(dyno_two_stage *two_stage, found *all, const dyno_two_stage_vector *vector,
                       const dyno_two_stage_crew *crew, const dyno_retain_request *request)
{
  const dyno_linear *head = two_stage->head;
  dyno_screen_query query;
  if (!dyno_screen_query_make(&query, two_stage->query, vector->a8_row,
                              head->activation == DYNO_A8 ? NULL : vector->values, head->k,
                              head->decode.kernel->tolerance, two_stage->screen->dither)) {
    two_stage->counts.unbounded++;
    return false;
  }
  screen_job job = {.two_stage = two_stage, .query = &query, .request = request, .crew = crew};
  two_stage->counts.screens++;
  dyno_pool_run(crew->pool, screen_part, &job);
  *all = gather(two_stage, request);
  two_stage->counts.crowded += job.crowded;
  return !job.crowded;
}

bool dyno_two_stage_retain(dyno_two_stage *two_stage, dyno_retained *retained, float *logits,
                           const dyno_two_stage_vector *vector, const dyno_two_stage_crew *crew,
                           const dyno_retain_request *request)
{
  two_stage->counts.requests++;
  if (two_stage->useful)
    two_stage->passes = 1;
  two_stage->useful = false;
  if (two_stage->pass > 0) {
    two_stage->pass--;
    two_stage->counts.passed++;
    return false;
  }
  found all;
  if (!run_screen(two_stage, &all, vector, crew, request) ||
      !settle(two_stage, &all, logits, vector, crew, request)) {
    note_failure(two_stage);
    return false;
  }
  answer(two_stage, retained, &all, request);
  two_stage->counts.retained++;
  two_stage->useful = true;
  return true;
}

void dyno_two_stage_undecided(dyno_two_stage *two_stage)
{
  two_stage->counts.undecided++;
  two_stage->useful = false;
  note_failure(two_stage);
}
