/* Switches for where threads and weights are put. None changes a result. */
#ifndef DYNO_RUNTIME_PLACEMENT_H
#define DYNO_RUNTIME_PLACEMENT_H

/* How the threads of a pool hand work over and wait for it. */
typedef enum dyno_pool_kind {
  DYNO_POOL_SPIN,  /* by atomics: whoever waits spins for some microseconds, then sleeps */
  DYNO_POOL_MUTEX, /* by a mutex and condition variables: the plain way, to compare with */
  DYNO_POOL_KIND_COUNT
} dyno_pool_kind;

/* On which pages weights, keys and values are. */
typedef enum dyno_huge_pages {
  DYNO_HUGE_PAGES_LOAD, /* huge ones are asked for when weights are loaded or a packed file mapped
                         */
  DYNO_HUGE_PAGES_BACKGROUND, /* and mapped weights that did not get them are moved while we run */
  /* As LOAD, but a file that is packed at load stays in the page cache even where memory does not
   * hold both, which costs some of the huge pages. */
  DYNO_HUGE_PAGES_KEEP_CACHE,
  DYNO_HUGE_PAGES_OFF, /* small ones only, to compare with */
} dyno_huge_pages;

/* Where the memory of sequences and caches comes from. */
typedef enum dyno_allocator_kind {
  DYNO_ALLOC_BUDDY,  /* blocks cut from large stretches of huge pages, which stay */
  DYNO_ALLOC_MALLOC, /* the system's malloc, to compare with */
  DYNO_ALLOC_KIND_COUNT
} dyno_allocator_kind;

/* On which NUMA node weights are, where there is more than one. */
typedef enum dyno_numa {
  DYNO_NUMA_ROWS, /* each row on the node of the thread that reads it */
  DYNO_NUMA_OFF,  /* on that of the thread that wrote it */
} dyno_numa;

#endif
