/* Keeps what a probe says (runtime/probe.h), for later.
 *
 * Every thread writes into memory of its own, which is there before the pass begins: recording an
 * event is a copy and an addition. */
#ifndef DYNO_HARNESS_MEASURE_PROFILE_RECORDER_H
#define DYNO_HARNESS_MEASURE_PROFILE_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/probe.h"

typedef struct dyno_profile_recorder dyno_profile_recorder;

/* For threads 0 to threads - 1, with room for `expected` events of each; more are kept too, but
 * their memory is found only when they come. On failure (MEMORY) *recorder is NULL. */
dyno_status dyno_profile_recorder_open(dyno_profile_recorder **recorder, unsigned threads,
                                       size_t expected, dyno_error *error);

/* Sets *recorder to NULL; NULL is fine. */
void dyno_profile_recorder_close(dyno_profile_recorder **recorder);

/* The probe to give to the engine; valid as long as the recorder. Threads may call it at once, each
 * under its own number. Events of other threads, and those that no memory is left for, are counted
 * and lost. */
const dyno_probe *dyno_profile_recorder_probe(const dyno_profile_recorder *recorder);

unsigned dyno_profile_recorder_threads(const dyno_profile_recorder *recorder);

/* Events of a thread, in the order they came; of all threads; and lost. Not while a probe may be
 * called. */
size_t dyno_profile_recorder_count(const dyno_profile_recorder *recorder, unsigned thread);
const dyno_probe_event *dyno_profile_recorder_event(const dyno_profile_recorder *recorder,
                                                    unsigned thread, size_t index);
size_t dyno_profile_recorder_total(const dyno_profile_recorder *recorder);
size_t dyno_profile_recorder_lost(const dyno_profile_recorder *recorder);

/* What recording one event takes, found out on a recorder of its own. MEMORY. */
dyno_status dyno_profile_recording_seconds(double *seconds, dyno_error *error);

#endif
