/* json_value FILE [PATH]: reads a value out of a JSON file, so that tests need no other tool.
 *
 * PATH is keys and indices joined by '/': results/0/seconds/median. Prints a string, number, true,
 * false or null as it is, and of an array or object the number of its members. Exits 1 when FILE
 * is no valid JSON or has nothing there. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *member(json_t *value, const char *key)
{
  if (json_is_object(value))
    return json_object_get(value, key);
  char *end;
  unsigned long index = strtoul(key, &end, 10);
  return *key != '\0' && *end == '\0' ? json_array_get(value, index) : NULL;
}

static void print(const json_t *value)
{
  if (json_is_array(value))
    printf("%zu\n", json_array_size(value));
  else if (json_is_object(value))
    printf("%zu\n", json_object_size(value));
  else if (json_is_string(value))
    puts(json_string_value(value));
  else {
    json_dumpf(value, stdout, JSON_ENCODE_ANY);
    puts("");
  }
}

int main(int argc, char **argv)
{
  if (argc < 2 || argc > 3) {
    fputs("usage: json_value FILE [PATH]\n", stderr);
    return 2;
  }
  json_error_t error;
  json_t *root = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
  if (root == NULL) {
    fprintf(stderr, "%s:%d: %s\n", argv[1], error.line, error.text);
    return 1;
  }
  json_t *value = root;
  if (argc == 3)
    for (char *key = strtok(argv[2], "/"); key != NULL && value != NULL; key = strtok(NULL, "/"))
      value = member(value, key);
  if (value == NULL)
    fprintf(stderr, "%s: nothing is there\n", argv[1]);
  else
    print(value);
  json_decref(root);
  return value == NULL;
}
