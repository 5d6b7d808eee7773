#include "kernels/table.h"

#include "config.h"
#include "kernels/attention/attention.h"

static const dyno_kernel kernels[] = {
};

const dyno_kernel_table dyno_attention_table = {kernels, sizeof kernels / sizeof *kernels};
