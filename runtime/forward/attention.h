/* The attention of one layer. */
#ifndef DYNO_RUNTIME_FORWARD_ATTENTION_H
#define DYNO_RUNTIME_FORWARD_ATTENTION_H

#include "runtime/cache/kv.h"
#include "runtime/forward/lane.h"

/* Our part of a layer's attention: from stream->residual to workspace->projected, of which our
 * rows are done; and the batch's keys and values to the cache. */
void dyno_lane_attend(dyno_lane *lane, const dyno_layer *layer, const dyno_kv_layer *kv);

#endif
