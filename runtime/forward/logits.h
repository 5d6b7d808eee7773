/* The last step of a forward pass for a single token: its largest logits. */
#ifndef DYNO_RUNTIME_FORWARD_LOGITS_H
#define DYNO_RUNTIME_FORWARD_LOGITS_H

#include "runtime/forward/forward.h"
#include "runtime/forward/two_stage.h"

/* Retains the largest logits of token `token` of the batch that went through last; see
 * dyno_two_stage_retain. logits [vocab] is scratch. */
bool dyno_forward_retain(dyno_two_stage *two_stage, dyno_retained *retained, float *logits,
                         const dyno_workspace *workspace, const dyno_model *model,
                         const dyno_two_stage_crew *crew, size_t token,
                         const dyno_retain_request *request);

#endif
