/* JSON from files that nobody vouches for: bounded in depth and in memory, duplicate keys and
 * invalid UTF-8 refused. */
#ifndef DYNO_RUNTIME_MODEL_JSON_FILE_H
#define DYNO_RUNTIME_MODEL_JSON_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_JSON_MAX_DEPTH 16
/* Objects, arrays and elements together. A parsed node takes some hundred bytes, and the header
 * of the largest GPT-OSS checkpoint has about 7,000. */
#define DYNO_JSON_MAX_NODES (1u << 19)

/* Parses one JSON object (its root; arrays and scalars are refused) into *root, a new reference.
 * With digits_only, numbers must be written as digits alone: no sign, fraction or exponent.
 * origin, a path, and offset, where the text begins in it, are for messages. FORMAT, MEMORY. */
dyno_status dyno_json_parse(json_t **root, const char *text, size_t size, bool digits_only,
                            const char *origin, uint64_t offset, dyno_error *error);

/* The same with another limit than DYNO_JSON_MAX_NODES, for files that are larger by nature. */
dyno_status dyno_json_parse_large(json_t **root, const char *text, size_t size, size_t max_nodes,
                                  const char *origin, dyno_error *error);

/* Parses the file at path, of at most max_bytes. */
dyno_status dyno_json_load(json_t **root, const char *path, size_t max_bytes, dyno_error *error);

/* The shortest decimal number that is this float again, for json_dumps with
 * JSON_REAL_PRECISION(DYNO_JSON_FLOAT_DIGITS). NULL when there is no memory, or it is no number. */
#define DYNO_JSON_FLOAT_DIGITS 9
json_t *dyno_json_float(float value);

#endif
