#include "kernels/base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

dyno_status dyno_buffer_open(dyno_buffer *buffer, size_t size, dyno_error *error)
{
  *buffer = (dyno_buffer){0};
  if (size == 0)
    return DYNO_OK;
  size_t alignment = size >= DYNO_HUGE_PAGE ? DYNO_HUGE_PAGE : 0;
  if (size > SIZE_MAX - alignment)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cannot map %zu bytes of memory", size);
  void *mapping = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cannot map %zu bytes of memory: %s", size,
                     strerror(errno));
  uintptr_t start = (uintptr_t)mapping;
  if (alignment != 0) {
    start = (start + alignment - 1) & ~(uintptr_t)(alignment - 1);
    madvise((void *)start, size, MADV_HUGEPAGE); /* best effort */
  }
  *buffer = (dyno_buffer){(void *)start, size, mapping, size + alignment};
  return DYNO_OK;
}

void dyno_buffer_close(dyno_buffer *buffer)
{
  if (buffer->mapping != NULL)
    munmap(buffer->mapping, buffer->mapping_size);
  *buffer = (dyno_buffer){0};
}
