#include <criterion/criterion.h>

#include <string.h>

#include "runtime/text/utf8.h"

/* Every code point both ways, and surrogates refused. */
Test(utf8, every_code_point_comes_back)
{
  for (uint32_t wanted = 0; wanted <= 0x10ffff; wanted++) {
    char text[4];
    size_t length = dyno_utf8_encode(text, wanted);
    uint32_t got = 0xffffffff;
    size_t read = dyno_utf8_decode(&got, text, length);
    if (wanted >= 0xd800 && wanted <= 0xdfff)
      cr_assert(read == 0, "surrogate %x taken", (unsigned)wanted);
    else
      cr_assert(read == length && got == wanted, "%x came back as %x", (unsigned)wanted,
                (unsigned)got);
    for (size_t shorter = 0; shorter < length; shorter++)
      cr_assert(dyno_utf8_decode(&got, text, shorter) == 0, "%x cut to %zu bytes taken",
                (unsigned)wanted, shorter);
  }
}

typedef struct replacement_case {
  const char *bytes, *wanted;
} replacement_case;

#define R "\xef\xbf\xbd"
/* The examples of the Unicode Standard 15.0, tables 3-8 to 3-11, and truncated ones. */
static const replacement_case replacements[] = {
    {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A"},
    {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A"},
    {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B"},
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A"},
    {"\xf0\x9f\x98", R},
    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    {"\xe2\x82", R},
    {"\xc3\xc3\xa9", R "\xc3\xa9"},
};

Test(utf8, ill_formed_bytes_are_replaced_as_the_standard_says)
{
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
    const replacement_case *c = &replacements[i];
    size_t bytes = strlen(c->bytes);
    for (size_t piece = 1; piece <= bytes; piece++) {
      dyno_utf8_stream stream = {0};
      char out[64];
      size_t written = 0;
      for (size_t at = 0; at < bytes; at += piece)
        written += dyno_utf8_stream_push(&stream, out + written, c->bytes + at,
                                         bytes - at < piece ? bytes - at : piece);
      written += dyno_utf8_stream_finish(&stream, out + written);
      cr_assert(written == strlen(c->wanted) && memcmp(out, c->wanted, written) == 0,
                "case %zu in pieces of %zu: %.*s", i, piece, (int)written, out);
    }
  }
}

Test(utf8, a_character_is_held_back_until_it_is_whole)
{
  dyno_utf8_stream stream = {0};
  char out[16];
  cr_assert(dyno_utf8_stream_push(&stream, out, "a\xf0\x9f", 3) == 1, "the a alone is complete");
  cr_assert(dyno_utf8_stream_push(&stream, out, "\x98", 1) == 0, "one byte is still missing");
  cr_assert(dyno_utf8_stream_push(&stream, out, "\x80", 1) == 4, "now it is whole");
  cr_assert(memcmp(out, "\xf0\x9f\x98\x80", 4) == 0, "and it is the one");
  cr_assert(dyno_utf8_stream_finish(&stream, out) == 0, "nothing is left");
}
