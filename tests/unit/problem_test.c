#include <criterion/criterion.h>

#include <string.h>

#include "kernels/kernel.h"
#include "kernels/problem.h"
#include "tests/unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void check_text(const dyno_problem *problem, const char *expected)
{
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, problem);
  cr_assert(strcmp(text, expected) == 0, "\"%s\", not \"%s\"", text, expected);
}

Test(problem, is_written_as_documented)
{
  check_text(&(dyno_problem){.op = DYNO_OP_MATMUL,
                             .weight = DYNO_MXFP4,
                             .activation = DYNO_A8,
                             .m = 1,
                             .n = 2880,
                             .k = 2880,
                             .groups = 4},
             "matmul weight=mxfp4 activation=a8 m=1 n=2880 k=2880 groups=4");
  check_text(&(dyno_problem){.op = DYNO_OP_ATTENTION,
                             .activation = DYNO_BF16,
                             .m = 1,
                             .n = 4096,
                             .k = 64,
                             .heads = 64,
                             .kv_heads = 8,
                             .window = 128},
             "attention activation=bf16 m=1 n=4096 k=64 heads=64 kv_heads=8 window=128");
  check_text(&(dyno_problem){.op = DYNO_OP_RMSNORM, .k = 2880}, "rmsnorm m=0 k=2880");
}

/* All that mean something to an op, filled at random, with zeros among them. */
static dyno_problem random_problem(uint64_t *random, dyno_op op)
{
  static const unsigned char fields[DYNO_OP_COUNT][8] = {
      /* weight, activation, n, k, groups, heads, kv_heads, window; m below */
      [DYNO_OP_MATMUL] = {1, 1, 1, 1, 1, 0, 0, 0},
      [DYNO_OP_ATTENTION] = {0, 1, 1, 1, 0, 1, 1, 1},
      [DYNO_OP_QUANTIZE_WEIGHT] = {1, 0, 1, 1, 0, 0, 0, 0},
      [DYNO_OP_FIT_WEIGHT] = {1, 0, 1, 1, 0, 0, 0, 0},
      [DYNO_OP_QUANTIZE_ACTIVATION] = {0, 1, 0, 1, 0, 0, 0, 0},
      [DYNO_OP_STORE_KV] = {0, 1, 0, 1, 0, 0, 1, 0},
      [DYNO_OP_RMSNORM] = {0, 0, 0, 1, 0, 0, 0, 0},
      [DYNO_OP_ROPE] = {0, 0, 0, 1, 0, 1, 0, 0},
      [DYNO_OP_SWIGLU] = {0, 0, 0, 1, 0, 0, 0, 0},
      [DYNO_OP_ROUTER] = {0, 0, 1, 1, 0, 0, 0, 0},
      [DYNO_OP_TOP_K] = {0, 0, 1, 1, 0, 0, 0, 0},
      [DYNO_OP_SCREEN] = {0, 0, 1, 1, 0, 0, 0, 0},
  };
  static const size_t sizes[] = {0, 1, 2, 2880, 201088, 0x7fffffff};
  size_t values[8];
  for (size_t i = 0; i < 8; i++) {
    size_t value =
        i < 2 ? random_below(random, DYNO_DTYPE_COUNT) : sizes[random_below(random, COUNT(sizes))];
    values[i] = fields[op][i] ? value : 0;
  }
  size_t m = sizes[random_below(random, COUNT(sizes))];
  return (dyno_problem){
      .op = op,
      .weight = (dyno_dtype)values[0],
      .activation = (dyno_dtype)values[1],
      .m =
          op == DYNO_OP_QUANTIZE_WEIGHT || op == DYNO_OP_FIT_WEIGHT || op == DYNO_OP_SCREEN ? 0 : m,
      .n = values[2],
      .k = values[3],
      .groups = values[4],
      .heads = values[5],
      .kv_heads = values[6],
      .window = values[7],
  };
}

Test(problem, every_text_is_read_back)
{
  uint64_t random = 1;
  for (int repetition = 0; repetition < 500; repetition++) {
    for (dyno_op op = 0; op < DYNO_OP_COUNT; op++) {
      dyno_problem problem = random_problem(&random, op), parsed;
      char text[DYNO_PROBLEM_TEXT], again[DYNO_PROBLEM_TEXT];
      dyno_error error = {0};
      dyno_problem_format(text, &problem);
      cr_assert(dyno_problem_parse(&parsed, text, &error) == DYNO_OK, "\"%s\": %s", text,
                error.message);
      dyno_problem_format(again, &parsed);
      cr_assert(dyno_problem_equal(&problem, &parsed), "\"%s\" became \"%s\"", text, again);
    }
  }
}

Test(problem, no_text_is_too_long)
{
  dyno_problem problem = {.op = DYNO_OP_ATTENTION,
                          .weight = DYNO_MXFP4,
                          .activation = DYNO_MXFP4,
                          .m = SIZE_MAX,
                          .n = SIZE_MAX,
                          .k = SIZE_MAX,
                          .groups = SIZE_MAX,
                          .heads = SIZE_MAX,
                          .kv_heads = SIZE_MAX,
                          .window = SIZE_MAX};
  for (problem.op = 0; problem.op < DYNO_OP_COUNT; problem.op++) {
    char text[DYNO_PROBLEM_TEXT];
    dyno_problem_format(text, &problem);
    cr_assert(strlen(text) < DYNO_PROBLEM_TEXT - 1, "\"%s\" may have been cut", text);
  }
}

Test(problem, words_come_in_any_order_and_missing_ones_have_defaults)
{
  dyno_problem parsed;
  cr_assert(dyno_problem_parse(&parsed, "  matmul\tk=64  activation=f32 weight=q8_0\n", NULL) ==
                DYNO_OK,
            "not read");
  cr_assert(parsed.m == 1 && parsed.n == 1 && parsed.k == 64 && parsed.groups == 1, "defaults");
  cr_assert(parsed.weight == DYNO_Q8_0 && parsed.activation == DYNO_F32, "formats");
  cr_assert(parsed.heads == 0 && parsed.window == 0, "fields of other ops");

  cr_assert(dyno_problem_parse(&parsed, "rmsnorm k=5", NULL) == DYNO_OK, "not read");
  cr_assert(parsed.m == 1 && parsed.n == 0 && parsed.groups == 0, "n means nothing to rmsnorm");
  cr_assert(dyno_problem_parse(&parsed, "attention activation=f32 heads=8 kv_heads=8", NULL) ==
                DYNO_OK,
            "not read");
  cr_assert(parsed.window == 0, "no window unless given");
}

Test(problem, errors_name_the_word)
{
  static const struct {
    const char *text, *word;
  } bad[] = {
      {"", "unknown op"},
      {"   ", "unknown op"},
      {"matmull m=1", "\"matmull\""},
      {"m=1 matmul", "\"m=1\""},
      {"matmul m", "\"m\""},
      {"matmul m=", "m="},
      {"matmul =1", "\"=1\""},
      {"matmul m=x", "m=x"},
      {"matmul m=-1", "m=-1"},
      {"matmul m=+1", "m=+1"},
      {"matmul m=1.5", "m=1.5"},
      {"matmul m=0x10", "m=0x10"},
      {"matmul m=2147483648", "m=2147483648"},
      {"matmul m=99999999999999999999999999", "m=99999999999999999999999999"},
      {"matmul mm=1", "\"mm=1\""},
      {"matmul m=1 m=1", "given twice"},
      {"matmul heads=8", "matmul has no heads"},
      {"rmsnorm weight=f32", "rmsnorm has no weight"},
      {"matmul weight=q4", "weight=q4"},
      {"matmul weight=", "weight="},
      {"matmul M=1", "\"M=1\""},
  };
  for (size_t i = 0; i < COUNT(bad); i++) {
    dyno_problem problem = {.m = 42};
    dyno_error error = {0};
    cr_assert(dyno_problem_parse(&problem, bad[i].text, &error) == DYNO_ERROR_USAGE,
              "\"%s\" was taken", bad[i].text);
    cr_assert(strstr(error.message, bad[i].word) != NULL, "\"%s\": \"%s\" does not name %s",
              bad[i].text, error.message, bad[i].word);
    cr_assert(problem.m == 42, "\"%s\" changed the problem", bad[i].text);
  }
}

/* Every prefix, and every single changed byte, of a good text is taken or refused, no more. */
Test(problem, broken_texts_are_refused)
{
  const char good[] = "attention activation=bf16 m=1 n=4096 k=64 heads=64 kv_heads=8 window=128";
  char text[sizeof good];
  dyno_problem problem;
  for (size_t length = 0; length < sizeof good; length++) {
    memcpy(text, good, length);
    text[length] = '\0';
    dyno_problem_parse(&problem, text, NULL);
  }
  for (size_t at = 0; at + 1 < sizeof good; at++) {
    for (int byte = 1; byte < 256; byte++) {
      memcpy(text, good, sizeof good);
      text[at] = (char)byte;
      dyno_error error = {0};
      dyno_status status = dyno_problem_parse(&problem, text, &error);
      cr_assert(status == DYNO_OK || status == DYNO_ERROR_USAGE, "\"%s\"", text);
      cr_assert((status == DYNO_OK) == (error.message[0] == '\0'), "\"%s\"", text);
    }
  }
  char longest[8192];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  cr_assert(dyno_problem_parse(&problem, longest, NULL) == DYNO_ERROR_USAGE, "a long op");
  memcpy(longest, "matmul ", 7);
  cr_assert(dyno_problem_parse(&problem, longest, NULL) == DYNO_ERROR_USAGE, "a long word");
}

Test(problem, sizes_that_break_the_contracts_are_named)
{
  static const struct {
    const char *text, *word;
  } bad[] = {
      {"matmul activation=f32", "weight"},
      {"matmul weight=f32", "activation"},
      {"matmul weight=q8_0 activation=f32 k=33", "k=33"},
      {"matmul weight=q4_k activation=a8 k=128", "k=128"},
      {"matmul weight=bf16 activation=a8 k=33", "k=33"},
      {"attention activation=f32 k=64 heads=8", "kv_heads=0"},
      {"attention activation=f32 k=64 heads=9 kv_heads=8", "heads=9"},
      {"attention activation=f32 m=9 n=8 k=64 heads=8 kv_heads=8", "n=8"},
      {"attention k=64 heads=8 kv_heads=8", "activation"},
      {"quantize_weight k=32", "weight"},
      {"quantize_weight weight=mxfp4 k=16", "k=16"},
      {"quantize_activation activation=a8 k=16", "k=16"},
      {"quantize_activation k=32", "activation"},
      {"store_kv kv_heads=8", "activation"},
      {"rope k=63 heads=8", "k=63"},
      {"router n=3 k=4", "k=4"},
      {"top_k n=0 k=1", "k=1"},
  };
  for (size_t i = 0; i < COUNT(bad); i++) {
    dyno_problem problem;
    dyno_error error = {0};
    cr_assert(dyno_problem_parse(&problem, bad[i].text, &error) == DYNO_OK, "%s", error.message);
    cr_assert(dyno_problem_check(&problem, &error) == DYNO_ERROR_USAGE, "\"%s\" passed",
              bad[i].text);
    cr_assert(strstr(error.message, bad[i].word) != NULL, "\"%s\": \"%s\" does not name %s",
              bad[i].text, error.message, bad[i].word);
  }
  static const char *const good[] = {
      "matmul weight=q4_k activation=a8 m=0 n=0 k=256 groups=0",
      "attention activation=f32 m=3 n=3 k=64 heads=64 kv_heads=8",
      "quantize_weight weight=bf16 n=0 k=7",
      "quantize_activation activation=a8 k=64",
      "store_kv activation=bf16 k=64 kv_heads=8",
      "rmsnorm m=0 k=0",
      "rope k=64 heads=8",
      "swiglu k=7",
      "router n=32 k=4",
      "top_k n=1 k=1",
  };
  for (size_t i = 0; i < COUNT(good); i++) {
    dyno_problem problem;
    dyno_error error = {0};
    cr_assert(dyno_problem_parse(&problem, good[i], &error) == DYNO_OK, "%s", error.message);
    cr_assert(dyno_problem_check(&problem, &error) == DYNO_OK, "%s", error.message);
  }
  cr_assert(dyno_problem_check(&(dyno_problem){.op = DYNO_OP_COUNT}, NULL) == DYNO_ERROR_USAGE,
            "an op out of range");
}

Test(problem, names_are_read_back)
{
  for (dyno_op op = 0; op < DYNO_OP_COUNT; op++) {
    cr_assert(dyno_op_parse(dyno_op_name(op)) == op, "%s", dyno_op_name(op));
    cr_assert((unsigned)dyno_op_family(op) < DYNO_FAMILY_COUNT, "%s", dyno_op_name(op));
  }
  for (dyno_family family = 0; family < DYNO_FAMILY_COUNT; family++)
    cr_assert(dyno_family_parse(dyno_family_name(family)) == family, "%s",
              dyno_family_name(family));
  cr_assert(dyno_op_parse("mat") == DYNO_OP_COUNT, "mat is no op");
  cr_assert(dyno_family_parse("") == DYNO_FAMILY_COUNT, "nothing is no family");
  cr_assert(strcmp(dyno_op_name(DYNO_OP_COUNT), "?") == 0, "an op out of range");
  cr_assert(strcmp(dyno_family_name(DYNO_FAMILY_COUNT), "?") == 0, "a family out of range");
  cr_assert(dyno_op_family(DYNO_OP_COUNT) == DYNO_FAMILY_COUNT, "an op out of range");
}

Test(problem, every_field_counts_for_equality)
{
  const dyno_problem base = {.op = DYNO_OP_MATMUL};
  dyno_problem other[] = {base, base, base, base, base, base, base, base, base, base};
  other[0].op = DYNO_OP_ROPE;
  other[1].weight = DYNO_F32;
  other[2].activation = DYNO_F32;
  other[3].m = other[4].n = other[5].k = other[6].groups = 1;
  other[7].heads = other[8].kv_heads = other[9].window = 1;
  cr_assert(dyno_problem_equal(&base, &(dyno_problem){.op = DYNO_OP_MATMUL}), "equal ones differ");
  for (size_t i = 0; i < COUNT(other); i++)
    cr_assert(!dyno_problem_equal(&base, &other[i]), "number %zu", i);
}

Test(problem, rows_to_be_partitioned)
{
  dyno_problem problem = {.m = 2, .n = 3, .k = 5, .groups = 7, .heads = 22, .kv_heads = 11};
  for (problem.op = 0; problem.op < DYNO_OP_COUNT; problem.op++) {
    size_t expected = problem.op == DYNO_OP_MATMUL            ? 21
                      : problem.op == DYNO_OP_ATTENTION       ? 22
                      : problem.op == DYNO_OP_QUANTIZE_WEIGHT ? 3
                      : problem.op == DYNO_OP_FIT_WEIGHT      ? 3
                      : problem.op == DYNO_OP_SCREEN          ? 3
                                                              : 2;
    cr_assert(dyno_problem_rows(&problem) == expected, "%s: %zu", dyno_op_name(problem.op),
              dyno_problem_rows(&problem));
  }
}
