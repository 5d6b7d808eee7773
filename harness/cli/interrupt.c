#include "harness/cli/interrupt.h"

/* Signal handlers leave no other way than a global. */
static volatile sig_atomic_t caught;

static void note_signal(int number)
{
  caught = number;
}

const volatile sig_atomic_t *dyno_catch_interrupts(void)
{
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return &caught;
}

bool dyno_interrupted(void)
{
  return caught != 0;
}

void dyno_forget_interrupt(void)
{
  caught = 0;
  dyno_catch_interrupts();
}

int dyno_interrupt_exit_code(void)
{
  return caught == 0 ? 0 : 128 + caught;
}
