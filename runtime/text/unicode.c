#include "config.h"

#include "runtime/text/unicode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct run {
  uint32_t first;
  uint8_t class;
} run;

enum {
  UPPER = DYNO_CLASS_UPPER,
  LOWER = DYNO_CLASS_LOWER,
  CASELESS = DYNO_CLASS_CASELESS,
  MARK = DYNO_CLASS_MARK,
  NUMBER = DYNO_CLASS_NUMBER,
  NEWLINE = DYNO_CLASS_NEWLINE,
  SPACE = DYNO_CLASS_SPACE,
  OTHER = DYNO_CLASS_OTHER,
};

static const run runs[] = {
#include "runtime/text/unicode_classes.inc"
};
enum {
  RUN_COUNT = sizeof runs / sizeof *runs,
  PAGE = DYNO_UNICODE_PAGE,
  PAGE_COUNT = 0x110000 / PAGE,
};

/* Fills the page that begins at code point first; *at is the run that first lies in, and is moved
 * on to the one of the next page. */
static void fill_page(uint8_t *page, uint32_t first, size_t *at)
{
  for (uint32_t i = 0; i < PAGE; i++) {
    while (*at + 1 < RUN_COUNT && runs[*at + 1].first <= first + i)
      ++*at;
    page[i] = runs[*at].class;
  }
}

/* Writes the pages that differ from their predecessors' to pages and returns how many there are.
 * Only uniform pages (all letters, all unassigned, ...) are worth sharing. */
static size_t flatten(uint16_t *page_of, uint8_t (*pages)[PAGE])
{
  uint16_t uniform_page[256];
  memset(uniform_page, 0xff, sizeof uniform_page);
  size_t count = 0, at = 0;
  for (uint32_t i = 0; i < PAGE_COUNT; i++) {
    uint8_t *page = pages[count];
    fill_page(page, i * PAGE, &at);
    bool uniform = memcmp(page, page + 1, PAGE - 1) == 0;
    if (uniform && uniform_page[page[0]] != 0xffff) {
      page_of[i] = uniform_page[page[0]];
      continue;
    }
    page_of[i] = (uint16_t)count++;
    if (uniform)
      uniform_page[page[0]] = page_of[i];
  }
  return count;
}

dyno_status dyno_unicode_create(dyno_unicode **unicode, dyno_error *error)
{
  *unicode = NULL;
  dyno_unicode *made = malloc(sizeof *made + sizeof(uint8_t[PAGE_COUNT][PAGE]));
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for the Unicode classes");
  size_t count = flatten(made->page_of, made->pages);
  for (size_t byte = 0; byte < 256; byte++)
    made->ascii[byte] = byte < 0x80 ? (uint8_t)dyno_unicode_class(made, (uint32_t)byte) : 0;
  dyno_unicode *shrunk = realloc(made, sizeof *made + count * sizeof *made->pages);
  *unicode = shrunk != NULL ? shrunk : made;
  return DYNO_OK;
}
