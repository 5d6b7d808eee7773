#include "harness/measure/process_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 4352 /* a path, and what stands before it */ };

static bool starts(const char *text, const char *with)
{
  return strncmp(text, with, strlen(with)) == 0;
}

dyno_mapping_kind dyno_mapping_classify(const char *path, const char *program, bool guarded)
{
  if (*path == '\0')
    return guarded ? DYNO_MAPPING_STACK : DYNO_MAPPING_ANONYMOUS;
  if (strcmp(path, "[heap]") == 0)
    return DYNO_MAPPING_HEAP;
  if (starts(path, "[stack"))
    return DYNO_MAPPING_STACK;
  if (starts(path, "[anon"))
    return DYNO_MAPPING_ANONYMOUS;
  if (*path == '[')
    return DYNO_MAPPING_KERNEL;
  if (strcmp(path, program) == 0)
    return DYNO_MAPPING_PROGRAM;
  return starts(path, "/usr/") || starts(path, "/lib") || strstr(path, ".so") != NULL
             ? DYNO_MAPPING_LIBRARY
             : DYNO_MAPPING_FILE;
}

/* "start-end rights offset device inode   path" */
static bool read_head(const char *line, uint64_t *start, uint64_t *end, char rights[5],
                      const char **path)
{
  int length = 0;
  if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", start, end, rights, &length) !=
          3 ||
      length == 0)
    return false;
  *path = line + length;
  return true;
}

static void read_mappings(dyno_process_map *map, FILE *file, const char *program)
{
  char line[LINE_BYTES];
  uint64_t guard_end = 0, object_end = 0, kilobytes;
  dyno_mapping_kind kind = DYNO_MAPPING_ANONYMOUS, object = DYNO_MAPPING_PROGRAM;
  while (fgets(line, sizeof line, file) != NULL) {
    uint64_t start, end;
    char rights[5];
    const char *path;
    line[strcspn(line, "\n")] = '\0';
    if (read_head(line, &start, &end, rights, &path)) {
      kind = dyno_mapping_classify(path, program, start == guard_end && rights[1] == 'w');
      guard_end = starts(rights, "---") ? end : 0;
      /* What an object has of zeros follows it, and belongs to it. */
      if (*path == '\0' && start == object_end && rights[1] == 'w')
        kind = object;
      bool of_object = kind == DYNO_MAPPING_PROGRAM || kind == DYNO_MAPPING_LIBRARY;
      object = of_object ? kind : object;
      object_end = of_object ? end : 0;
    } else if (sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1)
      map->resident[kind] += kilobytes * 1024;
  }
}

static bool read_total(dyno_process_map *map)
{
  char line[LINE_BYTES];
  uint64_t kilobytes;
  FILE *file = fopen("/proc/self/smaps_rollup", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1)
      map->total = kilobytes * 1024;
  if (file != NULL)
    fclose(file);
  return map->total > 0;
}

dyno_status dyno_process_map_read(dyno_process_map *map, dyno_error *error)
{
  char program[LINE_BYTES] = "";
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length > 0 ? length : 0] = '\0';
  *map = (dyno_process_map){0};
  FILE *file = fopen("/proc/self/smaps", "re");
  if (file == NULL)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "/proc/self/smaps cannot be read: %m");
  read_mappings(map, file, program);
  fclose(file);
  if (!read_total(map))
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "/proc/self/smaps_rollup cannot be read (Linux 4.14 has it)");
  return DYNO_OK;
}
