/* The tables of a benchmark, for a terminal or for Markdown. Each is NULL when out of memory, which
 * dyno_table_print reports. */
#ifndef DYNO_HARNESS_REPORT_BENCH_TABLES_H
#define DYNO_HARNESS_REPORT_BENCH_TABLES_H

#include "harness/report/bench_summary.h"
#include "harness/report/table.h"

typedef struct dyno_bench_section {
  const char *title;
  const char *note; /* how to read it; NULL: nothing to say */
  dyno_table *(*table)(const dyno_bench_summary *summary);
} dyno_bench_section;

/* In the order to show them. */
extern const dyno_bench_section dyno_bench_sections[];
extern const size_t dyno_bench_section_count;

#define DYNO_BENCH_NOTE_TEXT 512

/* What there is to say of a case beside its row, one note at a time, from 0; false when there are
 * no more: too few iterations, wrong or differing output, unsteadiness, outliers. */
bool dyno_bench_case_note(char text[DYNO_BENCH_NOTE_TEXT], const dyno_bench_summary *summary,
                          size_t case_index, size_t number);

#endif
