/* A plug-in with one regression: the best MXFP4 kernel of this processor, a fifth slower where the
 * matrix is wide, as gate and up of a layer's experts are, and as fast as ever where it is tall. */
#include "kernels/base/clock.h"
#include "kernels/table.h"

static dyno_kernel slow;
static const dyno_kernel *fast;

static void multiply_slowly(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  uint64_t start = dyno_clock_ns();
  fast->run.matmul(args, row0, row1);
  if (args->k < args->n)
    return;
  uint64_t end = dyno_clock_ns();
  for (uint64_t until = end + (end - start) / 5; end < until;)
    end = dyno_clock_ns();
}

/* Before anybody looks at the table. */
__attribute__((constructor)) static void find_fast(void)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  for (size_t i = 0; i < dyno_matmul_table.count; i++) {
    const dyno_kernel *one = &dyno_matmul_table.kernels[i];
    if (one->weight == DYNO_MXFP4 && one->activation == DYNO_A8 && one->isa <= cpu.isa &&
        (fast == NULL || one->isa > fast->isa))
      fast = one;
  }
  slow = *fast;
  slow.name = "matmul_mxfp4_a8_slow__planted";
  slow.run.matmul = multiply_slowly;
}

const dyno_plugin_table dyno_plugin = {
    .abi = DYNO_KERNEL_ABI,
    .kernel_bytes = sizeof(dyno_kernel),
    .name = "slow",
    .kernels = &slow,
    .count = 1,
};
