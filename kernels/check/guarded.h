/* Buffers that catch an access outside of them: mapped between two pages that nobody may touch. */
#ifndef DYNO_KERNELS_CHECK_GUARDED_H
#define DYNO_KERNELS_CHECK_GUARDED_H

#include <stdbool.h>
#include <stddef.h>

typedef enum dyno_placement {
  /* The data ends at the guard page, as nearly as its alignment allows: one byte too far faults. */
  DYNO_PLACE_FLUSH,
  /* The data begins a given number of bytes after the other guard page. */
  DYNO_PLACE_SHIFTED,
} dyno_placement;

typedef struct dyno_guarded {
  const char *name;    /* for reports; not owned */
  unsigned char *data; /* what the kernel gets */
  size_t bytes;
  unsigned char *map; /* everything, guard pages included */
  size_t map_bytes;
  unsigned char *slack; /* the accessible pages; what of them is not data holds the poison */
  size_t slack_bytes;
  unsigned char poison;
  bool read_only;
} dyno_guarded;

/* Mappings to be used again, because making and touching them costs more than most kernels. */
enum { DYNO_POOL_PAGES = 16, DYNO_POOL_MAPS = 64 };
typedef struct dyno_guarded_pool {
  struct {
    dyno_guarded maps[DYNO_POOL_MAPS];
    size_t count;
  } sizes[DYNO_POOL_PAGES + 1]; /* by accessible pages */
} dyno_guarded_pool;

/* Maps a buffer and fills it, and the slack around it, with the poison. alignment is a power of
 * two up to a page, shift a multiple of it (of FLUSH: ignored). A huge buffer of which little is
 * used is better left unfilled. False when there is no memory. */
bool dyno_guarded_open(dyno_guarded *buffer, dyno_guarded_pool *pool, const char *name,
                       size_t bytes, size_t alignment, dyno_placement placement, size_t shift,
                       unsigned char poison, bool fill);

/* Makes the buffer read-only. */
bool dyno_guarded_protect(dyno_guarded *buffer);

/* Whether the slack still holds the poison; if not, *offset is the first byte that does not,
 * counted from the data (negative before it). */
bool dyno_guarded_intact(const dyno_guarded *buffer, ptrdiff_t *offset);

/* Unmaps the buffer, or keeps it in the pool. */
void dyno_guarded_close(dyno_guarded *buffer, dyno_guarded_pool *pool);

#endif
