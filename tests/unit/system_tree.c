#include "tests/unit/system_tree.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

system_tree system_tree_make(void)
{
  system_tree made;
  strcpy(made.root, "/tmp/dyno-system.XXXXXX");
  cr_assert(mkdtemp(made.root) != NULL, "no folder");
  snprintf(made.proc, sizeof made.proc, "%s/proc", made.root);
  snprintf(made.sys, sizeof made.sys, "%s/sys", made.root);
  snprintf(made.cgroups, sizeof made.cgroups, "%s/sys/fs/cgroup", made.root);
  snprintf(made.membership, sizeof made.membership, "%s/proc/self/cgroup", made.root);
  return made;
}

void system_tree_remove(const system_tree *tree)
{
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", tree->root);
  cr_assert(system(command) == 0, "%s", command);
}

void system_tree_put(const system_tree *tree, const char *text, const char *format, ...)
{
  char path[256], name[160];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  snprintf(path, sizeof path, "%s/%s", tree->root, name);
  for (char *slash = path + strlen(tree->root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
  }
  FILE *file = fopen(path, "we");
  cr_assert(file != NULL, "%s", path);
  fprintf(file, "%s\n", text);
  fclose(file);
}
