#include "harness/measure/profile_process.h"

#include <math.h>
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
