/* The folder of one benchmark: made so that no other run can get the same one, and locked for as
 * long as a run writes to it. docs/results-format.md says what is in it. */
#ifndef DYNO_HARNESS_REPORT_RESULTS_FOLDER_H
#define DYNO_HARNESS_REPORT_RESULTS_FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_results_folder {
  char *path;     /* owned; NULL: none */
  const char *id; /* the last part of path */
  int descriptor; /* of the folder; the lock is on it */
} dyno_results_folder;

/* Makes PARENT/<time>-<host>-<commit>, and PARENT where it is missing; with a number behind it
 * when that name is taken. IO, saying what to do, when that cannot be done; MEMORY. */
dyno_status dyno_results_folder_create(dyno_results_folder *folder, const char *parent,
                                       const char *commit, dyno_error *error);

/* Opens the folder of an earlier run to go on with it. NOT_FOUND, IO; UNAVAILABLE while another run
 * writes to it. */
dyno_status dyno_results_folder_open(dyno_results_folder *folder, const char *path,
                                     dyno_error *error);

/* Unlocks. A folder without anything in it is removed. A zero-initialised one is fine. */
void dyno_results_folder_close(dyno_results_folder *folder);

/* UNAVAILABLE unless so many bytes can be written there. */
dyno_status dyno_results_folder_check_space(const dyno_results_folder *folder, uint64_t bytes,
                                            dyno_error *error);

/* Reads or replaces FOLDER/NAME, which holds one JSON object. */
dyno_status dyno_results_read_object(json_t **object, const dyno_results_folder *folder,
                                     const char *name, dyno_error *error);
dyno_status dyno_results_write_object(const json_t *object, const dyno_results_folder *folder,
                                      const char *name, dyno_error *error);

#endif
