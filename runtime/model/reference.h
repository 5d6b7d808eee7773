/* What may be given as --model, and the file or folder that it means.
 *
 *   PATH                       a file, or a folder
 *   ollama:gpt-oss:20b         what `ollama pull gpt-oss:20b` fetched: in $OLLAMA_MODELS, else
 *                              ~/.ollama/models, else where Ollama's service keeps its models
 *   hf:openai/gpt-oss-20b      what the Hugging Face tools fetched: in $HF_HUB_CACHE, else
 *                              $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 *                              ~/.cache/huggingface/hub. A revision goes behind an @, a file or a
 *                              folder of the repository behind a slash:
 *                              hf:openai/gpt-oss-20b@main/original
 *   mini                       dyno-mini, the small trained model that comes with dyno
 *   synth:gpt-oss-20b          a model with random weights, made on its first use; synth/synth.h
 *
 * Nothing is fetched: what is not there is NOT_FOUND, with the command that fetches it. */
#ifndef DYNO_RUNTIME_MODEL_REFERENCE_H
#define DYNO_RUNTIME_MODEL_REFERENCE_H

#include <stddef.h>

#include "kernels/base/status.h"

/* A kind of reference: the text it begins with, and what finds the path of the rest. */
typedef struct dyno_reference_scheme {
  const char *prefix; /* "ollama:"; without a colon at its end it is all of the reference */
  const char *usage;  /* "ollama:MODEL[:TAG]", for messages */
  /* rest is the text behind the prefix. *path is to be freed. */
  dyno_status (*resolve)(char **path, const char *rest, dyno_error *error);
} dyno_reference_scheme;

/* The kinds; one that is made elsewhere (a shipped model, a synthetic one) is one more line. */
extern const dyno_reference_scheme dyno_reference_schemes[];
extern const size_t dyno_reference_scheme_count;

/* Finds the path that a reference means, to be freed by the caller. A folder that has no
 * safetensors but one .gguf file means that file. NOT_FOUND, FORMAT (a manifest is malformed),
 * USAGE (the reference is), MEMORY; *path is NULL then. Reads the environment. */
dyno_status dyno_model_resolve(char **path, const char *reference, dyno_error *error);

/* The parts, for the table. */
dyno_status dyno_resolve_ollama(char **path, const char *rest, dyno_error *error);
dyno_status dyno_resolve_mini(char **path, const char *rest, dyno_error *error);
dyno_status dyno_resolve_hugging_face(char **path, const char *rest, dyno_error *error);

#endif
