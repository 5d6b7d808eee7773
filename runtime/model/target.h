/* Where a model that is made of another one may be written. */
#ifndef DYNO_RUNTIME_MODEL_TARGET_H
#define DYNO_RUNTIME_MODEL_TARGET_H

#include "runtime/model/checkpoint.h"

/* USAGE when path is there and no regular file, or is the checkpoint's own: what a rename at the
 * end would only then refuse, or should not replace. */
dyno_status dyno_model_check_target(const char *path, const dyno_checkpoint *checkpoint,
                                    dyno_error *error);

#endif
