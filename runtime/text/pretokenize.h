/* The pre-split: text into the pieces that are merged each by itself. */
#ifndef DYNO_RUNTIME_TEXT_PRETOKENIZE_H
#define DYNO_RUNTIME_TEXT_PRETOKENIZE_H

#include <stddef.h>

#include "runtime/text/unicode.h"

/* The pattern of o200k_base (OpenAI harmony, src/tiktoken_ext/public_encodings.rs). */
#define DYNO_O200K_PATTERN                                                                         \
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"                                    \
  "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                   \
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"                                    \
  "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"                                   \
  "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* The length in bytes of the piece that begins at text[at], where at < end: what the pattern
 * matches there with a backtracking engine's choice of alternatives. Always at least 1. The end of
 * the text is text[end]. Ill-formed bytes are symbols, one each.
 *
 * Taking piece after piece is linear in the text: no byte is looked at more than a few times. */
size_t dyno_pretokenize(const dyno_unicode *unicode, const char *text, size_t at, size_t end);

#endif
