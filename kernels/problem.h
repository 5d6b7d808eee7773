/* A problem: what is to be computed, with its sizes, without saying how.
 *
 * The same problem has the same text everywhere: in shape files, in the tuned file, in reports
 * and in the line that reruns a failed check:
 *
 *   matmul weight=mxfp4 activation=a8 m=1 n=2880 k=2880 groups=4
 *   attention activation=bf16 m=1 n=4096 k=64 heads=64 kv_heads=8 window=128
 */
#ifndef DYNO_KERNELS_PROBLEM_H
#define DYNO_KERNELS_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"

typedef enum dyno_family {
  DYNO_FAMILY_MATMUL,
  DYNO_FAMILY_ATTENTION,
  DYNO_FAMILY_QUANTIZE,
  DYNO_FAMILY_ELEMENTWISE,
  DYNO_FAMILY_SAMPLING,
  DYNO_FAMILY_COUNT
} dyno_family;

typedef enum dyno_op {
  DYNO_OP_MATMUL,
  DYNO_OP_ATTENTION,
  DYNO_OP_QUANTIZE_WEIGHT,
  DYNO_OP_FIT_WEIGHT,
  DYNO_OP_QUANTIZE_ACTIVATION,
  DYNO_OP_STORE_KV,
  DYNO_OP_RMSNORM,
  DYNO_OP_ROPE,
  DYNO_OP_SWIGLU,
  DYNO_OP_ROUTER,
  DYNO_OP_TOP_K,
  DYNO_OP_SCREEN,
  DYNO_OP_COUNT
} dyno_op;

/* What the fields mean, by op. A field that is not named is 0 or DYNO_NONE.
 *
 *   op                   weight      activation  m           n          k             others
 *   matmul               of W        of x        tokens      rows of W  columns of W  groups
 *   attention            -           of KV       queries     KV tokens  head size     heads,
 *                                                                                     kv_heads,
 *                                                                                     window
 *   quantize_weight      produced    -           -           rows       columns
 *   fit_weight           produced    -           -           rows       columns
 *   quantize_activation  -           produced    tokens      -          columns
 *   store_kv             -           of KV       tokens      -          head size     kv_heads
 *   rmsnorm              -           -           tokens      -          columns
 *   rope                 -           -           tokens      -          head size     heads
 *   swiglu               -           -           tokens      -          columns
 *   router               -           -           tokens      experts    chosen
 *   top_k                -           -           rows        values     chosen
 *   screen               -           -           -           rows       columns
 *
 * groups of a matmul counts the matrices (experts) that are used; m counts the tokens of all of
 * them together. window is 0 where a query sees all earlier tokens. */
typedef struct dyno_problem {
  dyno_op op;
  dyno_dtype weight;
  dyno_dtype activation;
  size_t m, n, k;
  size_t groups;
  size_t heads, kv_heads;
  size_t window;
} dyno_problem;

/* Long enough for the text of any problem. */
#define DYNO_PROBLEM_TEXT 192

/* Writes the problem's text, always terminated. What a missing word stands for anyway is left
 * out if it is 0 or DYNO_NONE; so are fields that the op does not name. */
void dyno_problem_format(char text[DYNO_PROBLEM_TEXT], const dyno_problem *problem);

/* Reads the text back. Words in any order after the op; of the fields that the op names, a
 * missing m, n, k or groups means 1, the others 0 or DYNO_NONE. Fails with USAGE, naming the word,
 * on words that are unknown, repeated or of no meaning to the op, and on numbers outside
 * [0, 2^31); then *problem is left alone. Whether the sizes fit each other is not looked at. */
dyno_status dyno_problem_parse(dyno_problem *problem, const char *text, dyno_error *error);

/* Whether the problem keeps the contracts of kernel.h: formats given, k in whole blocks, heads a
 * multiple of kv_heads, no more chosen than there are, ... USAGE, naming the word, if not. */
dyno_status dyno_problem_check(const dyno_problem *problem, dyno_error *error);

bool dyno_problem_equal(const dyno_problem *a, const dyno_problem *b);

dyno_family dyno_op_family(dyno_op op);
const char *dyno_op_name(dyno_op op);             /* "quantize_weight" */
const char *dyno_family_name(dyno_family family); /* "quantize" */
dyno_op dyno_op_parse(const char *name);          /* DYNO_OP_COUNT when unknown */
dyno_family dyno_family_parse(const char *name);  /* DYNO_FAMILY_COUNT when unknown */

#endif
