#include "harness/compare/wire.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernels/base/clock.h"

static const size_t longest_line = (size_t)64 << 20;

/* Until `until_ns` (0: for ever) or the signal; slices, because a signal that comes right before
 * poll would not wake it. */
static dyno_status await(const dyno_wire *wire, short events, uint64_t until_ns, dyno_error *error)
{
  enum { SLICE_MS = 200 };
  for (;;) {
    uint64_t now = dyno_clock_ns();
    if (wire->stop != NULL && *wire->stop != 0)
      return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "the wait for a worker was stopped");
    if (until_ns != 0 && now >= until_ns)
      return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "no answer in time");
    uint64_t left = until_ns == 0 ? SLICE_MS : (until_ns - now) / 1000000 + 1;
    struct pollfd file = {.fd = wire->fd, .events = events};
    int ready = poll(&file, 1, (int)(left < SLICE_MS ? left : SLICE_MS));
    if (ready < 0 && errno != EINTR)
      return dyno_fail(error, DYNO_ERROR_IO, "poll: %m");
    if (ready > 0)
      return DYNO_OK;
  }
}

static uint64_t deadline(double seconds)
{
  return seconds > 0 ? dyno_clock_ns() + (uint64_t)(seconds * 1e9) : 0;
}

static dyno_status send_all(dyno_wire *wire, const char *text, size_t count, double seconds,
                            dyno_error *error)
{
  uint64_t until = deadline(seconds);
  while (count > 0) {
    dyno_status status = await(wire, POLLOUT, until, error);
    if (status != DYNO_OK)
      return status;
    ssize_t sent = send(wire->fd, text, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      continue;
    if (sent < 0)
      return dyno_fail(error, DYNO_ERROR_IO, "the other side is gone: %m");
    text += sent;
    count -= (size_t)sent;
  }
  return DYNO_OK;
}

dyno_status dyno_wire_send(dyno_wire *wire, json_t *message, double seconds, dyno_error *error)
{
  char *text = message == NULL ? NULL : json_dumps(message, JSON_COMPACT);
  json_decref(message);
  if (text == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a message");
  dyno_status status = send_all(wire, text, strlen(text), seconds, error);
  if (status == DYNO_OK)
    status = send_all(wire, "\n", 1, seconds, error);
  free(text);
  return status;
}

static dyno_status make_room(dyno_wire *wire, dyno_error *error)
{
  if (wire->count < wire->room)
    return DYNO_OK;
  size_t room = wire->room == 0 ? 4096 : 2 * wire->room;
  if (room > longest_line)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "a line of more than %zu bytes", longest_line);
  char *longer = realloc(wire->buffer, room);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a message");
  wire->buffer = longer;
  wire->room = room;
  return DYNO_OK;
}

/* Reads until there is a whole line; *length is without its end. */
static dyno_status read_line(dyno_wire *wire, size_t *length, double seconds, dyno_error *error)
{
  uint64_t until = deadline(seconds);
  size_t looked = 0;
  for (;;) {
    const char *end =
        wire->count > looked ? memchr(wire->buffer + looked, '\n', wire->count - looked) : NULL;
    if (end != NULL) {
      *length = (size_t)(end - wire->buffer);
      return DYNO_OK;
    }
    looked = wire->count;
    dyno_status status = make_room(wire, error);
    if (status == DYNO_OK)
      status = await(wire, POLLIN, until, error);
    if (status != DYNO_OK)
      return status;
    ssize_t got =
        recv(wire->fd, wire->buffer + wire->count, wire->room - wire->count, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      continue;
    if (got <= 0)
      return dyno_fail(error, wire->count == 0 && got == 0 ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                       "the other side is gone");
    wire->count += (size_t)got;
  }
}

dyno_status dyno_wire_receive(dyno_wire *wire, json_t **message, double seconds, dyno_error *error)
{
  size_t length = 0;
  json_error_t reason;
  *message = NULL;
  dyno_status status = read_line(wire, &length, seconds, error);
  if (status != DYNO_OK)
    return status;
  *message = json_loadb(wire->buffer, length, 0, &reason);
  wire->count -= length + 1;
  memmove(wire->buffer, wire->buffer + length + 1, wire->count);
  if (json_is_object(*message))
    return DYNO_OK;
  json_decref(*message);
  *message = NULL;
  return dyno_fail(error, DYNO_ERROR_FORMAT, "a line that is no JSON object: %s", reason.text);
}

void dyno_wire_free(dyno_wire *wire)
{
  free(wire->buffer);
  *wire = (dyno_wire){0};
}
