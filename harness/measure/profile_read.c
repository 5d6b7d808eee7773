#include "harness/measure/profile_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/ceiling/ceiling.h"
#include "runtime/sample/rng.h"

enum { PIECE_BYTES = 2 << 20, LINE = 64 };

/* Below this a sample takes less time than it takes to wake a thread up: read it repeatedly. */
enum { LEAST_SAMPLE_BYTES = 64 << 20 };

typedef struct piece {
  const void *data;
  size_t iterations;
} piece;

/* What one thread reads in the next sample, on lines of its own. */
typedef struct reading_list {
  _Alignas(128) piece *pieces; /* owned, [room] */
  size_t count, room, bytes;
} reading_list;

struct dyno_profile_reader {
  const dyno_weight_pages *pages;
  size_t page_count;
  dyno_pool *pool;
  unsigned threads;
  const dyno_ceiling *loop;
  size_t sample_bytes, total_bytes, passes;
  reading_list *lists; /* [threads] */
  reading_list alone;  /* of the calling thread */
};

/* The part of the pages that a thread of so many has in a partition. */
static void share_of(const char **data, size_t *bytes, const dyno_weight_pages *pages,
                     unsigned thread, unsigned threads)
{
  size_t begin, end;
  dyno_partition(&begin, &end, pages->bytes, LINE, thread, threads);
  uintptr_t first = ((uintptr_t)pages->data + begin + LINE - 1) / LINE * LINE;
  uintptr_t last = (uintptr_t)pages->data + end;
  *data = (const char *)first;
  *bytes = last > first ? last - first : 0;
}

/* How many equal pieces a share makes. */
static size_t piece_count(size_t bytes)
{
  size_t pieces = (bytes + PIECE_BYTES / 2) / PIECE_BYTES;
  return pieces > 0 ? pieces : 1;
}

static void add_piece(dyno_profile_reader *reader, reading_list *list, const char *data,
                      size_t bytes)
{
  size_t iterations = bytes / reader->loop->units;
  if (iterations == 0 || list->count == list->room)
    return;
  list->pieces[list->count++] = (piece){data, iterations};
  list->bytes += iterations * reader->loop->units;
}

/* Every share of the thread is cut into pieces; each is taken with the same probability, in the
 * order of a pass through the model. */
static void choose(dyno_profile_reader *reader, reading_list *list, unsigned thread,
                   unsigned threads, uint64_t seed)
{
  double probability = (double)reader->sample_bytes / (double)reader->total_bytes;
  uint64_t number = (uint64_t)thread << 40;
  list->count = list->bytes = 0;
  for (size_t i = 0; i < reader->page_count; i++) {
    const char *share;
    size_t bytes, pieces;
    share_of(&share, &bytes, &reader->pages[i], thread, threads);
    pieces = piece_count(bytes);
    for (size_t j = 0; j < pieces; j++) {
      size_t begin = bytes * j / pieces / LINE * LINE;
      size_t end = j + 1 == pieces ? bytes : bytes * (j + 1) / pieces / LINE * LINE;
      if (probability >= 1 || dyno_random_unit(seed, number++) < probability)
        add_piece(reader, list, share + begin, end - begin);
    }
  }
}

/* Where results go, so that no call of a pure loop can be left out. */
static void keep(uint64_t value)
{
  __asm__ volatile("" : : "r"(value));
}

static void read_list(const dyno_profile_reader *reader, const reading_list *list)
{
  for (size_t pass = 0; pass < reader->passes; pass++)
    for (size_t i = 0; i < list->count; i++)
      keep(reader->loop->run(list->pieces[i].data, list->pieces[i].iterations));
}

static void read_share(void *context, unsigned thread, unsigned threads)
{
  const dyno_profile_reader *reader = context;
  (void)threads;
  read_list(reader, &reader->lists[thread]);
}

dyno_read_sample dyno_profile_reader_all(dyno_profile_reader *reader, uint64_t seed)
{
  dyno_read_sample sample = {0};
  for (unsigned thread = 0; thread < reader->threads; thread++) {
    choose(reader, &reader->lists[thread], thread, reader->threads, seed);
    sample.bytes += (double)reader->lists[thread].bytes * (double)reader->passes;
  }
  uint64_t start = dyno_clock_ns();
  dyno_pool_run(reader->pool, read_share, reader);
  sample.seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  return sample;
}

dyno_read_sample dyno_profile_reader_one(dyno_profile_reader *reader, uint64_t seed)
{
  dyno_read_sample sample;
  choose(reader, &reader->alone, 0, 1, seed);
  uint64_t start = dyno_clock_ns();
  read_list(reader, &reader->alone);
  sample.seconds = (double)(dyno_clock_ns() - start) * 1e-9;
  sample.bytes = (double)reader->alone.bytes * (double)reader->passes;
  return sample;
}

/* Room for all pieces there are; false when out of memory. */
static bool make_list(dyno_profile_reader *reader, reading_list *list, unsigned thread,
                      unsigned threads)
{
  for (size_t i = 0; i < reader->page_count; i++) {
    const char *share;
    size_t bytes;
    share_of(&share, &bytes, &reader->pages[i], thread, threads);
    list->room += piece_count(bytes);
  }
  list->pieces = calloc(list->room + 1, sizeof *list->pieces);
  return list->pieces != NULL;
}

static bool make_lists(dyno_profile_reader *reader)
{
  reader->lists = aligned_alloc(128, reader->threads * sizeof *reader->lists);
  if (reader->lists == NULL)
    return false;
  memset(reader->lists, 0, reader->threads * sizeof *reader->lists);
  bool fine = make_list(reader, &reader->alone, 0, 1);
  for (unsigned thread = 0; fine && thread < reader->threads; thread++)
    fine = make_list(reader, &reader->lists[thread], thread, reader->threads);
  return fine;
}

/* Tries the loops of all tiers on one thread; it is that thread which they differ in. The first
 * sample of each loop may touch pages that were never touched. */
static void find_loop(dyno_profile_reader *reader, dyno_isa isa)
{
  const dyno_ceiling *best = NULL;
  double best_rate = 0;
  for (size_t i = 0; i < dyno_ceiling_count; i++) {
    if (dyno_ceilings[i].kind != DYNO_CEILING_READ || dyno_ceilings[i].isa > isa)
      continue;
    reader->loop = &dyno_ceilings[i];
    double rate = 0;
    for (int trial = 0; trial < 2; trial++) {
      dyno_read_sample sample = dyno_profile_reader_one(reader, 1);
      if (sample.seconds > 0)
        rate = fmax(rate, sample.bytes / sample.seconds);
    }
    if (rate > best_rate) {
      best_rate = rate;
      best = reader->loop;
    }
  }
  reader->loop = best;
}

static dyno_status set_up(dyno_profile_reader *reader, dyno_isa isa, size_t bytes,
                          dyno_error *error)
{
  for (size_t i = 0; i < reader->page_count; i++)
    reader->total_bytes += reader->pages[i].bytes;
  if (!make_lists(reader))
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to list the weights' pages");
  reader->sample_bytes = bytes < reader->total_bytes ? bytes : reader->total_bytes;
  reader->passes = 1;
  if (reader->sample_bytes > 0 && reader->sample_bytes < LEAST_SAMPLE_BYTES)
    reader->passes = LEAST_SAMPLE_BYTES / reader->sample_bytes;
  if (reader->total_bytes > 0)
    find_loop(reader, isa);
  if (reader->loop == NULL)
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "%zu bytes of weights are too few to measure reading them",
                     reader->total_bytes);
  return DYNO_OK;
}

dyno_status dyno_profile_reader_open(dyno_profile_reader **reader, const dyno_weight_pages *pages,
                                     size_t count, dyno_pool *pool, dyno_isa isa, size_t bytes,
                                     dyno_error *error)
{
  *reader = NULL;
  dyno_profile_reader *made = aligned_alloc(_Alignof(dyno_profile_reader), sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  *made = (dyno_profile_reader){
      .pages = pages, .page_count = count, .pool = pool, .threads = dyno_pool_threads(pool)};
  dyno_status status = set_up(made, isa, bytes, error);
  if (status != DYNO_OK)
    dyno_profile_reader_close(&made);
  *reader = made;
  return status;
}

void dyno_profile_reader_close(dyno_profile_reader **reader)
{
  dyno_profile_reader *closing = *reader;
  if (closing == NULL)
    return;
  for (unsigned thread = 0; closing->lists != NULL && thread < closing->threads; thread++)
    free(closing->lists[thread].pieces);
  free(closing->lists);
  free(closing->alone.pieces);
  free(closing);
  *reader = NULL;
}

const char *dyno_profile_reader_loop(const dyno_profile_reader *reader)
{
  return reader->loop->name;
}

double dyno_profile_reader_total(const dyno_profile_reader *reader)
{
  return (double)reader->total_bytes;
}
