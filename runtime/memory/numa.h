/* Memory on NUMA nodes. Without libnuma, or on a kernel without nodes, nothing is moved and nothing
 * is known; everything works all the same. */
#ifndef DYNO_RUNTIME_MEMORY_NUMA_H
#define DYNO_RUNTIME_MEMORY_NUMA_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/threads/pool.h"

/* Puts the pages that start in [data, data + size) on a node of the system: those that are there
 * already move, unless another process has them too; of anonymous memory, the others come there
 * when they are touched. A node that is full gives way to the next. Best effort; false when the
 * kernel did nothing. */
bool dyno_numa_prefer(void *data, size_t size, unsigned system_node);

/* The system's node that the page at this address is on; -1 when that is not known, or it is on
 * none yet. */
int dyno_numa_node_of(const void *address);

/* A weight matrix for each group, one after the other. */
typedef struct dyno_numa_matrix {
  void *data;
  size_t group_bytes, groups;
  size_t rows;    /* of a group; they lie in order */
  size_t granule; /* of the partition */
  bool file;      /* data is a mapped file */
} dyno_numa_matrix;

/* Puts the rows of each group on the nodes of the threads that dyno_partition gives them to. The
 * boundary between two nodes is moved to a page: to a huge one where each node's part is many of
 * them, since they are worth more than those few rows, otherwise to a small one. Pages of files
 * are read in and moved by the pool's threads. Does nothing with one node. */
void dyno_numa_place(const dyno_numa_matrix *matrix, dyno_pool *pool);

/* Where the boundary of the node's part of a group lies, as dyno_numa_place has it. For tests. */
void dyno_numa_part(size_t *begin, size_t *end, const dyno_numa_matrix *matrix, size_t group,
                    const dyno_pool *pool, unsigned node);

#endif
