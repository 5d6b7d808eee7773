/* Shared by safetensors.c, safetensors_header.c and safetensors_index.c. */
#ifndef DYNO_RUNTIME_MODEL_SAFETENSORS_INTERNAL_H
#define DYNO_RUNTIME_MODEL_SAFETENSORS_INTERNAL_H

#include <jansson.h>

#include "runtime/model/safetensors.h"

typedef struct dyno_safetensors_shard {
  dyno_mapped_file file;
  json_t *header; /* the names of the tensors live in it */
  uint64_t data_offset;
} dyno_safetensors_shard;

struct dyno_safetensors {
  dyno_safetensors_shard *shards;
  size_t shard_count;
  dyno_safetensors_tensor *tensors; /* sorted by name once all shards are read */
  size_t tensor_count, tensor_capacity;
};

/* Maps the shard's file and appends its tensors, unsorted. */
dyno_status dyno_safetensors_read_shard(dyno_safetensors *tensors, size_t shard, const char *path,
                                        dyno_error *error);

/* The paths of the files of a folder: *paths [*count], each and the array to be freed. *map is
 * the index's weight_map, a new reference, or NULL without an index. */
dyno_status dyno_safetensors_list_folder(char ***paths, size_t *count, json_t **map,
                                         const char *folder, dyno_error *error);

#endif
