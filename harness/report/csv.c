#include "harness/report/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void separate(dyno_csv *csv)
{
  if (csv->row_begun)
    fputc(',', csv->stream);
  csv->row_begun = true;
}

void dyno_csv_text(dyno_csv *csv, const char *text)
{
  separate(csv);
  if (text == NULL)
    return;
  if (strpbrk(text, ",\"\r\n") == NULL) {
    fputs(text, csv->stream);
    return;
  }
  fputc('"', csv->stream);
  for (; *text != '\0'; text++) {
    if (*text == '"')
      fputc('"', csv->stream);
    fputc(*text, csv->stream);
  }
  fputc('"', csv->stream);
}

void dyno_csv_number(dyno_csv *csv, double value)
{
  separate(csv);
  if (!isfinite(value))
    return;
  /* The fewest digits that read back as the same number: 0.1, not 0.10000000000000001. */
  char text[32];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value)
      break;
  }
  fputs(text, csv->stream);
}

void dyno_csv_integer(dyno_csv *csv, uint64_t value)
{
  separate(csv);
  fprintf(csv->stream, "%" PRIu64, value);
}

void dyno_csv_end_row(dyno_csv *csv)
{
  fputs("\r\n", csv->stream);
  csv->row_begun = false;
}
