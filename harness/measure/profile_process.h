/* What the system says of this process: its age, its memory, and the pages it got. */
#ifndef DYNO_HARNESS_MEASURE_PROFILE_PROCESS_H
#define DYNO_HARNESS_MEASURE_PROFILE_PROCESS_H

#include <stddef.h>

#include "harness/measure/profile_read.h"

/* Seconds since the process was started, in steps of the system's tick (10 ms as a rule); NaN when
 * the system does not say. Loading of the program and its libraries is in it. */
double dyno_process_age(void);

/* The most memory the process has had resident, in bytes. */
double dyno_process_peak_memory(void);

typedef struct dyno_page_shares {
  double resident; /* share of the bytes that are in memory */
  double huge;     /* share of what is in memory that lies on huge pages */
} dyno_page_shares;

/* Of the pages [count], whatever mappings they lie in; NaN when the system does not say. A mapping
 * that holds more than these is taken as even. */
dyno_page_shares dyno_weight_page_shares(const dyno_weight_pages *pages, size_t count);

#endif
