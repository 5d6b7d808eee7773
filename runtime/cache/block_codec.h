/* Blocks of keys and values, made smaller and back to the same bits.
 *
 * Of a BF16 or F32 number the exponent is one of a few, and the rest is as good as noise. So a word
 * is turned left by one bit, which brings its exponent into one byte, and the bytes of a place are
 * put into a plane of their own. A plane is deflated by zlib (RFC 1951) with Huffman codes alone:
 * in keys and values there are no strings to be found again, and a search for them makes it three
 * times slower and larger too. A plane that its bytes' entropy would not make smaller is kept as it
 * is. The elements stay in the order of kernels/base/kv_block.h: neither one dimension's numbers
 * side by side nor differences to the token before make it smaller (docs/cache.md has the figures).
 * One-byte elements are one plane.
 *
 * An encoded block, in little-endian order:
 *
 *    0  u32  magic, "DKVB"
 *    4  u16  version, 1
 *    6  u16  bytes of an element: 1, 2 or 4, as many as there are planes
 *    8  u64  bytes of the block
 *   16  u64  XXH3, 64 bits, of the block
 *   24  u32  bytes of each plane as kept, [4]: those of a raw plane, fewer when deflated; 0 where
 *            there is none
 *   40       the planes, that of the least significant byte first */
#ifndef DYNO_RUNTIME_CACHE_BLOCK_CODEC_H
#define DYNO_RUNTIME_CACHE_BLOCK_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

enum {
  DYNO_BLOCK_CODEC_VERSION = 1,
  DYNO_BLOCK_HEADER_BYTES = 40,
};

/* For blocks of one size, and one thread at a time. */
typedef struct dyno_block_codec dyno_block_codec;

/* element_bytes is 1, 2 or 4; block_bytes a multiple of it, at most 1 GiB. Afterwards
 * nothing is allocated. USAGE, MEMORY; then *codec is NULL. */
dyno_status dyno_block_codec_open(dyno_block_codec **codec, size_t element_bytes,
                                  size_t block_bytes, dyno_error *error);

/* Sets *codec to NULL; NULL is fine. */
void dyno_block_codec_close(dyno_block_codec **codec);

/* Bytes that a codec takes, its streams included. */
size_t dyno_block_codec_bytes(size_t block_bytes);

/* What an encoded block takes at most. */
size_t dyno_block_codec_bound(size_t block_bytes);

/* Writes the block's encoding, and returns its size: at most dyno_block_codec_bound. */
size_t dyno_block_encode(dyno_block_codec *codec, uint8_t *encoded, const void *block);

/* Restores a block from an encoding of exactly `size` bytes, which may come from anywhere. FORMAT,
 * with the offset of what is wrong, counted from `origin`, where the encoding begins in its file;
 * the block is undefined then. Never reads or writes a byte beyond. */
dyno_status dyno_block_decode(dyno_block_codec *codec, void *block, const uint8_t *encoded,
                              size_t size, uint64_t origin, dyno_error *error);

#endif
