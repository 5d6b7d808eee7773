#include "runtime/cache/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  unsigned level;
} level_names[] = {{"l1", DYNO_CACHE_L1}, {"l2", DYNO_CACHE_L2}, {"l3", DYNO_CACHE_L3}};
enum { LEVEL_COUNT = sizeof level_names / sizeof *level_names };

static unsigned level_of(const char *text, size_t length)
{
  for (size_t i = 0; i < LEVEL_COUNT; i++)
    if (length == strlen(level_names[i].name) && memcmp(text, level_names[i].name, length) == 0)
      return level_names[i].level;
  return 0;
}

dyno_status dyno_cache_levels_parse(unsigned *levels, const char *text, const char *name,
                                    dyno_error *error)
{
  unsigned found = strcmp(text, "on") == 0 ? DYNO_CACHE_ALL : 0;
  bool listed = found == 0 && strcmp(text, "off") != 0;
  for (const char *from = text; listed; from++) {
    size_t length = strcspn(from, ",");
    unsigned level = level_of(from, length);
    if (level == 0)
      return dyno_fail(error, DYNO_ERROR_USAGE, "%s=%s: off, on or a list of l1, l2, l3 is wanted",
                       name, text);
    found |= level;
    from += length;
    listed = *from == ',';
  }
  if ((found & DYNO_CACHE_L3) != 0 && (found & DYNO_CACHE_L2) == 0)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s=%s: l3 holds what leaves l2, which is wanted with it", name, text);
  *levels = found;
  return DYNO_OK;
}

dyno_status dyno_cache_size_parse(size_t *size, const char *text, const char *name,
                                  dyno_error *error)
{
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < 1 ||
      number > DYNO_CACHE_MOST_SIZE)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s=%s: a number of MiB from 1 to %zu is wanted",
                     name, text, DYNO_CACHE_MOST_SIZE);
  *size = (size_t)number;
  return DYNO_OK;
}

/* Decimal only: strtod would also take "inf", "nan", and hexadecimal. */
dyno_status dyno_cache_threshold_parse(double *threshold, const char *text, const char *name,
                                       dyno_error *error)
{
  char *end;
  double number = strtod(text, &end);
  if (*text == '\0' || text[strspn(text, "0123456789.")] != '\0' || *end != '\0' ||
      !(number >= DYNO_CACHE_LEAST_THRESHOLD && number <= 1))
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s=%s: a share from %g to 1 is wanted", name, text,
                     DYNO_CACHE_LEAST_THRESHOLD);
  *threshold = number;
  return DYNO_OK;
}
