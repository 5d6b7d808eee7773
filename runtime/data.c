#include "config.h"

#include "runtime/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_TEXT = 4096, PLACES = 5 };

/* The folder of the running program; "" when the system does not tell. */
static void program_folder(char folder[PATH_TEXT])
{
  ssize_t length = readlink("/proc/self/exe", folder, PATH_TEXT - 1);
  folder[length > 0 ? length : 0] = '\0';
  char *slash = strrchr(folder, '/');
  if (slash != NULL)
    *slash = '\0';
}

dyno_status dyno_data_path(char **path, const char *name, dyno_error *error)
{
  char folder[PATH_TEXT], looked[PATH_TEXT] = "";
  program_folder(folder);
  const char *given = getenv("DYNO_DATA");
  const struct {
    const char *base, *below;
  } places[PLACES] = {
      {given != NULL && given[0] != '\0' ? given : NULL, ""},
      {folder[0] != '\0' ? folder : NULL, "/testcases"},
      {folder[0] != '\0' ? folder : NULL, ""},
      {folder[0] != '\0' ? folder : NULL, "/../share/" PACKAGE},
      {DYNO_PKGDATADIR, ""},
  };
  *path = NULL;
  for (size_t i = 0; i < PLACES; i++) {
    if (places[i].base == NULL)
      continue;
    char *candidate;
    if (asprintf(&candidate, "%s%s/%s", places[i].base, places[i].below, name) < 0)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", name);
    if (access(candidate, R_OK) == 0) {
      *path = candidate;
      return DYNO_OK;
    }
    size_t length = strlen(looked);
    snprintf(looked + length, sizeof looked - length, "%s%s%s", length > 0 ? ", " : "",
             places[i].base, places[i].below);
    free(candidate);
  }
  return dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                   "%s: not among the files that come with dyno (looked in %s); set DYNO_DATA to "
                   "the folder that has it",
                   name, looked);
}
