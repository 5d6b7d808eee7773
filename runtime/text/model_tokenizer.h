/* The tokenizer that a model brings along. */
#ifndef DYNO_RUNTIME_TEXT_MODEL_TOKENIZER_H
#define DYNO_RUNTIME_TEXT_MODEL_TOKENIZER_H

#include "runtime/model/checkpoint.h"
#include "runtime/text/tokenizer.h"

/* Makes the tokenizer of a checkpoint: from the vocabulary in its GGUF file, or from the
 * tokenizer.json in its folder. NOT_FOUND when it has neither; else the errors of reading one.
 * *tokenizer is NULL on failure; it does not depend on the checkpoint afterwards. */
dyno_status dyno_tokenizer_open_checkpoint(dyno_tokenizer **tokenizer,
                                           const dyno_checkpoint *checkpoint, dyno_error *error);

#endif
