#include "kernels/table.h"

#include "config.h"
#include "kernels/sampling/sampling.h"

static const dyno_kernel kernels[] = {
};

const dyno_kernel_table dyno_sampling_table = {kernels, sizeof kernels / sizeof *kernels};
