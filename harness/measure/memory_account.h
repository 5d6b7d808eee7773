/* What an engine's memory is for, by our own accounts, and held against what the kernel says. */
#ifndef DYNO_HARNESS_MEASURE_MEMORY_ACCOUNT_H
#define DYNO_HARNESS_MEASURE_MEMORY_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/process_map.h"
#include "runtime/engine.h"
#include "runtime/memory/allocator.h"

typedef enum dyno_memory_row_kind {
  DYNO_MEMORY_WEIGHTS,
  DYNO_MEMORY_KV,
  DYNO_MEMORY_HIDDEN_STATES,
  DYNO_MEMORY_CACHE_L1,
  DYNO_MEMORY_CACHE_L2,
  DYNO_MEMORY_CACHE_L3,
  DYNO_MEMORY_OVERHEAD, /* pages that the allocator holds beyond what is asked for, and its tables
                         */
  DYNO_MEMORY_ROWS
} dyno_memory_row_kind;

/* Bytes; the average is over the time between begin and take. */
typedef struct dyno_memory_row {
  uint64_t now, peak;
  double average;
} dyno_memory_row;

/* Fills with time; make it with dyno_memory_account_begin. */
typedef struct dyno_memory_account {
  const dyno_engine *engine;
  dyno_memory_row rows[DYNO_MEMORY_ROWS], total;
  uint64_t begin_ns, since_ns;

  /* By dyno_memory_account_take. */
  dyno_allocator_statistics allocator;
  dyno_process_map process;
  uint64_t packed;     /* of the weights, in memory of our own */
  uint64_t resident;   /* of the rows, as our accounts have it */
  uint64_t heap;       /* that malloc has by brk, */
  uint64_t mapped;     /* and by mmap, as it tells */
  int64_t unexplained; /* what the kernel counts more than all of these; below 0: less */
} dyno_memory_account;

/* The largest share of the resident set that may be unexplained. */
#define DYNO_MEMORY_TOLERANCE 0.02

/* "weights", "KV cache", ... */
const char *dyno_memory_row_name(dyno_memory_row_kind row);

void dyno_memory_account_begin(dyno_memory_account *account, const dyno_engine *engine);

/* Looks at what is held now: to be called whenever that may have changed. */
void dyno_memory_account_sample(dyno_memory_account *account);

/* Takes the account: a last sample, and where the memory is. UNAVAILABLE when the kernel does not
 * tell. */
dyno_status dyno_memory_account_take(dyno_memory_account *account, dyno_error *error);

/* Whether no more than the tolerance is unexplained. */
bool dyno_memory_account_agrees(const dyno_memory_account *account);

#endif
