#include "config.h"

#include "runtime/text/harmony.h"

#include <stdio.h>
#include <string.h>

typedef struct marker_name {
  const char *text;
  bool optional;
} marker_name;

static const marker_name markers[DYNO_HARMONY_MARKERS] = {
    [DYNO_HARMONY_START] = {"<|start|>", false},
    [DYNO_HARMONY_END] = {"<|end|>", false},
    [DYNO_HARMONY_MESSAGE] = {"<|message|>", false},
    [DYNO_HARMONY_CHANNEL] = {"<|channel|>", false},
    [DYNO_HARMONY_RETURN] = {"<|return|>", false},
    [DYNO_HARMONY_CALL] = {"<|call|>", true},
    [DYNO_HARMONY_ENDOFTEXT] = {"<|endoftext|>", true},
};

static const char *const roles[] = {
    [DYNO_ROLE_DEVELOPER] = "developer",
    [DYNO_ROLE_USER] = "user",
    [DYNO_ROLE_ASSISTANT] = "assistant",
};

static const char *const channels[DYNO_CHANNEL_COUNT] = {
    [DYNO_CHANNEL_NONE] = "",
    [DYNO_CHANNEL_ANALYSIS] = "analysis",
    [DYNO_CHANNEL_COMMENTARY] = "commentary",
    [DYNO_CHANNEL_FINAL] = "final",
};

static const char *const efforts[DYNO_EFFORT_COUNT] = {
    [DYNO_EFFORT_LOW] = "low",
    [DYNO_EFFORT_MEDIUM] = "medium",
    [DYNO_EFFORT_HIGH] = "high",
};

const char *dyno_channel_name(dyno_channel channel)
{
  return (unsigned)channel < DYNO_CHANNEL_COUNT ? channels[channel] : "?";
}

const char *dyno_effort_name(dyno_effort effort)
{
  return (unsigned)effort < DYNO_EFFORT_COUNT ? efforts[effort] : "?";
}

dyno_effort dyno_effort_parse(const char *name)
{
  dyno_effort effort = DYNO_EFFORT_LOW;
  while (effort < DYNO_EFFORT_COUNT && strcmp(efforts[effort], name) != 0)
    effort++;
  return effort;
}

dyno_status dyno_harmony_create(dyno_harmony *harmony, const dyno_tokenizer *tokenizer,
                                dyno_error *error)
{
  *harmony = (dyno_harmony){.tokenizer = tokenizer};
  for (size_t i = 0; i < DYNO_HARMONY_MARKERS; i++) {
    harmony->marker[i] = dyno_tokenizer_special(tokenizer, markers[i].text);
    if (harmony->marker[i] < 0 && !markers[i].optional)
      return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                       "the vocabulary has no special token %s, so it cannot be spoken with in the "
                       "Harmony chat format; complete plain text instead",
                       markers[i].text);
  }
  return DYNO_OK;
}

bool dyno_harmony_stops(const dyno_harmony *harmony, int32_t id)
{
  return id >= 0 &&
         (id == harmony->marker[DYNO_HARMONY_RETURN] || id == harmony->marker[DYNO_HARMONY_CALL] ||
          id == harmony->marker[DYNO_HARMONY_ENDOFTEXT]);
}

/* The tokens while they are rendered: after a failure the rest does nothing. */
typedef struct renderer {
  const dyno_harmony *harmony;
  dyno_tokens *tokens;
  dyno_error *error;
  dyno_status status;
} renderer;

static void put_marker(renderer *r, dyno_harmony_marker marker)
{
  if (r->status == DYNO_OK)
    r->status = dyno_tokens_push(r->tokens, r->harmony->marker[marker], r->error);
}

static void put_text(renderer *r, const char *text, size_t count)
{
  if (r->status == DYNO_OK)
    r->status =
        dyno_tokenizer_encode(r->harmony->tokenizer, r->tokens, text, count, false, r->error);
}

static void put_string(renderer *r, const char *string)
{
  put_text(r, string, strlen(string));
}

/* <|start|>role<|channel|>channel<|message|>text<|end|> */
static void put_message(renderer *r, const char *role, const char *channel, const char *text,
                        size_t count)
{
  put_marker(r, DYNO_HARMONY_START);
  put_string(r, role);
  if (channel != NULL) {
    put_marker(r, DYNO_HARMONY_CHANNEL);
    put_string(r, channel);
  }
  put_marker(r, DYNO_HARMONY_MESSAGE);
  put_text(r, text, count);
  put_marker(r, DYNO_HARMONY_END);
}

static bool is_number(const char *text, size_t digits, int least, int greatest)
{
  int number = 0;
  for (size_t i = 0; i < digits; i++) {
    if (text[i] < '0' || text[i] > '9')
      return false;
    number = 10 * number + (text[i] - '0');
  }
  return number >= least && number <= greatest;
}

static bool is_date(const char *text)
{
  return strlen(text) == 10 && text[4] == '-' && text[7] == '-' && is_number(text, 4, 0, 9999) &&
         is_number(text + 5, 2, 1, 12) && is_number(text + 8, 2, 1, 31);
}

static void put_system(renderer *r, const dyno_conversation *conversation)
{
  char text[512];
  const char *date = conversation->current_date;
  int count = snprintf(text, sizeof text,
                       "You are ChatGPT, a large language model trained by OpenAI.\n"
                       "Knowledge cutoff: 2024-06%s%s\n\n"
                       "Reasoning: %s\n\n"
                       "# Valid channels: analysis, commentary, final. Channel must be included "
                       "for every message.",
                       date != NULL ? "\nCurrent date: " : "", date != NULL ? date : "",
                       dyno_effort_name(conversation->effort));
  put_message(r, "system", NULL, text, (size_t)count);
}

/* The text is split from what comes before it as one, so they are encoded together. */
static void put_developer(renderer *r, const dyno_message *message)
{
  dyno_bytes text = {0};
  if (r->status == DYNO_OK)
    r->status = dyno_bytes_append_string(&text, "# Instructions\n\n", r->error);
  if (r->status == DYNO_OK)
    r->status = dyno_bytes_append(&text, message->text, message->count, r->error);
  if (r->status == DYNO_OK)
    put_message(r, roles[DYNO_ROLE_DEVELOPER], NULL, text.data, text.count);
  dyno_bytes_free(&text);
}

static void put_any(renderer *r, const dyno_message *message)
{
  const char *channel = NULL;
  if (message->role == DYNO_ROLE_DEVELOPER) {
    put_developer(r, message);
    return;
  }
  if (message->role == DYNO_ROLE_ASSISTANT)
    channel = dyno_channel_name(message->channel == DYNO_CHANNEL_NONE ? DYNO_CHANNEL_FINAL
                                                                      : message->channel);
  put_message(r, roles[message->role], channel, message->text, message->count);
}

static bool is_analysis(const dyno_message *message)
{
  return message->role == DYNO_ROLE_ASSISTANT && message->channel == DYNO_CHANNEL_ANALYSIS;
}

/* How many messages there are up to the last one that makes the thoughts before it old. */
static size_t count_old(const dyno_conversation *conversation)
{
  size_t old = conversation->count;
  while (old > 0) {
    const dyno_message *message = &conversation->messages[old - 1];
    bool answers =
        message->role == DYNO_ROLE_ASSISTANT &&
        (message->channel == DYNO_CHANNEL_FINAL || message->channel == DYNO_CHANNEL_NONE);
    if (answers || message->role == DYNO_ROLE_USER)
      break;
    old--;
  }
  return old;
}

dyno_status dyno_harmony_render(const dyno_harmony *harmony, dyno_tokens *tokens,
                                const dyno_conversation *conversation, dyno_error *error)
{
  if (conversation->current_date != NULL && !is_date(conversation->current_date))
    return dyno_fail(error, DYNO_ERROR_USAGE, "\"%.40s\" is no date; one like 2025-08-05 is wanted",
                     conversation->current_date);
  size_t before = tokens->count;
  renderer r = {.harmony = harmony, .tokens = tokens, .error = error};
  put_system(&r, conversation);
  size_t old = count_old(conversation);
  for (size_t i = 0; i < conversation->count; i++)
    if (i >= old || !is_analysis(&conversation->messages[i]))
      put_any(&r, &conversation->messages[i]);
  put_marker(&r, DYNO_HARMONY_START);
  put_string(&r, roles[DYNO_ROLE_ASSISTANT]);
  if (r.status != DYNO_OK)
    tokens->count = before;
  return r.status;
}
