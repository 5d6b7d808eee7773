#include <criterion/criterion.h>

#include <math.h>

#include "runtime/sample/rng.h"

typedef struct known_answer {
  dyno_philox_block counter;
  uint32_t key[2];
  dyno_philox_block wanted;
} known_answer;

/* "philox4x32 10" of kat_vectors in Random123, the authors' own implementation. */
static const known_answer known_answers[] = {
    {{{0, 0, 0, 0}}, {0, 0}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
    {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
     {0xffffffff, 0xffffffff},
     {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
    {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
     {0xa4093822, 0x299f31d0},
     {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
};

Test(rng, gives_the_known_answers)
{
  for (size_t i = 0; i < sizeof known_answers / sizeof *known_answers; i++) {
    const known_answer *k = &known_answers[i];
    dyno_philox_block got = dyno_philox4x32_10(k->counter, k->key[0], k->key[1]);
    for (int word = 0; word < 4; word++)
      cr_assert(got.word[word] == k->wanted.word[word], "vector %zu, word %d: %08x", i, word,
                (unsigned)got.word[word]);
  }
}

/* The unit comes from words 0 and 1 of the block whose counter is the position. */
Test(rng, unit_is_cut_from_the_block)
{
  double wanted = ldexp((double)(0xe169c58d6627e8d5u >> 11), -53);
  cr_assert(dyno_random_unit(0, 0) == wanted, "%.17g", dyno_random_unit(0, 0));
  cr_assert(dyno_random_unit(1, 0) != wanted && dyno_random_unit(0, 1) != wanted &&
                dyno_random_unit(1ull << 32, 0) != wanted &&
                dyno_random_unit(0, 1ull << 32) != wanted,
            "a half of the seed or the position is ignored");
}

/* Uniform in one dimension and in two, along positions and along seeds: chi-square with 255 degrees
 * of freedom stays below 330.5 in 999 of 1000 cases, and the numbers are always the same. */
static double chi_square_of(uint64_t seed_step, uint64_t position_step, size_t bins)
{
  enum { DRAWS = 200000 };
  double count[256] = {0};
  for (uint64_t i = 0; i < DRAWS; i++) {
    double a = dyno_random_unit(i * seed_step, i * position_step);
    size_t bin = (size_t)(a * (double)bins);
    if (bins == 16) {
      double b = dyno_random_unit((i + 1) * seed_step, (i + 1) * position_step);
      bin = bin * 16 + (size_t)(b * 16);
    }
    count[bin]++;
  }
  double chi_square = 0, expected = DRAWS / 256.0;
  for (size_t i = 0; i < 256; i++)
    chi_square += (count[i] - expected) * (count[i] - expected) / expected;
  return chi_square;
}

Test(rng, is_uniform)
{
  for (uint64_t seed_step = 0; seed_step < 2; seed_step++) {
    for (size_t bins = 16; bins <= 256; bins += 240) {
      double chi_square = chi_square_of(seed_step, 1 - seed_step, bins);
      cr_assert(chi_square < 330.5 && chi_square > 190, "seed step %d, %zu bins: %g",
                (int)seed_step, bins, chi_square);
    }
  }
}
