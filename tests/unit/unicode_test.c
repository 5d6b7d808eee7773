/* The table of classes against utf8proc. The two know different versions of Unicode: a code point
 * that one of them has not heard of is OTHER to it, and proves nothing. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <utf8proc.h>

#include "runtime/text/pretokenize.h"
#include "runtime/text/unicode.h"

static unsigned class_by_utf8proc(uint32_t code_point)
{
  if (code_point == '\r' || code_point == '\n')
    return DYNO_CLASS_NEWLINE;
  if ((code_point >= '\t' && code_point <= '\r') || code_point == 0x85)
    return DYNO_CLASS_SPACE;
  switch (utf8proc_category((utf8proc_int32_t)code_point)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LT:
    return DYNO_CLASS_UPPER;
  case UTF8PROC_CATEGORY_LL:
    return DYNO_CLASS_LOWER;
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return DYNO_CLASS_CASELESS;
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
    return DYNO_CLASS_MARK;
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return DYNO_CLASS_NUMBER;
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return DYNO_CLASS_SPACE;
  default:
    return DYNO_CLASS_OTHER;
  }
}

Test(unicode, classes_are_those_of_utf8proc)
{
  dyno_unicode *unicode = NULL;
  cr_assert(dyno_unicode_create(&unicode, NULL) == DYNO_OK, "not made");
  size_t letters = 0, unknown_to_one = 0;
  for (uint32_t c = 0; c <= 0x10ffff; c++) {
    unsigned class = dyno_unicode_class(unicode, c), theirs = class_by_utf8proc(c);
    letters += (class & (DYNO_CLASS_UPPER | DYNO_CLASS_LOWER | DYNO_CLASS_CASELESS)) != 0;
    if (class == theirs)
      continue;
    bool assigned = utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_CN;
    cr_assert(!assigned || class == DYNO_CLASS_OTHER, "U+%04X is of class %u, not %u", (unsigned)c,
              class, theirs);
    unknown_to_one++;
  }
  cr_assert(letters > 130000, "only %zu letters", letters);
  cr_assert(unknown_to_one < 20000, "%zu code points are unknown to one", unknown_to_one);
  free(unicode);
}

Test(unicode, ascii_bytes_have_the_class_of_their_character)
{
  dyno_unicode *unicode = NULL;
  cr_assert(dyno_unicode_create(&unicode, NULL) == DYNO_OK, "not made");
  for (uint32_t c = 0; c < 256; c++)
    cr_assert(unicode->ascii[c] == (c < 128 ? class_by_utf8proc(c) : 0), "byte %u", (unsigned)c);
  free(unicode);
}

typedef struct split_case {
  const char *text;
  const char *pieces; /* the same text with a bar where it is cut */
} split_case;

/* What the vectors of tiktoken cover, too, but here one sees it. */
static const split_case splits[] = {
    {"Hello world", "Hello| world"},
    {"don't DON'T", "don't| DON'T"},
    {"we'Ll", "we'Ll"},
    {"s'\xc5\xbfx", "s'\xc5\xbf|x"},
    {"HTTPServer", "HTTPServer"},
    {"camelCase", "camel|Case"},
    {"12345", "123|45"},
    {"a  b", "a| | b"},
    {"a \n b", "a| \n| b"},
    {"a  ", "a|  "},
    {"!!\n/\nx", "!!\n/\n|x"},
    {"\t\tx", "\t|\tx"},
    {"(foo)", "(foo|)"},
    {"\xcc\x81"
     "AB",
     "\xcc\x81|AB"},
    {"A\xe4\xb8\xad"
     "BC",
     "A\xe4\xb8\xad|BC"},
    {"x\xff\xfey", "x|\xff\xfe|y"},
};

Test(unicode, splits_as_the_pattern_says)
{
  dyno_unicode *unicode = NULL;
  cr_assert(dyno_unicode_create(&unicode, NULL) == DYNO_OK, "not made");
  for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
    const char *text = splits[i].text;
    char joined[64];
    size_t end = strlen(text), written = 0;
    for (size_t at = 0; at < end;) {
      size_t length = dyno_pretokenize(unicode, text, at, end);
      if (at > 0)
        joined[written++] = '|';
      memcpy(joined + written, text + at, length);
      written += length;
      at += length;
    }
    joined[written] = '\0';
    cr_assert(strcmp(joined, splits[i].pieces) == 0, "case %zu: %s", i, joined);
  }
  free(unicode);
}
