#include "runtime/threads/cgroup.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/threads/cpu_list.h"

enum { PATH_BYTES = 8192, LINE_BYTES = 4096 };

static double processors(double quota, double period)
{
  return isfinite(quota) && isfinite(period) && quota > 0 && period > 0 ? quota / period : 0;
}

static bool read_file(char *line, size_t size, const char *folder, const char *name)
{
  char path[PATH_BYTES];
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  return length > 0 && (size_t)length < sizeof path && dyno_read_line(line, size, path);
}

/* "QUOTA PERIOD" or "max PERIOD". */
static double quota_v2(const char *folder)
{
  char line[64];
  if (!read_file(line, sizeof line, folder, "cpu.max"))
    return 0;
  char *period;
  double quota = strtod(line, &period);
  return period != line ? processors(quota, strtod(period, NULL)) : 0;
}

/* A quota of -1 stands for none. */
static double quota_v1(const char *folder)
{
  char quota[64], period[64];
  if (!read_file(quota, sizeof quota, folder, "cpu.cfs_quota_us") ||
      !read_file(period, sizeof period, folder, "cpu.cfs_period_us"))
    return 0;
  return processors(strtod(quota, NULL), strtod(period, NULL));
}

/* A group outside what is mounted here shows as "/../..": then only the root can be asked. */
static bool leaves_root(const char *group)
{
  for (const char *at = group; (at = strstr(at, "..")) != NULL; at += 2)
    if (at > group && at[-1] == '/' && (at[2] == '/' || at[2] == '\0'))
      return true;
  return group[0] != '/';
}

/* Where the folders of a controller go. */
typedef struct walk {
  const char *controller;
  dyno_cgroup_visit *visit;
  void *context;
} walk;

static void visit_up(const walk *of, const char *mount, const char *group, int version)
{
  char folder[PATH_BYTES];
  int length = snprintf(folder, sizeof folder, "%s%s", mount, leaves_root(group) ? "" : group);
  if (length < 0 || (size_t)length >= sizeof folder) {
    of->visit(of->context, mount, version);
    return;
  }
  for (;;) {
    of->visit(of->context, folder, version);
    char *last = strrchr(folder, '/');
    if (last == NULL || (size_t)(last - folder) < strlen(mount))
      return;
    *last = '\0';
  }
}

static bool names(const char *controllers, const char *wanted)
{
  char list[LINE_BYTES], *rest;
  snprintf(list, sizeof list, "%s", controllers);
  for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
    if (strcmp(name, wanted) == 0)
      return true;
  return false;
}

/* "ID:CONTROLLERS:GROUP"; version 2 has no controllers. */
static void visit_line(const walk *of, char *line, const char *root)
{
  char mount[PATH_BYTES];
  char *controllers = strchr(line, ':');
  char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
  if (group == NULL)
    return;
  *controllers++ = '\0';
  *group++ = '\0';
  if (*controllers == '\0') {
    visit_up(of, root, group, 2);
    /* Beside version 1, version 2 has a folder of its own. */
    snprintf(mount, sizeof mount, "%s/unified", root);
    visit_up(of, mount, group, 2);
    return;
  }
  if (!names(controllers, of->controller))
    return;
  /* Mounted by all its names, or by the one, or by both through a link. */
  snprintf(mount, sizeof mount, "%s/%s", root, controllers);
  visit_up(of, mount, group, 1);
  if (strcmp(controllers, of->controller) == 0)
    return;
  snprintf(mount, sizeof mount, "%s/%s", root, of->controller);
  visit_up(of, mount, group, 1);
}

void dyno_cgroup_visit_folders(const char *membership, const char *root, const char *controller,
                               dyno_cgroup_visit *visit, void *context)
{
  char line[LINE_BYTES];
  const walk of = {controller, visit, context};
  FILE *file = fopen(membership, "re");
  if (file == NULL)
    return;
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    visit_line(&of, line, root);
  }
  fclose(file);
}

static void tighten(void *context, const char *folder, int version)
{
  double *tightest = context;
  double quota = version == 2 ? quota_v2(folder) : quota_v1(folder);
  if (quota > 0 && (*tightest <= 0 || quota < *tightest))
    *tightest = quota;
}

double dyno_cgroup_quota(const char *membership, const char *root)
{
  double tightest = 0;
  dyno_cgroup_visit_folders(membership, root, "cpu", tighten, &tightest);
  return tightest;
}
