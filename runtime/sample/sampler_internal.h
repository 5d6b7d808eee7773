/* The state of a sampler, for its source files only. */
#ifndef DYNO_RUNTIME_SAMPLE_SAMPLER_INTERNAL_H
#define DYNO_RUNTIME_SAMPLE_SAMPLER_INTERNAL_H

#include "runtime/sample/sampler.h"

struct dyno_sampler {
  dyno_sampler_settings settings;
  size_t vocabulary;
  float *logits;      /* [vocabulary], after the penalty */
  double *weight;     /* [vocabulary]; e to the logit, as a share of the largest */
  int32_t *candidate; /* [vocabulary]; ids that may stay */
  size_t count;       /* of candidates */
  /* Only where there is a repetition penalty. */
  uint32_t *seen;  /* [vocabulary]; how often a token is in the window */
  int32_t *window; /* [repetition_window]; the last tokens, in a ring */
  size_t window_count, window_at;
};

#endif
