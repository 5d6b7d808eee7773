/* Reading an object of a JSON file that people write: whatever is wrong is told with file, line and
 * field. */
#ifndef DYNO_HARNESS_MEASURE_JSON_FIELDS_H
#define DYNO_HARNESS_MEASURE_JSON_FIELDS_H

#include <jansson.h>
#include <stddef.h>

#include "kernels/base/status.h"

/* The file that is being read. */
typedef struct dyno_json_source {
  const char *path;
  const char *text; /* [count], which jansson has accepted */
  size_t count;
} dyno_json_source;

enum { DYNO_JSON_FIELD = 128 };

/* FORMAT: "FILE, line N: FIELD: ...". field is "" for the whole. */
dyno_status dyno_json_bad(const dyno_json_source *source, const char *field, dyno_error *error,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* "parent.key"; the key alone where parent is "". */
void dyno_json_field(char field[DYNO_JSON_FIELD], const char *parent, const char *key);

/* FORMAT when the object has a key that is not among known, which ends with NULL. */
dyno_status dyno_json_check_keys(json_t *object, const char *parent, const char *const *known,
                                 const dyno_json_source *source, dyno_error *error);

/* A text of at least one character, which belongs to the object; *text is `fallback` where there is
 * none, and FORMAT when that is NULL. */
dyno_status dyno_json_text(const char **text, const json_t *object, const char *parent,
                           const char *key, const char *fallback, const dyno_json_source *source,
                           dyno_error *error);

/* A number from least to most; `fallback` where there is none or null, FORMAT when that is NULL. */
dyno_status dyno_json_read_number(double *number, const json_t *object, const char *parent,
                                  const char *key, double least, double most,
                                  const double *fallback, const dyno_json_source *source,
                                  dyno_error *error);

/* The same for a whole number; without a fallback there must be one. */
dyno_status dyno_json_read_integer(long long *number, const json_t *object, const char *parent,
                                   const char *key, long long least, long long most,
                                   const long long *fallback, const dyno_json_source *source,
                                   dyno_error *error);

#endif
