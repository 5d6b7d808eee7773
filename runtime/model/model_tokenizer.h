/* The tokenizer of a model, wherever the model keeps its vocabulary. */
#ifndef DYNO_RUNTIME_MODEL_MODEL_TOKENIZER_H
#define DYNO_RUNTIME_MODEL_MODEL_TOKENIZER_H

#include "kernels/base/status.h"
#include "runtime/model/checkpoint.h"
#include "runtime/text/tokenizer.h"

/* Of an open checkpoint: from its GGUF file, or from the tokenizer.json beside its safetensors.
 * NOT_FOUND when it has neither (as OpenAI's original/), FORMAT, UNSUPPORTED, MEMORY; *tokenizer
 * is NULL then. The tokenizer does not need the checkpoint afterwards. */
dyno_status dyno_checkpoint_tokenizer(dyno_tokenizer **tokenizer, const dyno_checkpoint *checkpoint,
                                      dyno_error *error);

/* Of what may be given as --model (reference.h), without looking at the weights: also of a
 * tokenizer.json, or of a folder that has nothing else. */
dyno_status dyno_model_tokenizer(dyno_tokenizer **tokenizer, const char *reference,
                                 dyno_error *error);

#endif
