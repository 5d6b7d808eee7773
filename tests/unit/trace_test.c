/* Traces: sound ones are played the same every time, whatever is wrong with a file is told with its
 * line and field, and reuse distances are those of a plain list. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/cache_simulation.h"
#include "harness/measure/recency.h"
#include "harness/measure/trace_player.h"
#include "runtime/synth/random.h"

static void write_file(char path[64], const char *text, size_t count)
{
  snprintf(path, 64, "/tmp/dyno-trace-XXXXXX");
  int file = mkstemp(path);
  cr_assert(file >= 0 && write(file, text, count) == (ssize_t)count);
  close(file);
}

static dyno_status read_text(dyno_trace *trace, dyno_error *error, const char *text, size_t count)
{
  char path[64];
  write_file(path, text, count);
  dyno_status status = dyno_trace_read(trace, path, error);
  unlink(path);
  return status;
}

#define START                                                                                      \
  "{\"schema\": \"dyno.trace/1\",\n\"name\": \"mine\", \"seed\": 7, \"requests\": 9,\n"            \
  "\"context\": 1000, \"token_zipf\": 1,\n\"sources\": [\n"
#define ONE_SHOT                                                                                   \
  "{\"kind\": \"one-shots\", \"share\": 1, \"question_tokens\": [1, 9], \"answer_tokens\": 3}"

/* What is wrong, and what the message must have. */
static const struct {
  const char *text, *message;
} bad_files[] = {
    {"", "line 1: "},
    {"[]", "line 1: an object with \"schema\""},
    {"{", "line 1: "},
    {"{\"schema\": \"dyno.trace/2\"}", "schema: 'dyno.trace/2': this dyno reads dyno.trace/1"},
    {"{\"schema\": \"dyno.trace/1\", \"name\": \"a\",\n\"name\": \"b\"}", "line 2: duplicate"},
    {"{\"schema\": \"dyno.trace/1\", \"name\": \"A\"}", "line 1: name: 'A'"},
    {"{\"schema\": \"dyno.trace/1\", \"name\": \"a\",\n\"sead\": 1}",
     "line 2: sead: there is no such field"},
    {"{\"schema\": \"dyno.trace/1\", \"name\": \"a\",\n\"seed\": -1}", "line 2: seed: a whole"},
    {"{\"schema\": \"dyno.trace/1\", \"name\": \"a\", \"seed\": 1,\n\"requests\": 0}",
     "line 2: requests: a whole number from 1"},
    {START "]}", "line 4: sources: a list of 1 to 16"},
    {START "7]}", "line 5: sources[0]: an object with a kind"},
    {START "{\"share\": 1}]}", "line 5: sources[0]: a kind is wanted"},
    {START "{\"kind\": \"talk\"}]}", "line 5: sources[0].kind: a kind is wanted"},
    {START ONE_SHOT ",\n{\"kind\": \"one-shots\", \"share\": 1, \"things\": 4}]}",
     "line 6: sources[1].things: there is no such field"},
    {START "{\"kind\": \"one-shots\", \"share\": 0}]}", "sources[0].share: a number from"},
    {START "{\"kind\": \"one-shots\", \"share\": 1, \"question_tokens\": [9, 1]}]}",
     "sources[0].question_tokens: a number of tokens from 1"},
    {START "{\"kind\": \"one-shots\", \"share\": 1, \"question_tokens\": 0}]}",
     "sources[0].question_tokens: a number of tokens from 1"},
    {START "{\"kind\": \"one-shots\", \"share\": 1, \"question_tokens\": 5}]}",
     "line 5: sources[0]: \"answer_tokens\" is missing"},
    {START "{\"kind\": \"one-shots\", \"share\": 1, \"question_tokens\": 900,\n"
           "\"answer_tokens\": [1, 101]}]}",
     "sources[0]: a request and its answer may have 1001 tokens: the context is 1000"},
    {START "{\"kind\": \"chat\", \"share\": 1, \"zipf\": 0, \"turns\": 2}]}",
     "sources[0]: \"things\" is missing"},
    {START "{\"kind\": \"edits\", \"share\": 1, \"things\": 2, \"zipf\": 1, \"body_tokens\": 10,\n"
           "\"edit_tokens\": 11, \"question_tokens\": 1, \"answer_tokens\": 1}]}",
     "sources[0]: edit_tokens may be more than the file has"},
};

Test(trace, whatever_is_wrong_with_a_file_is_told_with_its_place)
{
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    dyno_trace trace;
    dyno_error error = {0};
    dyno_status status = read_text(&trace, &error, bad_files[i].text, strlen(bad_files[i].text));
    cr_expect(status == DYNO_ERROR_FORMAT, "%s", bad_files[i].text);
    cr_expect(strstr(error.message, bad_files[i].message) != NULL, "%s", error.message);
    cr_expect(trace.sources == NULL && trace.name == NULL);
  }
}

Test(trace, a_file_that_was_cut_or_garbled_never_gets_through_by_accident)
{
  static const char text[] = START ONE_SHOT "]}";
  char garbled[sizeof text];
  dyno_random random = {1};
  for (size_t i = 0; i < 1000; i++) {
    dyno_trace trace;
    dyno_error error = {0};
    size_t count = i < sizeof text - 1 ? i : sizeof text - 1;
    memcpy(garbled, text, sizeof text);
    if (i >= sizeof text - 1)
      garbled[dyno_random_next(&random) % count] = (char)dyno_random_next(&random);
    dyno_status status = read_text(&trace, &error, garbled, count);
    cr_expect(status == DYNO_OK || (status == DYNO_ERROR_FORMAT && error.message[0] != '\0'));
    cr_expect(count == sizeof text - 1 || status != DYNO_OK, "cut at %zu", count);
    dyno_trace_free(&trace);
  }
}

static void read_shipped(dyno_trace *trace, const char *name)
{
  char path[4096];
  const char *tree = getenv("top_srcdir");
  dyno_error error = {0};
  snprintf(path, sizeof path, "%s/testcases/traces/%s.json", tree != NULL ? tree : ".", name);
  dyno_status status = dyno_trace_read(trace, path, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
}

static dyno_trace_player *play(const dyno_trace *trace, size_t vocab, size_t context)
{
  dyno_trace_player *player;
  dyno_error error = {0};
  dyno_status status = dyno_trace_player_open(&player, trace, vocab, context, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return player;
}

static dyno_trace_request next(dyno_trace_player *player)
{
  dyno_trace_request request = {0};
  dyno_error error = {0};
  bool ended = true;
  dyno_status status = dyno_trace_player_next(player, &request, &ended, &error);
  cr_assert(status == DYNO_OK && !ended, "%s", error.message);
  return request;
}

static const char *const shipped[] = {"chat", "chats", "documents", "edits", "mixed", "one-shots"};

Test(trace, requests_fit_every_model_and_are_the_same_every_time)
{
  static const struct {
    size_t vocab, context;
  } models[] = {{201088, 131072}, {1024, 2048}, {3, 64}, {1, 100}};
  for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
      dyno_trace trace;
      read_shipped(&trace, shipped[i]);
      size_t most = models[m].context < trace.context ? models[m].context : trace.context;
      dyno_trace_player *one = play(&trace, models[m].vocab, models[m].context);
      dyno_trace_player *two = play(&trace, models[m].vocab, models[m].context);
      for (size_t r = 0; r < 30; r++) {
        dyno_trace_request a = next(one), b = next(two);
        cr_assert(a.prompt >= 1 && a.answer >= 1 && a.prompt + a.answer <= most);
        cr_assert(a.prompt == b.prompt && a.answer == b.answer && a.thing == b.thing);
        cr_assert(memcmp(a.tokens, b.tokens, (a.prompt + a.answer) * sizeof *a.tokens) == 0);
        for (size_t t = 0; t < a.prompt + a.answer; t++)
          cr_assert(a.tokens[t] >= 0 && (size_t)a.tokens[t] < models[m].vocab);
      }
      dyno_trace_player_close(&one);
      dyno_trace_player_close(&two);
      dyno_trace_free(&trace);
    }
}

static size_t common_prefix(const dyno_trace_request *a, const int32_t *b, size_t count)
{
  size_t same = 0;
  while (same < a->prompt && same < count && a->tokens[same] == b[same])
    same++;
  return same;
}

Test(trace, a_conversation_says_all_again_and_an_edit_keeps_what_stands_before_it)
{
  static int32_t before[1 << 16];
  dyno_trace trace;
  read_shipped(&trace, "chat");
  dyno_trace_player *player = play(&trace, 201088, 131072);
  size_t count = 0;
  for (size_t turn = 0; turn < 20; turn++) {
    dyno_trace_request r = next(player);
    cr_assert(r.turn == turn && common_prefix(&r, before, count) == count && r.prompt > count);
    count = r.prompt + r.answer;
    memcpy(before, r.tokens, count * sizeof *before);
  }
  cr_expect(next(player).turn == 0, "the next conversation");
  dyno_trace_player_close(&player);
  dyno_trace_free(&trace);

  read_shipped(&trace, "edits");
  player = play(&trace, 201088, 131072);
  count = 0;
  size_t kept = 0, changed = 0;
  for (size_t i = 0; i < 40; i++) {
    dyno_trace_request r = next(player);
    if (r.thing != 0)
      continue;
    size_t same = common_prefix(&r, before, count);
    kept += count > 0 && same >= 256;
    changed += count > 0 && same < count && same < r.prompt;
    count = r.prompt;
    memcpy(before, r.tokens, count * sizeof *before);
  }
  cr_expect(kept > 3 && kept == changed);
  dyno_trace_player_close(&player);
  dyno_trace_free(&trace);
}

/* Line by line what a recorded trace says, and what is to be told of it. */
static const struct {
  const char *text, *message; /* NULL: it is sound */
} recordings[] = {
    {"[1, 2, 3]\n{\"prompt\": [4], \"answer\": [5, 6]}", NULL},
    {"[]", "line 1: there is no token"},
    {"[1]\n[1, 20]", "line 2: [1]: a token from 0 to 9"},
    {"{\"prompt\": [1, -1]}", "line 1: prompt[1]: a token"},
    {"{\"prompt\": [1], \"answers\": []}", "line 1: answers: there is no such field"},
    {"{\"answer\": [1]}", "line 1: prompt: a list"},
    {"[1.5]", "line 1: [0]: a token"},
    {"[1,", "line 1: "},
    {"7", "line 1: "},
    {"[1,2,3,4,5,6,7,8,9]", "line 1: [8]: a request and its answer may have 8 tokens"},
};

Test(trace, recorded_requests_are_read_line_by_line)
{
  for (size_t i = 0; i < sizeof recordings / sizeof *recordings; i++) {
    char path[64];
    dyno_trace_player *player;
    dyno_trace_request request;
    dyno_error error = {0};
    bool ended = false;
    size_t count = 0;
    write_file(path, recordings[i].text, strlen(recordings[i].text));
    dyno_status status = dyno_trace_player_open_recorded(&player, path, 10, 8, &error);
    while (status == DYNO_OK && !ended) {
      status = dyno_trace_player_next(player, &request, &ended, &error);
      count += status == DYNO_OK && !ended;
    }
    dyno_trace_player_close(&player);
    unlink(path);
    if (recordings[i].message == NULL)
      cr_expect(status == DYNO_OK && count == 2, "%s", error.message);
    else
      cr_expect(status == DYNO_ERROR_FORMAT && strstr(error.message, recordings[i].message) != NULL,
                "%s: %s", recordings[i].text, error.message);
  }
}

/* The most recent first. */
static size_t list_distance(const uint64_t *list, size_t count, uint64_t key)
{
  size_t at = 0;
  while (at < count && list[at] != key)
    at++;
  return at;
}

Test(recency, distances_are_those_of_a_list_and_hits_those_of_a_cache)
{
  enum { KEYS = 300, USES = 20000, CAPACITY = 37 };
  static uint64_t list[KEYS], cache[CAPACITY];
  size_t count = 0, cached = 0, hits = 0;
  dyno_recency_stack *stack;
  dyno_recency_counts counts = {0};
  dyno_error error = {0};
  dyno_random random = {3};
  cr_assert(dyno_recency_stack_open(&stack, &error) == DYNO_OK);
  for (size_t i = 0; i < USES; i++) {
    uint64_t a = dyno_random_next(&random) % KEYS, b = dyno_random_next(&random) % KEYS;
    uint64_t key = (a < b ? a : b) * 0x100000001u; /* low ones more often; far apart */
    size_t at = list_distance(list, count, key);
    uint64_t distance = dyno_recency_distance(stack, key);
    cr_assert(distance == (at < count ? at : DYNO_RECENCY_NEVER), "use %zu", i);
    count += at == count;
    memmove(list + 1, list, at * sizeof *list);
    list[0] = key;

    size_t place = list_distance(cache, cached, key);
    hits += place < cached;
    cached += place == cached && cached < CAPACITY;
    memmove(cache + 1, cache, (place < cached ? place : cached - 1) * sizeof *cache);
    cache[0] = key;
    cr_assert(dyno_recency_add(&counts, distance, &error) == DYNO_OK);
    cr_assert(dyno_recency_touch(stack, key, &error) == DYNO_OK);
  }
  cr_expect(counts.lookups == USES && counts.never == count);
  cr_expect(dyno_recency_hits(&counts, CAPACITY) == hits);
  cr_expect(dyno_recency_hits(&counts, 0) == 0);
  cr_expect(dyno_recency_hits(&counts, KEYS) == USES - count);
  uint64_t median = dyno_recency_quantile(&counts, 0.5);
  cr_expect(2 * dyno_recency_hits(&counts, median + 1) >= USES - count);
  cr_expect(2 * dyno_recency_hits(&counts, median) < USES - count);
  dyno_recency_counts_free(&counts);
  dyno_recency_stack_close(&stack);
}

/* An L2 of some nodes, as a list of prefixes with the most recently used first: a prefix is kept as
 * all of its tokens. */
enum { NODE = 64, MOST_KEPT = 50, MOST_PREFIX = 2048 };

typedef struct kept_prefix {
  int32_t tokens[MOST_PREFIX];
  size_t count;
} kept_prefix;

static size_t find_prefix(kept_prefix *const *list, size_t kept, const int32_t *tokens,
                          size_t count)
{
  size_t at = 0;
  while (at < kept && (list[at]->count != count ||
                       memcmp(list[at]->tokens, tokens, count * sizeof *tokens) != 0))
    at++;
  return at;
}

Test(recency, the_curve_of_a_trace_is_what_caches_of_these_sizes_do)
{
  static kept_prefix memory[MOST_KEPT];
  static const size_t sizes[] = {1, 7, 20, MOST_KEPT};
  dyno_trace trace;
  dyno_error error = {0};
  read_shipped(&trace, "mixed");
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    kept_prefix *list[MOST_KEPT];
    size_t kept = 0, asked = 0, found = 0, computed = 0;
    dyno_cache_simulation simulation;
    cr_assert(dyno_cache_simulation_open(&simulation, sizes[s], &error) == DYNO_OK);
    dyno_trace_player *player = play(&trace, 512, 640);
    for (size_t i = 0; i < 60; i++) {
      dyno_trace_request r = next(player);
      size_t nodes = (r.prompt - 1) / NODE, here = 0;
      for (size_t n = 1; n <= nodes; n++)
        here += find_prefix(list, kept, r.tokens, n * NODE) < kept;
      asked += nodes;
      found += here;
      computed += r.prompt - here * NODE;
      for (size_t n = (r.prompt + r.answer) / NODE; n > 0; n--) {
        size_t at = find_prefix(list, kept, r.tokens, n * NODE);
        if (at == kept && kept < sizes[s])
          list[kept] = &memory[kept], kept++;
        else if (at == kept)
          at = kept - 1;
        kept_prefix *used = list[at];
        memmove(list + 1, list, at * sizeof(kept_prefix *));
        list[0] = used;
        used->count = n * NODE;
        memcpy(used->tokens, r.tokens, n * NODE * sizeof *r.tokens);
      }
      cr_assert(dyno_cache_simulation_add(&simulation, &r, &error) == DYNO_OK);
    }
    cr_expect(simulation.prefixes.lookups == asked && simulation.computed == computed);
    cr_expect(dyno_recency_hits(&simulation.prefixes, sizes[s]) == found, "%zu nodes", sizes[s]);
    cr_expect(sizes[s] < 7 || found > 0);
    dyno_trace_player_close(&player);
    dyno_cache_simulation_close(&simulation);
  }
  dyno_trace_free(&trace);
}
