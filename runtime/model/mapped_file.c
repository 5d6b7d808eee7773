#include "runtime/model/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/base/buffer.h"

#if defined __SANITIZE_ADDRESS__
#define ADDRESS_SANITIZER 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

/* The last page goes on behind the file, in zeros that nothing should read: a sanitizer is told,
 * and told again before the pages go back. */
static void mark_tail(const dyno_mapped_file *file, bool readable)
{
#ifdef ADDRESS_SANITIZER
  size_t page = (size_t)sysconf(_SC_PAGESIZE), tail = (page - file->size % page) % page;
  if (readable)
    __asan_unpoison_memory_region(file->bytes + file->size, tail);
  else
    __asan_poison_memory_region(file->bytes + file->size, tail);
#else
  (void)file, (void)readable;
#endif
}

static dyno_status check_kind(const struct stat *status, const char *path, dyno_error *error)
{
  if (S_ISDIR(status->st_mode))
    return dyno_fail(error, DYNO_ERROR_IO, "%s: this is a folder; a file is wanted", path);
  if (!S_ISREG(status->st_mode))
    return dyno_fail(error, DYNO_ERROR_IO, "%s: not a regular file, so it cannot be mapped", path);
  if ((uint64_t)status->st_size > SIZE_MAX)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "%s: too big for this machine's addresses",
                     path);
  return DYNO_OK;
}

/* Huge pages of the page cache can be mapped only where address and offset agree in their last 21
 * bits. */
static void *map_aligned(size_t size, int descriptor)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (size < DYNO_HUGE_PAGE || size > SIZE_MAX - DYNO_HUGE_PAGE - page)
    return mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
  size_t whole = (size + page - 1) & ~(page - 1), room = whole + DYNO_HUGE_PAGE;
  uint8_t *reserved =
      mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED)
    return MAP_FAILED;
  size_t before = (DYNO_HUGE_PAGE - (uintptr_t)reserved % DYNO_HUGE_PAGE) % DYNO_HUGE_PAGE;
  void *bytes = mmap(reserved + before, size, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, 0);
  int reason = errno;
  if (bytes == MAP_FAILED) {
    munmap(reserved, room);
    errno = reason;
    return MAP_FAILED;
  }
  if (before > 0)
    munmap(reserved, before);
  munmap(reserved + before + whole, room - before - whole);
  return bytes;
}

/* Maps what descriptor has, and asks for its size again: a file that is still being downloaded or
 * cut must be refused here rather than fault later. */
static dyno_status map(dyno_mapped_file *file, int descriptor, const char *path, dyno_error *error)
{
  struct stat before, after;
  if (fstat(descriptor, &before) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %s", path, strerror(errno));
  dyno_status status = check_kind(&before, path, error);
  if (status != DYNO_OK)
    return status;
  if (before.st_size > 0) {
    void *bytes = map_aligned((size_t)before.st_size, descriptor);
    if (bytes == MAP_FAILED)
      return dyno_fail(error, errno == ENOMEM ? DYNO_ERROR_MEMORY : DYNO_ERROR_IO,
                       "%s: cannot map it: %s", path, strerror(errno));
    file->bytes = bytes;
    file->size = (size_t)before.st_size;
    file->descriptor = descriptor;
    mark_tail(file, false);
  }
  if (fstat(descriptor, &after) != 0 || after.st_size != before.st_size)
    return dyno_fail(error, DYNO_ERROR_IO,
                     "%s: its size changed while it was opened; is it still being written?", path);
  return DYNO_OK;
}

dyno_status dyno_mapped_file_open(dyno_mapped_file *file, const char *path, dyno_error *error)
{
  *file = (dyno_mapped_file){.path = strdup(path)};
  if (file->path == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  /* O_NONBLOCK: opening a FIFO must not wait for its writer; regular files ignore it. */
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    bool missing = errno == ENOENT || errno == ENOTDIR;
    dyno_status status = dyno_fail(error, missing ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                                   "%s: cannot open it: %s", path, strerror(errno));
    dyno_mapped_file_close(file);
    return status;
  }
  dyno_status status = map(file, descriptor, path, error);
  if (file->bytes == NULL)
    close(descriptor);
  if (status != DYNO_OK)
    dyno_mapped_file_close(file);
  return status;
}

void dyno_mapped_file_close(dyno_mapped_file *file)
{
  if (file->bytes != NULL) {
    mark_tail(file, true);
    munmap((void *)(uintptr_t)file->bytes, file->size);
    close(file->descriptor);
  }
  free(file->path);
  *file = (dyno_mapped_file){0};
}

void dyno_mapped_file_advise(const dyno_mapped_file *file, uint64_t offset, uint64_t size,
                             dyno_file_advice advice)
{
  static const int flags[] = {
      [DYNO_FILE_SEQUENTIAL] = MADV_SEQUENTIAL, [DYNO_FILE_WILL_NEED] = MADV_WILLNEED,
      [DYNO_FILE_HUGE] = MADV_HUGEPAGE,         [DYNO_FILE_SMALL] = MADV_NOHUGEPAGE,
      [DYNO_FILE_DONE] = MADV_DONTNEED,         [DYNO_FILE_RECLAIM] = MADV_DONTNEED,
  };
  if (offset >= file->size || size == 0)
    return;
  if (size > file->size - offset)
    size = file->size - offset;
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = offset + size;
  uint64_t begin = offset & ~(page - 1);
  madvise((void *)(uintptr_t)(file->bytes + begin), (size_t)(end - begin), flags[advice]);
  if (advice == DYNO_FILE_RECLAIM)
    posix_fadvise(file->descriptor, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
}
