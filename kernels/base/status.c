#include "kernels/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

dyno_status dyno_fail(dyno_error *error, dyno_status status, const char *format, ...)
{
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
  }
  return status;
}

dyno_status dyno_error_prepend(dyno_error *error, const char *format, ...)
{
  if (error == NULL)
    return DYNO_OK;
  char context[sizeof error->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context, sizeof context, format, arguments);
  va_end(arguments);

  char joined[2 * sizeof error->message + 2];
  snprintf(joined, sizeof joined, "%s: %s", context, error->message);
  memcpy(error->message, joined, sizeof error->message);
  error->message[sizeof error->message - 1] = '\0';
  return error->status;
}

const char *dyno_status_name(dyno_status status)
{
  static const char *const names[DYNO_STATUS_COUNT] = {
      [DYNO_OK] = "ok",
      [DYNO_ERROR_USAGE] = "usage error",
      [DYNO_ERROR_NOT_FOUND] = "not found",
      [DYNO_ERROR_IO] = "input/output error",
      [DYNO_ERROR_FORMAT] = "malformed input",
      [DYNO_ERROR_UNSUPPORTED] = "unsupported",
      [DYNO_ERROR_UNAVAILABLE] = "unavailable on this machine",
      [DYNO_ERROR_MEMORY] = "out of memory",
      [DYNO_ERROR_WRONG_OUTPUT] = "wrong output",
      [DYNO_ERROR_INTERRUPTED] = "interrupted",
  };
  return (unsigned)status < DYNO_STATUS_COUNT ? names[status] : "unknown status";
}
