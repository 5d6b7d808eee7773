#include "kernels/cost.h"
#include "tests/unit/fixtures.h"

static dyno_cost cost_of(const char *text)
{
  dyno_problem problem;
  dyno_error error = {0};
  cr_assert(dyno_problem_parse(&problem, text, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_problem_check(&problem, &error) == DYNO_OK, "%s", error.message);
  return dyno_kernel_cost(reference_of(problem.op, problem.weight, problem.activation), &problem);
}

static void check(const char *text, double macs, double weight, double activation, double output)
{
  dyno_cost cost = cost_of(text);
  cr_assert(cost.macs == macs, "%s: %.17g MACs", text, cost.macs);
  cr_assert(cost.bytes_weight == weight, "%s: %.17g bytes of weights", text, cost.bytes_weight);
  cr_assert(cost.bytes_activation == activation, "%s: %.17g bytes of activations", text,
            cost.bytes_activation);
  cr_assert(cost.bytes_output == output, "%s: %.17g bytes of output", text, cost.bytes_output);
  cr_assert(dyno_cost_bytes(&cost) == weight + activation + output, "%s: all bytes", text);
}

Test(cost, of_every_op)
{
  check("matmul weight=mxfp4 activation=a8 m=1 n=2880 k=2880", 2880. * 2880, 2880. * 1530, 90 * 40,
        2880 * 4);
  check("matmul weight=q8_0 activation=f32 m=3 n=64 k=64 groups=2", 3 * 64 * 64, 2 * 64 * 68,
        3 * 64 * 4, 3 * 64 * 4);
  check("matmul weight=f32 activation=f32 m=0 n=0 k=0 groups=0", 0, 0, 0, 0);
  check("attention activation=bf16 m=1 n=100 k=64 heads=64 kv_heads=8", 2. * 64 * 64 * 100, 0,
        64 * 64 * 4 + 2 * 100 * 8 * 64 * 2, 64 * 64 * 4);
  check("quantize_weight weight=q8_0 n=3 k=64", 3 * 64, 0, 3 * 64 * 4, 3 * 68);
  check("fit_weight weight=q4_0 n=3 k=64", 3 * 64, 64 * 4, 3 * 64 * 4, 3 * 36);
  check("quantize_activation activation=a8 m=3 k=64", 3 * 64, 0, 3 * 64 * 4, 3 * 80);
  check("store_kv activation=bf16 m=3 k=64 kv_heads=8", 2 * 3 * 8 * 64, 0, 2 * 3 * 8 * 64 * 4,
        2 * 3 * 8 * 64 * 2);
  check("rmsnorm m=3 k=64", 2 * 3 * 64, 64 * 4, 3 * 64 * 4, 3 * 64 * 4);
  check("rope m=3 k=64 heads=8", 2 * 3 * 8 * 64, 0, 3 * 8 * 64 * 4 + 3 * 64 * 4, 3 * 8 * 64 * 4);
  check("swiglu m=3 k=64", 3 * 64, 0, 2 * 3 * 64 * 4, 3 * 64 * 4);
  check("router m=3 n=32 k=4", 3 * 32, 0, 3 * 32 * 4, 3 * 4 * 8);
  check("top_k m=3 n=1000 k=4", 3000, 0, 12000, 3 * 4 * 8);
}

/* Counting the pairs of query and position one by one. */
Test(cost, of_attention_counts_what_is_seen)
{
  for (size_t n = 0; n <= 12; n++) {
    for (size_t m = 0; m <= n; m++) {
      for (size_t window = 0; window <= 14; window++) {
        size_t seen = 0, positions = 0;
        for (size_t p = 0; p < n; p++) {
          size_t by = 0;
          for (size_t q = n - m; q < n; q++)
            by += p <= q && (window == 0 || q - p < window);
          seen += by;
          positions += by > 0;
        }
        const dyno_problem problem = {.op = DYNO_OP_ATTENTION,
                                      .activation = DYNO_F32,
                                      .m = m,
                                      .n = n,
                                      .k = 2,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .window = window};
        const dyno_kernel *kernel = reference_of(DYNO_OP_ATTENTION, DYNO_NONE, DYNO_F32);
        dyno_cost cost = dyno_kernel_cost(kernel, &problem);
        cr_assert(cost.macs == (double)(2 * 2 * 4 * seen), "m=%zu n=%zu window=%zu: %g MACs", m, n,
                  window, cost.macs);
        cr_assert(cost.bytes_activation == (double)(m * 8 * 4 + positions * 2 * 2 * 2 * 4),
                  "m=%zu n=%zu window=%zu: %g bytes", m, n, window, cost.bytes_activation);
      }
    }
  }
}
