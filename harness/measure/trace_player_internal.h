/* What players have in common, for their source files only. */
#ifndef DYNO_HARNESS_MEASURE_TRACE_PLAYER_INTERNAL_H
#define DYNO_HARNESS_MEASURE_TRACE_PLAYER_INTERNAL_H

#include "harness/measure/trace_player.h"

struct dyno_trace_player {
  dyno_status (*next)(dyno_trace_player *player, dyno_trace_request *request, bool *ended,
                      dyno_error *error);
  void (*close)(dyno_trace_player *player);
};

#endif
