/* UTF-8 in pieces: the output is well-formed and does not depend on where the pieces end. The
 * first byte chooses how the rest is cut. */
#include "config.h"

#include <string.h>

#include "runtime/text/utf8.h"
#include "tests/fuzz/target.h"

static size_t decode(char *out, const char *text, size_t size, size_t piece)
{
  dyno_utf8_stream stream = {0};
  size_t written = 0;
  for (size_t at = 0; at < size; at += piece) {
    size_t n = size - at < piece ? size - at : piece;
    written += dyno_utf8_stream_push(&stream, out + written, text + at, n);
  }
  return written + dyno_utf8_stream_finish(&stream, out + written);
}

static void require_well_formed(const char *text, size_t size)
{
  for (size_t at = 0; at < size;) {
    uint32_t code_point = 0;
    size_t length = dyno_utf8_decode(&code_point, text + at, size - at);
    FUZZ_REQUIRE(length > 0);
    char again[4];
    FUZZ_REQUIRE(dyno_utf8_encode(again, code_point) == length);
    FUZZ_REQUIRE(memcmp(again, text + at, length) == 0);
    at += length;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  const char *text = (const char *)data + 1;
  size_t bytes = size - 1;
  size_t room = DYNO_UTF8_STREAM_BYTES(bytes);
  char *whole = malloc(room), *cut = malloc(room);
  if (whole != NULL && cut != NULL) {
    size_t a = decode(whole, text, bytes, bytes + 1);
    size_t b = decode(cut, text, bytes, data[0] % 7u + 1);
    FUZZ_REQUIRE(a == b && memcmp(whole, cut, a) == 0);
    require_well_formed(whole, a);
  }
  free(whole);
  free(cut);
  return 0;
}
