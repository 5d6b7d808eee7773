#include "harness/measure/trace_player.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/trace_player_internal.h"
#include "runtime/synth/random.h"

/* Streams of random numbers: one for the order of things, and one for each text. */
enum { STREAM_ORDER, STREAM_SYSTEM, STREAM_THING };

enum { LENGTHS = 4 /* that a request is made of */ };

/* What a source has of its i-th thing. */
typedef struct thing {
  int32_t *tokens; /* owned [room]; NULL before the first request about it */
  size_t count;
  size_t turn;
  dyno_random random; /* what is new about it */
} thing;

typedef struct source_state {
  const dyno_trace_source *of;
  dyno_trace_source scaled; /* its lengths, for the context at hand */
  double *popularity;       /* [things], cumulative; owned */
  int32_t *system;          /* owned [system_count] */
  size_t system_count;
  thing *things; /* owned [of->things] */
  uint64_t key;  /* of its streams */
} source_state;

typedef struct generator {
  dyno_trace_player base;
  const dyno_trace *trace;
  size_t vocab, context;
  dyno_random order;
  double *frequency;            /* [vocab], cumulative; owned */
  uint64_t multiplier, summand; /* from how frequent a token is to which one it is */
  double *shares;               /* [source_count], cumulative; owned */
  source_state *sources;        /* owned */
  int32_t *request;             /* owned [context] */
} generator;

static generator *generator_of(dyno_trace_player *player)
{
  return (generator *)(void *)player;
}

static double unit(dyno_random *random)
{
  return (double)(dyno_random_next(random) >> 11) * 0x1p-53;
}

/* The first of those whose cumulative weight is more than a random part of the whole. */
static size_t draw(const double *cumulative, size_t count, dyno_random *random)
{
  double at = unit(random) * cumulative[count - 1];
  size_t low = 0, high = count - 1;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (cumulative[middle] > at)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static double *make_zipf(size_t count, double exponent)
{
  double *cumulative = malloc(count * sizeof *cumulative), sum = 0;
  for (size_t i = 0; i < count && cumulative != NULL; i++)
    cumulative[i] = sum += pow((double)(i + 1), -exponent);
  return cumulative;
}

static size_t draw_length(dyno_trace_range range, dyno_random *random)
{
  return range.least + (size_t)(unit(random) * (range.most - range.least + 1));
}

static void draw_tokens(const generator *g, int32_t *tokens, size_t count, dyno_random *random)
{
  for (size_t i = 0; i < count; i++) {
    size_t rank = draw(g->frequency, g->vocab, random);
    tokens[i] = (int32_t)((rank * g->multiplier + g->summand) % g->vocab);
  }
}

static dyno_status no_memory(const generator *g, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", g->trace->file);
}

/* A thing's beginning: the system prompt, and what is said about it in every request. */
static void begin_thing(const generator *g, const source_state *source, thing *one)
{
  memcpy(one->tokens, source->system, source->system_count * sizeof *one->tokens);
  one->count = source->system_count;
  one->turn = 0;
  if (source->of->body.most == 0)
    return;
  size_t body = draw_length(source->scaled.body, &one->random);
  draw_tokens(g, one->tokens + one->count, body, &one->random);
  one->count += body;
}

/* Some tokens of a file, anywhere in it, give way to others. */
static void edit(const generator *g, const source_state *source, thing *one)
{
  size_t body = one->count - source->system_count;
  size_t count = draw_length(source->scaled.edit, &one->random);
  size_t at = (size_t)(unit(&one->random) * (double)(body - count + 1));
  draw_tokens(g, one->tokens + source->system_count + at, count, &one->random);
}

static dyno_status find_thing(thing **found, const generator *g, source_state *source, size_t index,
                              dyno_error *error)
{
  thing *one = &source->things[index];
  *found = one;
  if (one->tokens != NULL) {
    if (source->of->kind == DYNO_TRACE_EDITS)
      edit(g, source, one);
    return DYNO_OK;
  }
  one->tokens = malloc(g->context * sizeof *one->tokens);
  if (one->tokens == NULL)
    return no_memory(g, error);
  one->random = dyno_random_stream(source->key, STREAM_THING + index);
  begin_thing(g, source, one);
  return DYNO_OK;
}

static dyno_status next_generated(dyno_trace_player *player, dyno_trace_request *request,
                                  bool *ended, dyno_error *error)
{
  generator *g = generator_of(player);
  size_t which = draw(g->shares, g->trace->source_count, &g->order);
  source_state *source = &g->sources[which];
  bool chat = source->of->kind == DYNO_TRACE_CHAT;
  size_t index = draw(source->popularity, source->of->things, &g->order);
  thing *one;
  dyno_status status = find_thing(&one, g, source, index, error);
  if (status != DYNO_OK)
    return status;
  size_t question = draw_length(source->scaled.question, &one->random);
  size_t answer = draw_length(source->scaled.answer, &one->random);
  if (chat && (one->turn == source->of->turns || one->count + question + answer > g->context))
    begin_thing(g, source, one);
  memcpy(g->request, one->tokens, one->count * sizeof *g->request);
  draw_tokens(g, g->request + one->count, question + answer, &one->random);
  *ended = false;
  *request = (dyno_trace_request){
      .tokens = g->request,
      .prompt = one->count + question,
      .answer = answer,
      .source = which,
      .thing = index,
      .turn = one->turn,
  };
  if (!chat)
    return DYNO_OK;
  one->turn++;
  memcpy(one->tokens + one->count, g->request + one->count,
         (question + answer) * sizeof *one->tokens);
  one->count += question + answer;
  return DYNO_OK;
}

static void close_generator(dyno_trace_player *player)
{
  generator *g = generator_of(player);
  for (size_t i = 0; i < g->trace->source_count && g->sources != NULL; i++) {
    source_state *source = &g->sources[i];
    for (size_t t = 0; t < source->of->things && source->things != NULL; t++)
      free(source->things[t].tokens);
    free(source->things);
    free(source->system);
    free(source->popularity);
  }
  free(g->sources);
  free(g->shares);
  free(g->frequency);
  free(g->request);
  free(g);
}

static dyno_trace_range scale(dyno_trace_range range, double factor)
{
  uint32_t least = (uint32_t)(range.least * factor), most = (uint32_t)(range.most * factor);
  return (dyno_trace_range){
      least > 0 || range.least == 0 ? least : 1,
      most > 0 || range.most == 0 ? most : 1,
  };
}

static dyno_status open_source(source_state *source, const generator *g, size_t index,
                               dyno_error *error)
{
  const dyno_trace_source *of = source->of;
  /* Lengths are rounded down, but for those that come to less than one. */
  double factor = g->context < g->trace->context
                      ? (double)(g->context - LENGTHS) / (double)g->trace->context
                      : 1;
  source->scaled = *of;
  source->scaled.system = scale(of->system, factor);
  source->scaled.body = scale(of->body, factor);
  source->scaled.edit = scale(of->edit, factor);
  source->scaled.question = scale(of->question, factor);
  source->scaled.answer = scale(of->answer, factor);
  source->key = dyno_random_mix(g->trace->seed + dyno_random_mix(index + 1));
  dyno_random random = dyno_random_stream(source->key, STREAM_SYSTEM);
  source->system_count = draw_length(source->scaled.system, &random);
  source->system = malloc((source->system_count + 1) * sizeof *source->system);
  source->things = calloc(of->things, sizeof *source->things);
  source->popularity = make_zipf(of->things, of->zipf);
  if (source->system == NULL || source->things == NULL || source->popularity == NULL)
    return no_memory(g, error);
  draw_tokens(g, source->system, source->system_count, &random);
  return DYNO_OK;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
  while (b != 0) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Frequent tokens are anywhere in a vocabulary: an affine map from rank to token. */
static void scatter(generator *g)
{
  dyno_random random = dyno_random_stream(g->trace->seed, STREAM_ORDER);
  do
    g->multiplier = dyno_random_next(&random) % g->vocab;
  while (common_divisor(g->multiplier, g->vocab) != 1);
  g->summand = dyno_random_next(&random) % g->vocab;
  g->order = random;
}

static dyno_status open_generator(generator *g, dyno_error *error)
{
  const dyno_trace *trace = g->trace;
  g->frequency = make_zipf(g->vocab, trace->token_zipf);
  g->shares = malloc(trace->source_count * sizeof *g->shares);
  g->sources = calloc(trace->source_count, sizeof *g->sources);
  g->request = malloc(g->context * sizeof *g->request);
  if (g->frequency == NULL || g->shares == NULL || g->sources == NULL || g->request == NULL)
    return no_memory(g, error);
  scatter(g);
  double sum = 0;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < trace->source_count; i++) {
    g->sources[i].of = &trace->sources[i];
    g->shares[i] = sum += trace->sources[i].share;
  }
  for (size_t i = 0; i < trace->source_count && status == DYNO_OK; i++)
    status = open_source(&g->sources[i], g, i, error);
  return status;
}

dyno_status dyno_trace_player_open(dyno_trace_player **player, const dyno_trace *trace,
                                   size_t vocab, size_t context, dyno_error *error)
{
  *player = NULL;
  if (context < DYNO_TRACE_LEAST_CONTEXT)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: a context of %zu tokens is too short for a trace: at least %d are wanted",
                     trace->file, context, DYNO_TRACE_LEAST_CONTEXT);
  generator *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", trace->file);
  *made = (generator){
      .base = {next_generated, close_generator},
      .trace = trace,
      .vocab = vocab,
      .context = context < trace->context ? context : trace->context,
  };
  dyno_status status = open_generator(made, error);
  *player = &made->base;
  if (status != DYNO_OK)
    dyno_trace_player_close(player);
  return status;
}

dyno_status dyno_trace_player_next(dyno_trace_player *player, dyno_trace_request *request,
                                   bool *ended, dyno_error *error)
{
  return player->next(player, request, ended, error);
}

void dyno_trace_player_close(dyno_trace_player **player)
{
  if (*player != NULL)
    (*player)->close(*player);
  *player = NULL;
}
