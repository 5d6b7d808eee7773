/* One forward pass: a batch of consecutive tokens of one sequence through the model.
 *
 * The bits of the result do not depend on how a sequence is cut into batches, nor on the number
 * of threads. */
#ifndef DYNO_RUNTIME_FORWARD_FORWARD_H
#define DYNO_RUNTIME_FORWARD_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/cache/kv.h"
#include "runtime/forward/workspace.h"
#include "runtime/model/model.h"
#include "runtime/probe.h"

/* Runs m tokens (1 <= m <= model->batch, each < vocab) that stand at position and after it, on the
 * pool that the workspace was opened for. The KV cache must have room reserved for them.
 * workspace->shared.residual then holds their final hidden states. probe may be NULL. Allocates
 * nothing. */
void dyno_forward(dyno_workspace *workspace, dyno_kv *kv, const dyno_model *model, dyno_pool *pool,
                  const dyno_probe *probe, const int32_t *tokens, size_t m, size_t position);

/* Writes the logits [count][vocab] of tokens first to first + count - 1 of the batch that went
 * through last. probe may be NULL. */
void dyno_forward_logits(float *logits, dyno_workspace *workspace, const dyno_model *model,
                         dyno_pool *pool, const dyno_probe *probe, size_t first, size_t count);

#endif
