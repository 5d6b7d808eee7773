/* Models with random weights: of any shape, in every dialect, as big as the real one, and sane.
 *
 * The weights depend on the seed, the shape and the number formats, and on nothing else: the same
 * model comes out in every dialect and with any number of threads. F32, F16 and BF16 even hold the
 * same numbers. */
#ifndef DYNO_RUNTIME_SYNTH_SYNTH_H
#define DYNO_RUNTIME_SYNTH_SYNTH_H

#include <stdint.h>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/config.h"
#include "runtime/model/dialect.h"

/* Changes whenever the same specification gives another model. */
#define DYNO_SYNTH_VERSION 1

/* What is to be made. */
typedef struct dyno_synth_spec {
  const char *shape; /* the name of the shape it began as; static */
  dyno_model_config config;
  const dyno_dialect *dialect;
  /* Of embedding, head and attention. Of the experts' matrices. DYNO_NONE: as the dialect is
   * published, which dyno_synth_spec_check fills in. */
  dyno_dtype dense, experts;
  uint64_t seed;
  const char *vocabulary; /* a .tiktoken file, or NULL for the one that is built in; borrowed */
} dyno_synth_spec;

/* A word that changes a specification: of the verb's long options and of model references. */
typedef struct dyno_synth_key {
  const char *name;     /* "d-model" */
  const char *argument; /* "N" */
  const char *help;
} dyno_synth_key;

/* The list ends with a NULL name. Static lifetime. */
extern const dyno_synth_key dyno_synth_keys[];

/* Begins with a shape: "gpt-oss-20b", "gpt-oss-20b-4l" (four of its layers) or "tiny". USAGE for
 * another one. */
dyno_status dyno_synth_spec_init(dyno_synth_spec *spec, const char *shape, dyno_error *error);

/* Sets what the key names. value must live as long as spec. USAGE. */
dyno_status dyno_synth_spec_set(dyno_synth_spec *spec, const char *key, const char *value,
                                dyno_error *error);

/* Settles what was left open and checks that such a model can be. Needed before what follows.
 * USAGE, naming the field. */
dyno_status dyno_synth_spec_check(dyno_synth_spec *spec, dyno_error *error);

/* The format of a tensor. Block formats that the rows do not fill give way to a finer one of 32
 * (as in llama.cpp's files: Q4_K to Q5_0, Q6_K to Q8_0; and Q5_K to Q8_0). */
dyno_dtype dyno_synth_dtype(const dyno_synth_spec *spec, dyno_tensor_role role);

/* Bytes of all weights. */
uint64_t dyno_synth_weight_bytes(const dyno_synth_spec *spec);

/* The name on the command line: "ggml-org", "ollama", "ollama-2025-08", "hugging-face",
 * "openai". */
const char *dyno_synth_dialect_name(const dyno_dialect *dialect);

/* How it is made. */
typedef struct dyno_synth_run {
  unsigned threads; /* 0: as many as there are processors */
  /* Called now and then from the calling thread; false stops with INTERRUPTED. NULL for none. */
  dyno_checkpoint_progress progress;
  void *context;
} dyno_synth_run;

/* Writes the model: a GGUF file, which replaces what is there, or a folder, which must not exist
 * or be empty. It appears whole and flushed to disk, or not at all. USAGE, UNAVAILABLE (not enough
 * room on the disk: found at once), IO, MEMORY, INTERRUPTED; FORMAT from the vocabulary. */
dyno_status dyno_synth_write(const char *path, const dyno_synth_spec *spec,
                             const dyno_synth_run *run, dyno_error *error);

/* The place of the model in the cache: $XDG_CACHE_HOME/dyno, else ~/.cache/dyno. The name has a
 * hash of everything that the model depends on. *path is to be freed. NOT_FOUND when there is
 * neither XDG_CACHE_HOME nor HOME; MEMORY; errors of reading the vocabulary. */
dyno_status dyno_synth_cache_path(char **path, const dyno_synth_spec *spec, dyno_error *error);

#define DYNO_SYNTH_PREFIX "synth:"

/* What "synth:SHAPE[:KEY=VALUE,...]" stands for (text begins behind the prefix): the path of the
 * model in the cache, where it is made if it is not there. *path is to be freed. */
dyno_status dyno_synth_resolve(char **path, const char *text, const dyno_synth_run *run,
                               dyno_error *error);

/* The same by all threads and in silence, for the table of model/reference.h. */
dyno_status dyno_resolve_synth(char **path, const char *rest, dyno_error *error);

#endif
