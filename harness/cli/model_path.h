/* Finding, and where it must be making, the model that --model names. */
#ifndef DYNO_HARNESS_CLI_MODEL_PATH_H
#define DYNO_HARNESS_CLI_MODEL_PATH_H

#include "kernels/base/status.h"
#include "runtime/synth/synth.h"

/* As dyno_model_resolve; but a synthetic model that is made on its first use is made with a
 * progress bar, and SIGINT and SIGTERM end that cleanly (INTERRUPTED). */
dyno_status dyno_find_model(char **path, const char *reference, dyno_error *error);

/* As dyno_synth_write, in the same way. threads is 0 for all. */
dyno_status dyno_write_synth(const char *path, const dyno_synth_spec *spec, unsigned threads,
                             dyno_error *error);

#endif
