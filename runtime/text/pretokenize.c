/* The o200k pattern by hand. How its alternatives fall out, with the classes of unicode.h
 * (upper = UPPER CASELESS MARK, lower = LOWER CASELESS MARK, prefix = SPACE MARK OTHER):
 *
 *   1  prefix? upper* lower+ suffix?     4  " "? (MARK OTHER)+ (CR LF /)*
 *   2  prefix? upper+ lower* suffix?     5  space* newline+
 *   3  NUMBER{1,3}                       6  space+ (?!not space)      7  space+
 *
 * 1 and 2 share their first run. If a LOWER follows the run, 1 takes it and what is lower after
 * it. If not, 1 gives back until lower+ has one character: it ends behind the last CASELESS or
 * MARK of the run. If the run has none, 1 fails, tries once more without the prefix (which helps
 * only where the prefix is a MARK: that alone is then the match), and 2 takes the run whole. */
#include "config.h"

#include "runtime/text/pretokenize.h"

#include <stdbool.h>

enum {
  CASELESS_OR_MARK = DYNO_CLASS_CASELESS | DYNO_CLASS_MARK,
  UPPER_RUN = DYNO_CLASS_UPPER | CASELESS_OR_MARK,
  LOWER_RUN = DYNO_CLASS_LOWER | CASELESS_OR_MARK,
  LETTER = DYNO_CLASS_UPPER | DYNO_CLASS_LOWER | DYNO_CLASS_CASELESS,
  PREFIX = DYNO_CLASS_SPACE | DYNO_CLASS_MARK | DYNO_CLASS_OTHER,
  SYMBOL = DYNO_CLASS_MARK | DYNO_CLASS_OTHER,
  WHITE = DYNO_CLASS_NEWLINE | DYNO_CLASS_SPACE,
};

typedef struct scanner {
  const dyno_unicode *unicode;
  const char *text;
  size_t end;
} scanner;

/* The class at a place, 0 at the end of the text. */
static inline unsigned class_at(const scanner *s, size_t at)
{
  size_t length;
  return at < s->end ? dyno_unicode_read(s->unicode, &length, s->text, at, s->end) : 0;
}

/* Where the run of these classes that begins at `at` ends. */
static inline size_t skip(const scanner *s, size_t at, unsigned classes)
{
  while (at < s->end) {
    size_t length;
    if ((dyno_unicode_read(s->unicode, &length, s->text, at, s->end) & classes) == 0)
      break;
    at += length;
  }
  return at;
}

/* The same, and where the last character of some of these classes in it ends (0: there is none). */
static inline size_t skip_and_mark(const scanner *s, size_t at, unsigned classes,
                                   unsigned marked_classes, size_t *marked)
{
  *marked = 0;
  while (at < s->end) {
    size_t length;
    unsigned class = dyno_unicode_read(s->unicode, &length, s->text, at, s->end);
    if ((class & classes) == 0)
      break;
    at += length;
    if ((class & marked_classes) != 0)
      *marked = at;
  }
  return at;
}

static inline unsigned char byte_at(const scanner *s, size_t at)
{
  return at < s->end ? (unsigned char)s->text[at] : 0;
}

/* Behind (?i:'s|'t|'re|'ve|'m|'ll|'d)? at `at`. */
static size_t skip_suffix(const scanner *s, size_t at)
{
  if (byte_at(s, at) != '\'')
    return at;
  unsigned char first = byte_at(s, at + 1) | 0x20, second = byte_at(s, at + 2) | 0x20;
  switch (first) {
  case 's':
  case 't':
  case 'm':
  case 'd':
    return at + 2;
  case 'r':
  case 'v':
    return second == 'e' ? at + 3 : at;
  case 'l':
    return second == 'l' ? at + 3 : at;
  default:
    /* U+017F, the long s, is an s to (?i). */
    if (byte_at(s, at + 1) == 0xc5 && byte_at(s, at + 2) == 0xbf)
      return at + 3;
    return at;
  }
}

/* Alternatives 1 and 2 at `at`, whose first character has this class and length; returns `at`
 * where neither matches. */
static inline size_t match_word(const scanner *s, size_t at, unsigned class, size_t length)
{
  size_t start = (class & PREFIX) != 0 ? at + length : at;
  size_t last_caseless;
  size_t run_end = skip_and_mark(s, start, UPPER_RUN, CASELESS_OR_MARK, &last_caseless);
  if ((class_at(s, run_end) & DYNO_CLASS_LOWER) != 0)
    return skip_suffix(s, skip(s, run_end, LOWER_RUN));
  if (last_caseless != 0)
    return skip_suffix(s, last_caseless);
  if (class == DYNO_CLASS_MARK)
    return skip_suffix(s, start);
  return run_end > start ? skip_suffix(s, run_end) : at;
}

/* Alternative 3. */
static size_t match_number(const scanner *s, size_t at)
{
  for (int digits = 0; digits < 3; digits++) {
    size_t length;
    if (at == s->end ||
        dyno_unicode_read(s->unicode, &length, s->text, at, s->end) != DYNO_CLASS_NUMBER)
      break;
    at += length;
  }
  return at;
}

/* Alternative 4; returns `at` where it does not match. */
static inline size_t match_symbols(const scanner *s, size_t at)
{
  size_t start = s->text[at] == ' ' ? at + 1 : at;
  size_t run_end = skip(s, start, SYMBOL);
  if (run_end == start)
    return at;
  while (byte_at(s, run_end) == '\r' || byte_at(s, run_end) == '\n' || byte_at(s, run_end) == '/')
    run_end++;
  return run_end;
}

/* Alternatives 5, 6 and 7: up to the last newline; else all but the last space, which goes with
 * what follows, unless nothing does or there is no other. */
static size_t match_white(const scanner *s, size_t at)
{
  size_t after_newline = 0, last = at;
  size_t run_end = at;
  while (run_end < s->end) {
    size_t length;
    unsigned class = dyno_unicode_read(s->unicode, &length, s->text, run_end, s->end);
    if ((class & WHITE) == 0)
      break;
    last = run_end;
    run_end += length;
    if (class == DYNO_CLASS_NEWLINE)
      after_newline = run_end;
  }
  if (after_newline != 0)
    return after_newline;
  return run_end == s->end || last == at ? run_end : last;
}

size_t dyno_pretokenize(const dyno_unicode *unicode, const char *text, size_t at, size_t end)
{
  const scanner s = {.unicode = unicode, .text = text, .end = end};
  size_t length;
  unsigned class = dyno_unicode_read(unicode, &length, text, at, end);
  size_t match = at;
  if ((class & (PREFIX | LETTER)) != 0)
    match = match_word(&s, at, class, length);
  if (match == at && class == DYNO_CLASS_NUMBER)
    match = match_number(&s, at);
  if (match == at && (class & PREFIX) != 0)
    match = match_symbols(&s, at);
  if (match == at)
    match = match_white(&s, at);
  return match - at;
}
