/* A progress bar with the time left, for whatever takes over a second.
 *
 * It appears on a terminal only, once a second has passed, and is wiped when the work is done: in
 * a file or a pipe there is never a trace of it. One thread. */
#ifndef DYNO_HARNESS_REPORT_PROGRESS_H
#define DYNO_HARNESS_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct dyno_progress {
  FILE *stream; /* NULL: silent */
  double total;
  uint64_t start_ns, drawn_ns;
  bool drawn;
} dyno_progress;

/* Starts a bar of `total` units of work (> 0) on stream, usually stderr; silent when the stream
 * is no terminal. */
void dyno_progress_start(dyno_progress *progress, FILE *stream, double total);

/* Says that `done` units are finished and what is under way; redraws a few times a second. */
void dyno_progress_update(dyno_progress *progress, double done, const char *label);

/* Wipes the bar; call it before anything else is printed on the terminal. The next update draws
 * it again. */
void dyno_progress_clear(dyno_progress *progress);

/* The text of the bar in `width` terminal columns (at least 20), without line control:
 * "[#####.....]  48 %  0:12 left  label". The time left is guessed from the pace so far and left
 * out as long as nothing is done. */
void dyno_progress_text(char *text, size_t text_bytes, unsigned width, double fraction,
                        double elapsed_seconds, const char *label);

#endif
