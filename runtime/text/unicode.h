/* What kind of character a code point is, as the pre-split pattern of o200k sees it.
 *
 * The classes belong to the tokenizer like its vocabulary: a character that counts as a letter
 * must do so on every machine, or the same text gets other tokens. So they are a table in the
 * source, of Unicode 16.0 as in OpenAI's tiktoken, and not those of whatever library is installed
 * (unicode_classes.inc says how it was made; a test compares it with utf8proc). */
#ifndef DYNO_RUNTIME_TEXT_UNICODE_H
#define DYNO_RUNTIME_TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/text/utf8.h"

/* Bits, so that a set of classes is a number. Every code point has exactly one. */
enum {
  DYNO_CLASS_UPPER = 1,    /* Lu, Lt */
  DYNO_CLASS_LOWER = 2,    /* Ll */
  DYNO_CLASS_CASELESS = 4, /* Lm, Lo */
  DYNO_CLASS_MARK = 8,     /* M */
  DYNO_CLASS_NUMBER = 16,  /* N */
  DYNO_CLASS_NEWLINE = 32, /* CR, LF */
  DYNO_CLASS_SPACE = 64,   /* the rest of White_Space */
  DYNO_CLASS_OTHER = 128,  /* everything else, also what is not assigned */
};

enum { DYNO_UNICODE_PAGE = 128 };

/* The classes, flattened for look-up; made once, then only read, from any thread. */
typedef struct dyno_unicode {
  uint8_t ascii[256]; /* by byte; 0 for 80..FF, which are no characters */
  uint16_t page_of[0x110000 / DYNO_UNICODE_PAGE];
  uint8_t pages[][DYNO_UNICODE_PAGE]; /* equal pages are stored once */
} dyno_unicode;

/* To be freed with free(). Fails only for want of memory. */
dyno_status dyno_unicode_create(dyno_unicode **unicode, dyno_error *error);

/* code_point < 0x110000. */
static inline unsigned dyno_unicode_class(const dyno_unicode *unicode, uint32_t code_point)
{
  return unicode
      ->pages[unicode->page_of[code_point / DYNO_UNICODE_PAGE]][code_point % DYNO_UNICODE_PAGE];
}

/* The class of the character at text[at] (at < end) and, in length, its bytes. A byte that begins
 * no well-formed character is a character of class OTHER by itself. */
static inline unsigned dyno_unicode_read(const dyno_unicode *unicode, size_t *length,
                                         const char *text, size_t at, size_t end)
{
  unsigned char byte = (unsigned char)text[at];
  *length = 1;
  if (byte < 0x80)
    return unicode->ascii[byte];
  uint32_t code_point = 0;
  size_t bytes = dyno_utf8_decode(&code_point, text + at, end - at);
  if (bytes == 0)
    return DYNO_CLASS_OTHER;
  *length = bytes;
  return dyno_unicode_class(unicode, code_point);
}

#endif
