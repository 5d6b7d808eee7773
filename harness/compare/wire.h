/* Lines of JSON between two processes, with a limit of time for each.
 *
 * A channel is used by one thread. SIGPIPE is never raised. */
#ifndef DYNO_HARNESS_COMPARE_WIRE_H
#define DYNO_HARNESS_COMPARE_WIRE_H

#include <jansson.h>
#include <signal.h>
#include <stddef.h>

#include "kernels/base/status.h"

typedef struct dyno_wire {
  int fd;       /* a connected stream socket; not owned */
  char *buffer; /* owned: what was read beyond the last line */
  size_t count, room;
  /* Ends waiting early, with INTERRUPTED; may be NULL. */
  const volatile sig_atomic_t *stop;
} dyno_wire;

/* Sends a message as a line and drops the reference, which may be NULL (MEMORY). IO when the other
 * side is gone; UNAVAILABLE when it takes nothing for `seconds`. */
dyno_status dyno_wire_send(dyno_wire *wire, json_t *message, double seconds, dyno_error *error);

/* Waits for a line; *message is the caller's. NOT_FOUND when the other side closed between lines,
 * IO when it did within one, FORMAT when the line is no JSON object or longer than 64 MiB,
 * UNAVAILABLE when it does not come within `seconds` (0: without limit). */
dyno_status dyno_wire_receive(dyno_wire *wire, json_t **message, double seconds, dyno_error *error);

void dyno_wire_free(dyno_wire *wire);

#endif
