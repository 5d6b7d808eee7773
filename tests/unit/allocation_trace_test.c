/* Recorded allocations: what is written is read, and files of an enemy are refused by line. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/allocation_replay.h"
#include "harness/measure/process_map.h"

#define HEAD DYNO_ALLOCATION_TRACE_HEAD "\n"

static void write_file(char path[32], const char *text, size_t bytes)
{
  strcpy(path, "/tmp/dyno-trace-XXXXXX");
  int file = mkstemp(path);
  cr_assert(file >= 0 && write(file, text, bytes) == (ssize_t)bytes, "a file");
  close(file);
}

TestSuite(allocation_trace, .timeout = 60);

Test(allocation_trace, reads_what_the_allocator_wrote)
{
  char path[32];
  dyno_allocator *allocator;
  dyno_allocation_trace trace;
  dyno_error error = {0};
  write_file(path, "", 0);
  FILE *file = fopen(path, "w");
  const dyno_allocator_options options = {.record = file};
  cr_assert(dyno_allocator_open(&allocator, &options, NULL) == DYNO_OK, "an allocator");
  void *one = dyno_allocate(allocator, 100, 1, DYNO_PURPOSE_KV);
  void *two = dyno_allocate(allocator, 5000000, DYNO_HUGE_PAGE, DYNO_PURPOSE_WORKSPACE);
  dyno_release(allocator, one);
  void *three = dyno_allocate_zeroed(allocator, 50, 64, DYNO_PURPOSE_OTHER); /* at the same place */
  dyno_release(allocator, two);
  fclose(file);
  cr_assert(three != NULL && dyno_allocation_trace_read(&trace, path, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(trace.count == 6 && trace.allocated == 3 && trace.slots == 2, "%zu steps", trace.count);
  const dyno_trace_step wanted[6] = {{100, 0, 64, DYNO_PURPOSE_KV},
                                     {5000000, 1, 2 << 20, DYNO_PURPOSE_WORKSPACE},
                                     {.slot = 0},
                                     {50, 0, 64, DYNO_PURPOSE_OTHER},
                                     {.slot = 1},
                                     {.slot = 0}}; /* what was left is released at the end */
  for (size_t i = 0; i < 6; i++)
    cr_assert(trace.steps[i].bytes == wanted[i].bytes && trace.steps[i].slot == wanted[i].slot &&
                  trace.steps[i].alignment == wanted[i].alignment &&
                  trace.steps[i].purpose == wanted[i].purpose,
              "step %zu", i);
  cr_assert(trace.peak == 5000100, "the peak is %zu", (size_t)trace.peak);
  dyno_replay replay;
  const dyno_replay_options how = {.rounds = 3, .pages = DYNO_PAGES_SMALL};
  cr_assert(dyno_allocation_replay(&replay, &trace, &how, &error) == DYNO_OK, "%s", error.message);
  cr_assert(replay.rounds == 3 && replay.calls.ratio > 0 && replay.touched.buddy.median > 0, "run");
  cr_assert(replay.peak == 5000100 && replay.given >= replay.peak && replay.held >= replay.given,
            "at the peak");
  dyno_allocation_trace_free(&trace);
  dyno_allocator_close(&allocator);
  unlink(path);
}

/* Each with what the message must say. */
static const struct {
  const char *text, *message;
} hostile[] = {
    {"", "nothing is allocated"},
    {"GGUF\n", "line 1"},
    {HEAD, "nothing is allocated"},
    {HEAD "+ 1000 10 64 kv", "line 2: the line is too long"},
    {HEAD "+ 1000 10 64\n", "line 2"},
    {HEAD "+ 1000 10 64 kv more\n", "line 2"},
    {HEAD "+ 1000 10 64 nothing\n", "line 2: there is no such purpose"},
    {HEAD "+ 1000 0 64 kv\n", "line 2: a block has"},
    {HEAD "+ 1000 -1 64 kv\n", "line 2"},
    {HEAD "+ 1000 99999999999999999999 64 kv\n", "line 2"},
    {HEAD "+ 1000 5000000000000 64 kv\n", "line 2: a block has"},
    {HEAD "+ 1000 10 48 kv\n", "line 2: an alignment"},
    {HEAD "+ 1000 10 4194304 kv\n", "line 2: an alignment"},
    {HEAD "+ 1000 10 0 kv\n", "line 2: an alignment"},
    {HEAD "+ ffffffffffffffffff 10 64 kv\n", "line 2: this is no address"},
    {HEAD "+ -1 10 64 kv\n", "line 2: a line begins"},
    {HEAD "* 1000 10 64 kv\n", "line 2: a line begins"},
    {HEAD "\n", "line 2: a line begins"},
    {HEAD "- 1000\n", "line 2: there is no block"},
    {HEAD "+ 1000 10 64 kv\n- 2000\n", "line 3: there is no block"},
    {HEAD "+ 1000 10 64 kv\n- 1000\n- 1000\n", "line 4: there is no block"},
    {HEAD "+ 1000 10 64 kv\n- 1000 5\n", "line 3: '- ADDRESS'"},
    {HEAD "+ 1000 10 64 kv\n+ 1000 10 64 kv\n", "line 3: there is a block"},
    {HEAD "+ 1 3000000000000 64 kv\n+ 2 3000000000000 64 kv\n", "line 3: more than"},
    {HEAD "+ 1000 00000000000000000000000000000000000000000000000000000000000000000000000000000000"
          "00000000000000000000000000000000000000000000000000000000000001 64 kv\n",
     "line 2: the line is too long"},
};

ParameterizedTestParameters(allocation_trace, refuses)
{
  static size_t indices[sizeof hostile / sizeof *hostile];
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
    indices[i] = i;
  return cr_make_param_array(size_t, indices, sizeof hostile / sizeof *hostile);
}

ParameterizedTest(size_t *index, allocation_trace, refuses)
{
  char path[32];
  dyno_allocation_trace trace;
  dyno_error error = {0};
  write_file(path, hostile[*index].text, strlen(hostile[*index].text));
  cr_assert(dyno_allocation_trace_read(&trace, path, &error) == DYNO_ERROR_FORMAT, "case %zu",
            *index);
  cr_assert(strstr(error.message, hostile[*index].message) != NULL &&
                strstr(error.message, path) != NULL,
            "case %zu: %s", *index, error.message);
  cr_assert(trace.steps == NULL, "nothing is left");
  unlink(path);
}

Test(allocation_trace, refuses_zero_bytes_and_what_is_not_there)
{
  char path[32];
  dyno_allocation_trace trace;
  static const char zeros[] = HEAD "+ 1000 10 64\0kv\n";
  write_file(path, zeros, sizeof zeros - 1);
  cr_assert(dyno_allocation_trace_read(&trace, path, NULL) == DYNO_ERROR_FORMAT, "zero bytes");
  unlink(path);
  cr_assert(dyno_allocation_trace_read(&trace, path, NULL) == DYNO_ERROR_NOT_FOUND, "no file");
}

/* Many blocks, so that the tables grow, at addresses that come again. */
Test(allocation_trace, follows_many_blocks)
{
  enum { BLOCKS = 5000 };
  char path[32];
  dyno_allocation_trace trace;
  dyno_error error = {0};
  write_file(path, "", 0);
  FILE *file = fopen(path, "w");
  fputs(HEAD, file);
  for (int round = 0; round < 3; round++) {
    for (int i = 1; i <= BLOCKS; i++)
      fprintf(file, "+ %x %d 64 other\n", i * 4096, i);
    for (int i = 1; i <= BLOCKS; i++)
      fprintf(file, "- %x\n", i * 4096);
  }
  fclose(file);
  cr_assert(dyno_allocation_trace_read(&trace, path, &error) == DYNO_OK, "%s", error.message);
  cr_assert(trace.slots == BLOCKS && trace.count == 6 * BLOCKS, "%zu slots", trace.slots);
  cr_assert(trace.peak == BLOCKS * (BLOCKS + 1) / 2, "the peak");
  dyno_allocation_trace_free(&trace);
  unlink(path);
}

Test(process_map, knows_mappings_by_their_names)
{
  const struct {
    const char *path;
    bool guarded;
    dyno_mapping_kind kind;
  } cases[] = {
      {"", false, DYNO_MAPPING_ANONYMOUS},
      {"", true, DYNO_MAPPING_STACK},
      {"[heap]", false, DYNO_MAPPING_HEAP},
      {"[stack]", false, DYNO_MAPPING_STACK},
      {"[vdso]", false, DYNO_MAPPING_KERNEL},
      {"[anon:x]", false, DYNO_MAPPING_ANONYMOUS},
      {"/home/me/dyno", false, DYNO_MAPPING_PROGRAM},
      {"/home/me/libdyno.so.0", false, DYNO_MAPPING_LIBRARY},
      {"/usr/lib/locale/locale-archive", false, DYNO_MAPPING_LIBRARY},
      {"/models/gpt-oss-20b.gguf", false, DYNO_MAPPING_FILE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_assert(dyno_mapping_classify(cases[i].path, "/home/me/dyno", cases[i].guarded) ==
                  cases[i].kind,
              "'%s'", cases[i].path);
}

Test(process_map, sees_what_was_touched)
{
  enum { BYTES = 20 << 20 };
  dyno_process_map before, after;
  if (dyno_process_map_read(&before, NULL) != DYNO_OK)
    cr_skip("the kernel does not tell");
  char *volatile block = malloc(BYTES); /* a compiler may leave out a block nobody sees */
  cr_assert(block != NULL, "memory");
  memset(block, 1, BYTES);
  cr_assert(dyno_process_map_read(&after, NULL) == DYNO_OK, "again");
  uint64_t more = after.resident[DYNO_MAPPING_ANONYMOUS] + after.resident[DYNO_MAPPING_HEAP] -
                  before.resident[DYNO_MAPPING_ANONYMOUS] - before.resident[DYNO_MAPPING_HEAP];
  cr_assert(block[BYTES - 1] == 1 && more >= BYTES && more < BYTES + (4 << 20), "%zu bytes more",
            (size_t)more);
  cr_assert(after.resident[DYNO_MAPPING_PROGRAM] > 0, "the program itself");
  free(block);
}
