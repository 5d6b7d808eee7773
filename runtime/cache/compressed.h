/* L3: records of compressed nodes by their keys.
 *
 * Those in memory are charged to the account, on whole pages; when there is no room the one leaves
 * that was put or put again the longest ago. Nodes leave L2 leaves first, so the oldest here is
 * never what younger ones follow. Those that are in a cache file take a line of the table.
 *
 * Any thread, at any time. */
#ifndef DYNO_RUNTIME_CACHE_COMPRESSED_H
#define DYNO_RUNTIME_CACHE_COMPRESSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/cache/budget.h"
#include "runtime/cache/cache_file.h"
#include "runtime/cache/node_record.h"

typedef struct dyno_compressed dyno_compressed;

/* A store that charges `budget`, which must outlive it. MEMORY; then *store is NULL. */
dyno_status dyno_compressed_open(dyno_compressed **store, dyno_budget *budget,
                                 const dyno_node_shape *shape, dyno_error *error);

/* Nothing may be pinned. Sets *store to NULL; NULL is fine. */
void dyno_compressed_close(dyno_compressed **store);

/* Enters what is in a file, which must outlive the store. Returns how many records there was room
 * for. */
size_t dyno_compressed_add_file(dyno_compressed *store, const dyno_cache_file *file);

/* Keeps a copy of a record, for which older ones leave. False when there is no room; true also when
 * it is there already. */
bool dyno_compressed_put(dyno_compressed *store, const dyno_node_name *name, const uint8_t *bytes,
                         size_t size);

bool dyno_compressed_has(dyno_compressed *store, const uint64_t key[2]);

/* As if it were put again; false when it is not there. */
bool dyno_compressed_renew(dyno_compressed *store, const uint64_t key[2]);

/* A record that stays until it is unpinned. */
typedef struct dyno_compressed_pin {
  uint32_t entry;
  dyno_node_name name;
  const uint8_t *bytes;        /* NULL: it is */
  const dyno_cache_file *file; /* here, */
  size_t index;                /* with this number */
  size_t size;
} dyno_compressed_pin;

bool dyno_compressed_find(dyno_compressed *store, dyno_compressed_pin *pin, const uint64_t key[2]);

/* Lets go of it; with drop, it is no good, and leaves. */
void dyno_compressed_unpin(dyno_compressed *store, const dyno_compressed_pin *pin, bool drop);

/* Calls visit for every record, the youngest first and those of the file last, until it returns
 * false. Nobody else may use the store meanwhile. */
typedef bool dyno_compressed_visit(void *context, const dyno_compressed_pin *record);
void dyno_compressed_for_each(dyno_compressed *store, dyno_compressed_visit *visit, void *context);

typedef struct dyno_compressed_counts {
  uint64_t bytes;   /* of records in memory */
  uint64_t charged; /* for them */
  uint64_t evicted, refused;
  size_t nodes, nodes_in_file;
} dyno_compressed_counts;

dyno_compressed_counts dyno_compressed_count(dyno_compressed *store);

#endif
