/* An arm in a process of its own.
 *
 * The worker is `dyno compare-worker --set NAME=VALUE ...`, of any build that speaks the protocol.
 * It reads requests from standard input and answers on the same socket, a JSON object on a line
 * each; between requests it is blocked in read, its threads parked. Logits go through shared memory
 * that it inherits as file descriptor 3. It ends when the socket closes.
 *
 * Requests have "do"; answers have "ok": true, or "error" with a message and "status".
 *
 *   {"do":"facts"}                                      the fields of dyno_arm_facts, "protocol"
 *   {"do":"tokenize","text":T,"message":BOOL}           "tokens"
 *   {"do":"generate","prompt":[...],"count":N}          "tokens"
 *   {"do":"load","case":I,"tokens":[...]}
 *   {"do":"rewind","case":I,"lane":L,"length":N}
 *   {"do":"step","case":I,"lane":L,"count":N}           "ns", "token"
 *   {"do":"logits","case":I,"lane":L}                   "count" floats are in the shared memory
 *   {"do":"profile","case":I,"lane":L,"count":N}        "seconds", "ops" */
#ifndef DYNO_HARNESS_COMPARE_WORKER_H
#define DYNO_HARNESS_COMPARE_WORKER_H

#include <signal.h>

#include "harness/compare/arm.h"

enum { DYNO_WORKER_PROTOCOL = 1, DYNO_WORKER_MEMORY_FD = 3 };

/* Serves requests on the socket until it closes (then DYNO_OK) or fails. memory is a file for
 * logits. */
dyno_status dyno_worker_serve(dyno_arm *arm, int socket, int memory, dyno_error *error);

typedef struct dyno_worker_options {
  const char *label;
  const char *program;           /* a path of dyno */
  const dyno_settings *settings; /* the model's path among them */
  double slowdown;
  double seconds;                    /* for an answer to come; loading has ten times as long */
  const volatile sig_atomic_t *stop; /* may be NULL */
} dyno_worker_options;

/* Starts a worker and waits until it has loaded. The arm's calls fail with UNAVAILABLE when it does
 * not answer in time (it hangs, or was stopped), with IO when it is gone, saying how it ended;
 * after that every call fails. NOT_FOUND: there is no such program; UNSUPPORTED: it speaks another
 * protocol, or none. Strings are copied. */
dyno_status dyno_arm_open_worker(dyno_arm **arm, const dyno_worker_options *options,
                                 dyno_error *error);

/* The process of such an arm, for tests. */
int dyno_arm_worker_process(const dyno_arm *arm);

#endif
