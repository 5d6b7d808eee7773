/* The special tokens of o200k_harmony (OpenAI, tiktoken_ext/openai_public.py). */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "runtime/text/vocabulary.h"

enum { HARMONY_SPECIALS = 201088 - 199998 };

/* By distance from the first id behind the normal tokens; those without a name are reserved. */
static const char *const names[HARMONY_SPECIALS] = {
    [0] = "<|startoftext|>", [1] = "<|endoftext|>",    [4] = "<|return|>", [5] = "<|constrain|>",
    [7] = "<|channel|>",     [8] = "<|start|>",        [9] = "<|end|>",    [10] = "<|message|>",
    [14] = "<|call|>",       [20] = "<|endofprompt|>",
};

dyno_status dyno_vocabulary_add_harmony(dyno_vocabulary *vocabulary, dyno_error *error)
{
  size_t first = dyno_vocabulary_size(vocabulary);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < HARMONY_SPECIALS && status == DYNO_OK; i++) {
    char reserved[48];
    snprintf(reserved, sizeof reserved, "<|reserved_%zu|>", first + i);
    const char *text = names[i] != NULL ? names[i] : reserved;
    status = dyno_vocabulary_add(vocabulary, (int64_t)(first + i), text, strlen(text),
                                 DYNO_TOKEN_SPECIAL, error);
  }
  return status;
}
