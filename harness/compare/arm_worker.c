#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/compare/wire.h"
#include "harness/compare/worker.h"

/* The model of a worker may have to be read from disk and packed. */
static const double loading_factor = 10;

enum { MOST_ARGUMENTS = 96 };

typedef struct worker_arm {
  dyno_arm base;
  pid_t process; /* 0: it was waited for */
  dyno_wire wire;
  int memory;    /* a file in memory that the worker writes logits to; -1: none */
  float *logits; /* of it, mapped; NULL: not yet */
  size_t vocab;
  double seconds;
  bool broken; /* it failed to answer: its next line, if any, belongs to something else */
} worker_arm;

extern char **environ;

static worker_arm *worker_arm_of(dyno_arm *arm)
{
  return (worker_arm *)(void *)arm;
}

/* Asking */

/* What became of the process, for an error's text. */
static void describe_end(const worker_arm *self, char text[96])
{
  siginfo_t end = {0};
  /* It may be a moment until the end of a process that closed its socket is known. */
  for (int i = 0; i < 20 && self->process > 0; i++) {
    const struct timespec moment = {.tv_nsec = 10000000};
    if (waitid(P_PID, (id_t)self->process, &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        end.si_pid != 0)
      break;
    nanosleep(&moment, NULL);
  }
  if (end.si_pid == 0)
    snprintf(text, 96, "it still runs");
  else if (end.si_code == CLD_EXITED)
    snprintf(text, 96, "it ended with code %d", end.si_status);
  else
    snprintf(text, 96, "signal %d (%s) ended it", end.si_status, strsignal(end.si_status));
}

static dyno_status explain_failure(worker_arm *self, dyno_status status, dyno_error *error)
{
  char end[96];
  dyno_error reason = error != NULL ? *error : (dyno_error){0};
  self->broken = true;
  if (status == DYNO_ERROR_INTERRUPTED || status == DYNO_ERROR_MEMORY)
    return status;
  describe_end(self, end);
  return dyno_fail(error, status == DYNO_ERROR_NOT_FOUND ? DYNO_ERROR_IO : status,
                   "arm %s: worker %d: %s; %s", self->base.label, (int)self->process,
                   reason.message, end);
}

/* Sends a request and waits for its answer, which is the caller's. */
static dyno_status ask(json_t **answer, worker_arm *self, json_t *request, double seconds,
                       dyno_error *error)
{
  *answer = NULL;
  if (self->broken) {
    json_decref(request);
    return dyno_fail(error, DYNO_ERROR_IO, "arm %s: its worker failed before", self->base.label);
  }
  dyno_status status = dyno_wire_send(&self->wire, request, seconds, error);
  if (status == DYNO_OK)
    status = dyno_wire_receive(&self->wire, answer, seconds, error);
  if (status != DYNO_OK)
    return explain_failure(self, status, error);
  if (json_is_true(json_object_get(*answer, "ok")))
    return DYNO_OK;
  const char *message = json_string_value(json_object_get(*answer, "error"));
  json_int_t code = json_integer_value(json_object_get(*answer, "status"));
  status = code > DYNO_OK && code < DYNO_STATUS_COUNT ? (dyno_status)code : DYNO_ERROR_FORMAT;
  dyno_fail(error, status, "arm %s: %s", self->base.label,
            message == NULL ? "its worker refused without a reason" : message);
  json_decref(*answer);
  *answer = NULL;
  return status;
}

static dyno_status misunderstood(worker_arm *self, const json_error_t *reason, dyno_error *error)
{
  self->broken = true;
  return dyno_fail(error, DYNO_ERROR_FORMAT, "arm %s: its worker answered nonsense: %s",
                   self->base.label, reason->text);
}

static double number_or_nan(const json_t *answer, const char *key)
{
  const json_t *value = json_object_get(answer, key);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static dyno_status read_facts(worker_arm *self, dyno_arm_facts *facts, double seconds,
                              dyno_error *error)
{
  json_t *answer;
  json_error_t reason;
  const char *version, *model, *tier, *pool, *commit = "", *switches = "";
  json_int_t vocab, context, batch;
  int protocol, threads, dirty = 0;
  dyno_status status = ask(&answer, self, json_pack("{s:s}", "do", "facts"), seconds, error);
  if (status != DYNO_OK)
    return status;
  if (json_unpack_ex(answer, &reason, 0,
                     "{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s?s, s?b, s?s}", "protocol",
                     &protocol, "version", &version, "model", &model, "tier", &tier, "pool", &pool,
                     "vocab", &vocab, "context", &context, "batch", &batch, "threads", &threads,
                     "commit", &commit, "dirty", &dirty, "switches", &switches) != 0) {
    json_decref(answer);
    return misunderstood(self, &reason, error);
  }
  *facts = (dyno_arm_facts){
      .vocab = (size_t)vocab,
      .context = (size_t)context,
      .batch = (size_t)batch,
      .threads = (unsigned)threads,
      .dirty = dirty != 0,
      .file_bytes = number_or_nan(answer, "file_bytes"),
      .packed_bytes = number_or_nan(answer, "packed_bytes"),
      .kv_bytes = number_or_nan(answer, "kv_bytes"),
      .peak_memory = number_or_nan(answer, "peak_memory"),
      .slowdown = number_or_nan(answer, "slowdown"),
  };
  snprintf(facts->version, sizeof facts->version, "%s", version);
  snprintf(facts->commit, sizeof facts->commit, "%s", commit);
  snprintf(facts->switches, sizeof facts->switches, "%s", switches);
  snprintf(facts->model, sizeof facts->model, "%s", model);
  snprintf(facts->tier, sizeof facts->tier, "%s", tier);
  snprintf(facts->pool, sizeof facts->pool, "%s", pool);
  self->vocab = facts->vocab;
  json_decref(answer);
  return protocol == DYNO_WORKER_PROTOCOL
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                         "arm %s: its worker speaks protocol %d, this is %d", self->base.label,
                         protocol, (int)DYNO_WORKER_PROTOCOL);
}

static dyno_status facts(dyno_arm *arm, dyno_arm_facts *facts, dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  return read_facts(self, facts, self->seconds, error);
}

static json_t *token_list(const int32_t *tokens, size_t count)
{
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, json_integer(tokens[i]));
  return list;
}

static dyno_status read_tokens(worker_arm *self, const json_t *answer, int32_t *tokens, size_t room,
                               size_t *count, dyno_error *error)
{
  const json_t *list = json_object_get(answer, "tokens");
  *count = json_array_size(list);
  if (!json_is_array(list) || *count > room)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "arm %s: %zu tokens where at most %zu are possible",
                     self->base.label, *count, room);
  for (size_t i = 0; i < *count; i++)
    tokens[i] = (int32_t)json_integer_value(json_array_get(list, i));
  return DYNO_OK;
}

static dyno_status tokenize(dyno_arm *arm, const char *text, bool message, int32_t *tokens,
                            size_t room, size_t *count, dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  dyno_status status =
      ask(&answer, self,
          json_pack("{s:s, s:s, s:b}", "do", "tokenize", "text", text, "message", message),
          self->seconds, error);
  if (status == DYNO_OK)
    status = read_tokens(self, answer, tokens, room, count, error);
  json_decref(answer);
  return status;
}

static dyno_status generate(dyno_arm *arm, const int32_t *prompt, size_t prompt_count,
                            int32_t *tokens, size_t count, dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  size_t got = 0;
  json_t *request = json_pack("{s:s, s:o, s:I}", "do", "generate", "prompt",
                              token_list(prompt, prompt_count), "count", (json_int_t)count);
  dyno_status status = ask(&answer, self, request, loading_factor * self->seconds, error);
  if (status == DYNO_OK)
    status = read_tokens(self, answer, tokens, count, &got, error);
  if (status == DYNO_OK && got != count)
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "arm %s: %zu tokens instead of %zu", arm->label,
                       got, count);
  json_decref(answer);
  return status;
}

static dyno_status load(dyno_arm *arm, size_t index, const int32_t *tokens, size_t count,
                        dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  json_t *request = json_pack("{s:s, s:I, s:o}", "do", "load", "case", (json_int_t)index, "tokens",
                              token_list(tokens, count));
  dyno_status status = ask(&answer, self, request, self->seconds, error);
  json_decref(answer);
  return status;
}

static json_t *lane_request(const char *what, size_t index, unsigned lane, const char *key,
                            size_t count)
{
  return json_pack("{s:s, s:I, s:I, s:I}", "do", what, "case", (json_int_t)index, "lane",
                   (json_int_t)lane, key, (json_int_t)count);
}

static dyno_status rewind_lane(dyno_arm *arm, size_t index, unsigned lane, size_t length,
                               dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  dyno_status status = ask(&answer, self, lane_request("rewind", index, lane, "length", length),
                           self->seconds, error);
  json_decref(answer);
  return status;
}

static dyno_status step(dyno_arm *arm, size_t index, unsigned lane, size_t count, uint64_t *ns,
                        int32_t *likeliest, dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  json_error_t reason;
  json_int_t took;
  int token;
  dyno_status status =
      ask(&answer, self, lane_request("step", index, lane, "count", count), self->seconds, error);
  if (status != DYNO_OK)
    return status;
  if (json_unpack_ex(answer, &reason, 0, "{s:I, s:i}", "ns", &took, "token", &token) != 0)
    status = misunderstood(self, &reason, error);
  else {
    *ns = took > 0 ? (uint64_t)took : 0;
    *likeliest = token;
  }
  json_decref(answer);
  return status;
}

static dyno_status logits(dyno_arm *arm, size_t index, unsigned lane, const float **found,
                          dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  dyno_status status =
      ask(&answer, self, lane_request("logits", index, lane, "count", 0), self->seconds, error);
  json_decref(answer);
  if (status != DYNO_OK)
    return status;
  size_t bytes = self->vocab * sizeof *self->logits;
  struct stat file;
  if (fstat(self->memory, &file) != 0 || (size_t)file.st_size < bytes)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "arm %s: its worker did not write all logits",
                     arm->label);
  if (self->logits == NULL) {
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, self->memory, 0);
    if (mapped == MAP_FAILED)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "cannot map logits: %m");
    self->logits = mapped;
  }
  *found = self->logits;
  return DYNO_OK;
}

static dyno_status profile(dyno_arm *arm, size_t index, unsigned lane, size_t count,
                           dyno_arm_profile *profile, dyno_error *error)
{
  worker_arm *self = worker_arm_of(arm);
  json_t *answer;
  dyno_status status = ask(&answer, self, lane_request("profile", index, lane, "count", count),
                           loading_factor * self->seconds, error);
  if (status != DYNO_OK)
    return status;
  const json_t *ops = json_object_get(answer, "ops");
  *profile = (dyno_arm_profile){.seconds = number_or_nan(answer, "seconds")};
  for (size_t i = 0; i < json_array_size(ops) && i < DYNO_ARM_MOST_OPS; i++) {
    json_error_t reason;
    const char *op, *kernel;
    dyno_arm_op *to = &profile->ops[profile->count++];
    if (json_unpack_ex(json_array_get(ops, i), &reason, 0, "{s:s, s:s, s:F, s:F, s:F}", "op", &op,
                       "kernel", &kernel, "seconds", &to->seconds, "bytes", &to->bytes, "macs",
                       &to->macs) != 0) {
      status = misunderstood(self, &reason, error);
      break;
    }
    snprintf(to->op, sizeof to->op, "%s", op);
    snprintf(to->kernel, sizeof to->kernel, "%s", kernel);
  }
  json_decref(answer);
  return status;
}

/* Ending */

/* It ends by itself when its socket closes; one that does not (stopped, hanging) is killed. */
static void end_process(worker_arm *self)
{
  enum { PATIENCE_MS = 2000, STEP_MS = 10 };
  const struct timespec moment = {.tv_nsec = STEP_MS * 1000000};
  if (self->process <= 0)
    return;
  for (int waited = 0; waited < PATIENCE_MS && !self->broken; waited += STEP_MS) {
    if (waitpid(self->process, NULL, WNOHANG) != 0)
      return;
    nanosleep(&moment, NULL);
  }
  kill(self->process, SIGKILL);
  waitpid(self->process, NULL, 0);
}

static void close_arm(dyno_arm *arm)
{
  worker_arm *self = worker_arm_of(arm);
  if (self->wire.fd >= 0)
    close(self->wire.fd);
  end_process(self);
  if (self->logits != NULL)
    munmap(self->logits, self->vocab * sizeof *self->logits);
  if (self->memory >= 0)
    close(self->memory);
  dyno_wire_free(&self->wire);
  free(self);
}

static const dyno_arm_calls worker_calls = {
    .facts = facts,
    .tokenize = tokenize,
    .generate = generate,
    .load = load,
    .rewind = rewind_lane,
    .step = step,
    .logits = logits,
    .profile = profile,
    .close = close_arm,
};

/* Starting */

/* The arguments of a worker; each is owned. */
typedef struct argument_list {
  char *list[MOST_ARGUMENTS + 1];
  size_t count;
  bool fine;
} argument_list;

static void add_argument(argument_list *arguments, const char *option, const char *name,
                         const char *value)
{
  char *text = NULL;
  if (arguments->count == MOST_ARGUMENTS || asprintf(&text, "%s%s%s", option, name, value) < 0)
    arguments->fine = false;
  else
    arguments->list[arguments->count++] = text;
}

static void list_arguments(argument_list *arguments, const dyno_worker_options *options)
{
  const dyno_settings usual = DYNO_SETTINGS_DEFAULTS;
  char text[1 + DYNO_SWITCH_TEXT], same[DYNO_SWITCH_TEXT];
  *arguments = (argument_list){.fine = true};
  add_argument(arguments, options->program, "", "");
  add_argument(arguments, "compare-worker", "", "");
  for (const dyno_switch *one = dyno_switches; one->name != NULL; one++)
    for (size_t i = 0; one->get(options->settings, i, text + 1); i++) {
      /* A build is judged by its own defaults, and may not know newer switches. */
      if (one->get(&usual, i, same) && strcmp(same, text + 1) == 0)
        continue;
      text[0] = '=';
      add_argument(arguments, "--set=", one->name, text);
    }
  if (options->slowdown > 0) {
    snprintf(text, sizeof text, "%.9g", 100 * options->slowdown);
    add_argument(arguments, "--slowdown=", text, "");
  }
}

static void free_arguments(argument_list *arguments)
{
  for (size_t i = 0; i < arguments->count; i++)
    free(arguments->list[i]);
}

static dyno_status start(worker_arm *self, const dyno_worker_options *options, int socket,
                         dyno_error *error)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  argument_list arguments;
  sigset_t none;
  pid_t process = 0;
  list_arguments(&arguments, options);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, self->memory, DYNO_WORKER_MEMORY_FD);
  posix_spawnattr_init(&attributes);
  /* A group of its own: an interrupt from the terminal is for us to handle. */
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  int result = arguments.fine ? posix_spawn(&process, options->program, &actions, &attributes,
                                            arguments.list, environ)
                              : ENOMEM;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  free_arguments(&arguments);
  self->process = result == 0 ? process : 0;
  if (result == 0)
    return DYNO_OK;
  return dyno_fail(error, result == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                   "%s: cannot be started: %s", options->program, strerror(result));
}

static dyno_status connect_worker(worker_arm *self, const dyno_worker_options *options,
                                  dyno_error *error)
{
  int sockets[2];
  self->memory = memfd_create("dyno-logits", MFD_CLOEXEC);
  if (self->memory < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "cannot make memory to share: %m");
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "socketpair: %m");
  self->wire.fd = sockets[0];
  dyno_status status = start(self, options, sockets[1], error);
  close(sockets[1]);
  return status;
}

int dyno_arm_worker_process(const dyno_arm *arm)
{
  return (int)((const worker_arm *)(const void *)arm)->process;
}

dyno_status dyno_arm_open_worker(dyno_arm **arm, const dyno_worker_options *options,
                                 dyno_error *error)
{
  dyno_arm_facts ignored;
  *arm = NULL;
  worker_arm *self = calloc(1, sizeof *self);
  if (self == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  *self = (worker_arm){.base = {&worker_calls, options->label},
                       .wire = {.fd = -1, .stop = options->stop},
                       .memory = -1,
                       .seconds = options->seconds};
  dyno_status status = connect_worker(self, options, error);
  if (status == DYNO_OK)
    status = read_facts(self, &ignored, loading_factor * self->seconds, error);
  if (status != DYNO_OK)
    close_arm(&self->base);
  else
    *arm = &self->base;
  return status;
}
