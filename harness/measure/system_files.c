#include "harness/measure/system_files.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/threads/cpu_list.h"

__attribute__((format(printf, 3, 0))) static void
join(char path[DYNO_SYSTEM_PATH], const char *root, const char *format, va_list arguments)
{
  int length = snprintf(path, DYNO_SYSTEM_PATH, "%s/", root);
  if (length > 0 && length < DYNO_SYSTEM_PATH)
    vsnprintf(path + length, (size_t)(DYNO_SYSTEM_PATH - length), format, arguments);
}

static const char *proc_root(const dyno_roots *roots)
{
  return roots != NULL && roots->proc != NULL ? roots->proc : "/proc";
}

static const char *sys_root(const dyno_roots *roots)
{
  return roots != NULL && roots->sys != NULL ? roots->sys : "/sys";
}

void dyno_proc_path(char path[DYNO_SYSTEM_PATH], const dyno_roots *roots, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  join(path, proc_root(roots), format, arguments);
  va_end(arguments);
}

void dyno_sys_path(char path[DYNO_SYSTEM_PATH], const dyno_roots *roots, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  join(path, sys_root(roots), format, arguments);
  va_end(arguments);
}

static bool read_line(char text[DYNO_SYSTEM_LINE], const char *path)
{
  bool read = dyno_read_line(text, DYNO_SYSTEM_LINE, path);
  if (!read)
    text[0] = '\0';
  return read;
}

bool dyno_proc_line(char text[DYNO_SYSTEM_LINE], const dyno_roots *roots, const char *format, ...)
{
  char path[DYNO_SYSTEM_PATH];
  va_list arguments;
  va_start(arguments, format);
  join(path, proc_root(roots), format, arguments);
  va_end(arguments);
  return read_line(text, path);
}

bool dyno_sys_line(char text[DYNO_SYSTEM_LINE], const dyno_roots *roots, const char *format, ...)
{
  char path[DYNO_SYSTEM_PATH];
  va_list arguments;
  va_start(arguments, format);
  join(path, sys_root(roots), format, arguments);
  va_end(arguments);
  return read_line(text, path);
}

bool dyno_keyed_number(int64_t *number, const char *text, const char *key)
{
  size_t length = strlen(key);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, key, length) != 0)
      continue;
    const char *value = line + length + strspn(line + length, ": \t=");
    if (value == line + length || *value < '0' || *value > '9')
      continue;
    unsigned long long read = strtoull(value, NULL, 10);
    if (read > INT64_MAX)
      return false;
    *number = (int64_t)read;
    return true;
  }
  return false;
}

void dyno_roots_visit_groups(const dyno_roots *roots, const char *controller,
                             dyno_cgroup_visit *visit, void *context)
{
  char membership[DYNO_SYSTEM_PATH], mount[DYNO_SYSTEM_PATH];
  dyno_proc_path(membership, roots, "self/cgroup");
  dyno_sys_path(mount, roots, "fs/cgroup");
  dyno_cgroup_visit_folders(membership, mount, controller, visit, context);
}
