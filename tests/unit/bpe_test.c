/* The merging of long pieces against the obvious algorithm, which looks at all pairs again after
 * every merge. */
#include <criterion/criterion.h>

#include <string.h>

#include "runtime/text/bpe.h"
#include "runtime/text/vocabulary_internal.h"
#include "tests/unit/random.h"
#include "tests/unit/text_data.h"

enum { LONGEST = 700 };

static size_t merge_obviously(const dyno_vocabulary *v, int32_t *ids, const char *piece,
                              size_t count)
{
  size_t start[LONGEST + 1];
  size_t parts = count;
  for (size_t i = 0; i <= count; i++)
    start[i] = i;
  for (;;) {
    size_t best = SIZE_MAX;
    int32_t best_id = INT32_MAX;
    for (size_t i = 0; i + 1 < parts; i++) {
      int32_t id = dyno_vocabulary_find(v, piece + start[i], start[i + 2] - start[i]);
      if (id >= 0 && id < best_id) {
        best_id = id;
        best = i;
      }
    }
    if (best == SIZE_MAX)
      break;
    for (size_t i = best + 1; i < parts; i++)
      start[i] = start[i + 1];
    parts--;
  }
  for (size_t i = 0; i < parts; i++)
    ids[i] = dyno_vocabulary_find(v, piece + start[i], start[i + 1] - start[i]);
  return parts;
}

Test(bpe, merges_long_and_short_pieces_alike)
{
  dyno_tokenizer *tokenizer = open_small();
  const dyno_vocabulary *v = dyno_tokenizer_vocabulary(tokenizer);
  dyno_bpe_scratch scratch = {0};
  dyno_tokens tokens = {0};
  uint64_t state = 11;
  for (int round = 0; round < 400; round++) {
    char piece[LONGEST];
    int32_t wanted[LONGEST];
    size_t count = 1 + random_below(&state, round % 2 == 0 ? 120 : LONGEST);
    /* Few letters, so that there is much to merge. */
    const char *letters = round % 3 == 0 ? "a" : round % 3 == 1 ? " the" : "etaoin srhldu=-.A";
    for (size_t i = 0; i < count; i++)
      piece[i] = letters[random_below(&state, strlen(letters))];
    size_t parts = merge_obviously(v, wanted, piece, count);
    tokens.count = 0;
    cr_assert(dyno_bpe_encode(v, &scratch, &tokens, piece, count, NULL) == DYNO_OK, "failed");
    cr_assert(tokens.count == parts, "round %d: %zu tokens, wanted %zu", round, tokens.count,
              parts);
    cr_assert(memcmp(tokens.ids, wanted, parts * sizeof *wanted) == 0, "round %d: other tokens",
              round);
  }
  dyno_tokens_free(&tokens);
  dyno_bpe_scratch_free(&scratch);
  dyno_tokenizer_free(tokenizer);
}
