#include "config.h"

#include "harness/report/environment_report.h"

#include "harness/report/table.h"

json_t *dyno_environment_json(const dyno_environment *environment)
{
  json_t *list = json_array();
  for (size_t i = 0; i < environment->count && list != NULL; i++) {
    const dyno_finding *finding = &environment->items[i];
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s?}", "name", finding->name, "value", finding->value,
                  "severity", dyno_severity_name(finding->severity), "why", finding->why, "advice",
                  finding->advice[0] != '\0' ? finding->advice : NULL);
    if (object == NULL || json_array_append_new(list, object) != 0) {
      json_decref(list);
      list = NULL;
    }
  }
  return list;
}

static dyno_status print_table(const dyno_environment *environment, FILE *stream, dyno_error *error)
{
  static const dyno_column columns[] = {{.title = "what"}, {.title = ""}, {.title = "value"}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < environment->count; i++) {
    const dyno_finding *finding = &environment->items[i];
    dyno_table_cell(table, "%s", finding->name);
    dyno_table_cell(
        table, "%s",
        finding->severity == DYNO_SEVERITY_FINE ? "" : dyno_severity_name(finding->severity));
    dyno_table_cell(table, "%s", finding->value);
  }
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

dyno_status dyno_environment_print(const dyno_environment *environment, FILE *stream,
                                   dyno_error *error)
{
  dyno_status status = print_table(environment, stream, error);
  if (status != DYNO_OK)
    return status;
  for (int severity = DYNO_SEVERITY_COUNT - 1; severity > DYNO_SEVERITY_FINE; severity--)
    for (size_t i = 0; i < environment->count; i++) {
      const dyno_finding *finding = &environment->items[i];
      if (finding->severity == (dyno_severity)severity)
        fprintf(stream, "\n%s: %s: %s\n  %s\n  %s\n", dyno_severity_name(finding->severity),
                finding->name, finding->value, finding->why, finding->advice);
    }
  if (dyno_environment_worst(environment) == DYNO_SEVERITY_FINE)
    fputs("\nnothing to mend\n", stream);
  return ferror(stream) ? dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m") : DYNO_OK;
}
