#include "runtime/cache/reuse.h"

#include <stdlib.h>
#include <string.h>

dyno_status dyno_reuse_open(dyno_reuse *reuse, dyno_prefix *prefix, size_t capacity,
                            dyno_error *error)
{
  *reuse = (dyno_reuse){.prefix = prefix, .node = DYNO_PREFIX_ROOT};
  if (prefix == NULL)
    return DYNO_OK;
  reuse->tokens = calloc(capacity, sizeof *reuse->tokens);
  if (reuse->tokens == NULL) {
    *reuse = (dyno_reuse){0};
    return dyno_fail(error, DYNO_ERROR_MEMORY, "tokens of a sequence of %zu: out of memory",
                     capacity);
  }
  dyno_prefix_prepare(prefix, capacity / DYNO_PREFIX_TOKENS + 1);
  return DYNO_OK;
}

/* Whether the cache knows all whole blocks of the first `length` tokens. */
static bool stands_at(const dyno_reuse *reuse, size_t length)
{
  return dyno_prefix_length(reuse->prefix, reuse->node) / DYNO_PREFIX_TOKENS ==
         length / DYNO_PREFIX_TOKENS;
}

size_t dyno_reuse_take(dyno_reuse *reuse, dyno_kv *kv, size_t length, const int32_t *tokens,
                       size_t count)
{
  if (reuse->prefix == NULL || reuse->untruthful || count < 2 || length + count <= reuse->asked ||
      !stands_at(reuse, length))
    return length;
  reuse->asked = length + count;
  memcpy(reuse->tokens + length, tokens, count * sizeof *tokens);
  size_t found =
      dyno_prefix_take(reuse->prefix, &reuse->node, kv, reuse->tokens, length, length + count);
  reuse->taken += found - length;
  return found;
}

void dyno_reuse_leave(dyno_reuse *reuse, const dyno_kv *kv, size_t length, const int32_t *tokens,
                      size_t count)
{
  if (reuse->prefix == NULL || reuse->untruthful)
    return;
  memcpy(reuse->tokens + length, tokens, count * sizeof *tokens);
  if (length / DYNO_PREFIX_TOKENS == (length + count) / DYNO_PREFIX_TOKENS)
    return;
  size_t known = dyno_prefix_length(reuse->prefix, reuse->node);
  for (; known + DYNO_PREFIX_TOKENS <= length + count && known >= dyno_kv_oldest(kv);
       known += DYNO_PREFIX_TOKENS) {
    dyno_prefix_number node = dyno_prefix_insert(reuse->prefix, reuse->node, reuse->tokens + known,
                                                 DYNO_PREFIX_TOKENS, kv);
    if (node == DYNO_PREFIX_NONE)
      return;
    dyno_prefix_pin(reuse->prefix, &reuse->node, node);
  }
}

void dyno_reuse_rewind(dyno_reuse *reuse, size_t length)
{
  if (reuse->prefix == NULL)
    return;
  dyno_prefix_rewind(reuse->prefix, &reuse->node, length);
  reuse->asked = length;
}

void dyno_reuse_mark_untruthful(dyno_reuse *reuse)
{
  reuse->untruthful = true;
}

void dyno_reuse_end(dyno_reuse *reuse, const dyno_kv *kv, size_t length)
{
  if (reuse->prefix == NULL)
    return;
  size_t known = dyno_prefix_length(reuse->prefix, reuse->node);
  if (!reuse->untruthful && stands_at(reuse, length) && length > known)
    dyno_prefix_insert(reuse->prefix, reuse->node, reuse->tokens + known, length - known, kv);
  dyno_prefix_pin(reuse->prefix, &reuse->node, DYNO_PREFIX_ROOT);
  reuse->asked = reuse->taken = 0;
  reuse->untruthful = false;
}

void dyno_reuse_close(dyno_reuse *reuse)
{
  free(reuse->tokens);
  *reuse = (dyno_reuse){0};
}
