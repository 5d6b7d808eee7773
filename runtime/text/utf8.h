/* UTF-8: one character at a time, and as a stream that arrives in pieces.
 *
 * Well-formed is what the Unicode Standard says (version 15, table 3-7): no over-long forms, no
 * surrogates, nothing above U+10FFFF. */
#ifndef DYNO_RUNTIME_TEXT_UTF8_H
#define DYNO_RUNTIME_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of text. Returns its length, 1 to 4, and stores it in
 * code_point; returns 0 and leaves code_point alone when the bytes are ill-formed, cut short or
 * none. Thread-safe. */
size_t dyno_utf8_decode(uint32_t *code_point, const char *text, size_t bytes);

/* Writes the code point (at most 0x10ffff and no surrogate) and returns its length. */
size_t dyno_utf8_encode(char text[4], uint32_t code_point);

/* Turns bytes that arrive in pieces of any size into whole, well-formed characters: a character
 * that is cut by the end of a piece is held back until the rest comes. Ill-formed bytes become
 * U+FFFD, one for each maximal subpart (Unicode 15, section 3.9), as in every web browser. The
 * output, taken together, does not depend on where the pieces end.
 *
 * Zero-initialise it. Belongs to one thread at a time; owns nothing. */
typedef struct dyno_utf8_stream {
  char held[4];
  unsigned char count;           /* bytes in held */
  unsigned char wanted;          /* bytes that are still to come */
  unsigned char least, greatest; /* what the next of them may be */
} dyno_utf8_stream;

/* The most that a push of n bytes writes; a finish writes no more than DYNO_UTF8_STREAM_BYTES(0).
 */
#define DYNO_UTF8_STREAM_BYTES(n) (3 * (n) + 3)

/* Takes n bytes, writes what is complete to out (DYNO_UTF8_STREAM_BYTES(n) bytes, not terminated)
 * and returns how many bytes that is. */
size_t dyno_utf8_stream_push(dyno_utf8_stream *stream, char *out, const char *bytes, size_t n);

/* Ends the stream: U+FFFD for a character that never became whole. The stream is empty again. */
size_t dyno_utf8_stream_finish(dyno_utf8_stream *stream, char *out);

#endif
