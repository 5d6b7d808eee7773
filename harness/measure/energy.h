/* The energy that the processors' packages took, where the system counts it (RAPL by powercap). */
#ifndef DYNO_HARNESS_MEASURE_ENERGY_H
#define DYNO_HARNESS_MEASURE_ENERGY_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/measure/system_files.h"

enum { DYNO_MOST_PACKAGES = 64 };

/* One package's counter, which begins anew at its range. */
typedef struct dyno_energy_package {
  int file;
  uint64_t range, last; /* microjoules */
} dyno_energy_package;

typedef struct dyno_energy_meter {
  dyno_energy_package package[DYNO_MOST_PACKAGES];
  unsigned count;
  double joules;    /* since it was opened */
  char reason[160]; /* why there is nothing, "unsupported: ..." or "denied: ..."; else "" */
} dyno_energy_meter;

/* Opens the counters of all packages; where there are none, or one of them may not be read, the
 * meter says why and reads nothing. roots may be NULL. One thread; to be closed in any case. */
void dyno_energy_open(dyno_energy_meter *meter, const dyno_roots *roots);
void dyno_energy_close(dyno_energy_meter *meter);

/* Joules of all packages since the meter was opened: cores, caches and memory controllers, whoever
 * used them. False when there is nothing to read. To be read more often than a counter wraps: at
 * 200 W that takes 20 minutes and more. */
bool dyno_energy_read(dyno_energy_meter *meter, double *joules);

#endif
