#include "kernels/check/guarded.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_up(size_t bytes, size_t unit)
{
  return (bytes + unit - 1) / unit * unit;
}

static bool map_pages(dyno_guarded *buffer, size_t inner, size_t page)
{
  size_t total = inner + 2 * page;
  unsigned char *map =
      mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED)
    return false;
  if (mprotect(map + page, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(map, total);
    return false;
  }
  *buffer =
      (dyno_guarded){.map = map, .map_bytes = total, .slack = map + page, .slack_bytes = inner};
  return true;
}

/* Takes a mapping of so many pages out of the pool. */
static bool take_pages(dyno_guarded *buffer, dyno_guarded_pool *pool, size_t pages)
{
  if (pool == NULL || pages > DYNO_POOL_PAGES || pool->sizes[pages].count == 0)
    return false;
  *buffer = pool->sizes[pages].maps[--pool->sizes[pages].count];
  if (!buffer->read_only)
    return true;
  buffer->read_only = false;
  return mprotect(buffer->slack, buffer->slack_bytes, PROT_READ | PROT_WRITE) == 0;
}

bool dyno_guarded_open(dyno_guarded *buffer, dyno_guarded_pool *pool, const char *name,
                       size_t bytes, size_t alignment, dyno_placement placement, size_t shift,
                       unsigned char poison, bool fill)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  bool flush = placement == DYNO_PLACE_FLUSH;
  size_t inner = round_up(flush ? round_up(bytes, alignment) : bytes + shift, page);
  if (inner == 0) /* an empty buffer still has an address */
    inner = page;
  if (!take_pages(buffer, pool, inner / page) && !map_pages(buffer, inner, page))
    return false;
  buffer->name = name;
  buffer->bytes = bytes;
  buffer->poison = poison;
  buffer->data = buffer->slack + (flush ? inner - round_up(bytes, alignment) : shift);
  if (fill) {
    memset(buffer->slack, poison, inner);
  } else {
    unsigned char *end = buffer->data + bytes;
    memset(buffer->slack, poison, (size_t)(buffer->data - buffer->slack));
    memset(end, poison, (size_t)(buffer->slack + inner - end));
  }
  return true;
}

bool dyno_guarded_protect(dyno_guarded *buffer)
{
  buffer->read_only = true;
  return mprotect(buffer->slack, buffer->slack_bytes, PROT_READ) == 0;
}

/* The first byte of [from, to) that is not value, or to. */
static const unsigned char *find_other(const unsigned char *from, const unsigned char *to,
                                       unsigned char value)
{
  while (from < to && *from == value)
    from++;
  return from;
}

bool dyno_guarded_intact(const dyno_guarded *buffer, ptrdiff_t *offset)
{
  const unsigned char *data = buffer->data, *end = data + buffer->bytes;
  const unsigned char *slack_end = buffer->slack + buffer->slack_bytes;
  const unsigned char *before = find_other(buffer->slack, data, buffer->poison);
  const unsigned char *after = find_other(end, slack_end, buffer->poison);
  if (before == data && after == slack_end)
    return true;
  *offset = (before < data ? before : after) - data;
  return false;
}

void dyno_guarded_close(dyno_guarded *buffer, dyno_guarded_pool *pool)
{
  size_t pages = buffer->slack_bytes / (size_t)sysconf(_SC_PAGESIZE);
  if (pool != NULL && pages <= DYNO_POOL_PAGES && pool->sizes[pages].count < DYNO_POOL_MAPS)
    pool->sizes[pages].maps[pool->sizes[pages].count++] = *buffer;
  else if (buffer->map != NULL)
    munmap(buffer->map, buffer->map_bytes);
  *buffer = (dyno_guarded){0};
}
