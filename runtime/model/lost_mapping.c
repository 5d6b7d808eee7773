/* What the process says before it ends when a mapped file was cut short under it. Everything here
 * runs in a signal handler: no allocation, no stdio, no locks. The name of the file comes from
 * /proc/self/maps, so that nothing has to be kept for the handler. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "runtime/model/mapped_file.h"

enum { LINE_BYTES = 4352 }; /* the columns of a line of maps and a path of PATH_MAX */

static void print(const char *text)
{
  size_t left = strlen(text);
  while (left > 0) {
    ssize_t written = write(STDERR_FILENO, text, left);
    if (written <= 0)
      return;
    text += written;
    left -= (size_t)written;
  }
}

static void print_number(uint64_t number)
{
  char digits[21];
  size_t at = sizeof digits - 1;
  digits[at] = '\0';
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  print(digits + at);
}

static const char *parse_hex(uint64_t *number, const char *text)
{
  *number = 0;
  for (;; text++) {
    unsigned digit = (unsigned char)*text;
    if (digit >= '0' && digit <= '9')
      *number = *number * 16 + (digit - '0');
    else if (digit >= 'a' && digit <= 'f')
      *number = *number * 16 + (digit - 'a' + 10);
    else
      return text;
  }
}

/* A line is "start-end rwxp offset major:minor inode   path". Prints the path and the offset of
 * address in it when it lies in a mapped file. */
static int report_line(const char *line, uint64_t address)
{
  uint64_t start, end, offset;
  line = parse_hex(&start, line);
  if (*line != '-')
    return 0;
  line = parse_hex(&end, line + 1);
  const char *path = strchr(line, '/');
  if (address < start || address >= end || path == NULL || strlen(line) < 6)
    return 0;
  parse_hex(&offset, line + 6);
  print("dyno: ");
  print(path);
  print(": cannot read it at offset ");
  print_number(offset + (address - start));
  print(" any more: the file became shorter while it was in use, or its disk failed\n");
  return 1;
}

static int report(uint64_t address)
{
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0)
    return 0;
  char line[LINE_BYTES];
  size_t length = 0;
  char byte;
  int found = 0;
  while (!found && read(maps, &byte, 1) == 1) {
    if (byte != '\n') {
      if (length < sizeof line - 1)
        line[length++] = byte;
      continue;
    }
    line[length] = '\0';
    length = 0;
    found = report_line(line, address);
  }
  close(maps);
  return found;
}

static void handle(int number, siginfo_t *info, void *context)
{
  (void)context;
  if (info->si_code == BUS_ADRERR && report((uint64_t)(uintptr_t)info->si_addr))
    _exit(1);
  /* Not a mapped file: let it be the crash it is, when the instruction is run again. */
  signal(number, SIG_DFL);
}

void dyno_report_lost_mappings(void)
{
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
