#include "kernels/base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Best effort: a kernel without huge pages refuses, and small ones do. */
static void advise(void *data, size_t size, dyno_pages pages)
{
  if (pages == DYNO_PAGES_SMALL)
    madvise(data, size, MADV_NOHUGEPAGE);
  else if (size >= DYNO_HUGE_PAGE)
    madvise(data, size, MADV_HUGEPAGE);
}

dyno_status dyno_buffer_open_on(dyno_buffer *buffer, size_t size, dyno_pages pages,
                                dyno_error *error)
{
  *buffer = (dyno_buffer){0};
  if (size == 0)
    return DYNO_OK;
  size_t alignment = size >= DYNO_HUGE_PAGE / 2 ? DYNO_HUGE_PAGE : 0;
  if (size > SIZE_MAX / 2)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cannot map %zu bytes of memory", size);
  size_t used = size;
  if (alignment != 0 && size % DYNO_HUGE_PAGE >= DYNO_HUGE_PAGE / 2)
    used += DYNO_HUGE_PAGE - size % DYNO_HUGE_PAGE;
  void *mapping = mmap(NULL, used + alignment, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cannot map %zu bytes of memory: %s", size,
                     strerror(errno));
  uintptr_t start = (uintptr_t)mapping;
  if (alignment != 0)
    start = (start + alignment - 1) & ~(uintptr_t)(alignment - 1);
  advise((void *)start, used, pages);
  *buffer = (dyno_buffer){(void *)start, size, mapping, used + alignment};
  return DYNO_OK;
}

dyno_status dyno_buffer_open(dyno_buffer *buffer, size_t size, dyno_error *error)
{
  return dyno_buffer_open_on(buffer, size, DYNO_PAGES_HUGE, error);
}

void dyno_buffer_close(dyno_buffer *buffer)
{
  if (buffer->mapping != NULL)
    munmap(buffer->mapping, buffer->mapping_size);
  *buffer = (dyno_buffer){0};
}
