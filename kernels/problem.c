#include "kernels/problem.h"

#include <stdio.h>
#include <string.h>

#include "kernels/base/hadamard.h"

/* The words of a problem's text, in the order they are written. */
typedef enum word {
  WORD_WEIGHT,
  WORD_ACTIVATION,
  WORD_M,
  WORD_N,
  WORD_K,
  WORD_GROUPS,
  WORD_HEADS,
  WORD_KV_HEADS,
  WORD_WINDOW,
  WORD_COUNT
} word;

#define BIT(word) (1u << (word))

typedef struct word_info {
  const char *name;
  size_t offset;  /* in dyno_problem */
  bool is_dtype;  /* else a size */
  size_t missing; /* what a size is where its word is missing */
} word_info;

static const word_info words[WORD_COUNT] = {
    [WORD_WEIGHT] = {"weight", offsetof(dyno_problem, weight), .is_dtype = true},
    [WORD_ACTIVATION] = {"activation", offsetof(dyno_problem, activation), .is_dtype = true},
    [WORD_M] = {"m", offsetof(dyno_problem, m), .missing = 1},
    [WORD_N] = {"n", offsetof(dyno_problem, n), .missing = 1},
    [WORD_K] = {"k", offsetof(dyno_problem, k), .missing = 1},
    [WORD_GROUPS] = {"groups", offsetof(dyno_problem, groups), .missing = 1},
    [WORD_HEADS] = {"heads", offsetof(dyno_problem, heads), .missing = 0},
    [WORD_KV_HEADS] = {"kv_heads", offsetof(dyno_problem, kv_heads), .missing = 0},
    [WORD_WINDOW] = {"window", offsetof(dyno_problem, window), .missing = 0},
};

typedef struct op_info {
  const char *name;
  dyno_family family;
  unsigned words; /* the words that mean something to it */
} op_info;

static const op_info ops[DYNO_OP_COUNT] = {
    [DYNO_OP_MATMUL] = {"matmul", DYNO_FAMILY_MATMUL,
                        BIT(WORD_WEIGHT) | BIT(WORD_ACTIVATION) | BIT(WORD_M) | BIT(WORD_N) |
                            BIT(WORD_K) | BIT(WORD_GROUPS)},
    [DYNO_OP_ATTENTION] = {"attention", DYNO_FAMILY_ATTENTION,
                           BIT(WORD_ACTIVATION) | BIT(WORD_M) | BIT(WORD_N) | BIT(WORD_K) |
                               BIT(WORD_HEADS) | BIT(WORD_KV_HEADS) | BIT(WORD_WINDOW)},
    [DYNO_OP_QUANTIZE_WEIGHT] = {"quantize_weight", DYNO_FAMILY_QUANTIZE,
                                 BIT(WORD_WEIGHT) | BIT(WORD_N) | BIT(WORD_K)},
    [DYNO_OP_FIT_WEIGHT] = {"fit_weight", DYNO_FAMILY_QUANTIZE,
                            BIT(WORD_WEIGHT) | BIT(WORD_N) | BIT(WORD_K)},
    [DYNO_OP_QUANTIZE_ACTIVATION] = {"quantize_activation", DYNO_FAMILY_QUANTIZE,
                                     BIT(WORD_ACTIVATION) | BIT(WORD_M) | BIT(WORD_K)},
    [DYNO_OP_STORE_KV] = {"store_kv", DYNO_FAMILY_QUANTIZE,
                          BIT(WORD_ACTIVATION) | BIT(WORD_M) | BIT(WORD_K) | BIT(WORD_KV_HEADS)},
    [DYNO_OP_RMSNORM] = {"rmsnorm", DYNO_FAMILY_ELEMENTWISE, BIT(WORD_M) | BIT(WORD_K)},
    [DYNO_OP_ROPE] = {"rope", DYNO_FAMILY_ELEMENTWISE, BIT(WORD_M) | BIT(WORD_K) | BIT(WORD_HEADS)},
    [DYNO_OP_SWIGLU] = {"swiglu", DYNO_FAMILY_ELEMENTWISE, BIT(WORD_M) | BIT(WORD_K)},
    [DYNO_OP_ROUTER] = {"router", DYNO_FAMILY_ELEMENTWISE, BIT(WORD_M) | BIT(WORD_N) | BIT(WORD_K)},
    [DYNO_OP_TOP_K] = {"top_k", DYNO_FAMILY_SAMPLING, BIT(WORD_M) | BIT(WORD_N) | BIT(WORD_K)},
    [DYNO_OP_SCREEN] = {"screen", DYNO_FAMILY_SAMPLING, BIT(WORD_N) | BIT(WORD_K)},
};

static const char *const families[DYNO_FAMILY_COUNT] = {
    [DYNO_FAMILY_MATMUL] = "matmul",     [DYNO_FAMILY_ATTENTION] = "attention",
    [DYNO_FAMILY_QUANTIZE] = "quantize", [DYNO_FAMILY_ELEMENTWISE] = "elementwise",
    [DYNO_FAMILY_SAMPLING] = "sampling",
};

static size_t *size_of_word(dyno_problem *problem, const word_info *info)
{
  return (size_t *)(void *)((char *)problem + info->offset);
}

static dyno_dtype *dtype_of_word(dyno_problem *problem, const word_info *info)
{
  return (dyno_dtype *)(void *)((char *)problem + info->offset);
}

void dyno_problem_format(char text[DYNO_PROBLEM_TEXT], const dyno_problem *problem)
{
  dyno_problem copy = *problem;
  int length = snprintf(text, DYNO_PROBLEM_TEXT, "%s", dyno_op_name(problem->op));
  unsigned used = (unsigned)problem->op < DYNO_OP_COUNT ? ops[problem->op].words : 0;
  for (size_t i = 0; i < WORD_COUNT; i++) {
    char *end = text + length;
    size_t room = DYNO_PROBLEM_TEXT - (size_t)length;
    if (!(used & BIT(i)))
      continue;
    if (words[i].is_dtype) {
      dyno_dtype dtype = *dtype_of_word(&copy, &words[i]);
      if (dtype != DYNO_NONE)
        length += snprintf(end, room, " %s=%s", words[i].name, dyno_dtype_name(dtype));
    } else {
      size_t size = *size_of_word(&copy, &words[i]);
      if (size != 0 || words[i].missing != 0)
        length += snprintf(end, room, " %s=%zu", words[i].name, size);
    }
  }
}

/* A word of the text: NAME=VALUE, as a pair of slices. */
typedef struct assignment {
  const char *name, *value;
  int name_length, value_length;
} assignment;

static dyno_status parse_size(size_t *size, const assignment *given, dyno_error *error)
{
  size_t value = 0;
  bool good = given->value_length > 0;
  for (int i = 0; i < given->value_length && good; i++) {
    good = given->value[i] >= '0' && given->value[i] <= '9' && value < 0x80000000u;
    value = value * 10 + (size_t)(given->value[i] - '0');
  }
  if (!good || value >= 0x80000000u)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%.*s=%.*s: not a number from 0 to 2147483647; write it in decimal digits",
                     given->name_length, given->name, given->value_length, given->value);
  *size = value;
  return DYNO_OK;
}

/* Adds a name to a comma-separated list for an error message. */
static void append_name(char *list, size_t room, const char *name)
{
  size_t length = strlen(list);
  snprintf(list + length, room - length, "%s%s", length == 0 ? "" : ", ", name);
}

static dyno_status parse_dtype(dyno_dtype *dtype, const assignment *given, dyno_error *error)
{
  for (dyno_dtype i = DYNO_NONE; i < DYNO_DTYPE_COUNT; i++) {
    const char *name = dyno_dtype_name(i);
    if (strlen(name) == (size_t)given->value_length &&
        strncmp(name, given->value, (size_t)given->value_length) == 0) {
      *dtype = i;
      return DYNO_OK;
    }
  }
  char names[128] = "";
  for (dyno_dtype i = DYNO_F32; i < DYNO_DTYPE_COUNT; i++)
    append_name(names, sizeof names, dyno_dtype_name(i));
  return dyno_fail(error, DYNO_ERROR_USAGE, "%.*s=%.*s: no such format; there are %s",
                   given->name_length, given->name, given->value_length, given->value, names);
}

/* The word called name, or WORD_COUNT. */
static size_t find_word(const char *name, int length)
{
  size_t i = 0;
  while (i < WORD_COUNT && (strlen(words[i].name) != (size_t)length ||
                            strncmp(words[i].name, name, (size_t)length) != 0))
    i++;
  return i;
}

static dyno_status parse_word(dyno_problem *problem, unsigned *seen, const char *text, int length,
                              dyno_error *error)
{
  const op_info *op = &ops[problem->op];
  const char *equals = memchr(text, '=', (size_t)length);
  if (equals == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.*s\": not of the form NAME=VALUE", length, text);
  assignment given = {.name = text, .name_length = (int)(equals - text), .value = equals + 1};
  given.value_length = length - given.name_length - 1;

  size_t i = find_word(given.name, given.name_length);
  if (i == WORD_COUNT) {
    char names[128] = "";
    for (i = 0; i < WORD_COUNT; i++)
      append_name(names, sizeof names, words[i].name);
    return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.*s\": unknown word; there are %s", length, text,
                     names);
  }
  if (!(op->words & BIT(i)))
    return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.*s\": %s has no %s; leave the word out", length,
                     text, op->name, words[i].name);
  if (*seen & BIT(i))
    return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.*s\": %s is given twice", length, text,
                     words[i].name);
  *seen |= BIT(i);
  return words[i].is_dtype ? parse_dtype(dtype_of_word(problem, &words[i]), &given, error)
                           : parse_size(size_of_word(problem, &words[i]), &given, error);
}

static const char blanks[] = " \t\r\n";

dyno_status dyno_problem_parse(dyno_problem *problem, const char *text, dyno_error *error)
{
  dyno_problem parsed = {.op = DYNO_OP_COUNT};
  const char *at = text + strspn(text, blanks);
  size_t length = strcspn(at, blanks);
  for (dyno_op op = DYNO_OP_MATMUL; op < DYNO_OP_COUNT; op++) {
    if (strlen(ops[op].name) == length && strncmp(ops[op].name, at, length) == 0)
      parsed.op = op;
  }
  if (parsed.op == DYNO_OP_COUNT) {
    char names[192] = "";
    for (dyno_op op = DYNO_OP_MATMUL; op < DYNO_OP_COUNT; op++)
      append_name(names, sizeof names, ops[op].name);
    return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.*s\": unknown op; there are %s",
                     (int)(length < 80 ? length : 80), at, names);
  }

  unsigned seen = 0;
  for (at += length; *(at += strspn(at, blanks)) != '\0'; at += length) {
    length = strcspn(at, blanks);
    if (length > DYNO_PROBLEM_TEXT)
      return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.40s...\": the word is too long", at);
    dyno_status status = parse_word(&parsed, &seen, at, (int)length, error);
    if (status != DYNO_OK)
      return status;
  }
  for (size_t i = 0; i < WORD_COUNT; i++) {
    if (ops[parsed.op].words & BIT(i) && !(seen & BIT(i)) && !words[i].is_dtype)
      *size_of_word(&parsed, &words[i]) = words[i].missing;
  }
  *problem = parsed;
  return DYNO_OK;
}

static dyno_status check_whole_blocks(const dyno_problem *problem, dyno_dtype dtype,
                                      dyno_error *error)
{
  const dyno_dtype_info *info = dyno_dtype_get(dtype);
  if (info == NULL || problem->k % info->block_elements == 0)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "k=%zu: %s needs a multiple of %zu, because it is stored in blocks of that many",
                   problem->k, info->name, info->block_elements);
}

static dyno_status check_matmul(const dyno_problem *problem, dyno_error *error)
{
  if (problem->weight == DYNO_NONE || problem->activation == DYNO_NONE)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s is missing",
                     problem->weight == DYNO_NONE ? "weight" : "activation");
  dyno_status status = check_whole_blocks(problem, problem->weight, error);
  return status == DYNO_OK ? check_whole_blocks(problem, problem->activation, error) : status;
}

/* A block of a KV cache is made of dwords of one token's elements (base/kv_block.h). */
static dyno_status check_kv(const dyno_problem *problem, dyno_error *error)
{
  const dyno_dtype_info *info = dyno_dtype_get(problem->activation);
  if (problem->activation == DYNO_NONE)
    return dyno_fail(error, DYNO_ERROR_USAGE, "activation, the format of the KV cache, is missing");
  if (info != NULL && info->block_elements == 1 && problem->k * info->block_bytes % 4 != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "k=%zu: with keys and values in %s the head size must be a multiple of %zu",
                     problem->k, info->name, 4 / info->block_bytes);
  if (problem->activation == DYNO_I8 && !dyno_hadamard_supports(problem->k))
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "k=%zu: with keys in i8, which are rotated, the head size must be a power of "
                     "two, %d at most",
                     problem->k, DYNO_HADAMARD_MOST);
  return DYNO_OK;
}

static dyno_status check_attention(const dyno_problem *problem, dyno_error *error)
{
  dyno_status status = check_kv(problem, error);
  if (status != DYNO_OK)
    return status;
  if (problem->kv_heads == 0 || problem->heads % problem->kv_heads != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "heads=%zu kv_heads=%zu: not a whole multiple",
                     problem->heads, problem->kv_heads);
  if (problem->n < problem->m)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "n=%zu: less than m=%zu, but the queries' own tokens count as KV tokens",
                     problem->n, problem->m);
  return DYNO_OK;
}

static dyno_status check_quantize_weight(const dyno_problem *problem, dyno_error *error)
{
  if (problem->weight == DYNO_NONE)
    return dyno_fail(error, DYNO_ERROR_USAGE, "weight, the format to produce, is missing");
  return check_whole_blocks(problem, problem->weight, error);
}

static dyno_status check_quantize_activation(const dyno_problem *problem, dyno_error *error)
{
  if (problem->activation == DYNO_NONE)
    return dyno_fail(error, DYNO_ERROR_USAGE, "activation, the format to produce, is missing");
  return check_whole_blocks(problem, problem->activation, error);
}

static dyno_status check_rope(const dyno_problem *problem, dyno_error *error)
{
  if (problem->k % 2 != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "k=%zu: the head size must be even", problem->k);
  return DYNO_OK;
}

static dyno_status check_chosen(const dyno_problem *problem, dyno_error *error)
{
  if (problem->k > problem->n)
    return dyno_fail(error, DYNO_ERROR_USAGE, "k=%zu: more than the n=%zu there are to choose from",
                     problem->k, problem->n);
  return DYNO_OK;
}

static dyno_status check_screen(const dyno_problem *problem, dyno_error *error)
{
  return check_whole_blocks(problem, DYNO_A8, error);
}

static dyno_status (*const checks[DYNO_OP_COUNT])(const dyno_problem *, dyno_error *) = {
    [DYNO_OP_MATMUL] = check_matmul,
    [DYNO_OP_ATTENTION] = check_attention,
    [DYNO_OP_QUANTIZE_WEIGHT] = check_quantize_weight,
    [DYNO_OP_FIT_WEIGHT] = check_quantize_weight,
    [DYNO_OP_QUANTIZE_ACTIVATION] = check_quantize_activation,
    [DYNO_OP_STORE_KV] = check_kv,
    [DYNO_OP_ROPE] = check_rope,
    [DYNO_OP_ROUTER] = check_chosen,
    [DYNO_OP_TOP_K] = check_chosen,
    [DYNO_OP_SCREEN] = check_screen,
};

dyno_status dyno_problem_check(const dyno_problem *problem, dyno_error *error)
{
  if ((unsigned)problem->op >= DYNO_OP_COUNT)
    return dyno_fail(error, DYNO_ERROR_USAGE, "op %u: there is no such op", (unsigned)problem->op);
  return checks[problem->op] == NULL ? DYNO_OK : checks[problem->op](problem, error);
}

bool dyno_problem_equal(const dyno_problem *a, const dyno_problem *b)
{
  return a->op == b->op && a->weight == b->weight && a->activation == b->activation &&
         a->m == b->m && a->n == b->n && a->k == b->k && a->groups == b->groups &&
         a->heads == b->heads && a->kv_heads == b->kv_heads && a->window == b->window;
}

dyno_family dyno_op_family(dyno_op op)
{
  return (unsigned)op < DYNO_OP_COUNT ? ops[op].family : DYNO_FAMILY_COUNT;
}

const char *dyno_op_name(dyno_op op)
{
  return (unsigned)op < DYNO_OP_COUNT ? ops[op].name : "?";
}

const char *dyno_family_name(dyno_family family)
{
  return (unsigned)family < DYNO_FAMILY_COUNT ? families[family] : "?";
}

dyno_op dyno_op_parse(const char *name)
{
  dyno_op op = DYNO_OP_MATMUL;
  while (op < DYNO_OP_COUNT && strcmp(ops[op].name, name) != 0)
    op++;
  return op;
}

dyno_family dyno_family_parse(const char *name)
{
  dyno_family family = DYNO_FAMILY_MATMUL;
  while (family < DYNO_FAMILY_COUNT && strcmp(families[family], name) != 0)
    family++;
  return family;
}
