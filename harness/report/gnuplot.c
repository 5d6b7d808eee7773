#include "config.h"

#include "harness/report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/data.h"

enum { MOST_ARGUMENTS = 8, PATIENCE_SECONDS = 60, COMPLAINT_TEXT = 600 };

extern char **environ;

/* The script's absolute path: the process runs in another folder. */
static dyno_status find_script(char **path, const char *script, dyno_error *error)
{
  char name[96], *found = NULL;
  snprintf(name, sizeof name, "plots/%s", script);
  dyno_status status = dyno_data_path(&found, name, error);
  *path = NULL;
  if (status != DYNO_OK)
    return status;
  *path = realpath(found, NULL);
  if (*path == NULL)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: %s", found, strerror(errno));
  free(found);
  return status;
}

/* Returns 0 or an errno. What it writes on stderr comes out of `complaints`. */
static int start(pid_t *process, int complaints[2], const dyno_gnuplot_run *run,
                 char *const *arguments)
{
  posix_spawn_file_actions_t actions;
  if (pipe2(complaints, O_CLOEXEC) != 0)
    return errno;
  int reason = posix_spawn_file_actions_init(&actions);
  if (reason == 0) {
    posix_spawn_file_actions_addchdir_np(&actions, run->folder);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!run->to_stdout)
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, complaints[1], STDERR_FILENO);
    reason = posix_spawnp(process, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  close(complaints[1]);
  if (reason != 0)
    close(complaints[0]);
  return reason;
}

static double seconds_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Keeps the beginning of what it complains of; false when it took too long. */
static bool listen_to(int from, char text[COMPLAINT_TEXT])
{
  const double end = seconds_now() + PATIENCE_SECONDS;
  size_t length = 0;
  for (;;) {
    char rest[512];
    double left = end - seconds_now();
    struct pollfd wait = {.fd = from, .events = POLLIN};
    int ready = left > 0 ? poll(&wait, 1, (int)(left * 1000) + 1) : 0;
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready <= 0)
      break;
    ssize_t got = read(from, rest, sizeof rest);
    if (got <= 0) {
      text[length] = '\0';
      return true;
    }
    size_t room = COMPLAINT_TEXT - 1 - length, taken = (size_t)got < room ? (size_t)got : room;
    memcpy(text + length, rest, taken);
    length += taken;
  }
  text[length] = '\0';
  return false;
}

/* Complaints come over several lines, with a pointer to the place. */
static void to_one_line(char *text)
{
  char *out = text;
  for (const char *in = text; *in != '\0'; in++) {
    char character = (unsigned char)*in < ' ' ? ' ' : *in;
    if (character != ' ' || (out > text && out[-1] != ' '))
      *out++ = character;
  }
  *out = '\0';
}

static dyno_status run_script(const dyno_gnuplot_run *run, char *const *arguments,
                              dyno_error *error)
{
  pid_t process;
  int complaints[2], result = 0;
  char text[COMPLAINT_TEXT];
  int reason = start(&process, complaints, run, arguments);
  if (reason == ENOENT && access(run->folder, X_OK) == 0)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "no plots: gnuplot is missing: apt-get install gnuplot-nox, then dyno report");
  if (reason != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: gnuplot cannot run there: %s", run->folder,
                     strerror(reason));
  bool ended = listen_to(complaints[0], text);
  close(complaints[0]);
  if (!ended)
    kill(process, SIGKILL);
  while (waitpid(process, &result, 0) < 0 && errno == EINTR)
    ;
  to_one_line(text);
  if (!ended)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: gnuplot did not end within %d s", run->script,
                     PATIENCE_SECONDS);
  if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: gnuplot failed: %s", run->script, text);
  return DYNO_OK;
}

dyno_status dyno_gnuplot(const dyno_gnuplot_run *run, dyno_error *error)
{
  static char program[] = "gnuplot", defaults[] = "--default-settings", script[] = "-c";
  char *path, *arguments[MOST_ARGUMENTS + 5] = {program, defaults, script};
  dyno_status status = find_script(&path, run->script, error);
  if (status != DYNO_OK)
    return status;
  arguments[3] = path;
  /* execve does not write into them, its prototype is older than const. */
  for (size_t i = 0; i < MOST_ARGUMENTS && run->arguments[i] != NULL; i++)
    arguments[4 + i] = (char *)(uintptr_t)run->arguments[i];
  status = run_script(run, arguments, error);
  free(path);
  return status;
}
