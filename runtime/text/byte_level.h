/* GPT-2's spelling of bytes as printable characters, in which GGUF files and tokenizer.json keep
 * their tokens: 21..7E, A1..AC and AE..FF stand for themselves (as code points), the other 68
 * bytes, in order, are U+0100 to U+0143. (OpenAI, gpt-2, src/encoder.py, bytes_to_unicode.) */
#ifndef DYNO_RUNTIME_TEXT_BYTE_LEVEL_H
#define DYNO_RUNTIME_TEXT_BYTE_LEVEL_H

#include <stddef.h>

#include "kernels/base/status.h"

/* Writes the bytes that `count` bytes of UTF-8 spell to out, of which there are never more than
 * `room`, and their number to length. FORMAT on a character outside the alphabet, and when they
 * are more than room. Thread-safe. */
dyno_status dyno_byte_level_decode(char *out, size_t room, size_t *length, const char *text,
                                   size_t count, dyno_error *error);

/* The code point that stands for a byte. */
unsigned dyno_byte_level_code_point(unsigned char byte);

#endif
