/* What people and programs read: units, tables, CSV, the progress bar. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/csv.h"
#include "harness/report/progress.h"
#include "harness/report/table.h"
#include "harness/report/units.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void same(const char *got, const char *want)
{
  cr_assert(strcmp(got, want) == 0, "got '%s', not '%s'", got, want);
}

Test(units, numbers_have_three_digits)
{
  static const struct {
    double value;
    const char *text;
  } rows[] = {{0, "0"},         {1, "1.00"},         {9.994, "9.99"},
              {9.996, "10.0"},  {99.96, "100"},      {28.44, "28.4"},
              {1234, "1234"},   {0.02134, "0.0213"}, {-3.14159, "-3.14"},
              {0.9996, "1.00"}, {NAN, "n/a"},        {1e20, "1.00e+20"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    char text[DYNO_UNIT_TEXT];
    dyno_format_number(text, rows[i].value);
    same(text, rows[i].text);
  }
}

Test(units, seconds)
{
  static const struct {
    double value;
    const char *text;
  } rows[] = {{0, "0 ns"},           {412e-9, "412 ns"},    {999.6e-9, "1.00 µs"},
              {1.534e-3, "1.53 ms"}, {2.1, "2.10 s"},       {59.94, "59.9 s"},
              {59.96, "1 min 00 s"}, {185.4, "3 min 05 s"}, {3599.6, "1 h 00 min"},
              {7620, "2 h 07 min"},  {NAN, "n/a"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    char text[DYNO_UNIT_TEXT];
    dyno_format_seconds(text, rows[i].value);
    same(text, rows[i].text);
  }
}

Test(units, bytes_rates_and_shares)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_bytes(text, 512);
  same(text, "512 B");
  dyno_format_bytes(text, 4.2 * 1024 * 1024);
  same(text, "4.20 MiB");
  dyno_format_bytes(text, 1023);
  same(text, "1023 B");
  dyno_format_rate(text, 28.41e9, "B/s");
  same(text, "28.4 GB/s");
  dyno_format_rate(text, 233e9, "MAC/s");
  same(text, "233 GMAC/s");
  dyno_format_rate(text, 0, "B/s");
  same(text, "0 B/s");
  dyno_format_share(text, 0.8734);
  same(text, "87.3 %");
  dyno_format_share(text, NAN);
  same(text, "n/a");
}

Test(table, aligns_by_terminal_columns)
{
  static const dyno_column columns[] = {
      {"name", "", false}, {"time", "µs", true}, {"", NULL, false}};
  dyno_table *table = dyno_table_new(columns, COUNT(columns));
  dyno_table_cell(table, "short");
  dyno_table_cell(table, "%.1f", 3.5);
  dyno_table_cell(table, "fastest");
  dyno_table_heading(table, "a title that is wider than the rest");
  dyno_table_cell(table, "größer 数");
  dyno_table_cell(table, "%d", 12345);
  dyno_table_end_row(table);

  char *text = NULL;
  size_t bytes = 0;
  FILE *stream = open_memstream(&text, &bytes);
  cr_assert(dyno_table_print(table, stream, 1, NULL) == DYNO_OK);
  fclose(stream);
  same(text, " name        time\n"
             "               µs\n"
             " short        3.5  fastest\n"
             "\n a title that is wider than the rest\n"
             " größer 数  12345\n");
  free(text);
  dyno_table_free(&table);
  cr_assert(table == NULL);
}

Test(table, counts_columns_of_text)
{
  cr_assert(dyno_text_width("") == 0);
  cr_assert(dyno_text_width("µs") == 2);
  cr_assert(dyno_text_width("数") == 2);
  cr_assert(dyno_text_width("e\xcc\x81") == 1, "a combining accent takes no column");
  cr_assert(dyno_text_width("a\xff\xfe") == 3, "malformed bytes take one each");
}

Test(table, none_is_out_of_memory)
{
  dyno_error error = {0};
  dyno_table_cell(NULL, "x");
  dyno_table_end_row(NULL);
  cr_assert(dyno_table_print(NULL, stdout, 0, &error) == DYNO_ERROR_MEMORY);
}

Test(table, reports_a_full_disk)
{
  static const dyno_column columns[] = {{"name", NULL, false}};
  FILE *full = fopen("/dev/full", "w");
  if (full == NULL)
    cr_skip_test("there is no /dev/full here");
  setvbuf(full, NULL, _IONBF, 0);
  dyno_table *table = dyno_table_new(columns, 1);
  dyno_table_cell(table, "x");
  dyno_error error = {0};
  cr_assert(dyno_table_print(table, full, 0, &error) == DYNO_ERROR_IO);
  cr_assert(strstr(error.message, "No space left") != NULL, "%s", error.message);
  fclose(full);
  dyno_table_free(&table);
}

Test(csv, quotes_as_rfc_4180_says)
{
  char *text = NULL;
  size_t bytes = 0;
  FILE *stream = open_memstream(&text, &bytes);
  dyno_csv csv = DYNO_CSV(stream);
  dyno_csv_text(&csv, "plain");
  dyno_csv_text(&csv, "a,b");
  dyno_csv_text(&csv, "say \"no\"");
  dyno_csv_text(&csv, "two\nlines");
  dyno_csv_text(&csv, NULL);
  dyno_csv_end_row(&csv);
  dyno_csv_number(&csv, 0.1);
  dyno_csv_number(&csv, 1.0 / 3);
  dyno_csv_number(&csv, NAN);
  dyno_csv_integer(&csv, UINT64_MAX);
  dyno_csv_end_row(&csv);
  fclose(stream);
  same(text, "plain,\"a,b\",\"say \"\"no\"\"\",\"two\nlines\",\r\n"
             "0.1,0.3333333333333333,,18446744073709551615\r\n");
  free(text);
}

Test(csv, numbers_read_back_exactly)
{
  static const double values[] = {0.1,           1.0 / 3, 1e-300,
                                  123456789.125, 5e-324,  1.7976931348623157e308};
  for (size_t i = 0; i < COUNT(values); i++) {
    char text[64] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    dyno_csv csv = DYNO_CSV(stream);
    dyno_csv_number(&csv, values[i]);
    fclose(stream);
    cr_assert(strtod(text, NULL) == values[i], "%.17g was written as %s", values[i], text);
  }
}

Test(progress, shows_pace_and_label)
{
  char text[200];
  dyno_progress_text(text, sizeof text, 80, 0, 3, "first");
  same(text, "[........................]   0 %  first");
  dyno_progress_text(text, sizeof text, 80, 0.5, 72, "half");
  same(text, "[############............]  50 %  1:12 left  half");
  dyno_progress_text(text, sizeof text, 80, 0.01, 99, "long");
  same(text, "[........................]   1 %  2:43:21 left  long");
  dyno_progress_text(text, sizeof text, 80, 1, 10, "");
  same(text, "[########################] 100 %  0:00 left  ");
  dyno_progress_text(text, sizeof text, 80, 0.9999, 1, "x");
  cr_assert(strstr(text, " 99 %") != NULL, "100 %% is for what is done: %s", text);
  dyno_progress_text(text, sizeof text, 30, 0.5, 10, "a label that does not fit");
  cr_assert(strlen(text) == 30, "%s", text);
}

Test(progress, is_silent_in_a_file)
{
  FILE *stream = tmpfile();
  dyno_progress progress;
  dyno_progress_start(&progress, stream, 10);
  progress.start_ns -= UINT64_C(5000000000);
  dyno_progress_update(&progress, 5, "half");
  dyno_progress_clear(&progress);
  cr_assert(ftell(stream) == 0);
  fclose(stream);
}
