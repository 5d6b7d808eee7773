#include <stdlib.h>
#include <string.h>

#include "runtime/memory/allocator_internal.h"

/* NEW: NaN in F32 and BF16, -1 as an integer. OLD: some -1e38. */
enum { RED = 0xfd, NEW = 0xff, OLD = 0xfe };

_Noreturn void dyno_fault_foreign(const void *pointer)
{
  fprintf(stderr, "dyno: memory at %p was released, where no block begins\n", pointer);
  abort();
}

_Noreturn void dyno_fault_twice(const void *pointer, size_t bytes, dyno_purpose purpose)
{
  fprintf(stderr, "dyno: memory at %p, %zu bytes for %s, was released twice\n", pointer, bytes,
          dyno_purpose_name(purpose));
  abort();
}

void dyno_red_zone_fill(void *data, size_t bytes)
{
  memset(data, RED, bytes);
}

void dyno_red_zone_check(const void *data, size_t bytes, const dyno_grant *block, bool before)
{
  const unsigned char *zone = data;
  for (size_t i = 0; i < bytes; i++) {
    size_t at = before ? bytes - 1 - i : i;
    if (zone[at] == RED)
      continue;
    fprintf(stderr, "dyno: memory at %p, %zu bytes for %s, was written to %zu bytes %s\n",
            block->data, block->bytes, dyno_purpose_name(block->purpose), i + 1,
            before ? "before its beginning" : "beyond its end");
    abort();
  }
}

void dyno_fill_new(void *data, size_t bytes)
{
  memset(data, NEW, bytes);
}

void dyno_fill_old(void *data, size_t bytes)
{
  memset(data, OLD, bytes);
}
