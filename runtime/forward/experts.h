/* The mixture of experts of one layer. */
#ifndef DYNO_RUNTIME_FORWARD_EXPERTS_H
#define DYNO_RUNTIME_FORWARD_EXPERTS_H

#include "runtime/forward/lane.h"

/* Our part of a layer's mixture of experts: adds to stream->residual of our tokens what their
 * experts make of it. */
void dyno_lane_mix(dyno_lane *lane, const dyno_layer *layer);

#endif
