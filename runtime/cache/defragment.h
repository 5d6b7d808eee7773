/* Moving blocks of keys and values together, so that chunks become empty and can be given back.
 *
 * A chunk with few blocks is emptied into the holes of fuller ones, where those have as many: each
 * chunk that is started on ends up empty. Blocks that are held stay where they are. */
#ifndef DYNO_RUNTIME_CACHE_DEFRAGMENT_H
#define DYNO_RUNTIME_CACHE_DEFRAGMENT_H

#include <stddef.h>

#include "runtime/cache/kv_pool.h"

/* Moves at most `most` blocks, each a copy of pool->block_bytes; returns how many, 0 when nothing
 * is to be gained. Addresses are to be asked for anew then (dyno_kv_refresh). */
size_t dyno_kv_defragment(dyno_kv_pool *pool, size_t most);

#endif
