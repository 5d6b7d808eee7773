#include "runtime/model/span.h"

#include <stdio.h>

char *dyno_span_quote(char quoted[DYNO_QUOTED_TEXT], dyno_span span)
{
  static const char more[] = "...";
  size_t length = 0;
  for (size_t i = 0; i < span.size; i++) {
    unsigned char byte = (unsigned char)span.bytes[i];
    bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\';
    size_t needed = plain ? 1 : 4;
    bool last = i + 1 == span.size;
    if (length + needed + (last ? 1 : sizeof more) > DYNO_QUOTED_TEXT) {
      memcpy(quoted + length, more, sizeof more);
      return quoted;
    }
    if (plain)
      quoted[length] = (char)byte;
    else
      snprintf(quoted + length, needed + 1, "\\x%02x", byte);
    length += needed;
  }
  quoted[length] = '\0';
  return quoted;
}
