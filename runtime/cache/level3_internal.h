/* Shared by the parts of L3. */
#ifndef DYNO_RUNTIME_CACHE_LEVEL3_INTERNAL_H
#define DYNO_RUNTIME_CACHE_LEVEL3_INTERNAL_H

#include "kernels/base/buffer.h"
#include "runtime/cache/compressor.h"
#include "runtime/cache/level3.h"

struct dyno_level3 {
  dyno_prefix *prefix;
  dyno_budget *budget;
  dyno_pool *pool;
  dyno_level3_options options; /* its strings are owned */
  dyno_node_shape shape;
  dyno_compressed *store;
  dyno_compressor *compressor;
  dyno_cache_file *file;     /* NULL: there is none, or it was refused */
  bool file_is_foreign;      /* and left alone */
  dyno_block_codec **codecs; /* [threads of pool] */
  dyno_error *errors;        /* [threads] */
  const void **sources;      /* [layers] */
  uint32_t *sizes;           /* [layers] */
  dyno_buffer record;        /* room for one that is read or made */
  uint64_t fixed_bytes;      /* charged from the start */
  dyno_cache_compressed statistics;
};

/* Tells who is to be told. */
void dyno_level3_tell(const dyno_level3 *level3, const char *message);

#endif
