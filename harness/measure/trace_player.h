/* The requests of a trace, one after the other: token sequences that mean nothing, and repeat each
 * other as those of real use do.
 *
 * The same trace, vocabulary and context give the same requests. */
#ifndef DYNO_HARNESS_MEASURE_TRACE_PLAYER_H
#define DYNO_HARNESS_MEASURE_TRACE_PLAYER_H

#include <stdbool.h>

#include "harness/measure/trace.h"

/* Shorter contexts than this are refused. */
enum { DYNO_TRACE_LEAST_CONTEXT = 64 };

/* A prompt, and the answer that is given to it whatever a model would say, so that what follows
 * does not depend on the model. */
typedef struct dyno_trace_request {
  const int32_t
      *tokens; /* the prompt's and then the answer's; the player's until the next request */
  size_t prompt, answer;
  size_t source, thing; /* what it is about */
  size_t turn;          /* of a conversation, from 0 on */
} dyno_trace_request;

typedef struct dyno_trace_player dyno_trace_player;

/* For a vocabulary and a context of a model, of which the trace's own is used at most. The trace
 * must outlive the player. USAGE for a context of fewer than DYNO_TRACE_LEAST_CONTEXT tokens;
 * MEMORY. On failure *player is NULL. */
dyno_status dyno_trace_player_open(dyno_trace_player **player, const dyno_trace *trace,
                                   size_t vocab, size_t context, dyno_error *error);

/* Plays what was recorded: a file of lines, each a list of tokens ([12, 7, 9]: a prompt without an
 * answer) or {"prompt": [12, 7], "answer": [9]}. NOT_FOUND, IO, MEMORY. */
dyno_status dyno_trace_player_open_recorded(dyno_trace_player **player, const char *path,
                                            size_t vocab, size_t context, dyno_error *error);

/* The next request; *ended, and none, behind the last. A trace never ends by itself: its number of
 * requests is for the caller to heed. MEMORY; of a recorded one, FORMAT, naming file, line and
 * field, also when a token is not in the vocabulary or a request is longer than the context. */
dyno_status dyno_trace_player_next(dyno_trace_player *player, dyno_trace_request *request,
                                   bool *ended, dyno_error *error);

/* Sets *player to NULL; NULL is fine. */
void dyno_trace_player_close(dyno_trace_player **player);

#endif
