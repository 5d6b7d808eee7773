/* What the system says of this process: its age and its memory. */
#ifndef DYNO_HARNESS_MEASURE_PROFILE_PROCESS_H
#define DYNO_HARNESS_MEASURE_PROFILE_PROCESS_H

/* Seconds since the process was started, in steps of the system's tick (10 ms as a rule); NaN when
 * the system does not say. Loading of the program and its libraries is in it. */
double dyno_process_age(void);

/* The most memory the process has had resident, in bytes. */
double dyno_process_peak_memory(void);

#endif
