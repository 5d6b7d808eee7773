/* Ending early on SIGINT and SIGTERM, with what was done so far intact. */
#ifndef DYNO_HARNESS_CLI_INTERRUPT_H
#define DYNO_HARNESS_CLI_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* Lets SIGINT and SIGTERM set a flag, which is returned, instead of ending the program. A second
 * signal ends it at once. */
const volatile sig_atomic_t *dyno_catch_interrupts(void);

/* Whether a signal was caught. */
bool dyno_interrupted(void);

/* Forgets the signal and waits for the next. */
void dyno_forget_interrupt(void);

/* The exit code that belongs to the signal caught: 130, 143, or 0 when there was none. */
int dyno_interrupt_exit_code(void);

#endif
