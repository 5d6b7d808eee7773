#include "harness/measure/profile_process.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double dyno_process_age(void)
{
  char line[1024] = "";
  FILE *file = fopen("/proc/self/stat", "re");
  if (file == NULL)
    return NAN;
  size_t length = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[length] = '\0';
  /* The name, field 2, may hold spaces and parentheses; field 22 is the start (proc(5)). */
  char *field = strrchr(line, ')');
  for (int skipped = 2; field != NULL && skipped < 22; skipped++)
    field = strchr(field + 1, ' ');
  struct timespec now;
  long ticks = sysconf(_SC_CLK_TCK);
  if (field == NULL || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
    return NAN;
  double started = (double)strtoull(field, NULL, 10) / (double)ticks;
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9 - started;
}

double dyno_process_peak_memory(void)
{
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024 : NAN;
}

/* What smaps says of one mapping, in bytes. */
typedef struct mapping {
  uintptr_t low, high;
  double resident, huge;
} mapping;

/* A field in kB; false if the line is another. */
static bool field_bytes(double *bytes, const char *line, const char *name)
{
  size_t length = strlen(name);
  if (strncmp(line, name, length) != 0 || line[length] != ':')
    return false;
  *bytes = strtod(line + length + 1, NULL) * 1024;
  return true;
}

static void read_field(mapping *entry, const char *line)
{
  static const char *const huge[] = {"AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"};
  static const char *const reserved[] = {"Shared_Hugetlb", "Private_Hugetlb"};
  double bytes;
  if (field_bytes(&bytes, line, "Rss"))
    entry->resident += bytes;
  for (size_t i = 0; i < sizeof huge / sizeof *huge; i++)
    if (field_bytes(&bytes, line, huge[i]))
      entry->huge += bytes;
  /* Pages of hugetlbfs are not in Rss. */
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (field_bytes(&bytes, line, reserved[i])) {
      entry->resident += bytes;
      entry->huge += bytes;
    }
}

/* Reads the next mapping; false at the end. The entry ends with its VmFlags. */
static bool read_mapping(mapping *entry, FILE *smaps)
{
  char line[4352]; /* a path, and what stands before it */
  unsigned long long low, high;
  *entry = (mapping){0};
  while (fgets(line, sizeof line, smaps) != NULL) {
    if (sscanf(line, "%llx-%llx ", &low, &high) == 2)
      *entry = (mapping){(uintptr_t)low, (uintptr_t)high, 0, 0};
    else if (strncmp(line, "VmFlags:", 8) == 0)
      return true;
    else
      read_field(entry, line);
  }
  return false;
}

static double overlap(const mapping *entry, const dyno_weight_pages *pages)
{
  uintptr_t begin = (uintptr_t)pages->data, end = begin + pages->bytes;
  uintptr_t low = entry->low > begin ? entry->low : begin;
  uintptr_t high = entry->high < end ? entry->high : end;
  return low < high ? (double)(high - low) : 0;
}

dyno_page_shares dyno_weight_page_shares(const dyno_weight_pages *pages, size_t count)
{
  double total = 0, resident = 0, huge = 0;
  mapping entry;
  FILE *smaps = fopen("/proc/self/smaps", "re");
  if (smaps == NULL)
    return (dyno_page_shares){NAN, NAN};
  for (size_t i = 0; i < count; i++)
    total += (double)pages[i].bytes;
  while (read_mapping(&entry, smaps)) {
    double bytes = 0;
    for (size_t i = 0; i < count; i++)
      bytes += overlap(&entry, &pages[i]);
    double part = bytes / (double)(entry.high - entry.low);
    resident += part * entry.resident;
    huge += part * entry.huge;
  }
  fclose(smaps);
  return (dyno_page_shares){.resident = total > 0 ? fmin(resident / total, 1) : NAN,
                            .huge = resident > 0 ? huge / resident : NAN};
}
