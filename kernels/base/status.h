/* Errors: a code for programs, a sentence for people.
 *
 * Every function that can fail returns a dyno_status and takes, as its last argument, a
 * dyno_error to describe the failure in. The error may be NULL; then only the code is returned.
 * A message names what was wrong, where (file, field, offset) and what to do about it. */
#ifndef DYNO_KERNELS_BASE_STATUS_H
#define DYNO_KERNELS_BASE_STATUS_H

#include <stddef.h>

typedef enum dyno_status {
  DYNO_OK = 0,
  DYNO_ERROR_USAGE,        /* the caller asked for something that makes no sense */
  DYNO_ERROR_NOT_FOUND,    /* no such file, kernel, model, ... */
  DYNO_ERROR_IO,           /* the operating system refused to read or write */
  DYNO_ERROR_FORMAT,       /* a file's content is malformed */
  DYNO_ERROR_UNSUPPORTED,  /* well-formed, but nothing here can handle it */
  DYNO_ERROR_UNAVAILABLE,  /* this machine lacks what it takes (CPU feature, memory, ...) */
  DYNO_ERROR_MEMORY,       /* an allocation failed */
  DYNO_ERROR_WRONG_OUTPUT, /* a result disagrees with the reference */
  DYNO_ERROR_INTERRUPTED,  /* the user or a signal stopped the work */
  DYNO_STATUS_COUNT
} dyno_status;

typedef struct dyno_error {
  dyno_status status;
  char message[1024]; /* one line or a few, no trailing newline; empty while status is DYNO_OK */
} dyno_error;

/* Records status and the printf-style message in error (unless error is NULL; an over-long
 * message is cut) and returns status, so that callers can write `return dyno_fail(...)`. */
dyno_status dyno_fail(dyno_error *error, dyno_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message that is in error already, for callers that know more of
 * the place than the function that failed. Returns error->status (DYNO_OK if error is NULL). */
dyno_status dyno_error_prepend(dyno_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A short English name of the status ("not found"); never NULL. */
const char *dyno_status_name(dyno_status status);

#endif
