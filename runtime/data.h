/* The files that dyno brings along. */
#ifndef DYNO_RUNTIME_DATA_H
#define DYNO_RUNTIME_DATA_H

#include "kernels/base/status.h"

/* The path of a file or folder that is shipped ("mini/dyno-mini.gguf"), to be freed. Looked for in
 * $DYNO_DATA; beside the program, where a build keeps it (testcases/, plots/) and where an
 * installation does (../share/dyno); and where this was configured to be installed. NOT_FOUND,
 * saying where it was looked for. Reads the environment. */
dyno_status dyno_data_path(char **path, const char *name, dyno_error *error);

#endif
