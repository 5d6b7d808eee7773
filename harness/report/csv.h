/* Comma-separated values as in RFC 4180: rows end in CR LF, and a field that holds a comma, a
 * quotation mark or a line break is quoted. Numbers are written so that they read back exactly
 * (LC_NUMERIC is never set in this program, so with a point). */
#ifndef DYNO_HARNESS_REPORT_CSV_H
#define DYNO_HARNESS_REPORT_CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct dyno_csv {
  FILE *stream;
  bool row_begun; /* a comma is due before the next field */
} dyno_csv;

/* Writes to stream, which stays the caller's; errors are left in ferror(stream). */
#define DYNO_CSV(stream) ((dyno_csv){(stream), false})

void dyno_csv_text(dyno_csv *csv, const char *text); /* NULL is an empty field */
void dyno_csv_number(dyno_csv *csv, double value);   /* NaN and infinity are empty fields */
void dyno_csv_integer(dyno_csv *csv, uint64_t value);
void dyno_csv_end_row(dyno_csv *csv);

#endif
