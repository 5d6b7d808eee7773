#include "config.h"

#include "runtime/text/byte_level.h"

#include <stdint.h>

#include "runtime/text/utf8.h"

/* The stretches of bytes that stand for themselves, and those between them. */
typedef struct stretch {
  unsigned char first_byte, last_byte;
  uint16_t first_code_point;
} stretch;

static const stretch stretches[] = {
    {0x00, 0x20, 0x100}, {0x21, 0x7e, 0x21},  {0x7f, 0xa0, 0x121},
    {0xa1, 0xac, 0xa1},  {0xad, 0xad, 0x143}, {0xae, 0xff, 0xae},
};
enum { STRETCH_COUNT = sizeof stretches / sizeof *stretches };

unsigned dyno_byte_level_code_point(unsigned char byte)
{
  size_t i = 0;
  while (byte > stretches[i].last_byte)
    i++;
  return (unsigned)(stretches[i].first_code_point + (byte - stretches[i].first_byte));
}

/* The byte, or -1. */
static int byte_of(uint32_t code_point)
{
  for (size_t i = 0; i < STRETCH_COUNT; i++) {
    uint32_t distance = code_point - stretches[i].first_code_point;
    if (distance <= (uint32_t)(stretches[i].last_byte - stretches[i].first_byte))
      return (int)(stretches[i].first_byte + distance);
  }
  return -1;
}

dyno_status dyno_byte_level_decode(char *out, size_t room, size_t *length, const char *text,
                                   size_t count, dyno_error *error)
{
  *length = 0;
  for (size_t at = 0; at < count;) {
    uint32_t code_point = 0;
    size_t bytes = dyno_utf8_decode(&code_point, text + at, count - at);
    if (bytes == 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "its byte %zu is not UTF-8", at);
    int byte = byte_of(code_point);
    if (byte < 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "U+%04X at its byte %zu is no letter of the byte-level alphabet",
                       (unsigned)code_point, at);
    if (*length == room)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "it spells more than %zu bytes", room);
    out[(*length)++] = (char)byte;
    at += bytes;
  }
  return DYNO_OK;
}
