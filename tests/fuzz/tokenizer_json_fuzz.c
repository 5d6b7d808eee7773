/* tokenizer.json */
#include "config.h"

#include "tests/fuzz/vocabulary_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  read_vocabulary(dyno_vocabulary_add_json, data, size);
  return 0;
}
