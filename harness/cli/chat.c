#include "config.h"

#include "harness/cli/chat.h"

#include <histedit.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/cli/interrupt.h"
#include "harness/report/rounding_report.h"

/* A conversation under way. */
typedef struct chat {
  const dyno_chat_setup *setup;
  dyno_harmony harmony;
  dyno_message *messages; /* their texts are owned */
  size_t count;
  dyno_tokens run;    /* the tokens that the sequence holds */
  dyno_tokens prompt; /* rendered for the next answer */
  dyno_error *error;

  /* of the answer that is coming in */
  dyno_harmony_parser parser;
  dyno_bytes piece;                        /* text of one token */
  dyno_bytes channels[DYNO_CHANNEL_COUNT]; /* what was said on each */
  dyno_channel printing;
  dyno_status status;
} chat;

static dyno_status add_message(chat *of, dyno_role role, dyno_channel channel, const char *text,
                               size_t count)
{
  dyno_message *longer = realloc(of->messages, (of->count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(of->error, DYNO_ERROR_MEMORY, "conversation: out of memory");
  of->messages = longer;
  char *copy = malloc(count + 1);
  if (copy == NULL)
    return dyno_fail(of->error, DYNO_ERROR_MEMORY, "conversation: out of memory");
  memcpy(copy, text, count);
  longer[of->count++] = (dyno_message){role, channel, copy, count};
  return DYNO_OK;
}

static dyno_status open_chat(chat *of, const dyno_chat_setup *setup, dyno_error *error)
{
  *of = (chat){.setup = setup, .error = error};
  dyno_status status = dyno_harmony_create(&of->harmony, setup->tokenizer, error);
  if (status != DYNO_OK) {
    dyno_error_prepend(error, "this model cannot chat (try --raw)");
    return status;
  }
  if (setup->developer != NULL)
    status = add_message(of, DYNO_ROLE_DEVELOPER, DYNO_CHANNEL_NONE, setup->developer,
                         strlen(setup->developer));
  return status;
}

static void close_chat(chat *of)
{
  for (size_t i = 0; i < of->count; i++)
    free((void *)(uintptr_t)of->messages[i].text);
  free(of->messages);
  dyno_tokens_free(&of->run);
  dyno_tokens_free(&of->prompt);
  dyno_bytes_free(&of->piece);
  for (size_t i = 0; i < DYNO_CHANNEL_COUNT; i++)
    dyno_bytes_free(&of->channels[i]);
}

/* Prints what a token added, analysis dimmed, a blank line between analysis and answer. */
static void print_piece(chat *of, dyno_channel channel)
{
  bool analysis = channel == DYNO_CHANNEL_ANALYSIS;
  if (of->piece.count == 0 || (analysis && !of->setup->show_analysis))
    return;
  if (channel != of->printing && of->printing == DYNO_CHANNEL_ANALYSIS)
    fputs(of->setup->color ? "\033[0m\n\n" : "\n\n", stdout);
  if (channel != of->printing && analysis && of->setup->color)
    fputs("\033[2m", stdout);
  of->printing = channel;
  fwrite(of->piece.data, 1, of->piece.count, stdout);
  fflush(stdout);
}

static void end_printing(chat *of)
{
  if (of->printing == DYNO_CHANNEL_ANALYSIS && of->setup->color)
    fputs("\033[0m", stdout);
  putchar('\n');
  fflush(stdout);
}

static bool take_token(void *context, int32_t id)
{
  chat *of = context;
  dyno_harmony_delta delta;
  of->piece.count = 0;
  of->status = dyno_harmony_parser_push(&of->parser, &delta, &of->piece, id, of->error);
  if (of->status == DYNO_OK && of->piece.count > 0)
    of->status =
        dyno_bytes_append(&of->channels[delta.channel], of->piece.data, of->piece.count, of->error);
  if (of->status != DYNO_OK)
    return false;
  print_piece(of, delta.channel);
  return !delta.stops;
}

/* Makes the sequence hold a beginning of the prompt, as long as possible but not all of it, and
 * returns its length. Old analyses leave the history, so that a prompt may differ from what was
 * run. */
static size_t rewind_sequence(chat *of)
{
  size_t common = 0, most = of->prompt.count - 1;
  while (common < most && common < of->run.count && of->run.ids[common] == of->prompt.ids[common])
    common++;
  if (!dyno_sequence_truncate(of->setup->sequence, common)) {
    dyno_sequence_clear(of->setup->sequence);
    common = 0;
  }
  of->run.count = common;
  return common;
}

static dyno_status note_run_tokens(chat *of, const dyno_tokens *answer, size_t kept)
{
  dyno_status status = DYNO_OK;
  for (size_t i = kept; i < of->prompt.count && status == DYNO_OK; i++)
    status = dyno_tokens_push(&of->run, of->prompt.ids[i], of->error);
  for (size_t i = 0; i < answer->count && status == DYNO_OK; i++)
    status = dyno_tokens_push(&of->run, answer->ids[i], of->error);
  /* The last token, or more after an interruption, has not been through the model. */
  size_t length = dyno_sequence_length(of->setup->sequence);
  if (of->run.count > length)
    of->run.count = length;
  return status;
}

static dyno_status generate(chat *of, dyno_generation *generation)
{
  const dyno_chat_setup *setup = of->setup;
  size_t kept = rewind_sequence(of);
  size_t room = dyno_sequence_capacity(setup->sequence);
  if (of->prompt.count >= room)
    return dyno_fail(of->error, DYNO_ERROR_USAGE,
                     "the conversation has %zu tokens, the context %zu; begin a new one, or give "
                     "a larger --context",
                     of->prompt.count, room);
  dyno_tokens answer = {0};
  dyno_sampler_reset(setup->sampler);
  dyno_status status =
      dyno_generate(generation, &answer, setup->sequence, setup->sampler, of->prompt.ids + kept,
                    of->prompt.count - kept, setup->most_tokens, take_token, of, of->error);
  if (status == DYNO_OK)
    status = of->status;
  if (status == DYNO_OK)
    status = note_run_tokens(of, &answer, kept);
  dyno_tokens_free(&answer);
  return status;
}

static dyno_status ask(chat *of, const char *question)
{
  const dyno_chat_setup *setup = of->setup;
  dyno_status status =
      add_message(of, DYNO_ROLE_USER, DYNO_CHANNEL_NONE, question, strlen(question));
  const dyno_conversation conversation = {setup->effort, setup->current_date, of->messages,
                                          of->count};
  of->prompt.count = 0;
  for (size_t i = 0; i < DYNO_CHANNEL_COUNT; i++)
    of->channels[i].count = 0;
  of->printing = DYNO_CHANNEL_NONE;
  of->status = DYNO_OK;
  dyno_generation generation = {0};
  dyno_harmony_delta delta;
  if (status == DYNO_OK)
    status = dyno_harmony_render(&of->harmony, &of->prompt, &conversation, of->error);
  dyno_harmony_parser_start(&of->parser, &of->harmony);
  if (status == DYNO_OK)
    status = generate(of, &generation);
  of->piece.count = 0;
  if (status == DYNO_OK)
    status = dyno_harmony_parser_finish(&of->parser, &delta, &of->piece, of->error);
  if (status != DYNO_OK)
    return status;
  print_piece(of, delta.channel);
  end_printing(of);
  if (setup->statistics)
    dyno_print_generation(stderr, &generation, setup->engine, setup->sequence);
  if (setup->rounding != NULL)
    status = dyno_rounding_print(stderr, setup->rounding, of->error);
  if (status != DYNO_OK)
    return status;
  const dyno_bytes *final = &of->channels[DYNO_CHANNEL_FINAL];
  return add_message(of, DYNO_ROLE_ASSISTANT, DYNO_CHANNEL_FINAL,
                     final->count > 0 ? final->data : "", final->count);
}

dyno_status dyno_chat_once(const dyno_chat_setup *setup, const char *question, dyno_error *error)
{
  chat of;
  dyno_status status = open_chat(&of, setup, error);
  if (status == DYNO_OK)
    status = ask(&of, question);
  close_chat(&of);
  return status;
}

static char *prompt_text(EditLine *editor)
{
  static char text[] = "> "; /* libedit asks for a pointer it may write to */
  (void)editor;
  return text;
}

/* Tidies up until there is input or nothing to do, for a moment at most: the prompt comes after. */
static void tidy_up(dyno_engine *engine)
{
  enum { STEP_NS = 2000000, STEPS = 100 };
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  for (int i = 0; i < STEPS && poll(&input, 1, 0) == 0; i++)
    if (!dyno_engine_idle(engine, STEP_NS))
      return;
}

/* Questions until the end of input. */
static dyno_status converse(chat *of, EditLine *editor, History *lines)
{
  HistEvent event;
  for (;;) {
    int count = 0;
    tidy_up(of->setup->engine);
    dyno_forget_interrupt();
    const char *line = el_gets(editor, &count);
    if (line == NULL || count <= 0) {
      if (!dyno_interrupted() || dyno_interrupt_exit_code() != DYNO_EXIT_INTERRUPTED)
        return DYNO_OK; /* the end of input, or SIGTERM */
      putchar('\n');
      el_reset(editor);
      continue;
    }
    char *question = strndup(line, strcspn(line, "\n"));
    if (question == NULL)
      return dyno_fail(of->error, DYNO_ERROR_MEMORY, "conversation: out of memory");
    dyno_status status = DYNO_OK;
    if (question[0] != '\0') {
      history(lines, &event, H_ENTER, line);
      status = ask(of, question);
    }
    free(question);
    if (status != DYNO_OK)
      return status;
  }
}

dyno_status dyno_chat_loop(const dyno_chat_setup *setup, dyno_error *error)
{
  chat of;
  dyno_status status = open_chat(&of, setup, error);
  EditLine *editor = el_init("dyno", stdin, stdout, stderr);
  History *lines = history_init();
  HistEvent event;
  if (status == DYNO_OK && (editor == NULL || lines == NULL))
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "line editor: out of memory");
  if (status == DYNO_OK) {
    history(lines, &event, H_SETSIZE, 1000);
    el_set(editor, EL_PROMPT, prompt_text);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, lines);
    el_source(editor, NULL);
    fputs("Ask; Ctrl-C stops an answer, Ctrl-D ends.\n", stderr);
    status = converse(&of, editor, lines);
    putchar('\n');
  }
  if (lines != NULL)
    history_end(lines);
  if (editor != NULL)
    el_end(editor);
  close_chat(&of);
  return status;
}
