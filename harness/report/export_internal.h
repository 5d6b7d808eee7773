/* The writers of export.c's formats; export.h says what they do. */
#ifndef DYNO_HARNESS_REPORT_EXPORT_INTERNAL_H
#define DYNO_HARNESS_REPORT_EXPORT_INTERNAL_H

#include "harness/report/export.h"

dyno_status dyno_export_gbench(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
dyno_status dyno_export_bmf(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
dyno_status dyno_export_gha(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
dyno_status dyno_export_pyperf(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
dyno_status dyno_export_llama_bench(FILE *stream, const dyno_bench_folder *folder,
                                    dyno_error *error);
dyno_status dyno_export_junit(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
dyno_status dyno_export_csv(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);
dyno_status dyno_export_markdown(FILE *stream, const dyno_bench_folder *folder, dyno_error *error);

enum { DYNO_EXPORT_DIGITS = 12 /* of JSON numbers */, DYNO_EXPORT_HOST = 256 };

/* Writes and frees value; MEMORY when it is NULL. */
dyno_status dyno_export_json(FILE *stream, json_t *value, size_t flags, dyno_error *error);

/* The name of the machine. */
void dyno_export_host(char host[DYNO_EXPORT_HOST], const dyno_bench_manifest *manifest);

/* What the environment says of this name ("processors"), or "". */
const char *dyno_export_fact(const dyno_bench_manifest *manifest, const char *name);

/* The iterations that count, of one case. */
bool dyno_export_is_measured(const dyno_bench_sample *sample, size_t case_index);

#endif
