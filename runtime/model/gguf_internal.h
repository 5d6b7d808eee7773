/* Shared by gguf.c and gguf_get.c. */
#ifndef DYNO_RUNTIME_MODEL_GGUF_INTERNAL_H
#define DYNO_RUNTIME_MODEL_GGUF_INTERNAL_H

#include "runtime/model/gguf.h"

struct dyno_gguf {
  dyno_mapped_file file;
  uint32_t version;
  uint64_t alignment;
  uint64_t data_offset;
  dyno_gguf_entry *entries; /* in the order of the file, as are the tensors */
  size_t entry_count;
  const dyno_gguf_entry **entries_by_key; /* sorted, for searching */
  dyno_gguf_tensor *tensors;
  size_t tensor_count;
  const dyno_gguf_tensor **tensors_by_name;
};

static inline uint64_t dyno_load_u64(const void *bytes)
{
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

#endif
