#include "runtime/model/json_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model/mapped_file.h"

/* Looks at the brackets and numbers only, before anything is allocated for them. Whatever else is
 * wrong, the parser finds. */
static const char *scan(size_t *where, const char *text, size_t size, size_t max_nodes,
                        bool digits_only)
{
  size_t depth = 0, nodes = 0;
  bool in_string = false;
  for (size_t i = 0; i < size; i++) {
    char byte = text[i];
    *where = i;
    if (in_string) {
      if (byte == '\\')
        i++;
      else if (byte == '"')
        in_string = false;
      continue;
    }
    switch (byte) {
    case '"':
      in_string = true;
      break;
    case '{':
    case '[':
      if (++depth > DYNO_JSON_MAX_DEPTH)
        return "is nested more than 16 deep";
      nodes++;
      break;
    case '}':
    case ']':
      depth -= depth > 0;
      break;
    case ',':
      nodes++;
      break;
    case '-':
    case '+':
    case '.':
      if (digits_only)
        return "has a number that is not written in digits alone";
      break;
    case 'e':
    case 'E':
      if (digits_only && i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9')
        return "has a number that is not written in digits alone";
      break;
    default:
      break;
    }
    if (nodes > max_nodes)
      return "has more values than such a file needs";
  }
  return NULL;
}

static dyno_status parse(json_t **root, const char *text, size_t size, size_t max_nodes,
                         bool digits_only, const char *origin, uint64_t offset, dyno_error *error)
{
  *root = NULL;
  size_t where = 0;
  const char *problem = scan(&where, text, size, max_nodes, digits_only);
  if (problem != NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: offset %" PRIu64 ": the JSON %s", origin,
                     offset + where, problem);
  json_error_t reason;
  json_t *parsed = json_loadb(text, size, JSON_REJECT_DUPLICATES, &reason);
  if (parsed == NULL && json_error_code(&reason) == json_error_out_of_memory)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", origin);
  if (parsed == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %" PRIu64 ": the JSON is malformed, line %d: %s", origin,
                     offset + (uint64_t)(reason.position > 0 ? reason.position : 0), reason.line,
                     reason.text);
  if (!json_is_object(parsed)) {
    json_decref(parsed);
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: offset %" PRIu64 ": the JSON is no object",
                     origin, offset);
  }
  *root = parsed;
  return DYNO_OK;
}

dyno_status dyno_json_parse(json_t **root, const char *text, size_t size, bool digits_only,
                            const char *origin, uint64_t offset, dyno_error *error)
{
  return parse(root, text, size, DYNO_JSON_MAX_NODES, digits_only, origin, offset, error);
}

dyno_status dyno_json_parse_large(json_t **root, const char *text, size_t size, size_t max_nodes,
                                  const char *origin, dyno_error *error)
{
  return parse(root, text, size, max_nodes, false, origin, 0, error);
}

dyno_status dyno_json_load(json_t **root, const char *path, size_t max_bytes, dyno_error *error)
{
  *root = NULL;
  dyno_mapped_file file;
  dyno_status status = dyno_mapped_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  if (file.size > max_bytes)
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s: has %zu bytes; at most %zu are allowed", path,
                       file.size, max_bytes);
  else
    status = dyno_json_parse(root, file.size > 0 ? (const char *)file.bytes : "", file.size, false,
                             path, 0, error);
  dyno_mapped_file_close(&file);
  return status;
}

json_t *dyno_json_float(float value)
{
  char text[32];
  for (int digits = 6; digits <= DYNO_JSON_FLOAT_DIGITS; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if (strtof(text, NULL) == value)
      break;
  }
  return json_real(strtod(text, NULL));
}
