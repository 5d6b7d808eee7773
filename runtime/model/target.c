#include "runtime/model/target.h"

#include <sys/stat.h>

dyno_status dyno_model_check_target(const char *path, const dyno_checkpoint *checkpoint,
                                    dyno_error *error)
{
  struct stat target, source;
  if (stat(path, &target) != 0)
    return DYNO_OK;
  if (!S_ISREG(target.st_mode))
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: this is there and no regular file", path);
  if (stat(dyno_checkpoint_path(checkpoint), &source) == 0 && source.st_dev == target.st_dev &&
      source.st_ino == target.st_ino)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: this is the model itself; choose another name for the new file", path);
  return DYNO_OK;
}
