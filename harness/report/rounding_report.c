#include "harness/report/rounding_report.h"

#include <math.h>

#include "harness/report/table.h"

/* "0.53 (0.61)"; nothing where no row was looked at. */
static void error_cell(dyno_table *table, const dyno_rounding_error *error)
{
  if (error->rows > 0)
    dyno_table_cell(table, "%.2f (%.2f)", 100 * sqrt(error->squares / (double)error->rows),
                    100 * sqrt(error->greatest));
  else
    dyno_table_cell(table, "%s", error->rounded ? "-" : "floats");
}

static dyno_status print_layers(FILE *stream, const dyno_rounding *r, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"layer", NULL, true},      {"attention", "%", true}, {"attention output", "%", true},
      {"gate and up", "%", true}, {"down", "%", true},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t layer = 0; layer < r->layers; layer++) {
    dyno_table_cell(table, "%zu", layer);
    for (size_t site = 0; site < DYNO_ROUNDING_HEAD; site++)
      error_cell(table, &r->errors[layer * DYNO_ROUNDING_SITE_COUNT + site]);
    dyno_table_end_row(table);
  }
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

dyno_status dyno_rounding_print(FILE *stream, const dyno_rounding *rounding, dyno_error *error)
{
  const dyno_rounding_error *head = &rounding->errors[DYNO_ROUNDING_HEAD];
  if (rounding->sites == 0) {
    fputs(rounding->last_ns == 0 ? "no pass was seen, and so no activations\n"
                                 : "no activations were rounded: every matrix takes floats\n",
          stream);
    return DYNO_OK;
  }
  fputs("activations rounded to 8 bits: root of the mean square error as a share of each row "
        "(greatest of a row)\n",
        stream);
  dyno_status status = print_layers(stream, rounding, error);
  if (head->rows > 0)
    fprintf(stream, "at the output matrix: %.2f %% (%.2f)\n",
            100 * sqrt(head->squares / (double)head->rows), 100 * sqrt(head->greatest));
  fprintf(stream,
          "looked at %llu of %llu rows, which took %.2f %% of the time (at most %.2f allowed)\n",
          (unsigned long long)rounding->looked, (unsigned long long)rounding->seen,
          rounding->elapsed_ns > 0 ? 100 * rounding->spent_ns / rounding->elapsed_ns : 0,
          100 * rounding->share);
  return status;
}
