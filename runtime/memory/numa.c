#include "config.h"

#include "runtime/memory/numa.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/base/buffer.h"

#ifdef DYNO_WITH_NUMA
#include <numa.h>
#include <numaif.h>

enum { MASK_BITS = 1024 };

bool dyno_numa_prefer(void *data, size_t size, unsigned system_node)
{
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t begin = ((uintptr_t)data + page - 1) & ~(page - 1);
  uintptr_t end = ((uintptr_t)data + size + page - 1) & ~(page - 1);
  unsigned long mask[MASK_BITS / (8 * sizeof(unsigned long))] = {0};
  size_t word = 8 * sizeof *mask;
  if (numa_available() < 0 || system_node >= MASK_BITS || begin >= end)
    return false;
  mask[system_node / word] = 1UL << system_node % word;
  return mbind((void *)begin, end - begin, MPOL_PREFERRED, mask, MASK_BITS, MPOL_MF_MOVE) == 0;
}

int dyno_numa_node_of(const void *address)
{
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  void *at = (void *)((uintptr_t)address & ~(page - 1));
  int node = -1;
  if (numa_available() < 0 || move_pages(0, 1, &at, NULL, &node, 0) != 0)
    return -1;
  return node >= 0 ? node : -1;
}

#else

bool dyno_numa_prefer(void *data, size_t size, unsigned system_node)
{
  (void)data, (void)size, (void)system_node;
  return false;
}

int dyno_numa_node_of(const void *address)
{
  (void)address;
  return -1;
}

#endif

/* From this many huge pages for each node, boundaries are theirs. */
enum { MANY_HUGE_PAGES = 8 };

/* The start of a row of a group in the data, at the nearest page. */
static size_t boundary(const dyno_numa_matrix *matrix, size_t group, size_t row, unsigned nodes)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (matrix->group_bytes / nodes >= MANY_HUGE_PAGES * DYNO_HUGE_PAGE)
    page = DYNO_HUGE_PAGE;
  size_t offset = group * matrix->group_bytes + matrix->group_bytes / matrix->rows * row +
                  matrix->group_bytes % matrix->rows * row / matrix->rows;
  uintptr_t address = (uintptr_t)matrix->data + offset + page / 2;
  uintptr_t rounded = address & ~(uintptr_t)(page - 1);
  size_t all = matrix->group_bytes * matrix->groups;
  if (rounded <= (uintptr_t)matrix->data)
    return 0;
  return rounded - (uintptr_t)matrix->data < all ? rounded - (uintptr_t)matrix->data : all;
}

void dyno_numa_part(size_t *begin, size_t *end, const dyno_numa_matrix *matrix, size_t group,
                    const dyno_pool *pool, unsigned node)
{
  size_t row0, row1;
  unsigned nodes = dyno_pool_nodes(pool);
  dyno_partition_node(&row0, &row1, matrix->rows, matrix->granule, pool, node);
  *begin = group == 0 && row0 == 0 ? 0 : boundary(matrix, group, row0, nodes);
  *end = group + 1 == matrix->groups && row1 == matrix->rows ? matrix->group_bytes * matrix->groups
                                                             : boundary(matrix, group, row1, nodes);
}

static void place_part(const dyno_numa_matrix *matrix, size_t group, const dyno_pool *pool,
                       unsigned node)
{
  size_t begin, end;
  dyno_numa_part(&begin, &end, matrix, group, pool, node);
  if (begin >= end)
    return;
  uint8_t *data = matrix->data;
#ifdef MADV_POPULATE_READ
  if (matrix->file) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)(data + begin) & ~(page - 1);
    madvise((void *)from, (uintptr_t)(data + end) - from, MADV_POPULATE_READ);
  }
#endif
  dyno_numa_prefer(data + begin, end - begin, dyno_pool_system_node(pool, node));
}

typedef struct place_job {
  const dyno_numa_matrix *matrix;
  const dyno_pool *pool;
} place_job;

static void place_share(void *context, unsigned thread, unsigned threads)
{
  const place_job *job = context;
  size_t first, last, parts = job->matrix->groups * dyno_pool_nodes(job->pool);
  dyno_partition(&first, &last, parts, 1, thread, threads);
  for (size_t i = first; i < last; i++)
    place_part(job->matrix, i / dyno_pool_nodes(job->pool), job->pool,
               (unsigned)(i % dyno_pool_nodes(job->pool)));
}

void dyno_numa_place(const dyno_numa_matrix *matrix, dyno_pool *pool)
{
  place_job job = {matrix, pool};
  if (dyno_pool_nodes(pool) < 2 || matrix->rows == 0)
    return;
  if (matrix->file)
    dyno_pool_run(pool, place_share, &job);
  else
    place_share(&job, 0, 1);
}
