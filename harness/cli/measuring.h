/* What the verbs that time kernels have in common: their options, and going through the shapes. */
#ifndef DYNO_HARNESS_CLI_MEASURING_H
#define DYNO_HARNESS_CLI_MEASURING_H

#include <argp.h>
#include <stdbool.h>

#include "harness/cli/cli.h"
#include "harness/cli/variants.h"
#include "harness/measure/kernel_bench.h"
#include "harness/measure/shapes.h"
#include "harness/report/kernel_report.h"

typedef struct dyno_measuring {
  dyno_kernel_options kernels;
  dyno_variant_filter filter;
  dyno_bench_options bench;
  const char *shapes;   /* a built-in file or a path */
  dyno_shapes problems; /* given one by one; they replace the shapes */
  bool conditions[DYNO_BENCH_CONDITION_COUNT];
} dyno_measuring;

/* --shapes, --problem, --kernel, --op, --family, --rounds, --threads, --cpu, --memory, --seed,
 * --longest-call, --isa, --plugin, as an argp child. The input is a dyno_measuring, initialised
 * with its defaults by its owner, and freed with dyno_measuring_free. */
extern const struct argp dyno_measuring_parser;

void dyno_measuring_free(dyno_measuring *measuring);

/* Measures the usable variants of all shapes that pass the filter, under the conditions, with a
 * progress bar, and adds what was found, and what was skipped, to the report. An interrupt is no
 * failure: the report is marked. */
dyno_status dyno_measure_shapes(const dyno_measuring *measuring, const dyno_registry *registry,
                                const dyno_shapes *shapes, dyno_kernel_report *report,
                                dyno_error *error);

/* Opens the registry and the shapes and measures them. What was opened before a failure is open
 * afterwards, and closed by the caller in any case; all start zeroed. NOT_FOUND when nothing could
 * be measured at all. */
dyno_status dyno_measure_all(dyno_measuring *measuring, dyno_registry **registry,
                             dyno_shapes *shapes, dyno_kernel_report *report, dyno_error *error);

#endif
