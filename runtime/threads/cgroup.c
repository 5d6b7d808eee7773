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

static double tighter(double a, double b)
{
  return a <= 0 || (b > 0 && b < a) ? b : a;
}

static double quota_up(const char *mount, const char *group, double (*read)(const char *folder))
{
  char folder[PATH_BYTES];
  double tightest = 0;
  int length = snprintf(folder, sizeof folder, "%s%s", mount, leaves_root(group) ? "" : group);
  if (length < 0 || (size_t)length >= sizeof folder)
    return read(mount);
  for (;;) {
    tightest = tighter(tightest, read(folder));
    char *last = strrchr(folder, '/');
    if (last == NULL || (size_t)(last - folder) < strlen(mount))
      return tightest;
    *last = '\0';
  }
}

static bool names_cpu(const char *controllers)
{
  char list[LINE_BYTES], *rest;
  snprintf(list, sizeof list, "%s", controllers);
  for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
    if (strcmp(name, "cpu") == 0)
      return true;
  return false;
}

/* "ID:CONTROLLERS:GROUP"; version 2 has no controllers. */
static double quota_of_line(char *line, const char *root)
{
  char mount[PATH_BYTES];
  char *controllers = strchr(line, ':');
  char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
  if (group == NULL)
    return 0;
  *controllers++ = '\0';
  *group++ = '\0';
  if (*controllers == '\0')
    return quota_up(root, group, quota_v2);
  if (!names_cpu(controllers))
    return 0;
  /* Mounted by all its names, or by the one, or by both through a link. */
  snprintf(mount, sizeof mount, "%s/%s", root, controllers);
  double quota = quota_up(mount, group, quota_v1);
  if (strcmp(controllers, "cpu") == 0)
    return quota;
  snprintf(mount, sizeof mount, "%s/cpu", root);
  return tighter(quota, quota_up(mount, group, quota_v1));
}

double dyno_cgroup_quota(const char *membership, const char *root)
{
  char line[LINE_BYTES];
  FILE *file = fopen(membership, "re");
  if (file == NULL)
    return 0;
  double tightest = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    tightest = tighter(tightest, quota_of_line(line, root));
  }
  fclose(file);
  return tightest;
}
