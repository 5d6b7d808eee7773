#include "kernels/check/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALTERNATE_STACK = 256 * 1024 };

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
enum { FAULT_COUNT = sizeof faults / sizeof *faults };

/* Whose guard pages or data the address is in. */
static void name_buffer(dyno_child *child, const unsigned char *address)
{
  dyno_child_report *report = child->report;
  for (const dyno_tracked *tracked = child->buffers; tracked != NULL; tracked = tracked->next) {
    const dyno_guarded *buffer = &tracked->buffer;
    if (address < buffer->map || address >= buffer->map + buffer->map_bytes)
      continue;
    strncpy(report->buffer, buffer->name, sizeof report->buffer - 1);
    report->offset = address - buffer->data;
    report->bytes = buffer->bytes;
    return;
  }
}

/* A handler gets no argument of ours, and a global would not do for several threads: the
 * alternate stack that it runs on begins with the pointer. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
  (void)context;
  stack_t stack;
  if (sigaltstack(NULL, &stack) != 0)
    _exit(1);
  dyno_child *child = *(dyno_child **)stack.ss_sp;
  dyno_child_report *report = child->report;
  report->signal = signal;
  if (signal == SIGSEGV || signal == SIGBUS) {
    report->has_address = true;
    report->address = (size_t)info->si_addr;
    name_buffer(child, info->si_addr);
  }
  _exit(1);
}

static void watch_faults(dyno_child *child)
{
  void *memory =
      mmap(NULL, ALTERNATE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    dyno_child_give_up(child, DYNO_ERROR_MEMORY, "no memory for a signal stack");
  *(dyno_child **)memory = child;
  stack_t stack = {.ss_sp = memory, .ss_size = ALTERNATE_STACK};
  sigaltstack(&stack, NULL);
  for (size_t i = 0; i < FAULT_COUNT; i++) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(faults[i], &action, NULL);
  }
}

/* The parent's handlers are not for the child. */
static void forget_handlers(void)
{
  static const int inherited[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT};
  for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++)
    signal(inherited[i], SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

static void run_child(dyno_child_report *report, int pipe_end,
                      void (*work)(dyno_child *child, void *context), void *context)
    __attribute__((noreturn));

static void run_child(dyno_child_report *report, int pipe_end,
                      void (*work)(dyno_child *child, void *context), void *context)
{
  dyno_child child = {.report = report, .pipe = pipe_end};
  forget_handlers();
  watch_faults(&child);
  work(&child, context);
  report->finished = true;
  _exit(0);
}

void dyno_child_tick(dyno_child *child)
{
  alarm(DYNO_CASE_SECONDS);
  char nothing = 0;
  if (write(child->pipe, &nothing, 1) < 0 && errno != EAGAIN)
    _exit(1); /* the parent is gone */
}

void dyno_child_give_up(dyno_child *child, dyno_status status, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(child->report->complaint, sizeof child->report->complaint, format, arguments);
  va_end(arguments);
  child->report->gave_up = status;
  _exit(1);
}

/* Reads ticks until the child is gone; false when the observer had enough. */
static bool follow(int pipe_end, const dyno_child_report *report,
                   bool (*observe)(void *, const dyno_child_report *), void *observer)
{
  for (;;) {
    char ticks[256];
    ssize_t got = read(pipe_end, ticks, sizeof ticks);
    if (got == 0 || (got < 0 && errno != EINTR))
      return true;
    if (!observe(observer, report))
      return false;
  }
}

/* -1 when somebody else has reaped the child, as with SIGCHLD ignored. */
static int wait_for(pid_t pid)
{
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return status;
}

static void copy_out(dyno_child_report *report, const dyno_child_report *shared)
{
  *report = *shared;
  dyno_check_failure *first = &report->summary.first;
  char *const ends[] = {
      report->problem + sizeof report->problem,
      report->input + sizeof report->input,
      report->step + sizeof report->step,
      report->complaint + sizeof report->complaint,
      report->buffer + sizeof report->buffer,
      report->summary.worst_problem + sizeof report->summary.worst_problem,
      first->problem + sizeof first->problem,
      first->input + sizeof first->input,
      first->what + sizeof first->what,
      first->element + sizeof first->element,
  };
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    ends[i][-1] = '\0';
}

dyno_status dyno_run_apart(dyno_child_report *report,
                           void (*work)(dyno_child *child, void *context), void *context,
                           bool (*observe)(void *, const dyno_child_report *), void *observer,
                           dyno_error *error)
{
  dyno_child_report *shared =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no shared memory: %s", strerror(errno));
  *shared = *report;
  int ends[2];
  pid_t pid = -1;
  dyno_status status = DYNO_OK;
  if (pipe2(ends, O_CLOEXEC) == 0) {
    /* A slow observer must not hold up the child. */
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    pid = fork();
    if (pid == 0) {
      close(ends[0]);
      run_child(shared, ends[1], work, context);
    }
    int reason = errno;
    close(ends[1]);
    if (pid > 0 && !follow(ends[0], shared, observe, observer)) {
      kill(pid, SIGKILL);
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    }
    close(ends[0]);
    errno = reason;
  }
  if (pid < 0) {
    status = dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "cannot start a process to check in: %s",
                       strerror(errno));
  } else {
    int ended = wait_for(pid);
    copy_out(report, shared);
    if (ended != -1 && WIFSIGNALED(ended) && report->signal == 0)
      report->signal = WTERMSIG(ended);
    if (status == DYNO_OK && (report->signal == SIGINT || report->signal == SIGTERM))
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped by %s",
                         report->signal == SIGINT ? "SIGINT" : "SIGTERM");
  }
  munmap(shared, sizeof *shared);
  return status;
}
