/* Pages: which kind they are of, which node they are on, and where parts of a matrix begin. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/buffer.h"
#include "runtime/memory/numa.h"
#include "runtime/memory/residence.h"

static dyno_buffer open_buffer(size_t size, dyno_pages pages)
{
  dyno_buffer buffer;
  dyno_error error = {0};
  cr_assert(dyno_buffer_open_on(&buffer, size, pages, &error) == DYNO_OK, "%s", error.message);
  return buffer;
}

Test(buffer, starts_where_huge_pages_do)
{
  const size_t half = DYNO_HUGE_PAGE / 2;
  const size_t sizes[] = {1, half - 1, half, DYNO_HUGE_PAGE, 2 * DYNO_HUGE_PAGE + half, 10000000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    dyno_buffer buffer = open_buffer(sizes[i], DYNO_PAGES_HUGE);
    size_t step = sizes[i] < half ? 4096 : DYNO_HUGE_PAGE;
    cr_assert((uintptr_t)buffer.data % step == 0, "%zu bytes at %p", sizes[i], buffer.data);
    memset(buffer.data, 1, sizes[i]);
    cr_assert(buffer.size == sizes[i], "%zu", buffer.size);
    dyno_buffer_close(&buffer);
  }
  dyno_buffer buffer;
  cr_assert(dyno_buffer_open(&buffer, 0, NULL) == DYNO_OK && buffer.data == NULL, "empty");
  dyno_buffer_close(&buffer);
  dyno_error error = {0};
  cr_assert(dyno_buffer_open(&buffer, SIZE_MAX - 5, &error) == DYNO_ERROR_MEMORY, "too much");
  cr_assert(buffer.mapping == NULL && error.message[0] != '\0', "and says so");
}

Test(residence, counts_what_was_touched)
{
  enum { PAGES = 1500 };
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  dyno_buffer buffer = open_buffer(PAGES * page, DYNO_PAGES_SMALL);
  dyno_residence none = {0}, some = {0}, inside = {0};
  char *bytes = buffer.data;
  if (!dyno_residence_add(&none, bytes, buffer.size))
    cr_skip("the kernel does not tell");
  cr_assert(none.bytes == buffer.size && none.resident == 0 && none.huge == 0, "untouched");
  for (size_t i = 0; i < PAGES; i += 2)
    bytes[i * page] = 1;
  cr_assert(dyno_residence_add(&some, bytes, buffer.size), "again");
  cr_assert(some.resident == PAGES / 2 * page, "%zu of %d pages", (size_t)some.resident / page,
            PAGES / 2);
  cr_assert(some.huge == 0, "huge pages were declined");
  memset(bytes, 1, buffer.size);
  cr_assert(dyno_residence_add(&inside, bytes + 100, page), "a part");
  cr_assert(inside.resident == page && inside.bytes == page, "%zu", (size_t)inside.resident);
  cr_assert(dyno_residence_add(&inside, bytes, page) && inside.bytes == 2 * page, "a sum");
  dyno_buffer_close(&buffer);
}

Test(residence, sees_huge_pages_where_there_are_some)
{
  dyno_buffer buffer = open_buffer(8 * DYNO_HUGE_PAGE, DYNO_PAGES_HUGE);
  memset(buffer.data, 1, buffer.size);
  dyno_residence found = {0};
  if (!dyno_residence_add(&found, buffer.data, buffer.size))
    cr_skip("the kernel does not tell");
  cr_assert(found.resident == buffer.size, "all of it");
  cr_assert(found.huge <= found.resident && found.huge % DYNO_HUGE_PAGE == 0, "%zu huge",
            (size_t)found.huge);
  dyno_buffer_close(&buffer);
}

Test(numa, a_page_can_be_put_on_the_node_it_is_on)
{
  dyno_buffer buffer = open_buffer(1 << 16, DYNO_PAGES_HUGE);
  memset(buffer.data, 1, buffer.size);
  int node = dyno_numa_node_of(buffer.data);
  if (node < 0)
    cr_skip("no libnuma, or no nodes");
  cr_assert(dyno_numa_prefer(buffer.data, buffer.size, (unsigned)node), "prefer node %d", node);
  cr_assert(dyno_numa_node_of((char *)buffer.data + 5000) == node, "still there");
  cr_assert(!dyno_numa_prefer(buffer.data, buffer.size, 100000), "no such node");
  dyno_buffer_close(&buffer);
}

/* A pool as on two nodes; its threads need not be there. */
static dyno_pool *two_nodes(void)
{
  static dyno_topology topology = {.cpu_count = 4, .core_count = 4, .node_count = 2};
  for (unsigned i = 0; i < 4; i++) {
    topology.cpus[i] = i;
    topology.core[i] = i;
    topology.node[i] = i / 2;
    topology.system_nodes[i / 2] = i / 2;
  }
  dyno_pool *pool;
  const dyno_pool_options options = {.threads = 4, .topology = &topology};
  cr_assert(dyno_pool_open_as(&pool, &options, NULL) == DYNO_OK, "no pool");
  return pool;
}

Test(numa, parts_of_nodes_cover_a_matrix)
{
  static const struct {
    size_t group_bytes, groups, rows, granule, page;
  } cases[] = {
      {4406400, 32, 2880, 16, 4096},       {100000, 3, 33, 16, 4096}, {1000, 5, 100, 1, 4096},
      {600000000, 1, 201088, 16, 2 << 20}, {4096, 1, 1, 16, 4096},
  };
  dyno_pool *pool = two_nodes();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_buffer buffer = open_buffer(cases[i].group_bytes * cases[i].groups, DYNO_PAGES_HUGE);
    const dyno_numa_matrix matrix = {
        .data = buffer.data,
        .group_bytes = cases[i].group_bytes,
        .groups = cases[i].groups,
        .rows = cases[i].rows,
        .granule = cases[i].granule,
    };
    size_t next = 0;
    for (size_t group = 0; group < matrix.groups; group++)
      for (unsigned node = 0; node < 2; node++) {
        size_t begin, end, row0, row1;
        dyno_numa_part(&begin, &end, &matrix, group, pool, node);
        dyno_partition_node(&row0, &row1, matrix.rows, matrix.granule, pool, node);
        double exact =
            ((double)group + (double)row0 / (double)matrix.rows) * (double)matrix.group_bytes;
        cr_assert(begin == next && begin <= end, "case %zu, group %zu, node %u", i, group, node);
        cr_assert(begin == buffer.size || ((uintptr_t)buffer.data + begin) % cases[i].page == 0,
                  "case %zu, group %zu, node %u: %zu is no page", i, group, node, begin);
        cr_assert((double)begin - exact <= (double)cases[i].page &&
                      exact - (double)begin <= (double)cases[i].page,
                  "case %zu, group %zu, node %u: %zu is far from %g", i, group, node, begin, exact);
        next = end;
      }
    cr_assert(next == buffer.size, "case %zu: to the end", i);
    dyno_numa_place(&matrix, pool);
    dyno_buffer_close(&buffer);
  }
  dyno_pool_close(&pool);
}
