/* A float matmul with AVX2, right but for one bug that each of its copies has. */
#include <immintrin.h>
#include <string.h>
#include <unistd.h>

#include "kernels/matmul/matmul.h"
#include "tests/planted/planted.h"

/* bug, name of the variant, what the check has to say. */
#define BUGS(X)                                                                                    \
  X(NO_BUG, right, NULL)                                                                           \
  X(WRONG_SIGN_IN_TAIL, wrong_sign_in_tail, "the reference has")                                   \
  X(TAIL_FORGOTTEN, tail_forgotten, "the reference has")                                           \
  X(READS_PAST_ACTIVATION, reads_past_activation, "of activation")                                 \
  X(READS_PAST_WEIGHT, reads_past_weight, "of weight")                                             \
  X(READS_BEFORE_BIAS, reads_before_bias, "before the start of bias")                              \
  X(READS_PAST_GROUPS, reads_past_groups, "of group_begin")                                        \
  X(WRITES_PAST_ROWS, writes_past_rows, "alone, but computed as a whole")                          \
  X(WRITES_BEFORE_ROWS, writes_before_rows, "which it does not own")                               \
  X(WRITES_PAST_OUTPUT, writes_past_output, "of output")                                           \
  X(WRITES_STRIDE_PADDING, writes_stride_padding, "which it does not own")                         \
  X(WRITES_ACTIVATION, writes_activation, "which is read-only")                                    \
  X(DEPENDS_ON_RANGE, depends_on_range, "alone, but computed as a whole")                          \
  X(DEPENDS_ON_BATCH, depends_on_batch, "alone, but computed as a whole")                          \
  X(DEPENDS_ON_ALIGNMENT, depends_on_alignment, "alone, but computed as a whole")                  \
  X(FORGETS_LAST_TOKEN, forgets_last_token, "nan, the reference has")                              \
  X(FORGETS_BIAS, forgets_bias, "the reference has")                                               \
  X(LEAVES_LAST_ROW, leaves_last_row, "nan, the reference has")                                    \
  X(WRONG_GROUP, wrong_group, "the reference has")                                                 \
  X(ADDS_TO_OUTPUT, adds_to_output, "nan, the reference has")                                      \
  X(EXECUTES_ILLEGAL, executes_illegal, "(ILL)")                                                   \
  X(DIVIDES_BY_ZERO, divides_by_zero, "(FPE)")                                                     \
  X(ENDS_PROCESS, ends_process, "the process ended")

#define NAME(bug, name, finding) bug,
typedef enum planted_bug { BUGS(NAME) } planted_bug;

static float add_lanes(__m256 lanes)
{
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* With `twice`, in two accumulators: other bits, though no worse. */
static inline float dot(const float *weight, const float *activation, size_t k, planted_bug bug,
                        bool twice)
{
  __m256 lanes = _mm256_setzero_ps(), others = _mm256_setzero_ps();
  size_t j = 0;
  for (; j + 8 <= k; j += 8) {
    __m256 w = _mm256_loadu_ps(weight + j), x = _mm256_loadu_ps(activation + j);
    if (twice && j % 16 != 0)
      others = _mm256_fmadd_ps(w, x, others);
    else
      lanes = _mm256_fmadd_ps(w, x, lanes);
  }
  float sum = add_lanes(_mm256_add_ps(lanes, others));
  for (; j < k; j++) {
    float w;
    memcpy(&w, weight + j, sizeof w); /* plain rows may lie anywhere */
    if (bug == TAIL_FORGOTTEN && j == k - 1 && k % 8 == 7)
      continue;
    sum += bug == WRONG_SIGN_IN_TAIL && j == k - 1 ? -w * activation[j] : w * activation[j];
  }
  return sum;
}

/* Makes the compiler read it. */
static void touch(const void *address)
{
  (void)*(const volatile char *)address;
}

static inline void misbehave(const dyno_matmul_args *args, const dyno_matmul_walk *walk, size_t t,
                             planted_bug bug)
{
  const float *activation = args->activation;
  float *output = args->output + t * args->output_stride;
  if (bug == READS_PAST_ACTIVATION)
    touch(activation + args->m * args->k);
  if (bug == READS_PAST_WEIGHT)
    touch((const float *)walk->weight + args->n * args->k);
  if (bug == READS_BEFORE_BIAS && walk->bias != NULL)
    touch(walk->bias - 1024);
  if (bug == READS_PAST_GROUPS)
    touch(args->group_begin + args->groups + 1);
  if (bug == WRITES_PAST_ROWS && walk->end < args->n)
    output[walk->end] = 0;
  if (bug == WRITES_BEFORE_ROWS && walk->begin > 0)
    output[walk->begin - 1] = 0;
  if (bug == WRITES_PAST_OUTPUT && t + 1 == args->m && walk->end == args->n)
    output[args->n] = 0;
  if (bug == WRITES_STRIDE_PADDING && t + 1 < args->m && args->output_stride > args->n)
    output[args->n] = 0;
  if (bug == WRITES_ACTIVATION)
    ((float *)(uintptr_t)activation)[t * args->k] = 0;
  if (bug == EXECUTES_ILLEGAL && args->n == 33)
    __asm__ volatile("ud2");
  if (bug == DIVIDES_BY_ZERO && args->n == 33)
    __asm__ volatile("divl %0" : : "r"(0) : "eax", "edx");
  if (bug == ENDS_PROCESS && args->n == 33)
    _exit(0);
}

static inline bool skips(const dyno_matmul_args *args, size_t row, size_t t, planted_bug bug)
{
  return (bug == FORGETS_LAST_TOKEN && t + 1 == args->m && args->m % 4 == 3) ||
         (bug == LEAVES_LAST_ROW && row + 1 == args->n && args->n % 16 == 1);
}

static inline void multiply(const dyno_matmul_args *args, size_t row0, size_t row1, planted_bug bug)
{
  const float *activation = args->activation;
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args)) {
    for (size_t t = walk.token_begin; t < walk.token_end; t++) {
      float *output = args->output + t * args->output_stride;
      for (size_t i = walk.begin; i < walk.end; i++) {
        if (skips(args, i, t, bug))
          continue;
        size_t group = bug == WRONG_GROUP && args->groups == 4 ? 0 : walk.group;
        const float *weight = (const float *)args->weight[group] + i * args->k;
        bool twice = (bug == DEPENDS_ON_RANGE && row0 % 2 != 0) ||
                     (bug == DEPENDS_ON_BATCH && args->m == 1) ||
                     (bug == DEPENDS_ON_ALIGNMENT && (uintptr_t)activation % 32 == 0);
        float sum = dot(weight, activation + t * args->k, args->k, bug, twice);
        if (walk.bias != NULL && !(bug == FORGETS_BIAS && args->n % 8 != 0))
          sum += walk.bias[i];
        output[i] = bug == ADDS_TO_OUTPUT ? output[i] + sum : sum;
      }
      misbehave(args, &walk, t, bug);
    }
  }
}

#define FUNCTION(bug, name, finding)                                                               \
  static void name(const dyno_matmul_args *args, size_t row0, size_t row1)                         \
  {                                                                                                \
    multiply(args, row0, row1, bug);                                                               \
  }
BUGS(FUNCTION)

#define VARIANT(bug, name_, finding_)                                                              \
  {                                                                                                \
      .kernel =                                                                                    \
          {                                                                                        \
              .name = #name_,                                                                      \
              .op = DYNO_OP_MATMUL,                                                                \
              .weight = DYNO_F32,                                                                  \
              .activation = DYNO_F32,                                                              \
              .isa = DYNO_ISA_AVX2,                                                                \
              .tolerance = DYNO_TOLERANCE_F32,                                                     \
              .run.matmul = name_,                                                                 \
          },                                                                                       \
      .finding = finding_,                                                                         \
  },
const planted_variant planted_matmul_avx2[] = {BUGS(VARIANT){.finding = NULL}};
