#include "harness/report/tsv.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

void dyno_tsv_block(dyno_tsv *tsv, const char *columns)
{
  if (ftell(tsv->stream) > 0)
    fputs("\n\n", tsv->stream);
  fprintf(tsv->stream, "# %s\n", columns);
}

static void separate(dyno_tsv *tsv)
{
  if (tsv->row_begun)
    fputc('\t', tsv->stream);
  tsv->row_begun = true;
}

void dyno_tsv_number(dyno_tsv *tsv, double value)
{
  separate(tsv);
  if (isfinite(value))
    fprintf(tsv->stream, "%.9g", value);
  else
    fputs("NaN", tsv->stream);
}

/* What stands for a character: itself, or something harmless. */
static utf8proc_int32_t harmless(utf8proc_int32_t character, bool first)
{
  if (character == '"')
    return '\'';
  if (character == '\\') /* gnuplot takes it and an n for a line break */
    return '/';
  if (character < 0x20 || (character >= 0x7f && character < 0xa0))
    return ' ';
  /* "<command" is what gnuplot would run, were the text ever a file's name. */
  return first && (character == '<' || character == '|') ? ' ' : character;
}

static size_t columns_of(utf8proc_int32_t character)
{
  int width = utf8proc_charwidth(character);
  return width > 0 ? (size_t)width : 0;
}

/* Reads a character at *at, which moves on; 0 at the end. */
static utf8proc_int32_t next_character(const utf8proc_uint8_t **at, bool first)
{
  utf8proc_int32_t character;
  if (**at == '\0')
    return 0;
  utf8proc_ssize_t length = utf8proc_iterate(*at, -1, &character);
  *at += length > 0 ? length : 1;
  return harmless(length > 0 ? character : 0xfffd, first);
}

static size_t text_columns(const utf8proc_uint8_t *text)
{
  size_t columns = 0;
  bool first = true;
  for (utf8proc_int32_t c; (c = next_character(&text, first)) != 0; first = false)
    columns += columns_of(c);
  return columns;
}

/* Writes the characters that lie within the columns [from, to). */
static void put_columns(FILE *stream, const utf8proc_uint8_t *text, size_t from, size_t to)
{
  size_t column = 0;
  bool first = true;
  for (utf8proc_int32_t c; (c = next_character(&text, first)) != 0; first = false) {
    utf8proc_uint8_t bytes[4];
    size_t start = column;
    column += columns_of(c);
    utf8proc_ssize_t count = utf8proc_encode_char(c, bytes);
    if (start >= from && column <= to && count > 0)
      fwrite(bytes, 1, (size_t)count, stream);
  }
}

void dyno_tsv_text(dyno_tsv *tsv, const char *text, size_t width)
{
  const utf8proc_uint8_t *start = (const utf8proc_uint8_t *)text;
  separate(tsv);
  if (text == NULL || text[0] == '\0') {
    fputc('-', tsv->stream);
    return;
  }
  size_t columns = text_columns(start);
  if (width == 0 || columns <= width) {
    put_columns(tsv->stream, start, 0, SIZE_MAX);
    return;
  }
  /* Names of a kind begin alike and end in what tells them apart. */
  size_t tail = (width - 1) / 2, head = width - 1 - tail;
  put_columns(tsv->stream, start, 0, head);
  fputs("…", tsv->stream);
  put_columns(tsv->stream, start, columns - tail, SIZE_MAX);
}

void dyno_tsv_end_row(dyno_tsv *tsv)
{
  fputc('\n', tsv->stream);
  tsv->row_begun = false;
}
