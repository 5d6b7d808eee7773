/* The screen of the output matrix (kernels/sampling/screen.h), for two-stage logits. */
#ifndef DYNO_RUNTIME_MODEL_HEAD_SCREEN_H
#define DYNO_RUNTIME_MODEL_HEAD_SCREEN_H

#include "kernels/base/buffer.h"
#include "kernels/registry.h"
#include "runtime/model/linear.h"

typedef struct dyno_head_screen {
  dyno_choice kernel; /* none when there is no screen */
  const void *panels;
  size_t bytes;       /* of them */
  dyno_buffer buffer; /* that they are in; empty where they are in a mapped file */
  float *dither;      /* [k] */
} dyno_head_screen;

/* Whether a planned or loaded matrix can have one: UNSUPPORTED when its rows are no whole blocks of
 * A8 or have a bias. */
dyno_status dyno_head_screen_check(const dyno_linear *head, dyno_error *error);

/* Takes the screen of a loaded matrix of one group from the packed file that it is mapped from,
 * where that has one, else makes it: about 4.3 bits for each weight, in memory of its own. Rows are
 * on the nodes of the threads that read them. Of source it takes checkpoint (which may be NULL),
 * registry, pool, repack (make it in any case), huge_pages and numa. MEMORY; errors of
 * dyno_head_screen_check and dyno_select. On failure *screen is zeroed. */
dyno_status dyno_head_screen_make(dyno_head_screen *screen, const dyno_linear *head,
                                  const dyno_linear_source *source, dyno_error *error);

/* Frees and zeroes; a zeroed one is fine. */
void dyno_head_screen_free(dyno_head_screen *screen);

#endif
