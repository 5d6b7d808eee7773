#include "runtime/cache/block_codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

enum {
  MAGIC = 0x42564b44, /* "DKVB" */
  MOST_PLANES = 4,
  BYTE_VALUES = 256,
};

#define MOST_BLOCK ((size_t)1 << 30)

/* Codes of whole bits lose a little on the entropy. What would gain less than this is kept as it
 * is: it is not worth the time to restore it. */
#define LEAST_GAIN 0.02

/* A plane is deflated as blocks of this many bytes, each with codes of its own: 2^(LEVEL + 6). */
enum { MEMORY_LEVEL = 9 };

/* As it lies in the encoding; the machines this runs on are little-endian. */
typedef struct block_header {
  uint32_t magic;
  uint16_t version, element_bytes;
  uint64_t block_bytes, checksum;
  uint32_t plane_bytes[MOST_PLANES];
} block_header;

_Static_assert(sizeof(block_header) == DYNO_BLOCK_HEADER_BYTES, "as documented");

struct dyno_block_codec {
  size_t element_bytes, block_bytes;
  size_t plane_bytes;
  uint8_t *planes; /* [element_bytes][plane_bytes] */
  z_stream deflater, inflater;
};

static dyno_status out_of_memory(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "compression of keys and values: out of memory");
}

dyno_status dyno_block_codec_open(dyno_block_codec **codec, size_t element_bytes,
                                  size_t block_bytes, dyno_error *error)
{
  *codec = NULL;
  if ((element_bytes != 1 && element_bytes != 2 && element_bytes != 4) || block_bytes == 0 ||
      block_bytes % element_bytes != 0 || block_bytes > MOST_BLOCK)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "blocks of %zu bytes with elements of %zu cannot be compressed", block_bytes,
                     element_bytes);
  dyno_block_codec *made = calloc(1, sizeof *made);
  if (made == NULL)
    return out_of_memory(error);
  made->element_bytes = element_bytes;
  made->block_bytes = block_bytes;
  made->plane_bytes = block_bytes / element_bytes;
  made->planes = malloc(block_bytes);
  bool ready = made->planes != NULL;
  /* The window is only passed through, but the smaller it is, the oftener zlib moves its tables. */
  ready = ready && deflateInit2(&made->deflater, 1, Z_DEFLATED, -MAX_WBITS, MEMORY_LEVEL,
                                Z_HUFFMAN_ONLY) == Z_OK;
  ready = ready && inflateInit2(&made->inflater, -MAX_WBITS) == Z_OK;
  if (!ready)
    dyno_block_codec_close(&made);
  *codec = made;
  return ready ? DYNO_OK : out_of_memory(error);
}

void dyno_block_codec_close(dyno_block_codec **codec)
{
  dyno_block_codec *closing = *codec;
  if (closing == NULL)
    return;
  deflateEnd(&closing->deflater);
  inflateEnd(&closing->inflater);
  free(closing->planes);
  free(closing);
  *codec = NULL;
}

/* zlib's manual (zconf.h) has the formulas: of deflate, (1 << (windowBits + 2)) + (1 << (memLevel +
 * 9)), of inflate, (1 << windowBits) + 7 KB; and a few for its states. */
size_t dyno_block_codec_bytes(size_t block_bytes)
{
  size_t deflater = ((size_t)1 << (MAX_WBITS + 2)) + ((size_t)1 << (MEMORY_LEVEL + 9));
  size_t inflater = ((size_t)1 << MAX_WBITS) + (7 << 10);
  return sizeof(dyno_block_codec) + deflater + inflater + (8 << 10) + block_bytes;
}

size_t dyno_block_codec_bound(size_t block_bytes)
{
  return DYNO_BLOCK_HEADER_BYTES + block_bytes;
}

static void split_2(uint8_t *planes, const uint8_t *block, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    uint16_t word;
    memcpy(&word, block + 2 * i, sizeof word);
    planes[i] = (uint8_t)(word << 1 | word >> 15);
    planes[count + i] = (uint8_t)(word >> 7);
  }
}

static void merge_2(uint8_t *block, const uint8_t *const *planes, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    unsigned turned = planes[0][i] | (unsigned)planes[1][i] << 8;
    uint16_t word = (uint16_t)(turned >> 1 | turned << 15);
    memcpy(block + 2 * i, &word, sizeof word);
  }
}

static void split_4(uint8_t *planes, const uint8_t *block, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, block + 4 * i, sizeof word);
    word = word << 1 | word >> 31;
    for (size_t p = 0; p < 4; p++)
      planes[p * count + i] = (uint8_t)(word >> 8 * p);
  }
}

static void merge_4(uint8_t *block, const uint8_t *const *planes, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    uint32_t word = planes[0][i] | (uint32_t)planes[1][i] << 8 | (uint32_t)planes[2][i] << 16 |
                    (uint32_t)planes[3][i] << 24;
    word = word >> 1 | word << 31;
    memcpy(block + 4 * i, &word, sizeof word);
  }
}

static void split(dyno_block_codec *codec, const uint8_t *block)
{
  if (codec->element_bytes == 4)
    split_4(codec->planes, block, codec->plane_bytes);
  else if (codec->element_bytes == 2)
    split_2(codec->planes, block, codec->plane_bytes);
  else
    memcpy(codec->planes, block, codec->plane_bytes);
}

static void merge(uint8_t *block, const dyno_block_codec *codec, const uint8_t *const *planes)
{
  if (codec->element_bytes == 4)
    merge_4(block, planes, codec->plane_bytes);
  else if (codec->element_bytes == 2)
    merge_2(block, planes, codec->plane_bytes);
  else
    memcpy(block, planes[0], codec->plane_bytes);
}

/* Whether codes for single bytes would make a plane smaller. Four tables, so that equal neighbours
 * do not wait for each other. */
static bool is_worth_deflating(const uint8_t *plane, size_t bytes)
{
  uint32_t counts[4][BYTE_VALUES] = {{0}};
  for (size_t i = 0; i < bytes; i++)
    counts[i % 4][plane[i]]++;
  double bits = 0;
  for (size_t v = 0; v < BYTE_VALUES; v++) {
    uint32_t count = counts[0][v] + counts[1][v] + counts[2][v] + counts[3][v];
    if (count > 0)
      bits += count * log2((double)bytes / count);
  }
  return bits < 8 * (1 - LEAST_GAIN) * (double)bytes;
}

/* Returns the bytes written, `bytes` of them when the plane is kept as it is. */
static size_t encode_plane(dyno_block_codec *codec, uint8_t *to, uint8_t *plane, size_t bytes)
{
  if (is_worth_deflating(plane, bytes)) {
    z_stream *stream = &codec->deflater;
    deflateReset(stream);
    stream->next_in = plane;
    stream->avail_in = (uInt)bytes;
    stream->next_out = to;
    stream->avail_out = (uInt)bytes - 1;
    if (deflate(stream, Z_FINISH) == Z_STREAM_END)
      return bytes - 1 - stream->avail_out;
  }
  memcpy(to, plane, bytes);
  return bytes;
}

size_t dyno_block_encode(dyno_block_codec *codec, uint8_t *encoded, const void *block)
{
  block_header header = {
      .magic = MAGIC,
      .version = DYNO_BLOCK_CODEC_VERSION,
      .element_bytes = (uint16_t)codec->element_bytes,
      .block_bytes = codec->block_bytes,
      .checksum = XXH3_64bits(block, codec->block_bytes),
  };
  size_t size = sizeof header;
  split(codec, block);
  for (size_t p = 0; p < codec->element_bytes; p++) {
    uint8_t *plane = codec->planes + p * codec->plane_bytes;
    header.plane_bytes[p] =
        (uint32_t)encode_plane(codec, encoded + size, plane, codec->plane_bytes);
    size += header.plane_bytes[p];
  }
  memcpy(encoded, &header, sizeof header);
  return size;
}

static dyno_status check_header(const dyno_block_codec *codec, const block_header *header,
                                uint64_t origin, dyno_error *error)
{
  const struct {
    const char *field;
    size_t offset;
    uint64_t is, wanted;
  } fields[] = {
      {"magic", offsetof(block_header, magic), header->magic, MAGIC},
      {"version", offsetof(block_header, version), header->version, DYNO_BLOCK_CODEC_VERSION},
      {"bytes of an element", offsetof(block_header, element_bytes), header->element_bytes,
       codec->element_bytes},
      {"bytes of the block", offsetof(block_header, block_bytes), header->block_bytes,
       codec->block_bytes},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (fields[i].is != fields[i].wanted)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "offset %" PRIu64 ": block: %s is %" PRIu64 "; %" PRIu64 " is wanted",
                       origin + fields[i].offset, fields[i].field, fields[i].is, fields[i].wanted);
  return DYNO_OK;
}

/* The planes must fill what follows the header, to the byte. */
static dyno_status check_planes(const dyno_block_codec *codec, const block_header *header,
                                size_t size, uint64_t origin, dyno_error *error)
{
  uint64_t total = sizeof *header;
  for (size_t p = 0; p < MOST_PLANES; p++) {
    size_t most = p < codec->element_bytes ? codec->plane_bytes : 0;
    if (header->plane_bytes[p] > most || (most > 0 && header->plane_bytes[p] == 0))
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "offset %" PRIu64 ": block: plane %zu has %" PRIu32
                       " bytes; %d to %zu are possible",
                       origin + offsetof(block_header, plane_bytes) + p * sizeof(uint32_t), p,
                       header->plane_bytes[p], most > 0, most);
    total += header->plane_bytes[p];
  }
  if (total == size)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "offset %" PRIu64 ": block: it has %zu bytes, and its planes make it %" PRIu64,
                   origin, size, total);
}

/* Into exactly the bytes of a plane, from exactly those given. */
static dyno_status inflate_plane(dyno_block_codec *codec, uint8_t *plane, const uint8_t *from,
                                 size_t size, uint64_t origin, dyno_error *error)
{
  z_stream *stream = &codec->inflater;
  inflateReset(stream);
  stream->next_in = (uint8_t *)(uintptr_t)from; /* zlib reads only */
  stream->avail_in = (uInt)size;
  stream->next_out = plane;
  stream->avail_out = (uInt)codec->plane_bytes;
  int result = inflate(stream, Z_FINISH);
  if (result == Z_STREAM_END && stream->avail_in == 0 && stream->avail_out == 0)
    return DYNO_OK;
  const char *why = result == Z_MEM_ERROR    ? "out of memory"
                    : result == Z_DATA_ERROR ? "it is no deflate stream"
                    : result != Z_STREAM_END ? "it does not end where it should"
                    : stream->avail_in > 0   ? "bytes follow its end"
                                             : "it ends too early";
  return dyno_fail(error, result == Z_MEM_ERROR ? DYNO_ERROR_MEMORY : DYNO_ERROR_FORMAT,
                   "offset %" PRIu64 ": block: deflated plane: %s",
                   origin + (size - stream->avail_in), why);
}

dyno_status dyno_block_decode(dyno_block_codec *codec, void *block, const uint8_t *encoded,
                              size_t size, uint64_t origin, dyno_error *error)
{
  block_header header;
  if (size < sizeof header)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "offset %" PRIu64 ": block: %zu bytes are less than a header of %zu", origin,
                     size, sizeof header);
  memcpy(&header, encoded, sizeof header);
  dyno_status status = check_header(codec, &header, origin, error);
  if (status == DYNO_OK)
    status = check_planes(codec, &header, size, origin, error);
  const uint8_t *planes[MOST_PLANES] = {NULL};
  size_t at = sizeof header;
  for (size_t p = 0; p < codec->element_bytes && status == DYNO_OK; p++) {
    uint8_t *plane = codec->planes + p * codec->plane_bytes;
    bool raw = header.plane_bytes[p] == codec->plane_bytes;
    planes[p] = raw ? encoded + at : plane;
    if (!raw)
      status = inflate_plane(codec, plane, encoded + at, header.plane_bytes[p], origin + at, error);
    at += header.plane_bytes[p];
  }
  if (status != DYNO_OK)
    return status;
  merge(block, codec, planes);
  if (XXH3_64bits(block, codec->block_bytes) == header.checksum)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "offset %" PRIu64 ": block: it does not have its checksum",
                   origin + offsetof(block_header, checksum));
}
