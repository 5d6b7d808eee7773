/* .tiktoken files: lines of a token in base64 (RFC 4648), a space, and its rank in decimal. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/text/vocabulary.h"

/* The six bits of a letter; 64 for '=' and what is none. */
static unsigned six_bits(char letter)
{
  if (letter >= 'A' && letter <= 'Z')
    return (unsigned)(letter - 'A');
  if (letter >= 'a' && letter <= 'z')
    return (unsigned)(letter - 'a') + 26;
  if (letter >= '0' && letter <= '9')
    return (unsigned)(letter - '0') + 52;
  return letter == '+' ? 62 : letter == '/' ? 63 : 64;
}

/* Decodes a group of four letters, the last one or two of which may be '=' if it is the last
 * group. Returns the number of bytes, 0 when it is malformed. */
static size_t decode_group(char out[3], const char *group, int last)
{
  size_t letters = 4;
  while (last && letters > 2 && group[letters - 1] == '=')
    letters--;
  unsigned bits = 0;
  for (size_t i = 0; i < 4; i++) {
    unsigned six = i < letters ? six_bits(group[i]) : 0;
    if (six == 64)
      return 0;
    bits = bits << 6 | six;
  }
  size_t bytes = letters - 1;
  if ((bits & (0xffffffu >> 8 * bytes)) != 0) /* bits that belong to no byte */
    return 0;
  out[0] = (char)(bits >> 16);
  out[1] = (char)(bits >> 8);
  out[2] = (char)bits;
  return bytes;
}

/* Returns the number of bytes, 0 when text is no base64 or too long. */
static size_t decode_base64(char *out, size_t room, const char *text, size_t count)
{
  size_t written = 0;
  if (count % 4 != 0 || count / 4 * 3 > room)
    return 0;
  for (size_t at = 0; at < count; at += 4) {
    size_t bytes = decode_group(out + written, text + at, at + 4 == count);
    if (bytes == 0)
      return 0;
    written += bytes;
  }
  return written;
}

/* The number that the digits are; -1 when there are none, other characters, or too many. */
static int64_t parse_rank(const char *digits, size_t count)
{
  if (count == 0 || count > 9)
    return -1;
  int64_t rank = 0;
  for (size_t i = 0; i < count; i++) {
    if (digits[i] < '0' || digits[i] > '9')
      return -1;
    rank = 10 * rank + (digits[i] - '0');
  }
  return rank;
}

static dyno_status add_line(dyno_vocabulary *vocabulary, const char *line, size_t count,
                            dyno_error *error)
{
  const char *space = memchr(line, ' ', count);
  if (space == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "a token in base64, a space and a rank are wanted; there is no space");
  size_t letters = (size_t)(space - line);
  char bytes[DYNO_VOCABULARY_TOKEN_BYTES + 3];
  size_t length = decode_base64(bytes, sizeof bytes, line, letters);
  if (length == 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "the token is no base64 of 1 to %d bytes",
                     DYNO_VOCABULARY_TOKEN_BYTES);
  int64_t rank = parse_rank(space + 1, count - letters - 1);
  if (rank < 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "the rank is no whole number below 10^9");
  return dyno_vocabulary_add(vocabulary, rank, bytes, length, DYNO_TOKEN_NORMAL, error);
}

dyno_status dyno_vocabulary_add_tiktoken(dyno_vocabulary *vocabulary, const char *text,
                                         size_t count, const char *name, dyno_error *error)
{
  size_t number = 0;
  for (size_t at = 0; at < count;) {
    const char *line = text + at;
    const char *newline = memchr(line, '\n', count - at);
    size_t length = newline != NULL ? (size_t)(newline - line) : count - at;
    at += length + 1;
    number++;
    if (length > 0 && line[length - 1] == '\r')
      length--;
    if (length == 0)
      continue;
    dyno_status status = add_line(vocabulary, line, length, error);
    if (status != DYNO_OK) {
      dyno_error_prepend(error, "%s: line %zu", name, number);
      return status;
    }
  }
  return DYNO_OK;
}
