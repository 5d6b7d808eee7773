#include "harness/measure/bench_speech.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static dyno_status generate(dyno_tokens *answer, bool *ended, const dyno_bench_model *model,
                            const dyno_bench_work *work, size_t most,
                            const volatile sig_atomic_t *stop, dyno_error *error)
{
  dyno_sequence *sequence = NULL;
  dyno_tokens prompt = {0};
  *ended = false;
  dyno_sampler_reset(model->sampler);
  dyno_status status =
      dyno_bench_prompt_tokens(&prompt, model, work->prompt->prompt, work->from->effort, error);
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequence, model->engine, prompt.count + most, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, prompt.ids, prompt.count, NULL, NULL, error);
  while (status == DYNO_OK && answer->count < most && !*ended) {
    int32_t id = 0;
    if (stop != NULL && *stop != 0)
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    if (status == DYNO_OK)
      status = dyno_bench_choose(&id, model, sequence, error);
    if (status == DYNO_OK)
      status = dyno_tokens_push(answer, id, error);
    *ended = status == DYNO_OK && dyno_harmony_stops(&model->harmony, id);
    if (status == DYNO_OK && !*ended && answer->count < most)
      status = dyno_sequence_append(sequence, &id, 1, NULL, NULL, error);
  }
  dyno_sequence_close(&sequence);
  dyno_tokens_free(&prompt);
  return status;
}

/* The text of the final channel, and that of all others. */
static dyno_status read_out(dyno_bytes *final, dyno_bytes *rest, const dyno_bench_model *model,
                            const dyno_tokens *answer, dyno_error *error)
{
  dyno_harmony_parser parser;
  dyno_harmony_delta delta = {0};
  dyno_bytes piece = {0};
  dyno_status status = DYNO_OK;
  dyno_harmony_parser_start(&parser, &model->harmony);
  for (size_t i = 0; i <= answer->count && status == DYNO_OK && !delta.stops; i++) {
    piece.count = 0;
    status = i < answer->count
                 ? dyno_harmony_parser_push(&parser, &delta, &piece, answer->ids[i], error)
                 : dyno_harmony_parser_finish(&parser, &delta, &piece, error);
    if (status == DYNO_OK)
      status = dyno_bytes_append(delta.channel == DYNO_CHANNEL_FINAL ? final : rest, piece.data,
                                 piece.count, error);
  }
  dyno_bytes_free(&piece);
  return status;
}

static dyno_status spell(dyno_bench_speech *speech, const dyno_bench_model *model,
                         const dyno_tokens *answer, dyno_error *error)
{
  dyno_bytes final = {0}, rest = {0};
  dyno_status status = read_out(&final, &rest, model, answer, error);
  dyno_bytes *said = final.count > 0 ? &final : &rest;
  if (status == DYNO_OK)
    status = dyno_bytes_append(said, "", 1, error);
  if (status == DYNO_OK) {
    speech->text = said->data;
    *said = (dyno_bytes){0};
  }
  dyno_bytes_free(&final);
  dyno_bytes_free(&rest);
  return status;
}

dyno_status dyno_bench_speak(dyno_bench_speech *speech, const dyno_bench_model *model,
                             const dyno_bench_work *work, size_t most,
                             const volatile sig_atomic_t *stop, dyno_error *error)
{
  dyno_tokens first = {0}, second = {0};
  bool again;
  *speech = (dyno_bench_speech){0};
  dyno_status status = generate(&first, &speech->ended, model, work, most, stop, error);
  if (status == DYNO_OK)
    status = generate(&second, &again, model, work, most, stop, error);
  if (status == DYNO_OK)
    status = spell(speech, model, &first, error);
  speech->tokens = first.count;
  speech->repeated = first.count == second.count && first.count > 0 &&
                     memcmp(first.ids, second.ids, first.count * sizeof *first.ids) == 0;
  dyno_tokens_free(&first);
  dyno_tokens_free(&second);
  return status;
}

void dyno_bench_speech_free(dyno_bench_speech *speech)
{
  free(speech->text);
  *speech = (dyno_bench_speech){0};
}

/* Letters, digits, and the bytes of letters beyond ASCII. */
static bool in_word(char byte)
{
  return (unsigned char)byte >= 0x80 || isalnum((unsigned char)byte);
}

static char plain(char byte)
{
  return isspace((unsigned char)byte) ? ' ' : (char)tolower((unsigned char)byte);
}

bool dyno_bench_text_has(const char *text, const char *expected)
{
  size_t length = strlen(expected);
  if (length == 0)
    return true;
  for (const char *at = text; *at != '\0'; at++) {
    size_t same = 0;
    while (same < length && at[same] != '\0' && plain(at[same]) == plain(expected[same]))
      same++;
    bool begins = at == text || !in_word(at[-1]) || !in_word(expected[0]);
    if (same == length && begins && (!in_word(at[length]) || !in_word(expected[length - 1])))
      return true;
  }
  return false;
}
