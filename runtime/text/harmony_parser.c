#include "config.h"

#include <string.h>

#include "runtime/text/harmony.h"

void dyno_harmony_parser_start(dyno_harmony_parser *parser, const dyno_harmony *harmony)
{
  *parser = (dyno_harmony_parser){.harmony = harmony};
}

/* Bytes through the stream of characters into text. */
static dyno_status put_bytes(dyno_harmony_parser *p, dyno_bytes *text, const char *bytes,
                             size_t count, dyno_error *error)
{
  dyno_status status = dyno_bytes_reserve(text, DYNO_UTF8_STREAM_BYTES(count), error);
  if (status == DYNO_OK)
    text->count += dyno_utf8_stream_push(&p->stream, text->data + text->count, bytes, count);
  return status;
}

static void forget_header(dyno_harmony_parser *p)
{
  p->header_count = 0;
  p->channel_at = 0;
  p->marked = false;
}

static void begin_message(dyno_harmony_parser *p, dyno_harmony_delta *delta, dyno_channel channel)
{
  p->channel = channel;
  p->in_message = true;
  delta->channel = channel;
  delta->begins_message = true;
}

/* The header turned out to be no header: it is text, and so is what follows. */
static dyno_status put_header(dyno_harmony_parser *p, dyno_harmony_delta *delta, dyno_bytes *text,
                              dyno_error *error)
{
  begin_message(p, delta, DYNO_CHANNEL_NONE);
  dyno_status status = put_bytes(p, text, p->header, p->header_count, error);
  forget_header(p);
  return status;
}

/* At a border: ends the message or the header that is being read, and expects a header. */
static dyno_status end_message(dyno_harmony_parser *p, dyno_harmony_delta *delta, dyno_bytes *text,
                               dyno_error *error)
{
  dyno_status status = DYNO_OK;
  if (!p->in_message && !p->marked && p->header_count > 0)
    status = put_header(p, delta, text, error);
  if (status == DYNO_OK)
    status = dyno_bytes_reserve(text, DYNO_UTF8_STREAM_BYTES(0), error);
  if (status != DYNO_OK)
    return status;
  text->count += dyno_utf8_stream_finish(&p->stream, text->data + text->count);
  delta->channel = p->channel;
  delta->ends_message = p->in_message;
  p->in_message = false;
  p->channel = DYNO_CHANNEL_NONE;
  forget_header(p);
  return DYNO_OK;
}

/* The channel that the header names; the name ends at what is no letter. One that nobody knows is
 * commentary: not the answer, and not to be hidden either. */
static dyno_channel channel_of(const dyno_harmony_parser *p)
{
  if (p->channel_at == 0)
    return DYNO_CHANNEL_NONE;
  const char *name = p->header + p->channel_at;
  size_t count = 0;
  while (p->channel_at + count < p->header_count && name[count] >= 'a' && name[count] <= 'z')
    count++;
  for (unsigned i = DYNO_CHANNEL_ANALYSIS; i < DYNO_CHANNEL_COUNT; i++)
    if (strlen(dyno_channel_name((dyno_channel)i)) == count &&
        memcmp(dyno_channel_name((dyno_channel)i), name, count) == 0)
      return (dyno_channel)i;
  return DYNO_CHANNEL_COMMENTARY;
}

static dyno_status read_header(dyno_harmony_parser *p, dyno_harmony_delta *delta, dyno_bytes *text,
                               int32_t id, dyno_error *error)
{
  const int32_t *marker = p->harmony->marker;
  if (id == marker[DYNO_HARMONY_MESSAGE]) {
    begin_message(p, delta, channel_of(p));
    forget_header(p);
    return DYNO_OK;
  }
  size_t count;
  const char *bytes = dyno_tokenizer_bytes(p->harmony->tokenizer, id, &count);
  if (count > sizeof p->header - p->header_count) {
    dyno_status status = put_header(p, delta, text, error);
    return status == DYNO_OK ? put_bytes(p, text, bytes, count, error) : status;
  }
  if (count > 0)
    memcpy(p->header + p->header_count, bytes, count);
  p->header_count += count;
  if (id == marker[DYNO_HARMONY_CHANNEL]) {
    p->channel_at = p->header_count;
    p->marked = true;
  }
  return DYNO_OK;
}

dyno_status dyno_harmony_parser_push(dyno_harmony_parser *p, dyno_harmony_delta *delta,
                                     dyno_bytes *text, int32_t id, dyno_error *error)
{
  const int32_t *marker = p->harmony->marker;
  *delta = (dyno_harmony_delta){.channel = p->channel, .stops = p->stopped};
  if (p->stopped)
    return DYNO_OK;
  if (dyno_harmony_stops(p->harmony, id)) {
    p->stopped = true;
    delta->stops = true;
    return end_message(p, delta, text, error);
  }
  if (id == marker[DYNO_HARMONY_END] || id == marker[DYNO_HARMONY_START]) {
    dyno_status status = end_message(p, delta, text, error);
    p->marked = id == marker[DYNO_HARMONY_START];
    return status;
  }
  if (!p->in_message)
    return read_header(p, delta, text, id, error);
  size_t count;
  const char *bytes = dyno_tokenizer_bytes(p->harmony->tokenizer, id, &count);
  return put_bytes(p, text, bytes, count, error);
}

dyno_status dyno_harmony_parser_finish(dyno_harmony_parser *p, dyno_harmony_delta *delta,
                                       dyno_bytes *text, dyno_error *error)
{
  *delta = (dyno_harmony_delta){.channel = p->channel, .stops = p->stopped};
  if (p->stopped)
    return DYNO_OK;
  p->stopped = true;
  return end_message(p, delta, text, error);
}
