/* Running something in a child process that may crash, and learning where it did. */
#ifndef DYNO_KERNELS_CHECK_APART_H
#define DYNO_KERNELS_CHECK_APART_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/status.h"
#include "kernels/check/check.h"
#include "kernels/check/guarded.h"

/* What the child writes and the parent reads: shared memory, which a wild write of the child may
 * have spoiled. */
typedef struct dyno_child_report {
  dyno_check_summary summary;
  /* Where the child is. */
  char problem[DYNO_PROBLEM_TEXT];
  char input[16];
  char step[128];
  /* How it ended. */
  bool finished;
  dyno_status gave_up; /* DYNO_OK, or why it could not go on, as complaint says */
  char complaint[160];
  int signal; /* that stopped it; 0 if none was seen */
  bool has_address;
  char buffer[64];  /* the one the address belongs to; empty when unknown */
  ptrdiff_t offset; /* of the address in the buffer */
  size_t bytes;     /* of the buffer */
  size_t address;
} dyno_child_report;

typedef struct dyno_tracked dyno_tracked;
struct dyno_tracked {
  dyno_guarded buffer;
  dyno_tracked *next;
};

typedef struct dyno_child {
  dyno_child_report *report;
  int pipe;
  /* The buffers that an address may belong to. */
  dyno_tracked *buffers;
} dyno_child;

/* Runs work in a child and waits for it. observe is called after each dyno_child_tick; false stops
 * the child. report receives what the child wrote, with all texts terminated.
 *
 * OK when the child ended, however it did. UNAVAILABLE, MEMORY: no child could be made.
 * INTERRUPTED: observe said so, or the child got SIGINT or SIGTERM. */
dyno_status dyno_run_apart(dyno_child_report *report,
                           void (*work)(dyno_child *child, void *context), void *context,
                           bool (*observe)(void *, const dyno_child_report *), void *observer,
                           dyno_error *error);

/* In the child: tells the parent to look, and restarts the clock that ends a child which does not
 * get on. */
void dyno_child_tick(dyno_child *child);

/* In the child: ends it. */
void dyno_child_give_up(dyno_child *child, dyno_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

/* Seconds that a case may take. */
enum { DYNO_CASE_SECONDS = 120 };

#endif
