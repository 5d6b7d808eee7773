/* The mixture of experts of one layer. */
#ifndef DYNO_RUNTIME_FORWARD_EXPERTS_H
#define DYNO_RUNTIME_FORWARD_EXPERTS_H

#include "runtime/forward/forward.h"

/* Routes the batch by workspace->router_logits and adds to the residual what the chosen experts
 * make of workspace->normalized. */
void dyno_forward_experts(dyno_workspace *workspace, const dyno_model *model,
                          const dyno_layer *layer, const dyno_crew *crew, size_t m);

#endif
