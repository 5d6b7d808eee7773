/* What `dyno memory` found, as tables and as JSON (docs/memory.md). */
#ifndef DYNO_HARNESS_REPORT_MEMORY_REPORT_H
#define DYNO_HARNESS_REPORT_MEMORY_REPORT_H

#include <stdio.h>

#include "harness/measure/allocation_replay.h"
#include "harness/measure/fragmentation.h"
#include "harness/measure/memory_account.h"

/* Each prints to stream, json telling how. MEMORY, IO. */
dyno_status dyno_memory_report(const dyno_memory_account *account, FILE *stream, bool json,
                               dyno_error *error);
dyno_status dyno_replay_report(const dyno_replay *replay, const dyno_allocation_trace *trace,
                               FILE *stream, bool json, dyno_error *error);
dyno_status dyno_fragmentation_report(const dyno_fragmentation *found, FILE *stream, bool json,
                                      dyno_error *error);

#endif
