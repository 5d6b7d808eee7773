/* The screen of the output matrix (kernels/sampling/screen.h), for two-stage logits. */
#ifndef DYNO_RUNTIME_MODEL_HEAD_SCREEN_H
#define DYNO_RUNTIME_MODEL_HEAD_SCREEN_H

#include "kernels/base/buffer.h"
#include "kernels/registry.h"
#include "runtime/model/linear.h"

typedef struct dyno_head_screen {
  dyno_choice kernel; /* none when there is no screen */
  dyno_buffer panels;
  float *dither; /* [k] */
} dyno_head_screen;

/* Makes the screen of a loaded matrix of one group: about 4.3 bits for each weight, in memory of
 * its own. Of source it takes registry, pool and huge_pages. UNSUPPORTED when its rows are no whole
 * blocks of A8 or have a bias; MEMORY; errors of dyno_select. On failure *screen is zeroed. */
dyno_status dyno_head_screen_make(dyno_head_screen *screen, const dyno_linear *head,
                                  const dyno_linear_source *source, dyno_error *error);

/* Frees and zeroes; a zeroed one is fine. */
void dyno_head_screen_free(dyno_head_screen *screen);

#endif
