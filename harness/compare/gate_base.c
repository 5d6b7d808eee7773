#include "harness/compare/gate_base.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>
#include <xxhash.h>

extern char **environ;

/* A command without a shell: its arguments, the folder it runs in and where its output goes. */
typedef struct command {
  const char *const *arguments; /* the last one is NULL */
  const char *folder;           /* NULL: this one */
  int output, errors;           /* descriptors; -1: /dev/null */
} command;

static void direct(posix_spawn_file_actions_t *actions, int from, int to)
{
  if (from >= 0)
    posix_spawn_file_actions_adddup2(actions, from, to);
  else
    posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_WRONLY, 0);
}

static dyno_status start(pid_t *process, const command *run, dyno_error *error)
{
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  direct(&actions, run->output, STDOUT_FILENO);
  direct(&actions, run->errors, STDERR_FILENO);
  if (run->folder != NULL)
    posix_spawn_file_actions_addchdir_np(&actions, run->folder);
  int result = posix_spawnp(process, run->arguments[0], &actions, NULL,
                            (char *const *)(uintptr_t)run->arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return result == 0 ? DYNO_OK
                     : dyno_fail(error, result == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                                 "%s: %s", run->arguments[0], strerror(result));
}

/* Waits; an interrupt is passed on. *code is what it ended with, -1 for a signal. */
static dyno_status wait_for(int *code, pid_t process, const volatile sig_atomic_t *stop,
                            dyno_error *error)
{
  const struct timespec moment = {.tv_nsec = 20000000};
  bool stopped = false;
  int state;
  for (;;) {
    pid_t ended = waitpid(process, &state, WNOHANG);
    if (ended == process)
      break;
    if (ended < 0 && errno != EINTR)
      return dyno_fail(error, DYNO_ERROR_IO, "waitpid: %m");
    if (stop != NULL && *stop != 0 && !stopped) {
      kill(process, SIGTERM);
      stopped = true;
    }
    nanosleep(&moment, NULL);
  }
  *code = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
  return stopped ? dyno_fail(error, DYNO_ERROR_INTERRUPTED, "the build was stopped") : DYNO_OK;
}

static dyno_status execute(int *code, const command *run, const volatile sig_atomic_t *stop,
                           dyno_error *error)
{
  pid_t process;
  dyno_status status = start(&process, run, error);
  return status == DYNO_OK ? wait_for(code, process, stop, error) : status;
}

/* The first line that a command prints, without its end; empty unless it succeeds. */
static dyno_status first_line(char *line, size_t room, const char *const *arguments,
                              dyno_error *error)
{
  FILE *file = tmpfile();
  int code;
  *line = '\0';
  if (file == NULL)
    return dyno_fail(error, DYNO_ERROR_IO, "no temporary file: %m");
  const command run = {.arguments = arguments, .output = fileno(file), .errors = -1};
  dyno_status status = execute(&code, &run, NULL, error);
  rewind(file);
  if (status == DYNO_OK && code == 0 && fgets(line, (int)room, file) != NULL)
    line[strcspn(line, "\n")] = '\0';
  fclose(file);
  return status;
}

/* Building a revision */

enum { PATH_TEXT = 4096, COMMIT_TEXT = 96, MOST_ARGUMENTS = 64 };

typedef struct build {
  const dyno_gate_base_options *options;
  char commit[COMMIT_TEXT], top[PATH_TEXT];
  char *folder, *source, *make, *program, *log_path, *lock_path, *mark; /* owned */
  wordexp_t words; /* owned: all arguments that this build was configured with */
  const char *arguments[MOST_ARGUMENTS]; /* of configure, of the words; ends in NULL */
  int log;
} build;

static dyno_status out_of_memory(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

/* A warning that a newer compiler gives must not keep an old revision from being built. */
static bool is_wanted(const char *argument)
{
  static const char *const unwanted[] = {"--enable-werror", "--quiet",  "--silent",     "-q",
                                         "--prefix",        "--srcdir", "--exec-prefix"};
  for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++) {
    size_t length = strlen(unwanted[i]);
    if (strncmp(argument, unwanted[i], length) == 0 &&
        (argument[length] == '\0' || argument[length] == '='))
      return false;
  }
  return true;
}

/* No command, and no variable, is taken from them. */
static dyno_status choose_arguments(build *b, dyno_error *error)
{
  size_t count = 0;
  const char *text = b->options->configure != NULL ? b->options->configure : "";
  int result = wordexp(text, &b->words, WRDE_NOCMD | WRDE_UNDEF);
  if (result != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "the arguments of configure cannot be read: %s",
                     text);
  b->arguments[count++] = "../source/configure";
  b->arguments[count++] = "-q";
  for (size_t i = 0; i < b->words.we_wordc; i++)
    if (is_wanted(b->words.we_wordv[i])) {
      if (count + 1 == MOST_ARGUMENTS)
        return dyno_fail(error, DYNO_ERROR_USAGE, "configure had more than %d arguments",
                         MOST_ARGUMENTS - 3);
      b->arguments[count++] = b->words.we_wordv[i];
    }
  return DYNO_OK;
}

/* "build", or "build-1a2b3c4d" with arguments: other ones are another build. */
static void name_build(char name[32], const build *b)
{
  uint32_t hash = 0;
  for (size_t i = 2; b->arguments[i] != NULL; i++)
    hash = (uint32_t)XXH3_64bits_withSeed(b->arguments[i], strlen(b->arguments[i]) + 1, hash);
  if (b->arguments[2] == NULL)
    snprintf(name, 32, "build");
  else
    snprintf(name, 32, "build-%08x", hash);
}

static dyno_status name_folders(build *b, dyno_error *error)
{
  char name[32];
  const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
  const char *base = b->options->cache;
  char *root = NULL;
  int result = 0;
  name_build(name, b);
  if (base != NULL)
    result = asprintf(&root, "%s", base);
  else if (cache != NULL && *cache == '/')
    result = asprintf(&root, "%s/dyno/gate", cache);
  else
    result = asprintf(&root, "%s/.cache/dyno/gate", home != NULL ? home : "/tmp");
  if (result < 0)
    return out_of_memory(error);
  bool fine = asprintf(&b->folder, "%s/%s", root, b->commit) >= 0 &&
              asprintf(&b->source, "%s/source", b->folder) >= 0 &&
              asprintf(&b->make, "%s/%s", b->folder, name) >= 0 &&
              asprintf(&b->lock_path, "%s/lock", b->folder) >= 0 &&
              asprintf(&b->mark, "%s/checked-out", b->folder) >= 0 &&
              asprintf(&b->program, "%s/dyno", b->make) >= 0 &&
              asprintf(&b->log_path, "%s/build.log", b->folder) >= 0;
  free(root);
  return fine ? DYNO_OK : out_of_memory(error);
}

/* A folder and those above it. */
static dyno_status make_folders(const char *path, dyno_error *error)
{
  char part[PATH_TEXT];
  if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: too long", path);
  for (char *at = part + 1; *at != '\0'; at++)
    if (*at == '/') {
      *at = '\0';
      if (mkdir(part, 0777) != 0 && errno != EEXIST)
        return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", part);
      *at = '/';
    }
  if (mkdir(part, 0777) != 0 && errno != EEXIST)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", part);
  return DYNO_OK;
}

/* One step of the build, into the log. */
static dyno_status run_step(build *b, const char *folder, const char *label,
                            const char *const *arguments, dyno_error *error)
{
  int code = 0;
  const command run = {arguments, folder, b->log, b->log};
  if (b->options->progress != NULL)
    b->options->progress(b->options->progress_context, label);
  dyno_status status = execute(&code, &run, b->options->stop, error);
  if (status == DYNO_OK && code != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: %s of %.12s ended with code %d; see %s", b->make,
                       arguments[0], b->commit, code, b->log_path);
  return status;
}

static bool exists(const char *path)
{
  return access(path, F_OK) == 0;
}

/* Git writes the files one by one: a mark beside them says that all are there. */
static dyno_status check_out(build *b, dyno_error *error)
{
  const char *const add[] = {"git",      "-C",      b->top,    "worktree", "add",
                             "--detach", "--force", b->source, b->commit,  NULL};
  const char *const forget[] = {"git",    "-C",      b->top,    "worktree",
                                "remove", "--force", b->source, NULL};
  dyno_error ignored;
  if (exists(b->mark) && exists(b->source))
    return DYNO_OK;
  if (exists(b->source))
    run_step(b, NULL, "checking out", forget, &ignored);
  dyno_status status = run_step(b, NULL, "checking out", add, error);
  int mark = status == DYNO_OK ? open(b->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
  if (status == DYNO_OK && mark < 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: %m", b->mark);
  if (mark >= 0)
    close(mark);
  return status;
}

static dyno_status configure(build *b, dyno_error *error)
{
  const char *const autoreconf[] = {"autoreconf", "-fi", NULL};
  char path[PATH_TEXT];
  snprintf(path, sizeof path, "%s/Makefile.in", b->source); /* the last that autoreconf makes */
  dyno_status status = DYNO_OK;
  if (!exists(path))
    status = run_step(b, b->source, "autoreconf", autoreconf, error);
  snprintf(path, sizeof path, "%s/Makefile", b->make);
  if (status == DYNO_OK && !exists(path))
    status = run_step(b, b->make, "configure", b->arguments, error);
  return status;
}

/* make does nothing when all is there, so that a build that was broken off goes on. */
static dyno_status make_program(build *b, dyno_error *error)
{
  char jobs[32];
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  snprintf(jobs, sizeof jobs, "-j%ld",
           b->options->jobs > 0 ? (long)b->options->jobs
           : processors > 0     ? processors
                                : 1);
  const char *const make[] = {"make", "-s", jobs, "dyno", NULL};
  return run_step(b, b->make, "make", make, error);
}

/* Waits for whoever else builds this commit, until it is done or we are told to stop. */
static dyno_status take_lock(int *lock, const build *b, dyno_error *error)
{
  const struct timespec moment = {.tv_nsec = 100000000};
  *lock = open(b->lock_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (*lock < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", b->lock_path);
  while (flock(*lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", b->lock_path);
    if (b->options->stop != NULL && *b->options->stop != 0)
      return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped while another gate was building");
    nanosleep(&moment, NULL);
  }
  return DYNO_OK;
}

static dyno_status build_locked(build *b, dyno_error *error)
{
  b->log = open(b->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (b->log < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %m", b->log_path);
  dyno_status status = check_out(b, error);
  if (status == DYNO_OK)
    status = configure(b, error);
  if (status == DYNO_OK)
    status = make_program(b, error);
  close(b->log);
  return status;
}

static dyno_status build_all(build *b, dyno_error *error)
{
  int lock = -1;
  dyno_status status = make_folders(b->make, error);
  if (status == DYNO_OK)
    status = take_lock(&lock, b, error);
  if (status == DYNO_OK)
    status = build_locked(b, error);
  if (lock >= 0)
    close(lock);
  return status;
}

static dyno_status find_revision(build *b, dyno_error *error)
{
  const dyno_gate_base_options *o = b->options;
  char wanted[PATH_TEXT];
  /* "--verify" keeps a name that begins with a dash from being an option. */
  snprintf(wanted, sizeof wanted, "%s^{commit}", o->base);
  const char *const top[] = {"git", "-C", o->repository, "rev-parse", "--show-toplevel", NULL};
  const char *const commit[] = {"git",      "-C",      o->repository,      "rev-parse",
                                "--verify", "--quiet", "--end-of-options", wanted,
                                NULL};
  dyno_status status = first_line(b->top, sizeof b->top, top, error);
  if (status == DYNO_OK)
    status = first_line(b->commit, sizeof b->commit, commit, error);
  if (status == DYNO_OK && (b->top[0] == '\0' || b->commit[0] == '\0'))
    status = dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                       "%s: neither a program nor a revision of the repository in %s", o->base,
                       o->repository);
  return status;
}

/* A make or a git hook around the gate would reach into the base's build, which is kept. */
static void leave_surroundings(void)
{
  static const char *const names[] = {"MAKEFLAGS", "MFLAGS",        "MAKEOVERRIDES", "MAKELEVEL",
                                      "GIT_DIR",   "GIT_WORK_TREE", "GIT_INDEX_FILE"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    unsetenv(names[i]);
}

static dyno_status build_revision(char **program, const dyno_gate_base_options *options,
                                  dyno_error *error)
{
  build b = {.options = options};
  leave_surroundings();
  dyno_status status = find_revision(&b, error);
  if (status == DYNO_OK)
    status = choose_arguments(&b, error);
  if (status == DYNO_OK)
    status = name_folders(&b, error);
  if (status == DYNO_OK)
    status = build_all(&b, error);
  if (status == DYNO_OK) {
    *program = b.program;
    b.program = NULL;
  }
  free(b.folder);
  free(b.source);
  free(b.make);
  free(b.program);
  free(b.log_path);
  free(b.lock_path);
  free(b.mark);
  wordfree(&b.words);
  return status;
}

dyno_status dyno_gate_base_find(char **program, const dyno_gate_base_options *options,
                                dyno_error *error)
{
  struct stat file;
  *program = NULL;
  if (stat(options->base, &file) == 0 && S_ISREG(file.st_mode)) {
    if (access(options->base, X_OK) != 0)
      return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot be run: %m", options->base);
    /* posix_spawn would look for a bare name elsewhere. */
    *program = realpath(options->base, NULL);
    return *program != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_IO, "%s: %m", options->base);
  }
  return build_revision(program, options, error);
}
