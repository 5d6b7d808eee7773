#include "harness/report/markup.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

static const utf8proc_int32_t replacement = 0xfffd;

static bool is_harmful(utf8proc_int32_t c)
{
  return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0) || c == 0xfffe ||
         c == 0xffff || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0x200e || c == 0x200f;
}

/* Reads a character at *at, which moves on. */
static utf8proc_int32_t next_character(const utf8proc_uint8_t **at)
{
  utf8proc_int32_t character;
  utf8proc_ssize_t length = utf8proc_iterate(*at, -1, &character);
  *at += length > 0 ? length : 1;
  return length <= 0 || is_harmful(character) ? replacement : character;
}

static void put_character(FILE *stream, utf8proc_int32_t character)
{
  utf8proc_uint8_t bytes[4];
  utf8proc_ssize_t count = utf8proc_encode_char(character, bytes);
  if (count > 0)
    fwrite(bytes, 1, (size_t)count, stream);
}

void dyno_markup_text(FILE *stream, const char *text)
{
  const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)(text != NULL ? text : "");
  while (*at != '\0') {
    utf8proc_int32_t character = next_character(&at);
    if (character < 0x80 && strchr("&<>\"'", (int)character) != NULL)
      fprintf(stream, "&#%d;", (int)character);
    else
      put_character(stream, character);
  }
}

void dyno_markdown_text(FILE *stream, const char *text)
{
  const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)(text != NULL ? text : "");
  while (*at != '\0') {
    utf8proc_int32_t character = next_character(&at);
    if (character == '\n' || character == '\t')
      character = ' ';
    if (character < 0x80 && strchr("&<>\"'|`*_[]\\~#!@", (int)character) != NULL)
      fprintf(stream, "&#%d;", (int)character);
    else
      put_character(stream, character);
  }
}
