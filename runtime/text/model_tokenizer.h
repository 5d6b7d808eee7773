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

/* Of what may be given as --model (reference.h), without looking at the weights: so also of a
 * tokenizer.json, or of a folder that has nothing else. Errors likewise. */
dyno_status dyno_tokenizer_open_model(dyno_tokenizer **tokenizer, const char *reference,
                                      dyno_error *error);

#endif
