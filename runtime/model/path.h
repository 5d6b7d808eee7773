/* Paths put together. */
#ifndef DYNO_RUNTIME_MODEL_PATH_H
#define DYNO_RUNTIME_MODEL_PATH_H

/* "folder/name", to be freed; NULL when there is no memory. */
char *dyno_join_path(const char *folder, const char *name);

#endif
