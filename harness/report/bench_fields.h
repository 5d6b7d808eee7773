/* Fields of JSON records that may hold anything, read with errors that name file, line and field.
 *
 * The first error of a record is kept and makes the rest of its reads return neutral values, so
 * that a record is read whole and checked once. Not thread-safe. */
#ifndef DYNO_HARNESS_REPORT_BENCH_FIELDS_H
#define DYNO_HARNESS_REPORT_BENCH_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/status.h"

/* Owns strings and arrays until it is freed. */
typedef struct dyno_bench_storage dyno_bench_storage;

/* NULL when out of memory. */
dyno_bench_storage *dyno_bench_storage_new(void);

/* Frees and sets *storage to NULL; NULL is fine. */
void dyno_bench_storage_free(dyno_bench_storage **storage);

/* Where a value stands. */
typedef struct dyno_bench_record {
  const char *file;     /* its path */
  size_t line;          /* from 1; 0: the file is one record */
  char prefix[96];      /* of the fields of an inner object, "engine." */
  const json_t *object; /* not owned */
  dyno_bench_storage *storage;
  dyno_status *status; /* of the whole record, inner objects included */
  dyno_error *error;
} dyno_bench_record;

/* Fails unless something has failed already: FILE:LINE: FIELD: MESSAGE. */
void dyno_bench_field_fail(dyno_bench_record *record, const char *field, dyno_status status,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Numbers are finite and not negative. null or missing: NaN; for `need`, an error. */
double dyno_bench_number(dyno_bench_record *record, const char *field);
double dyno_bench_need_number(dyno_bench_record *record, const char *field);

/* An integer from 0 to most. null or missing: 0; for `need`, an error. */
size_t dyno_bench_count(dyno_bench_record *record, const char *field, size_t most);
size_t dyno_bench_need_count(dyno_bench_record *record, const char *field, size_t most);

/* A string of the storage. null or missing: NULL; for `need`, an error ("" then), and so is "". */
const char *dyno_bench_string(dyno_bench_record *record, const char *field);
const char *dyno_bench_need_string(dyno_bench_record *record, const char *field);

/* true or false. null or missing: false; for `need`, an error. */
bool dyno_bench_flag(dyno_bench_record *record, const char *field);
bool dyno_bench_need_flag(dyno_bench_record *record, const char *field);

/* The index of the field's string among names [count]; an error when it is none of them. */
size_t dyno_bench_need_name(dyno_bench_record *record, const char *field, const char *const *names,
                            size_t count);

/* The object in a field, or in element `index` of a field that is an array: an inner record, whose
 * errors are those of the outer one. An error when it is not an object; then it is empty. */
dyno_bench_record dyno_bench_enter(dyno_bench_record *record, const char *field);
dyno_bench_record dyno_bench_enter_element(dyno_bench_record *record, const char *field,
                                           size_t index);

/* How many elements an array in a field has. null or missing: 0. */
size_t dyno_bench_length(dyno_bench_record *record, const char *field);

/* An array of `count` zeroed elements of the storage; NULL for none, or with MEMORY. */
void *dyno_bench_array(dyno_bench_record *record, size_t count, size_t size);

/* A list of strings of the storage, and how many. */
const char **dyno_bench_string_list(dyno_bench_record *record, const char *field, size_t *count);

/* A copy of text in the storage; the same one again where it has it among the latest. */
const char *dyno_bench_keep(dyno_bench_record *record, const char *text);

#endif
