#include "tests/unit/fixtures.h"
#include "tests/unit/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const dyno_kernel *top_k(void)
{
  return reference_of(DYNO_OP_TOP_K, DYNO_NONE, DYNO_NONE);
}

static void check(const float *values, size_t m, size_t n, size_t chosen)
{
  int32_t *index = allocate(m * chosen * sizeof *index);
  float *value = allocate_nan(m * chosen);
  size_t *order = malloc((n + 1) * sizeof *order);
  memset(index, 0xff, m * chosen * sizeof *index);
  for (size_t t = 0; t < m; t++) /* row by row */
    top_k()->run.top_k(
        &(dyno_top_k_args){
            .index = index, .value = value, .values = values, .m = m, .n = n, .chosen = chosen},
        t, t + 1);
  for (size_t t = 0; t < m; t++) {
    oracle_rank(order, values + t * n, n);
    for (size_t c = 0; c < chosen; c++) {
      cr_assert(index[t * chosen + c] == (int32_t)order[c],
                "n=%zu row %zu: place %zu is %d, not %zu", n, t, c, index[t * chosen + c],
                order[c]);
      cr_assert(memcmp(&value[t * chosen + c], &values[t * n + order[c]], sizeof *value) == 0,
                "n=%zu row %zu: value of place %zu", n, t, c);
    }
  }
  free(index);
  free(value);
  free(order);
}

Test(top_k_reference, agrees_with_the_oracle)
{
  static const size_t sizes[] = {0, 1, 2, 7, 64, 129};
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
    for (size_t i = 0; i < COUNT(sizes); i++) {
      uint64_t random = i;
      float *values = allocate_random(&random, pattern, 3 * sizes[i]);
      for (size_t chosen = 0; chosen <= sizes[i]; chosen += chosen < 3 ? 1 : 21)
        check(values, 3, sizes[i], chosen);
      check(values, 3, sizes[i], sizes[i]);
      free(values);
    }
  }
}

Test(top_k_reference, ranks_nans_last_and_equal_ones_by_index)
{
  static const float special[] = {NAN, -NAN, INFINITY, -INFINITY, 0, -0.0f, 1};
  uint64_t random = 1;
  for (int repetition = 0; repetition < 500; repetition++) {
    float values[9];
    for (size_t i = 0; i < COUNT(values); i++)
      values[i] = special[random_below(&random, COUNT(special))];
    check(values, 1, COUNT(values), COUNT(values));
  }
}

Test(top_k_reference, argmax_by_hand)
{
  static const float values[] = {NAN, -3, 5, 5, 4};
  int32_t index = -1;
  float value = 0;
  top_k()->run.top_k(
      &(dyno_top_k_args){
          .index = &index, .value = &value, .values = values, .m = 1, .n = 5, .chosen = 1},
      0, 1);
  cr_assert(index == 2 && value == 5, "%d %g", index, (double)value);
}
