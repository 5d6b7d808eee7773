#include "harness/measure/json_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/measure/json_line.h"

dyno_status dyno_json_bad(const dyno_json_source *source, const char *field, dyno_error *error,
                          const char *format, ...)
{
  char what[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %zu: %s%s%s", source->path,
                   dyno_json_line(source->text, source->count, field), field,
                   field[0] != '\0' ? ": " : "", what);
}

void dyno_json_field(char field[DYNO_JSON_FIELD], const char *parent, const char *key)
{
  snprintf(field, DYNO_JSON_FIELD, "%.56s%s%.64s", parent, parent[0] != '\0' ? "." : "", key);
}

dyno_status dyno_json_check_keys(json_t *object, const char *parent, const char *const *known,
                                 const dyno_json_source *source, dyno_error *error)
{
  const char *key;
  json_t *value;
  json_object_foreach (object, key, value) {
    char field[DYNO_JSON_FIELD];
    const char *const *name = known;
    while (*name != NULL && strcmp(*name, key) != 0)
      name++;
    dyno_json_field(field, parent, key);
    if (*name == NULL)
      return dyno_json_bad(source, field, error, "there is no such field");
  }
  return DYNO_OK;
}

dyno_status dyno_json_text(const char **text, const json_t *object, const char *parent,
                           const char *key, const char *fallback, const dyno_json_source *source,
                           dyno_error *error)
{
  char field[DYNO_JSON_FIELD];
  const json_t *value = json_object_get(object, key);
  dyno_json_field(field, parent, key);
  *text = fallback;
  if (value == NULL && fallback == NULL)
    return dyno_json_bad(source, parent, error, "\"%s\" is missing: a text is wanted", key);
  if (value == NULL)
    return DYNO_OK;
  if (!json_is_string(value))
    return dyno_json_bad(source, field, error, "a text is wanted");
  if (json_string_length(value) == 0)
    return dyno_json_bad(source, field, error, "it is empty");
  *text = json_string_value(value);
  return DYNO_OK;
}

dyno_status dyno_json_read_number(double *number, const json_t *object, const char *parent,
                                  const char *key, double least, double most,
                                  const double *fallback, const dyno_json_source *source,
                                  dyno_error *error)
{
  char field[DYNO_JSON_FIELD];
  const json_t *value = json_object_get(object, key);
  dyno_json_field(field, parent, key);
  if ((value == NULL || json_is_null(value)) && fallback != NULL) {
    *number = *fallback;
    return DYNO_OK;
  }
  if (value == NULL)
    return dyno_json_bad(source, parent, error,
                         "\"%s\" is missing: a number from %.9g to %.9g is wanted", key, least,
                         most);
  *number = json_number_value(value);
  if (!json_is_number(value) || !(*number >= least && *number <= most))
    return dyno_json_bad(source, field, error, "a number from %.9g to %.9g is wanted", least, most);
  return DYNO_OK;
}

dyno_status dyno_json_read_integer(long long *number, const json_t *object, const char *parent,
                                   const char *key, long long least, long long most,
                                   const long long *fallback, const dyno_json_source *source,
                                   dyno_error *error)
{
  char field[DYNO_JSON_FIELD];
  const json_t *value = json_object_get(object, key);
  dyno_json_field(field, parent, key);
  if (value == NULL && fallback != NULL) {
    *number = *fallback;
    return DYNO_OK;
  }
  if (value == NULL)
    return dyno_json_bad(source, parent, error,
                         "\"%s\" is missing: a number from %lld to %lld is wanted", key, least,
                         most);
  if (!json_is_integer(value) || json_integer_value(value) < least ||
      json_integer_value(value) > most)
    return dyno_json_bad(source, field, error, "a whole number from %lld to %lld is wanted", least,
                         most);
  *number = json_integer_value(value);
  return DYNO_OK;
}
