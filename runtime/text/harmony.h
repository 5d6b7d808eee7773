/* The chat format of GPT-OSS: conversations to tokens, and the model's tokens to messages.
 *
 *   <|start|>system<|message|>...<|end|><|start|>user<|message|>...<|end|><|start|>assistant
 *
 * and the model goes on with
 *
 *   <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...<|return|>
 *
 * OpenAI, "Harmony response format"; github.com/openai/harmony. */
#ifndef DYNO_RUNTIME_TEXT_HARMONY_H
#define DYNO_RUNTIME_TEXT_HARMONY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/text/buffer.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/utf8.h"

/* What a message border is made of; found by name, as vocabularies differ in their ids. */
typedef enum dyno_harmony_marker {
  DYNO_HARMONY_START,
  DYNO_HARMONY_END,
  DYNO_HARMONY_MESSAGE,
  DYNO_HARMONY_CHANNEL,
  DYNO_HARMONY_RETURN,
  DYNO_HARMONY_CALL,      /* may be missing from a vocabulary */
  DYNO_HARMONY_ENDOFTEXT, /* likewise */
  DYNO_HARMONY_MARKERS
} dyno_harmony_marker;

/* A tokenizer that knows the format. A plain value; the tokenizer must outlive it. Only read after
 * it was made, from any thread. */
typedef struct dyno_harmony {
  const dyno_tokenizer *tokenizer;
  int32_t marker[DYNO_HARMONY_MARKERS]; /* the token ids; -1 where there is none */
} dyno_harmony;

/* UNSUPPORTED, naming the token, when the vocabulary lacks one that the format cannot do without.
 */
dyno_status dyno_harmony_create(dyno_harmony *harmony, const dyno_tokenizer *tokenizer,
                                dyno_error *error);

/* Whether the model is done when it has made this token: <|return|>, <|call|>, <|endoftext|>. */
bool dyno_harmony_stops(const dyno_harmony *harmony, int32_t id);

typedef enum dyno_role { DYNO_ROLE_DEVELOPER, DYNO_ROLE_USER, DYNO_ROLE_ASSISTANT } dyno_role;

typedef enum dyno_channel {
  DYNO_CHANNEL_NONE,       /* as an assistant's message to be rendered: final */
  DYNO_CHANNEL_ANALYSIS,   /* the model's thoughts, not for the user */
  DYNO_CHANNEL_COMMENTARY, /* tool calls, and plans that the user may see */
  DYNO_CHANNEL_FINAL,      /* the answer */
  DYNO_CHANNEL_COUNT
} dyno_channel;

const char *dyno_channel_name(dyno_channel channel); /* "analysis"; "" for NONE */

typedef enum dyno_effort {
  DYNO_EFFORT_LOW,
  DYNO_EFFORT_MEDIUM,
  DYNO_EFFORT_HIGH,
  DYNO_EFFORT_COUNT
} dyno_effort;

const char *dyno_effort_name(dyno_effort effort);
dyno_effort dyno_effort_parse(const char *name); /* DYNO_EFFORT_COUNT when unknown */

typedef struct dyno_message {
  dyno_role role;
  dyno_channel channel; /* of an assistant's message; ignored for the others */
  const char *text;     /* borrowed; need not be terminated or UTF-8 */
  size_t count;         /* its bytes */
} dyno_message;

typedef struct dyno_conversation {
  dyno_effort effort;
  const char *current_date; /* "2025-08-05" in the system message; NULL leaves it out */
  const dyno_message *messages;
  size_t count;
} dyno_conversation;

/* Appends the tokens of the system message, the messages, and the beginning of the assistant's
 * answer. An analysis is left out when a message of the user or a final answer follows it. The
 * messages' text is text: markers that are spelled out in it stay text. On failure `tokens` is as
 * it was; USAGE when the date is none. To see the text, decode the tokens. */
dyno_status dyno_harmony_render(const dyno_harmony *harmony, dyno_tokens *tokens,
                                const dyno_conversation *conversation, dyno_error *error);

/* Takes the model's tokens one by one, beginning where dyno_harmony_render left off. Whatever the
 * model says, well-formed or not, is accepted, and text outside of any message or header counts as
 * text of channel NONE. Belongs to one thread at a time; owns nothing. */
enum { DYNO_HARMONY_HEADER_BYTES = 256 };

typedef struct dyno_harmony_parser {
  const dyno_harmony *harmony;
  dyno_channel channel; /* of the message that is being read */
  bool in_message;      /* else in a header, or between messages */
  bool stopped;
  dyno_utf8_stream stream;
  char header[DYNO_HARMONY_HEADER_BYTES];
  size_t header_count;
  size_t channel_at; /* where the channel's name begins in header */
  bool marked;       /* <|start|> or <|channel|> said that this is a header */
} dyno_harmony_parser;

/* What a token meant. */
typedef struct dyno_harmony_delta {
  dyno_channel channel; /* where the text that came out belongs */
  bool begins_message, ends_message;
  bool stops; /* the model is done: now and for every later token */
} dyno_harmony_delta;

void dyno_harmony_parser_start(dyno_harmony_parser *parser, const dyno_harmony *harmony);

/* Appends what the token adds to the text of its channel, as whole characters, to text. Fails only
 * for want of memory. */
dyno_status dyno_harmony_parser_push(dyno_harmony_parser *parser, dyno_harmony_delta *delta,
                                     dyno_bytes *text, int32_t id, dyno_error *error);

/* The model was interrupted: appends what was held back. */
dyno_status dyno_harmony_parser_finish(dyno_harmony_parser *parser, dyno_harmony_delta *delta,
                                       dyno_bytes *text, dyno_error *error);

#endif
