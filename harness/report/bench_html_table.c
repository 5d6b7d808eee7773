/* Cells and tables of report.html. */
#include <math.h>

#include "harness/report/bench_html_internal.h"
#include "harness/report/markup.h"
#include "harness/report/units.h"

static const double nanoseconds_per_second = 1e9;

void dyno_html_table_begin(FILE *stream, const char *const *columns, size_t count)
{
  fputs("<div class=\"wide\"><table>\n<thead><tr>", stream);
  for (size_t i = 0; i < count; i++) {
    const bool number = columns[i][0] == '>';
    fputs(number ? "<th class=\"n\">" : "<th>", stream);
    dyno_markup_text(stream, columns[i] + number);
    fputs("</th>", stream);
  }
  fputs("</tr></thead>\n<tbody>\n", stream);
}

void dyno_html_table_end(FILE *stream)
{
  fputs("</tbody></table></div>\n", stream);
}

void dyno_html_text(FILE *stream, const char *text)
{
  fputs("<td>", stream);
  dyno_markup_text(stream, text != NULL && text[0] != '\0' ? text : "–");
  fputs("</td>", stream);
}

static void number_cell(FILE *stream, bool known, const char *text)
{
  fprintf(stream, "<td class=\"n\">%s</td>", known ? text : "–");
}

void dyno_html_number(FILE *stream, double value)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_number(text, value);
  number_cell(stream, isfinite(value), text);
}

void dyno_html_count(FILE *stream, double value)
{
  char text[DYNO_UNIT_TEXT];
  snprintf(text, sizeof text, "%.0f", value);
  number_cell(stream, isfinite(value), text);
}

void dyno_html_seconds(FILE *stream, double nanoseconds)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_seconds(text, nanoseconds / nanoseconds_per_second);
  number_cell(stream, isfinite(nanoseconds), text);
}

void dyno_html_bytes(FILE *stream, double bytes)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_bytes(text, bytes);
  number_cell(stream, isfinite(bytes), text);
}

void dyno_html_share(FILE *stream, double share)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_share(text, share);
  number_cell(stream, isfinite(share), text);
}
