/* Text tables: a header, an optional line of units, aligned columns.
 *
 * Widths are counted in columns of a terminal, so that "µs" and wide characters line up. A failed
 * allocation is remembered and reported by dyno_table_print, so that the calls between need no
 * checks. Not thread-safe. */
#ifndef DYNO_HARNESS_REPORT_TABLE_H
#define DYNO_HARNESS_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "kernels/base/status.h"

typedef struct dyno_column {
  const char *title;
  const char *unit; /* NULL or "" when the column has none */
  bool right;       /* numbers: aligned to the right */
} dyno_column;

typedef struct dyno_table dyno_table;

/* A table with these columns [count]; the strings must outlive it. NULL when out of memory. */
dyno_table *dyno_table_new(const dyno_column *columns, size_t count);

/* Frees the table and sets *table to NULL; NULL is fine. */
void dyno_table_free(dyno_table **table);

/* Fills the next cell, row by row from the left; copies the text. table may be NULL. */
void dyno_table_cell(dyno_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fills the rest of an unfinished row with empty cells. */
void dyno_table_end_row(dyno_table *table);

/* A row that spans all columns: a title above the rows that follow, after an empty line. Ends the
 * row before it. */
void dyno_table_heading(dyno_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the table, with `indent` spaces before each line and none at the end of any. MEMORY when
 * an earlier call ran out (or table is NULL), IO when the stream fails. */
dyno_status dyno_table_print(const dyno_table *table, FILE *stream, unsigned indent,
                             dyno_error *error);

/* Prints the table as GitHub's Markdown has them; a heading is a row in bold. Errors as above. */
dyno_status dyno_table_print_markdown(const dyno_table *table, FILE *stream, dyno_error *error);

/* Columns of a terminal that UTF-8 text takes; each malformed byte counts as one. */
size_t dyno_text_width(const char *text);

#endif
