#include "kernels/table.h"

#include "config.h"
#include "kernels/matmul/matmul.h"

static const dyno_kernel kernels[] = {
};

const dyno_kernel_table dyno_matmul_table = {kernels, sizeof kernels / sizeof *kernels};
