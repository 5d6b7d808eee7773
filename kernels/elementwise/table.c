#include "kernels/table.h"

#include "config.h"
#include "kernels/elementwise/elementwise.h"

static const dyno_kernel kernels[] = {
};

const dyno_kernel_table dyno_elementwise_table = {kernels, sizeof kernels / sizeof *kernels};
