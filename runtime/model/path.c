#include "runtime/model/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *dyno_join_path(const char *folder, const char *name)
{
  size_t length = strlen(folder), size = length + strlen(name) + 2;
  char *path = malloc(size);
  if (path != NULL)
    snprintf(path, size, "%s%s%s", folder, length > 0 && folder[length - 1] == '/' ? "" : "/",
             name);
  return path;
}
