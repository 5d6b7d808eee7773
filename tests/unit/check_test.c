/* The test of the test: every planted bug is found, and what is right passes. */
#include "config.h"

#include <criterion/criterion.h>

#include <math.h>
#include <signal.h>
#include <string.h>

#include "kernels/base/cpu.h"
#include "kernels/check/check.h"
#include "kernels/check/guarded.h"
#include "kernels/check/inputs.h"
#include "kernels/check/tolerance.h"
#include "kernels/table.h"
#include "tests/planted/planted.h"

static const dyno_check_options quick = {.seed = 1, .quick = true};

static const planted_variant *find_planted(const planted_variant *variants, const char *name)
{
  while (variants->kernel.name != NULL && strcmp(variants->kernel.name, name) != 0)
    variants++;
  return variants->kernel.name != NULL ? variants : NULL;
}

/* The check of a planted variant says what it should, and says the same of the first failing
 * problem alone. */
static void try(const planted_variant *variant)
{
  dyno_check_summary summary;
  dyno_error error = {0};
  const dyno_kernel *kernel = &variant->kernel;
  const dyno_kernel *reference = dyno_reference_kernel(kernel);
  dyno_status status = dyno_check_kernel(&summary, kernel, reference, &quick, &error);
  if (variant->finding == NULL) {
    cr_assert(status == DYNO_OK, "%s is right, but: %s", kernel->name, error.message);
    cr_assert(summary.cases == summary.expected && summary.cases >= DYNO_CHECK_LEAST_CASES,
              "%s: %zu of %zu cases", kernel->name, summary.cases, summary.expected);
    return;
  }
  cr_assert(status == DYNO_ERROR_WRONG_OUTPUT, "%s passed: %s", kernel->name, error.message);
  cr_assert(summary.failures > 0, "%s: no failures were counted", kernel->name);
  cr_assert(strstr(summary.first.what, variant->finding) != NULL, "%s: wanted '%s', got '%s'",
            kernel->name, variant->finding, summary.first.what);
  char rerun[DYNO_RERUN_TEXT];
  dyno_check_rerun(rerun, &summary);
  cr_assert(strstr(error.message, rerun) != NULL, "%s: no line to run it again", kernel->name);
  if (summary.first.problem[0] == '\0')
    return;

  dyno_problem problem;
  dyno_check_options again = {.seed = 1, .only = &problem};
  dyno_error unread = {0};
  cr_assert(dyno_problem_parse(&problem, summary.first.problem, &unread) == DYNO_OK, "%s",
            unread.message);
  status = dyno_check_kernel(&summary, kernel, reference, &again, &error);
  cr_assert(status == DYNO_ERROR_WRONG_OUTPUT, "%s passed when run again", kernel->name);
}

/* A test for each, so that a report names it. */
#define PLANTED(variants, name)                                                                    \
  Test(variants, name)                                                                             \
  {                                                                                                \
    const planted_variant *variant = find_planted(variants, #name);                                \
    cr_assert(variant != NULL, "there is no planted %s", #name);                                   \
    dyno_cpu cpu;                                                                                  \
    dyno_cpu_detect(&cpu);                                                                         \
    if (cpu.isa < variant->kernel.isa)                                                             \
      cr_skip("this CPU lacks " #variants);                                                        \
    try(variant);                                                                                  \
  }

#ifdef DYNO_X86_64
PLANTED(planted_matmul_avx2, right)
PLANTED(planted_matmul_avx2, wrong_sign_in_tail)
PLANTED(planted_matmul_avx2, tail_forgotten)
PLANTED(planted_matmul_avx2, reads_past_activation)
PLANTED(planted_matmul_avx2, reads_past_weight)
PLANTED(planted_matmul_avx2, reads_before_bias)
PLANTED(planted_matmul_avx2, reads_past_groups)
PLANTED(planted_matmul_avx2, writes_past_rows)
PLANTED(planted_matmul_avx2, writes_before_rows)
PLANTED(planted_matmul_avx2, writes_past_output)
PLANTED(planted_matmul_avx2, writes_stride_padding)
PLANTED(planted_matmul_avx2, writes_activation)
PLANTED(planted_matmul_avx2, depends_on_range)
PLANTED(planted_matmul_avx2, depends_on_batch)
PLANTED(planted_matmul_avx2, depends_on_alignment)
PLANTED(planted_matmul_avx2, forgets_last_token)
PLANTED(planted_matmul_avx2, forgets_bias)
PLANTED(planted_matmul_avx2, leaves_last_row)
PLANTED(planted_matmul_avx2, wrong_group)
PLANTED(planted_matmul_avx2, adds_to_output)
PLANTED(planted_matmul_avx2, executes_illegal)
PLANTED(planted_matmul_avx2, divides_by_zero)
PLANTED(planted_matmul_avx2, ends_process)
#endif

PLANTED(planted_portable, a8_right)
PLANTED(planted_portable, a8_uses_padding)
PLANTED(planted_portable, a8_saturates)
PLANTED(planted_portable, a8_layout_unwritten)
PLANTED(planted_portable, a8_layout_greedy)
PLANTED(planted_portable, a8_layout_swapped)
PLANTED(planted_portable, a8_layout_first)
PLANTED(planted_portable, a8_supports_nothing)
PLANTED(planted_portable, attention_right)
PLANTED(planted_portable, window_too_long)
PLANTED(planted_portable, sink_forgotten)
PLANTED(planted_portable, masks_by_zero_weight)
PLANTED(planted_portable, wrong_kv_head)
PLANTED(planted_portable, uses_old_scratch)
PLANTED(planted_portable, ring_ignored)
PLANTED(planted_portable, quantize_by_reciprocal)
PLANTED(planted_portable, quantize_by_reciprocal_claims_exact)
PLANTED(planted_portable, quantize_wrong_sum)
PLANTED(planted_portable, truncate_to_bf16)
PLANTED(planted_portable, store_in_next_slot)
PLANTED(planted_portable, rmsnorm_right)
PLANTED(planted_portable, rmsnorm_not_in_place)
PLANTED(planted_portable, rope_wrong_pairs)
PLANTED(planted_portable, swiglu_right)
PLANTED(planted_portable, swiglu_clamps_gate_below)
PLANTED(planted_portable, router_softmax_first)
PLANTED(planted_portable, top_k_last_of_equals)

/* No planted variant is without a test. */
Test(check, every_planted_variant_is_tried)
{
  size_t count = 0;
  for (const planted_variant *variant = planted_portable; variant->kernel.name != NULL; variant++)
    count++;
  cr_assert(count == 27, "%zu portable variants, of which 27 are tried", count);
#ifdef DYNO_X86_64
  count = 0;
  for (const planted_variant *variant = planted_matmul_avx2; variant->kernel.name != NULL;
       variant++)
    count++;
  cr_assert(count == 23, "%zu AVX2 variants, of which 23 are tried", count);
#endif
}

static const dyno_kernel *reference_rmsnorm(void)
{
  for (size_t i = 0; i < dyno_elementwise_table.count; i++)
    if (dyno_elementwise_table.kernels[i].op == DYNO_OP_RMSNORM)
      return &dyno_elementwise_table.kernels[i];
  return NULL;
}

Test(check, other_bits_than_the_twin_are_found)
{
  /* Both are within the bounds, but claim to have the same bits. */
  dyno_kernel kernel = find_planted(planted_portable, "rmsnorm_right")->kernel;
  dyno_kernel twin = *reference_rmsnorm();
  kernel.numerics = twin.numerics = "same";
  dyno_check_options options = quick;
  options.twin = &twin;
  dyno_check_summary summary;
  dyno_error error = {0};
  dyno_status status = dyno_check_kernel(&summary, &kernel, reference_rmsnorm(), &options, &error);
  cr_assert(status == DYNO_ERROR_WRONG_OUTPUT, "passed");
  cr_assert(strstr(summary.first.what, "rmsnorm__ref has") != NULL, "%s", summary.first.what);
}

Test(check, another_layout_of_the_same_name_is_found)
{
  const planted_variant *right = find_planted(planted_portable, "a8_right");
  const planted_variant *other = find_planted(planted_portable, "a8_layout_unwritten");
  dyno_layout renamed = *other->kernel.layout;
  renamed.name = right->kernel.layout->name;
  dyno_check_options options = quick;
  options.same_layout = &renamed;
  dyno_check_summary summary;
  dyno_error error = {0};
  dyno_status status = dyno_check_kernel(&summary, &right->kernel,
                                         dyno_reference_kernel(&right->kernel), &options, &error);
  cr_assert(status == DYNO_ERROR_WRONG_OUTPUT, "passed");
  cr_assert(strstr(summary.first.what, "another layout of that name") != NULL, "%s",
            summary.first.what);
}

Test(check, the_seed_decides_everything)
{
  dyno_check_summary first, second;
  const planted_variant *variant = find_planted(planted_portable, "swiglu_clamps_gate_below");
  const dyno_kernel *reference = dyno_reference_kernel(&variant->kernel);
  dyno_check_kernel(&first, &variant->kernel, reference, &quick, NULL);
  dyno_check_kernel(&second, &variant->kernel, reference, &quick, NULL);
  cr_assert(strcmp(first.first.what, second.first.what) == 0, "%s, then %s", first.first.what,
            second.first.what);
  cr_assert(first.failures == second.failures, "%zu, then %zu", first.failures, second.failures);
}

Test(check, the_caller_is_left_alone)
{
  /* A variant that crashes changes neither handlers nor the alternate stack of the caller. */
  struct sigaction before, after;
  sigaction(SIGSEGV, NULL, &before);
  const planted_variant *variant = find_planted(planted_portable, "a8_layout_greedy");
  dyno_check_summary summary;
  dyno_check_kernel(&summary, &variant->kernel, dyno_reference_kernel(&variant->kernel), &quick,
                    NULL);
  sigaction(SIGSEGV, NULL, &after);
  cr_assert(before.sa_handler == after.sa_handler, "the handler of SIGSEGV was changed");
}

static bool stop_at_once(void *context, const dyno_check_summary *so_far)
{
  (void)so_far;
  ++*(int *)context;
  return false;
}

Test(check, an_observer_can_stop_it)
{
  int calls = 0;
  dyno_check_options options = quick;
  options.observe = stop_at_once;
  options.context = &calls;
  dyno_check_summary summary;
  dyno_status status =
      dyno_check_kernel(&summary, reference_rmsnorm(), reference_rmsnorm(), &options, NULL);
  cr_assert(status == DYNO_ERROR_INTERRUPTED, "status %d", (int)status);
  cr_assert(calls == 1, "%d calls", calls);
}

Test(check, what_cannot_be_checked_is_an_error)
{
  dyno_check_summary summary;
  dyno_error error = {0};
  dyno_kernel kernel = *reference_rmsnorm();
  cr_assert(dyno_check_kernel(&summary, &kernel, NULL, &quick, &error) == DYNO_ERROR_UNSUPPORTED,
            "no reference: %s", error.message);
  dyno_problem other = {.op = DYNO_OP_SWIGLU, .m = 1, .k = 8};
  dyno_check_options options = {.only = &other};
  cr_assert(dyno_check_kernel(&summary, &kernel, &kernel, &options, &error) == DYNO_ERROR_USAGE,
            "another op: %s", error.message);
  dyno_problem empty = {.op = DYNO_OP_RMSNORM, .m = 0, .k = 8};
  options.only = &empty;
  cr_assert(dyno_check_kernel(&summary, &kernel, &kernel, &options, &error) == DYNO_ERROR_USAGE,
            "nothing to compute: %s", error.message);
}

Test(guarded, data_lies_against_the_guard_and_slack_is_watched)
{
  for (size_t bytes = 0; bytes < 200; bytes += 7)
    for (size_t alignment = 1; alignment <= 64; alignment *= 2) {
      dyno_guarded buffer;
      cr_assert(
          dyno_guarded_open(&buffer, NULL, "b", bytes, alignment, DYNO_PLACE_FLUSH, 0, 0xa5, true),
          "open");
      size_t behind = (size_t)(buffer.slack + buffer.slack_bytes - (buffer.data + bytes));
      cr_assert(behind < alignment && (size_t)buffer.data % alignment == 0,
                "%zu bytes aligned to %zu: %zu behind", bytes, alignment, behind);
      ptrdiff_t offset;
      cr_assert(dyno_guarded_intact(&buffer, &offset), "not intact at first");
      if (behind > 0) {
        buffer.data[bytes] = 0;
        cr_assert(!dyno_guarded_intact(&buffer, &offset) && offset == (ptrdiff_t)bytes,
                  "a byte behind the data was not noticed");
      }
      dyno_guarded_close(&buffer, NULL);
    }
}

Test(inputs, every_format_gets_valid_scales)
{
  for (dyno_dtype dtype = DYNO_F32; dtype < DYNO_DTYPE_COUNT; dtype++) {
    const dyno_dtype_info *format = dyno_dtype_get(dtype);
    if (format->block_to_float == NULL)
      continue;
    for (dyno_input input = DYNO_INPUT_NORMAL; input < DYNO_INPUT_SPECIAL; input++) {
      dyno_rng rng = {7};
      unsigned char rows[16 * 1024];
      float values[1024];
      dyno_fill_rows(rows, dtype, 1, sizeof values / sizeof *values, input, DYNO_PART_WEIGHT, &rng);
      dyno_row_to_float(values, rows, dtype, sizeof values / sizeof *values);
      for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_assert(isfinite(values[i]), "%s, %s: element %zu is %g", format->name,
                  dyno_input_name(input), i, (double)values[i]);
    }
  }
}

Test(tolerance, bounds_are_scaled_by_their_operands)
{
  dyno_product_sums sums = {.terms = 100, .magnitude = 1};
  double small = dyno_bound_products(DYNO_TOLERANCE_F32, &sums);
  cr_assert(small > 100 * 0x1p-24 && small < 300 * 0x1p-24, "%g", small);
  sums.magnitude = 1000;
  double large = dyno_bound_products(DYNO_TOLERANCE_F32, &sums);
  cr_assert(large > 999 * small && large < 1001 * small, "%g and %g", small, large);
  cr_assert(dyno_bound_products(DYNO_TOLERANCE_BF16, &sums) > 100 * large, "bf16 is no wider");
  sums.magnitude = 0;
  cr_assert(dyno_bound_products(DYNO_TOLERANCE_F32, &sums) < 0x1p-140, "zero operands");
}
