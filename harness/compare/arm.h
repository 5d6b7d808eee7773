/* An arm of a comparison: whatever runs a model and can be asked for one step at a time. It lives
 * in this process (an engine) or in another one (a worker, harness/compare/worker.h); whoever
 * compares sees no difference.
 *
 * An arm has workloads, given by their tokens, and of each two lanes: sequences of their own that
 * do the same. All calls block; one thread at a time. */
#ifndef DYNO_HARNESS_COMPARE_ARM_H
#define DYNO_HARNESS_COMPARE_ARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/compare/schedule.h"
#include "harness/measure/switches.h"
#include "kernels/base/status.h"

/* What an arm is, and what it takes. */
typedef struct dyno_arm_facts {
  char version[64], commit[32], model[256], tier[32], pool[16];
  bool dirty;         /* files differed from the commit, "" when it is not known */
  char switches[512]; /* dyno_settings_describe */
  size_t vocab, context, batch;
  unsigned threads;
  double file_bytes, packed_bytes;
  double shared_bytes; /* of weights that belong to the other arm */
  double kv_bytes;     /* of all lanes and workloads, now */
  double peak_memory;  /* of the process, NaN when it is shared with the other arm */
  double slowdown;     /* injected: a fraction of each step's own time; 0 as a rule */
} dyno_arm_facts;

/* The time of an op in a probed pass, in seconds of wall clock: what its threads spent on it and on
 * waiting for it, over their number. */
typedef struct dyno_arm_op {
  char op[32], kernel[96]; /* kernel is "" where none ran */
  double seconds, bytes, macs;
} dyno_arm_op;

enum { DYNO_ARM_MOST_OPS = 96 };

typedef struct dyno_arm_profile {
  dyno_arm_op ops[DYNO_ARM_MOST_OPS];
  size_t count;
  double seconds; /* of the pass */
} dyno_arm_profile;

typedef struct dyno_arm dyno_arm;

typedef struct dyno_arm_calls {
  dyno_status (*facts)(dyno_arm *arm, dyno_arm_facts *facts, dyno_error *error);
  /* Tokens of a text; as a user's message of a conversation where the model knows those. */
  dyno_status (*tokenize)(dyno_arm *arm, const char *text, bool message, int32_t *tokens,
                          size_t room, size_t *count, dyno_error *error);
  /* What the model says after a prompt, greedily: tokens[count], whatever they mean. */
  dyno_status (*generate)(dyno_arm *arm, const int32_t *prompt, size_t prompt_count,
                          int32_t *tokens, size_t count, dyno_error *error);
  /* Sets workload `index` to these tokens; its lanes are empty. */
  dyno_status (*load)(dyno_arm *arm, size_t index, const int32_t *tokens, size_t count,
                      dyno_error *error);
  /* Forgets all of a lane from `length` on. */
  dyno_status (*rewind)(dyno_arm *arm, size_t index, unsigned lane, size_t length,
                        dyno_error *error);
  /* Runs the workload's next `count` tokens and finds the likeliest next one. */
  dyno_status (*step)(dyno_arm *arm, size_t index, unsigned lane, size_t count, uint64_t *ns,
                      int32_t *likeliest, dyno_error *error);
  /* All logits after the last step; valid until the next call. */
  dyno_status (*logits)(dyno_arm *arm, size_t index, unsigned lane, const float **logits,
                        dyno_error *error);
  /* The next `count` tokens one by one, with a probe. */
  dyno_status (*profile)(dyno_arm *arm, size_t index, unsigned lane, size_t count,
                         dyno_arm_profile *profile, dyno_error *error);
  void (*close)(dyno_arm *arm);
} dyno_arm_calls;

struct dyno_arm {
  const dyno_arm_calls *calls;
  const char *label; /* "A", "B" */
};

/* An arm in this process. other is an arm of this kind that lives longer, to share its weights with
 * where that is possible; NULL for none. memory_limit is of own packed weights, 0 for none.
 * slowdown is busy waiting after every step, as a fraction of its time. Errors of dyno_engine_open.
 */
typedef struct dyno_arm_engine_options {
  const char *label;
  const dyno_engine_options *engine;
  dyno_arm *other;
  uint64_t memory_limit;
  double slowdown;
  bool alone; /* in its process, whose memory is the arm's then */
} dyno_arm_engine_options;

dyno_status dyno_arm_open_engine(dyno_arm **arm, const dyno_arm_engine_options *options,
                                 dyno_error *error);

/* The engine of such an arm. */
dyno_engine *dyno_arm_engine(dyno_arm *arm);

/* Sets *arm to NULL; NULL is fine. */
void dyno_arm_close(dyno_arm **arm);

#endif
