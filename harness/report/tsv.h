/* Tab-separated values for gnuplot: blocks of rows, which two empty lines part, and which scripts
 * pick by `index`. Text loses what gnuplot would take for something else (quotation marks, tabs,
 * control characters, backslashes, a leading '<'), so that names of cases can be anything. */
#ifndef DYNO_HARNESS_REPORT_TSV_H
#define DYNO_HARNESS_REPORT_TSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct dyno_tsv {
  FILE *stream; /* stays the caller's; errors are left in ferror(stream) */
  bool row_begun;
} dyno_tsv;

/* Writes to stream, beginning with the first block. */
#define DYNO_TSV(stream) ((dyno_tsv){(stream), false})

/* Starts another block with a comment that says what its columns are; no line break in it. */
void dyno_tsv_block(dyno_tsv *tsv, const char *columns);

void dyno_tsv_number(dyno_tsv *tsv, double value); /* NaN and infinity as NaN */

/* Text of at most `width` columns of a terminal (0: any), its middle left out where it is longer;
 * "-" for NULL and for an empty one. */
void dyno_tsv_text(dyno_tsv *tsv, const char *text, size_t width);

void dyno_tsv_end_row(dyno_tsv *tsv);

#endif
