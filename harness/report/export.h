/* A benchmark in the formats that other tools read. */
#ifndef DYNO_HARNESS_REPORT_EXPORT_H
#define DYNO_HARNESS_REPORT_EXPORT_H

#include <stddef.h>
#include <stdio.h>

#include "harness/report/bench_folder.h"

typedef struct dyno_export_format {
  const char *name;    /* as in --as */
  const char *summary; /* who reads it */
  /* Errors of the stream are left in it. */
  dyno_status (*write)(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
} dyno_export_format;

/* The formats there are, from 0; NULL beyond the last. */
const dyno_export_format *dyno_export_format_at(size_t index);

/* The format of this name, or NULL. */
const dyno_export_format *dyno_export_format_find(const char *name);

#endif
