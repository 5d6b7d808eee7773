/* Traces: what a cache is put to, described in a file.
 *
 *   { "schema": "dyno.trace/1", "name": "chat", "title": "Chat", "description": "...",
 *     "seed": 1, "requests": 60, "context": 4096, "token_zipf": 1.0,
 *     "sources": [
 *       { "kind": "chat", "share": 1, "things": 3, "zipf": 1, "turns": 20, "system_tokens": 512,
 *         "question_tokens": [16, 64], "answer_tokens": [32, 96] } ] }
 *
 * Each request comes from one of the sources, with a probability that is its share of all shares,
 * and is about one of the source's things, the i-th of which is wanted in proportion to i to the
 * power of -zipf:
 *
 *   chat       a conversation: the system prompt, what has been said, and a new question. After
 *              "turns" questions, or when there is no more room, another one begins in its place
 *   documents  a document of body_tokens, always the same, and a new question
 *   edits      a file of body_tokens and a question; between two of them edit_tokens of it,
 * anywhere, have given way to others one-shots  a question that nobody asks again
 *
 * Lengths are numbers or [least, most], in tokens. All must be there that the kind has (but for
 * system_tokens, which is 0), and none that it has not. `context` is the longest request with its
 * answer that there may be: for a model of a smaller one all lengths shrink in proportion. A field
 * that is none of these is an error, because it would be a misspelt one. */
#ifndef DYNO_HARNESS_MEASURE_TRACE_H
#define DYNO_HARNESS_MEASURE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_TRACE_SCHEMA "dyno.trace/1"

enum {
  DYNO_TRACE_MOST_REQUESTS = 1000000,
  DYNO_TRACE_MOST_SOURCES = 16,
  DYNO_TRACE_MOST_THINGS = 100000,
  DYNO_TRACE_MOST_TOKENS = 1 << 20
};

typedef enum dyno_trace_kind {
  DYNO_TRACE_CHAT,
  DYNO_TRACE_DOCUMENTS,
  DYNO_TRACE_EDITS,
  DYNO_TRACE_ONE_SHOTS,
  DYNO_TRACE_KIND_COUNT
} dyno_trace_kind;

const char *dyno_trace_kind_name(dyno_trace_kind kind);

/* Both are possible, and what is between them. */
typedef struct dyno_trace_range {
  uint32_t least, most;
} dyno_trace_range;

typedef struct dyno_trace_source {
  dyno_trace_kind kind;
  double share, zipf;
  uint32_t things, turns;
  dyno_trace_range system, body, edit, question, answer; /* tokens */
} dyno_trace_source;

typedef struct dyno_trace {
  char *name, *title, *description; /* owned */
  uint64_t seed;
  size_t requests, context;
  double token_zipf; /* how often tokens come: the i-th in proportion to i to the power of -this */
  dyno_trace_source *sources; /* owned [source_count] */
  size_t source_count;
  char *file;    /* owned; where it was read from */
  uint64_t hash; /* XXH3 of that */
} dyno_trace;

/* Reads a file. NOT_FOUND, IO, MEMORY, and FORMAT, naming file, line and field. On failure *trace
 * is zeroed. */
dyno_status dyno_trace_read(dyno_trace *trace, const char *path, dyno_error *error);

/* Frees and zeroes; a zeroed trace is fine. */
void dyno_trace_free(dyno_trace *trace);

#endif
