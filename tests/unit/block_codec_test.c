/* Encoded blocks come back to the same bits, and whatever else is an error or those bits. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/block_codec.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/fixtures.h"

TestSuite(block_codec, .timeout = 60);

static dyno_block_codec *open_codec(size_t element_bytes, size_t block_bytes)
{
  dyno_block_codec *codec;
  dyno_error error = {0};
  cr_assert(dyno_block_codec_open(&codec, element_bytes, block_bytes, &error) == DYNO_OK, "%s",
            error.message);
  return codec;
}

/* Encodes, decodes from memory of exactly that size, and compares. Returns the encoding's size. */
static size_t round_trip(dyno_block_codec *codec, const uint8_t *block, size_t bytes)
{
  dyno_error error = {0};
  uint8_t *room = allocate(dyno_block_codec_bound(bytes));
  size_t size = dyno_block_encode(codec, room, block);
  cr_assert(size <= dyno_block_codec_bound(bytes), "%zu bytes of %zu", size, bytes);
  uint8_t *encoded = allocate(size), *back = allocate(bytes);
  memcpy(encoded, room, size);
  memset(back, 0xa5, bytes);
  cr_assert(dyno_block_decode(codec, back, encoded, size, 0, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(memcmp(back, block, bytes) == 0, "other bytes came back");
  free(room);
  free(encoded);
  free(back);
  return size;
}

/* Numbers like keys and values shrink by what their exponents are worth; noise does not grow by
 * more than the header; zeros vanish. */
Test(block_codec, round_trips)
{
  static const size_t elements[] = {1, 2, 4};
  static const size_t sizes[] = {4, 64, 1024, 32768, 131072};
  uint64_t state = 1;
  for (size_t e = 0; e < 3; e++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      size_t bytes = sizes[s];
      dyno_block_codec *codec = open_codec(elements[e], bytes);
      uint8_t *block = allocate(bytes);
      cache_fill(block, bytes, elements[e], &state);
      double ratio = (double)round_trip(codec, block, bytes) / (double)bytes;
      if (bytes >= 32768 && elements[e] > 1)
        cr_assert(ratio < (elements[e] == 2 ? 0.70 : 0.85), "elements of %zu: %.3f", elements[e],
                  ratio);
      for (size_t i = 0; i < bytes; i++)
        block[i] = (uint8_t)random_next(&state);
      cr_assert(round_trip(codec, block, bytes) <= bytes + DYNO_BLOCK_HEADER_BYTES);
      memset(block, 0, bytes);
      size_t zeros = round_trip(codec, block, bytes);
      cr_assert(bytes < 1024 || zeros < bytes / 4, "zeros take %zu of %zu bytes", zeros, bytes);
      free(block);
      dyno_block_codec_close(&codec);
    }
}

/* The word, not the number, comes back: NaNs with their payloads, signed zeros, denormals. */
Test(block_codec, keeps_every_word)
{
  dyno_block_codec *codec = open_codec(2, 2 << 16);
  uint16_t *block = allocate(2 << 16);
  for (size_t i = 0; i < 1 << 16; i++)
    block[i] = (uint16_t)i;
  round_trip(codec, (const uint8_t *)block, 2 << 16);
  free(block);
  dyno_block_codec_close(&codec);
}

static dyno_block_codec *small;
static uint8_t block[256], encoding[256 + DYNO_BLOCK_HEADER_BYTES], back[256];
static size_t encoded_bytes;

static void encode_small(void)
{
  uint64_t state = 7;
  small = open_codec(2, sizeof block);
  cache_fill(block, sizeof block, 2, &state);
  encoded_bytes = dyno_block_encode(small, encoding, block);
  cr_assert(encoded_bytes < sizeof block, "it does not shrink: nothing is deflated");
}

/* An error that says where, or the very block. Returns whether it was taken. */
static bool survives(const uint8_t *bytes, size_t size, const char *what, size_t at)
{
  dyno_error error = {0};
  uint8_t *exact = allocate(size);
  memcpy(exact, bytes, size);
  dyno_status status = dyno_block_decode(small, back, exact, size, 1000, &error);
  free(exact);
  if (status == DYNO_OK) {
    cr_assert(memcmp(back, block, sizeof block) == 0, "%s at %zu: another block", what, at);
    return true;
  }
  unsigned long long offset = 0;
  cr_assert(status == DYNO_ERROR_FORMAT, "%s at %zu: %s", what, at, error.message);
  cr_assert(sscanf(error.message, "offset %llu: block: ", &offset) == 1 && offset >= 1000 &&
                offset <= 1000 + size,
            "%s at %zu: %s", what, at, error.message);
  return false;
}

Test(block_codec, every_truncation_is_an_error)
{
  encode_small();
  for (size_t size = 0; size < encoded_bytes; size++)
    cr_assert(!survives(encoding, size, "cut", size), "cut to %zu of %zu: was taken", size,
              encoded_bytes);
  encoding[encoded_bytes] = 0;
  cr_assert(!survives(encoding, encoded_bytes + 1, "longer", 1));
}

Test(block_codec, every_flipped_bit_is_seen)
{
  encode_small();
  size_t taken = 0;
  for (size_t bit = 0; bit < 8 * encoded_bytes; bit++) {
    encoding[bit / 8] ^= (uint8_t)(1u << bit % 8);
    taken += survives(encoding, encoded_bytes, "bit", bit);
    encoding[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  cr_assert(taken < 8, "%zu flipped bits changed nothing: only the last byte's padding may", taken);
  cr_assert(survives(encoding, encoded_bytes, "none", 0), "the encoding itself is refused");
}

/* Every number of the header at values that others have choked on. */
Test(block_codec, hostile_headers)
{
  static const struct {
    size_t at, bytes;
  } fields[] = {{0, 4}, {4, 2}, {6, 2}, {8, 8}, {16, 8}, {24, 4}, {28, 4}, {32, 4}, {36, 4}};
  encode_small();
  for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
    uint64_t is = 0;
    memcpy(&is, encoding + fields[f].at, fields[f].bytes);
    const uint64_t values[] = {0,         1,   is - 1,     is + 1,   128,        129,
                               255,       256, 0x7fffffff, 1u << 31, UINT32_MAX, UINT64_C(1) << 63,
                               UINT64_MAX};
    uint8_t copy[sizeof encoding];
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
      memcpy(copy, encoding, sizeof copy);
      memcpy(copy + fields[f].at, &values[v], fields[f].bytes);
      bool same = memcmp(copy, encoding, encoded_bytes) == 0;
      cr_assert(survives(copy, encoded_bytes, "field", fields[f].at) == same,
                "field at %zu: %llu was taken", fields[f].at, (unsigned long long)values[v]);
    }
  }
}

/* A stream that would inflate to far more than the block is stopped at its last byte: memory of
 * exactly the size shows a sanitizer every step further. */
Test(block_codec, a_bomb_stays_in_its_plane)
{
  dyno_block_codec *large = open_codec(2, 1 << 16);
  uint8_t *zeros = calloc(1, 1 << 16), *bomb = allocate(dyno_block_codec_bound(1 << 16));
  encode_small();
  size_t size = dyno_block_encode(large, bomb, zeros);
  const uint64_t claimed = sizeof block;
  memcpy(bomb + 8, &claimed, sizeof claimed);
  cr_assert(!survives(bomb, size, "a bomb", 0));
  /* The plane alone, short enough for its place. */
  uint32_t plane;
  memcpy(&plane, bomb + 24, sizeof plane);
  uint8_t small_bomb[DYNO_BLOCK_HEADER_BYTES + 256];
  memcpy(small_bomb, encoding, DYNO_BLOCK_HEADER_BYTES);
  uint32_t planes[2] = {plane < 127 ? plane : 127, 128};
  memcpy(small_bomb + 24, planes, sizeof planes);
  memcpy(small_bomb + DYNO_BLOCK_HEADER_BYTES, bomb + DYNO_BLOCK_HEADER_BYTES, planes[0]);
  memset(small_bomb + DYNO_BLOCK_HEADER_BYTES + planes[0], 0, 128);
  cr_assert(!survives(small_bomb, DYNO_BLOCK_HEADER_BYTES + planes[0] + 128, "a small bomb", 0));
  free(zeros);
  free(bomb);
  dyno_block_codec_close(&large);
}

Test(block_codec, refuses_shapes_that_make_no_sense)
{
  static const size_t shapes[][2] = {
      {0, 64}, {3, 63}, {8, 64}, {2, 0}, {2, 63}, {4, 66}, {1, ((size_t)1 << 30) + 1}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    dyno_block_codec *codec;
    dyno_error error = {0};
    cr_assert(dyno_block_codec_open(&codec, shapes[i][0], shapes[i][1], &error) == DYNO_ERROR_USAGE,
              "%zu, %zu", shapes[i][0], shapes[i][1]);
    cr_assert(codec == NULL);
  }
}
