#include "kernels/table.h"

#include "config.h"
#include "kernels/quantize/quantize.h"

static const dyno_kernel kernels[] = {
};

const dyno_kernel_table dyno_quantize_table = {kernels, sizeof kernels / sizeof *kernels};
