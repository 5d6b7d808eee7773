#include "harness/report/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct cell {
  char *text;
  bool heading; /* stands alone in its row; the other cells of the row are not there */
} cell;

struct dyno_table {
  const dyno_column *columns;
  size_t column_count;
  cell *cells;
  size_t cell_count, cell_room;
  size_t filled; /* cells of the row under way */
  bool out_of_memory;
};

size_t dyno_text_width(const char *text)
{
  const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
  size_t width = 0;
  while (*bytes != 0) {
    utf8proc_int32_t codepoint;
    utf8proc_ssize_t taken = utf8proc_iterate(bytes, -1, &codepoint);
    if (taken < 1) {
      taken = 1;
      width++;
    } else {
      width += (size_t)utf8proc_charwidth(codepoint);
    }
    bytes += taken;
  }
  return width;
}

dyno_table *dyno_table_new(const dyno_column *columns, size_t count)
{
  dyno_table *table = calloc(1, sizeof *table);
  if (table == NULL)
    return NULL;
  table->columns = columns;
  table->column_count = count;
  return table;
}

void dyno_table_free(dyno_table **table)
{
  if (*table == NULL)
    return;
  for (size_t i = 0; i < (*table)->cell_count; i++)
    free((*table)->cells[i].text);
  free((*table)->cells);
  free(*table);
  *table = NULL;
}

/* Takes over text, which may be NULL when its allocation failed. */
static void append_cell(dyno_table *table, char *text, bool heading)
{
  if (text != NULL && table->cell_count == table->cell_room) {
    size_t room = table->cell_room == 0 ? 64 : 2 * table->cell_room;
    cell *larger = realloc(table->cells, room * sizeof *larger);
    if (larger == NULL) {
      free(text);
      text = NULL;
    } else {
      table->cells = larger;
      table->cell_room = room;
    }
  }
  if (text == NULL)
    table->out_of_memory = true;
  else
    table->cells[table->cell_count++] = (cell){text, heading};
}

static char *format_text(const char *format, va_list arguments)
{
  char *text = NULL;
  return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

void dyno_table_cell(dyno_table *table, const char *format, ...)
{
  if (table == NULL)
    return;
  va_list arguments;
  va_start(arguments, format);
  append_cell(table, format_text(format, arguments), false);
  va_end(arguments);
  table->filled = (table->filled + 1) % table->column_count;
}

void dyno_table_end_row(dyno_table *table)
{
  while (table != NULL && table->filled != 0)
    dyno_table_cell(table, "%s", "");
}

void dyno_table_heading(dyno_table *table, const char *format, ...)
{
  if (table == NULL)
    return;
  dyno_table_end_row(table);
  va_list arguments;
  va_start(arguments, format);
  append_cell(table, format_text(format, arguments), true);
  va_end(arguments);
}

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static bool has_units(const dyno_table *table)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (table->columns[i].unit != NULL && table->columns[i].unit[0] != '\0')
      return true;
  return false;
}

static const char *column_unit(const dyno_column *column)
{
  return column->unit == NULL ? "" : column->unit;
}

static void measure_columns(size_t *widths, const dyno_table *table)
{
  for (size_t i = 0; i < table->column_count; i++)
    widths[i] = larger(dyno_text_width(table->columns[i].title),
                       dyno_text_width(column_unit(&table->columns[i])));
  size_t column = 0;
  for (size_t i = 0; i < table->cell_count; i++) {
    if (table->cells[i].heading)
      continue;
    widths[column] = larger(widths[column], dyno_text_width(table->cells[i].text));
    column = (column + 1) % table->column_count;
  }
}

/* Where a line is: spaces are held back until something follows them. */
typedef struct line {
  FILE *stream;
  size_t spaces;
} line;

static void put_text(line *out, const char *text)
{
  if (*text == '\0')
    return;
  fprintf(out->stream, "%*s%s", (int)out->spaces, "", text);
  out->spaces = 0;
}

static void put_cell(line *out, const char *text, size_t width, bool right)
{
  size_t padding = width - dyno_text_width(text);
  out->spaces += right ? padding : 0;
  put_text(out, text);
  out->spaces += right ? 0 : padding;
}

static void print_row(const dyno_table *table, FILE *stream, unsigned indent, const size_t *widths,
                      const char *(*text)(const void *source, size_t column), const void *source)
{
  line out = {stream, indent};
  for (size_t i = 0; i < table->column_count; i++) {
    put_cell(&out, text(source, i), widths[i], table->columns[i].right);
    out.spaces += 2;
  }
  fputc('\n', stream);
}

static const char *title_text(const void *source, size_t column)
{
  return ((const dyno_column *)source)[column].title;
}

static const char *unit_text(const void *source, size_t column)
{
  return column_unit(&((const dyno_column *)source)[column]);
}

static const char *cell_text(const void *source, size_t column)
{
  return ((const cell *)source)[column].text;
}

static void print_rows(const dyno_table *table, FILE *stream, unsigned indent, const size_t *widths)
{
  for (size_t i = 0; i < table->cell_count;) {
    const cell *first = &table->cells[i];
    if (first->heading) {
      fprintf(stream, "\n%*s%s\n", (int)indent, "", first->text);
      i++;
      continue;
    }
    print_row(table, stream, indent, widths, cell_text, first);
    i += table->column_count;
  }
}

dyno_status dyno_table_print(const dyno_table *table, FILE *stream, unsigned indent,
                             dyno_error *error)
{
  size_t *widths = table == NULL ? NULL : calloc(larger(table->column_count, 1), sizeof *widths);
  if (table == NULL || table->out_of_memory || widths == NULL) {
    free(widths);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a table");
  }
  measure_columns(widths, table);
  print_row(table, stream, indent, widths, title_text, table->columns);
  if (has_units(table))
    print_row(table, stream, indent, widths, unit_text, table->columns);
  print_rows(table, stream, indent, widths);
  free(widths);
  if (ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write a table: %s", strerror(errno));
  return DYNO_OK;
}

static void put_markdown_cell(FILE *stream, const char *text)
{
  fputs(" ", stream);
  for (; *text != '\0'; text++) {
    if (*text == '|')
      putc('\\', stream);
    putc(*text == '\n' ? ' ' : *text, stream);
  }
  fputs(" |", stream);
}

static void print_markdown_head(const dyno_table *table, FILE *stream)
{
  putc('|', stream);
  for (size_t i = 0; i < table->column_count; i++) {
    const char *unit = column_unit(&table->columns[i]);
    fprintf(stream, " %s%s%s |", table->columns[i].title, *unit == '\0' ? "" : ", ", unit);
  }
  fputs("\n|", stream);
  for (size_t i = 0; i < table->column_count; i++)
    fputs(table->columns[i].right ? " ---: |" : " --- |", stream);
  putc('\n', stream);
}

dyno_status dyno_table_print_markdown(const dyno_table *table, FILE *stream, dyno_error *error)
{
  if (table == NULL || table->out_of_memory)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for a table");
  print_markdown_head(table, stream);
  for (size_t i = 0; i < table->cell_count;) {
    const cell *first = &table->cells[i];
    putc('|', stream);
    if (first->heading)
      fprintf(stream, " **%s** |", first->text);
    for (size_t column = 0; !first->heading && column < table->column_count; column++)
      put_markdown_cell(stream, first[column].text);
    putc('\n', stream);
    i += first->heading ? 1 : table->column_count;
  }
  if (ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write a table: %s", strerror(errno));
  return DYNO_OK;
}
