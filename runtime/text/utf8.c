#include "config.h"

#include "runtime/text/utf8.h"

#include <string.h>

/* What follows a lead byte: how many bytes, and the range of the first of them. Those after it
 * are 80..BF. wanted is 0 where no character begins with this byte. */
typedef struct sequence {
  unsigned char wanted, least, greatest;
} sequence;

static sequence sequence_of(unsigned char lead)
{
  if (lead < 0xc2 || lead > 0xf4)
    return (sequence){0, 0, 0};
  if (lead < 0xe0)
    return (sequence){1, 0x80, 0xbf};
  if (lead < 0xf0)
    return (sequence){2, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf};
  return (sequence){3, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf};
}

size_t dyno_utf8_decode(uint32_t *code_point, const char *text, size_t bytes)
{
  if (bytes == 0)
    return 0;
  unsigned char lead = (unsigned char)text[0];
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  }
  sequence next = sequence_of(lead);
  if (next.wanted == 0 || bytes <= next.wanted)
    return 0;
  size_t length = next.wanted + 1u;
  uint32_t value = lead & (0x3fu >> next.wanted);
  for (size_t i = 1; i < length; i++) {
    unsigned char byte = (unsigned char)text[i];
    if (byte < next.least || byte > next.greatest)
      return 0;
    value = value << 6 | (byte & 0x3fu);
    next.least = 0x80;
    next.greatest = 0xbf;
  }
  *code_point = value;
  return length;
}

size_t dyno_utf8_encode(char text[4], uint32_t code_point)
{
  if (code_point < 0x80) {
    text[0] = (char)code_point;
    return 1;
  }
  size_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--) {
    text[i] = (char)(0x80 | (code_point & 0x3f));
    code_point >>= 6;
  }
  text[0] = (char)((0xf0u << (4 - length) & 0xffu) | code_point);
  return length;
}

static size_t write_replacement(char *out)
{
  memcpy(out, "\xef\xbf\xbd", 3);
  return 3;
}

size_t dyno_utf8_stream_push(dyno_utf8_stream *stream, char *out, const char *bytes, size_t n)
{
  size_t written = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (stream->wanted > 0) {
      if (byte >= stream->least && byte <= stream->greatest) {
        stream->held[stream->count++] = (char)byte;
        stream->least = 0x80;
        stream->greatest = 0xbf;
        if (--stream->wanted == 0) {
          memcpy(out + written, stream->held, stream->count);
          written += stream->count;
        }
        continue;
      }
      written += write_replacement(out + written);
      stream->wanted = 0;
    }
    sequence next = sequence_of(byte);
    if (byte < 0x80) {
      out[written++] = (char)byte;
    } else if (next.wanted == 0) {
      written += write_replacement(out + written);
    } else {
      *stream = (dyno_utf8_stream){.held = {(char)byte},
                                   .count = 1,
                                   .wanted = next.wanted,
                                   .least = next.least,
                                   .greatest = next.greatest};
    }
  }
  return written;
}

size_t dyno_utf8_stream_finish(dyno_utf8_stream *stream, char *out)
{
  size_t written = stream->wanted > 0 ? write_replacement(out) : 0;
  *stream = (dyno_utf8_stream){0};
  return written;
}
