#include "runtime/model/tensor_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static dyno_status no_room(const char *path, uint64_t bytes, int descriptor, dyno_error *error)
{
  struct statvfs system;
  uint64_t available = 0;
  if (fstatvfs(descriptor, &system) == 0)
    available = (uint64_t)system.f_bavail * system.f_frsize;
  return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                   "%s: %.2f GB are needed, but the file system has %.2f GB left: make room or "
                   "choose another folder",
                   path, (double)bytes * 1e-9, (double)available * 1e-9);
}

/* fallocate takes the blocks for certain. Where a file system cannot do that, the free space it
 * states has to do. */
static dyno_status reserve(const char *path, uint64_t bytes, int descriptor, dyno_error *error)
{
  if (bytes == 0 || bytes > INT64_MAX)
    return bytes == 0 ? DYNO_OK : no_room(path, bytes, descriptor, error);
  int result;
  do
    result = fallocate(descriptor, 0, 0, (off_t)bytes);
  while (result != 0 && errno == EINTR);
  if (result == 0)
    return DYNO_OK;
  if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)
    return no_room(path, bytes, descriptor, error);
  struct statvfs system;
  if (fstatvfs(descriptor, &system) == 0 && (uint64_t)system.f_bavail * system.f_frsize < bytes)
    return no_room(path, bytes, descriptor, error);
  return DYNO_OK;
}

dyno_status dyno_tensor_stream_open(dyno_tensor_stream *stream, const char *path, uint64_t bytes,
                                    dyno_error *error)
{
  *stream = (dyno_tensor_stream){0};
  dyno_status status = dyno_atomic_file_open(&stream->file, path, error);
  if (status != DYNO_OK)
    return status;
  status = reserve(path, bytes, fileno(stream->file.stream), error);
  if (status != DYNO_OK)
    dyno_tensor_stream_discard(stream);
  return status;
}

dyno_status dyno_tensor_stream_write(dyno_tensor_stream *stream, const void *bytes, uint64_t size,
                                     dyno_error *error)
{
  if (size > 0 && fwrite(bytes, 1, (size_t)size, stream->file.stream) != size)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: offset %" PRIu64 ": cannot write: %s",
                     stream->file.path, stream->position, strerror(errno));
  stream->position += size;
  return DYNO_OK;
}

dyno_status dyno_tensor_stream_pad(dyno_tensor_stream *stream, uint64_t position, dyno_error *error)
{
  static const uint8_t zeros[256];
  dyno_status status = DYNO_OK;
  while (status == DYNO_OK && stream->position < position) {
    uint64_t size = position - stream->position;
    status =
        dyno_tensor_stream_write(stream, zeros, size < sizeof zeros ? size : sizeof zeros, error);
  }
  return status;
}

dyno_status dyno_tensor_stream_commit(dyno_tensor_stream *stream, dyno_error *error)
{
  return dyno_atomic_file_commit(&stream->file, error);
}

void dyno_tensor_stream_discard(dyno_tensor_stream *stream)
{
  dyno_atomic_file_discard(&stream->file);
}
