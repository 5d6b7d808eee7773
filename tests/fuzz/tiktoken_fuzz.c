/* .tiktoken files */
#include "config.h"

#include "tests/fuzz/vocabulary_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  read_vocabulary(dyno_vocabulary_add_tiktoken, data, size);
  return 0;
}
