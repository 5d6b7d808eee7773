/* Folders that appear whole or not at all: filled beside their place, then renamed. The same as
 * kernels/base/atomic_file.h for files. */
#ifndef DYNO_RUNTIME_SYNTH_NEW_FOLDER_H
#define DYNO_RUNTIME_SYNTH_NEW_FOLDER_H

#include "kernels/base/status.h"

typedef struct dyno_new_folder {
  char *path;      /* the final place; owned */
  char *temporary; /* put files, not folders, in here; owned */
} dyno_new_folder;

/* Makes the temporary folder. USAGE when something is at path that is no empty folder; IO;
 * MEMORY. On failure *folder is zeroed. */
dyno_status dyno_new_folder_open(dyno_new_folder *folder, const char *path, dyno_error *error);

/* Renames it into place and flushes that to disk; the files in it are flushed already. On failure
 * it is discarded. */
dyno_status dyno_new_folder_commit(dyno_new_folder *folder, dyno_error *error);

/* Removes the temporary folder and its files. A zeroed folder is fine. */
void dyno_new_folder_discard(dyno_new_folder *folder);

#endif
