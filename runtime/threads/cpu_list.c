#include "runtime/threads/cpu_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strtoul would take blanks and signs too. */
static bool parse_number(unsigned long *number, const char **text)
{
  char *end;
  if (**text < '0' || **text > '9')
    return false;
  errno = 0;
  *number = strtoul(*text, &end, 10);
  *text = end;
  return errno == 0;
}

static bool parse_ranges(dyno_cpu_list *list, const char *text)
{
  while (*text != '\0' && *text != '\n') {
    unsigned long first, last;
    if (!parse_number(&first, &text))
      return false;
    last = first;
    if (*text == '-') {
      text++;
      if (!parse_number(&last, &text) || last < first)
        return false;
    }
    for (unsigned long cpu = first; cpu <= last && cpu < DYNO_MOST_CPUS; cpu++)
      list->has[cpu] = true;
    if (*text == ',' && text[1] >= '0' && text[1] <= '9')
      text++;
    else if (*text != '\0' && *text != '\n')
      return false;
  }
  return true;
}

bool dyno_cpu_list_parse(dyno_cpu_list *list, const char *text)
{
  *list = (dyno_cpu_list){0};
  bool parsed = parse_ranges(list, text);
  if (!parsed)
    *list = (dyno_cpu_list){0};
  return parsed;
}

bool dyno_read_line(char *text, size_t size, const char *path)
{
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return false;
  bool whole = fgets(text, (int)size, file) != NULL &&
               (strchr(text, '\n') != NULL || strlen(text) + 1 < size);
  fclose(file);
  if (whole)
    text[strcspn(text, "\n")] = '\0';
  return whole;
}
