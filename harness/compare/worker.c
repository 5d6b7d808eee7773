#include "harness/compare/worker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/compare/wire.h"

enum { MOST_TOKENS = 1 << 18 };

typedef struct server {
  dyno_arm *arm;
  int memory;
  size_t vocab;
} server;

/* What a request asks of the arm; answer is an object to add to. */
typedef dyno_status request_handler(server *self, const json_t *request, json_t *answer,
                                    dyno_error *error);

static dyno_status malformed(const json_error_t *reason, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "a request that is wrong: %s", reason->text);
}

static json_t *number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static dyno_status serve_facts(server *self, const json_t *request, json_t *answer,
                               dyno_error *error)
{
  dyno_arm_facts facts;
  (void)request;
  dyno_status status = self->arm->calls->facts(self->arm, &facts, error);
  if (status != DYNO_OK)
    return status;
  self->vocab = facts.vocab;
  json_t *object = json_pack(
      "{s:i, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:o, s:o, s:o, s:o, s:o}",
      "protocol", (int)DYNO_WORKER_PROTOCOL, "version", facts.version, "commit", facts.commit,
      "dirty", (int)facts.dirty, "switches", facts.switches, "model", facts.model, "tier",
      facts.tier, "pool", facts.pool, "vocab", (json_int_t)facts.vocab, "context",
      (json_int_t)facts.context, "batch", (json_int_t)facts.batch, "threads", (int)facts.threads,
      "file_bytes", number(facts.file_bytes), "packed_bytes", number(facts.packed_bytes),
      "kv_bytes", number(facts.kv_bytes), "peak_memory", number(facts.peak_memory), "slowdown",
      number(facts.slowdown));
  int result = object == NULL ? -1 : json_object_update(answer, object);
  json_decref(object);
  return result == 0 ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

static dyno_status answer_tokens(json_t *answer, const int32_t *tokens, size_t count,
                                 dyno_error *error)
{
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, json_integer(tokens[i]));
  return json_object_set_new(answer, "tokens", list) == 0 && json_array_size(list) == count
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

static dyno_status read_tokens(int32_t **tokens, size_t *count, const json_t *list,
                               dyno_error *error)
{
  *count = json_array_size(list);
  *tokens = calloc(*count + 1, sizeof **tokens);
  if (*tokens == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < *count; i++)
    (*tokens)[i] = (int32_t)json_integer_value(json_array_get(list, i));
  return DYNO_OK;
}

static dyno_status serve_tokenize(server *self, const json_t *request, json_t *answer,
                                  dyno_error *error)
{
  json_error_t reason;
  const char *text;
  size_t count;
  int message;
  if (json_unpack_ex((json_t *)(uintptr_t)request, &reason, 0, "{s:s, s:b}", "text", &text,
                     "message", &message) != 0)
    return malformed(&reason, error);
  int32_t *tokens = malloc(MOST_TOKENS * sizeof *tokens);
  if (tokens == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_status status =
      self->arm->calls->tokenize(self->arm, text, message != 0, tokens, MOST_TOKENS, &count, error);
  if (status == DYNO_OK)
    status = answer_tokens(answer, tokens, count, error);
  free(tokens);
  return status;
}

static dyno_status serve_generate(server *self, const json_t *request, json_t *answer,
                                  dyno_error *error)
{
  json_error_t reason;
  json_t *list;
  json_int_t count;
  size_t prompt_count;
  int32_t *prompt = NULL;
  if (json_unpack_ex((json_t *)(uintptr_t)request, &reason, 0, "{s:o, s:I}", "prompt", &list,
                     "count", &count) != 0)
    return malformed(&reason, error);
  if (count < 1 || count > MOST_TOKENS)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "a request for too many tokens");
  dyno_status status = read_tokens(&prompt, &prompt_count, list, error);
  int32_t *tokens = calloc((size_t)count, sizeof *tokens);
  if (status == DYNO_OK && tokens == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK)
    status =
        self->arm->calls->generate(self->arm, prompt, prompt_count, tokens, (size_t)count, error);
  if (status == DYNO_OK)
    status = answer_tokens(answer, tokens, (size_t)count, error);
  free(tokens);
  free(prompt);
  return status;
}

static dyno_status serve_load(server *self, const json_t *request, json_t *answer,
                              dyno_error *error)
{
  enum { MOST_CASES = 256 };
  json_error_t reason;
  json_t *list;
  json_int_t index;
  size_t count;
  int32_t *tokens = NULL;
  (void)answer;
  if (json_unpack_ex((json_t *)(uintptr_t)request, &reason, 0, "{s:I, s:o}", "case", &index,
                     "tokens", &list) != 0)
    return malformed(&reason, error);
  if (index < 0 || index >= MOST_CASES)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "a request for too many cases");
  dyno_status status = read_tokens(&tokens, &count, list, error);
  if (status == DYNO_OK)
    status = self->arm->calls->load(self->arm, (size_t)index, tokens, count, error);
  free(tokens);
  return status;
}

/* The fields that requests about a lane have; count is under the key. */
typedef struct lane_request {
  size_t index, count;
  unsigned lane;
} lane_request;

static dyno_status read_lane(lane_request *lane, const json_t *request, const char *key,
                             dyno_error *error)
{
  json_error_t reason;
  json_int_t index, number_of_lane, count = 0;
  if (json_unpack_ex((json_t *)(uintptr_t)request, &reason, 0, "{s:I, s:I, s?:I}", "case", &index,
                     "lane", &number_of_lane, key, &count) != 0)
    return malformed(&reason, error);
  if (index < 0 || number_of_lane < 0 || number_of_lane >= DYNO_COMPARE_LANES || count < 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "a request with a negative number");
  *lane = (lane_request){(size_t)index, (size_t)count, (unsigned)number_of_lane};
  return DYNO_OK;
}

static dyno_status serve_rewind(server *self, const json_t *request, json_t *answer,
                                dyno_error *error)
{
  lane_request lane;
  (void)answer;
  dyno_status status = read_lane(&lane, request, "length", error);
  return status == DYNO_OK
             ? self->arm->calls->rewind(self->arm, lane.index, lane.lane, lane.count, error)
             : status;
}

static dyno_status serve_step(server *self, const json_t *request, json_t *answer,
                              dyno_error *error)
{
  lane_request lane;
  uint64_t ns = 0;
  int32_t token = 0;
  dyno_status status = read_lane(&lane, request, "count", error);
  if (status == DYNO_OK)
    status =
        self->arm->calls->step(self->arm, lane.index, lane.lane, lane.count, &ns, &token, error);
  json_object_set_new(answer, "ns", json_integer((json_int_t)ns));
  json_object_set_new(answer, "token", json_integer(token));
  return status;
}

static dyno_status serve_logits(server *self, const json_t *request, json_t *answer,
                                dyno_error *error)
{
  lane_request lane;
  const float *logits = NULL;
  dyno_status status = read_lane(&lane, request, "count", error);
  if (status == DYNO_OK)
    status = self->arm->calls->logits(self->arm, lane.index, lane.lane, &logits, error);
  size_t bytes = self->vocab * sizeof *logits;
  for (size_t done = 0; done < bytes && status == DYNO_OK;) {
    ssize_t wrote = pwrite(self->memory, (const char *)logits + done, bytes - done, (off_t)done);
    if (wrote <= 0)
      status = dyno_fail(error, DYNO_ERROR_IO, "cannot write logits: %m");
    else
      done += (size_t)wrote;
  }
  json_object_set_new(answer, "count", json_integer((json_int_t)self->vocab));
  return status;
}

static dyno_status serve_profile(server *self, const json_t *request, json_t *answer,
                                 dyno_error *error)
{
  lane_request lane;
  dyno_arm_profile *profile = calloc(1, sizeof *profile);
  if (profile == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  dyno_status status = read_lane(&lane, request, "count", error);
  if (status == DYNO_OK)
    status =
        self->arm->calls->profile(self->arm, lane.index, lane.lane, lane.count, profile, error);
  json_t *ops = json_array();
  for (size_t i = 0; i < profile->count && status == DYNO_OK; i++) {
    const dyno_arm_op *op = &profile->ops[i];
    json_array_append_new(ops,
                          json_pack("{s:s, s:s, s:f, s:f, s:f}", "op", op->op, "kernel", op->kernel,
                                    "seconds", op->seconds, "bytes", op->bytes, "macs", op->macs));
  }
  json_object_set_new(answer, "ops", ops);
  json_object_set_new(answer, "seconds", number(profile->seconds));
  free(profile);
  return status;
}

static const struct {
  const char *name;
  request_handler *handle;
} requests[] = {
    {"facts", serve_facts},   {"tokenize", serve_tokenize}, {"generate", serve_generate},
    {"load", serve_load},     {"rewind", serve_rewind},     {"step", serve_step},
    {"logits", serve_logits}, {"profile", serve_profile},
};

static dyno_status handle(server *self, const json_t *request, json_t *answer, dyno_error *error)
{
  const char *name = json_string_value(json_object_get(request, "do"));
  for (size_t i = 0; name != NULL && i < sizeof requests / sizeof *requests; i++)
    if (strcmp(requests[i].name, name) == 0)
      return requests[i].handle(self, request, answer, error);
  return dyno_fail(error, DYNO_ERROR_UNSUPPORTED, "'%s': there is no such request",
                   name == NULL ? "" : name);
}

static dyno_status serve_one(server *self, dyno_wire *wire, const json_t *request,
                             dyno_error *error)
{
  dyno_error reason = {0};
  json_t *answer = json_object();
  dyno_status status = handle(self, request, answer, &reason);
  json_object_set_new(answer, "ok", json_boolean(status == DYNO_OK));
  if (status != DYNO_OK) {
    json_object_set_new(answer, "status", json_integer(status));
    json_object_set_new(answer, "error", json_string(reason.message));
  }
  return dyno_wire_send(wire, answer, 0, error);
}

dyno_status dyno_worker_serve(dyno_arm *arm, int socket, int memory, dyno_error *error)
{
  server self = {.arm = arm, .memory = memory};
  dyno_wire wire = {.fd = socket};
  dyno_status status = DYNO_OK;
  while (status == DYNO_OK) {
    json_t *request;
    status = dyno_wire_receive(&wire, &request, 0, error);
    if (status == DYNO_OK)
      status = serve_one(&self, &wire, request, error);
    json_decref(request);
  }
  dyno_wire_free(&wire);
  return status == DYNO_ERROR_NOT_FOUND ? DYNO_OK : status;
}
