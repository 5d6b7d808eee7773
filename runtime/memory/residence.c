#include "runtime/memory/residence.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* linux/fs.h, which many distributions have from an older kernel. */
typedef struct page_region {
  uint64_t start, end, categories;
} page_region;

typedef struct scan_argument {
  uint64_t size, flags, start, end, walk_end, regions, region_count, most_pages;
  uint64_t category_inverted, category_mask, category_any, return_mask;
} scan_argument;

#define SCAN _IOWR('f', 16, scan_argument)
enum { IS_PRESENT = 1 << 3, IS_HUGE = 1 << 6 };

static uint64_t page_size(void)
{
  return (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool scan(dyno_residence *found, uint64_t start, uint64_t end)
{
  enum { REGIONS = 256 };
  page_region regions[REGIONS];
  uint64_t page = page_size();
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0)
    return false;
  scan_argument argument = {
      .size = sizeof argument,
      .start = start & ~(page - 1),
      .end = (end + page - 1) & ~(page - 1),
      .regions = (uintptr_t)regions,
      .region_count = REGIONS,
      .category_mask = IS_PRESENT,
      .return_mask = IS_PRESENT | IS_HUGE,
  };
  bool done = false;
  while (!done) {
    int count = ioctl(pagemap, SCAN, &argument);
    if (count < 0)
      break;
    for (int i = 0; i < count; i++) {
      uint64_t from = regions[i].start > start ? regions[i].start : start;
      uint64_t to = regions[i].end < end ? regions[i].end : end;
      found->resident += to - from;
      found->huge += (regions[i].categories & IS_HUGE) != 0 ? to - from : 0;
    }
    done = argument.walk_end >= argument.end || argument.walk_end <= argument.start;
    argument.start = argument.walk_end;
  }
  close(pagemap);
  return done;
}

/* A mapping of /proc/self/smaps: "start-end perms ..." and then a line for each figure. */
typedef struct mapping {
  uint64_t start, end, resident, huge;
} mapping;

static void add_mapping(dyno_residence *found, const mapping *of, uint64_t start, uint64_t end)
{
  uint64_t from = of->start > start ? of->start : start;
  uint64_t to = of->end < end ? of->end : end;
  if (from >= to)
    return;
  double share = (double)(to - from) / (double)(of->end - of->start);
  found->resident += (uint64_t)((double)of->resident * share);
  found->huge += (uint64_t)((double)of->huge * share);
}

static bool read_smaps(dyno_residence *found, uint64_t start, uint64_t end)
{
  FILE *file = fopen("/proc/self/smaps", "re");
  if (file == NULL)
    return false;
  static const char *const huge_names[] = {"AnonHugePages: %" SCNu64, "FilePmdMapped: %" SCNu64,
                                           "ShmemPmdMapped: %" SCNu64};
  char line[512];
  mapping of = {0};
  while (fgets(line, sizeof line, file) != NULL) {
    mapping next = {0};
    uint64_t kilobytes;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &next.start, &next.end) == 2) {
      add_mapping(found, &of, start, end);
      of = next;
    }
    if (sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1)
      of.resident += kilobytes * 1024;
    for (size_t i = 0; i < sizeof huge_names / sizeof *huge_names; i++)
      if (sscanf(line, huge_names[i], &kilobytes) == 1)
        of.huge += kilobytes * 1024;
  }
  add_mapping(found, &of, start, end);
  fclose(file);
  return true;
}

bool dyno_residence_add(dyno_residence *sum, const void *data, size_t size)
{
  uint64_t start = (uintptr_t)data, end = start + size;
  dyno_residence found = {.bytes = size};
  if (!scan(&found, start, end)) {
    found = (dyno_residence){.bytes = size};
    if (!read_smaps(&found, start, end))
      return false;
  }
  sum->bytes += found.bytes;
  sum->resident += found.resident;
  sum->huge += found.huge;
  return true;
}

uint64_t dyno_free_memory(void)
{
  struct sysinfo info;
  return sysinfo(&info) == 0 ? (uint64_t)info.freeram * info.mem_unit : 0;
}
