/* Cases are what people add: sound ones are read as they are, and whatever is wrong with a file is
 * told with its line and field. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/bench_schedule.h"
#include "harness/measure/bench_speech.h"
#include "harness/measure/cases.h"
#include "harness/measure/json_line.h"

static void write_file(char path[64], const char *text, size_t count)
{
  snprintf(path, 64, "/tmp/dyno-case-XXXXXX");
  int file = mkstemp(path);
  cr_assert(file >= 0 && write(file, text, count) == (ssize_t)count);
  close(file);
}

static dyno_status read_text(dyno_testcases *cases, dyno_error *error, const char *text,
                             size_t count)
{
  char path[64];
  write_file(path, text, count);
  dyno_status status = dyno_testcases_read(cases, path, error);
  unlink(path);
  return status;
}

#define START "{\"schema\": \"dyno.case/1\",\n\"name\": \"mine\",\n\"output_tokens\": 5,\n"
#define PROMPT "{\"id\": \"a\", \"prompt\": \"p\", \"trace\": \"t\"}"

Test(cases, a_sound_file_is_read)
{
  static const char text[] = START "\"effort\": \"low\", \"prompts\": [" PROMPT
                                   ",\n{\"id\": \"b\", \"prompt\": \"q\", \"trace\": \"t\", "
                                   "\"expected\": \"e\"}]}";
  dyno_testcases cases = {0};
  dyno_error error = {0};
  cr_assert(read_text(&cases, &error, text, sizeof text - 1) == DYNO_OK, "%s", error.message);
  cr_assert(cases.count == 1 && cases.cases[0].prompt_count == 2);
  cr_assert(strcmp(cases.cases[0].title, "mine") == 0, "the name stands in for the title");
  cr_assert(cases.cases[0].effort == DYNO_EFFORT_LOW && cases.cases[0].output_tokens == 5);
  cr_assert(cases.cases[0].prompts[0].expected == NULL);
  cr_assert(strcmp(cases.cases[0].prompts[1].expected, "e") == 0);
  dyno_testcases_free(&cases);
}

/* What is wrong, and what the message must have. */
static const struct {
  const char *text, *message;
} bad_files[] = {
    {"", "line 1: "},
    {"[]", "line 1: an object is wanted"},
    {"{", "line 1: "},
    {"{\"schema\": \"dyno.case/1\",\n\"name\": \"x\",\n\"name\": \"y\"}", "line 3: duplicate"},
    {"{\"schema\": \"dyno.case/2\"}", "schema: 'dyno.case/2': this dyno reads dyno.case/1"},
    {"{\"schema\": 1}", "line 1: schema: a text is wanted"},
    {"{}", "line 1: \"schema\" is missing"},
    {START "\"output_token\": 3, \"prompts\": [" PROMPT "]}",
     "line 4: output_token: there is no such field"},
    {START "\"prompts\": []}", "line 4: prompts: a list of 1 to "},
    {START "\"prompts\": {}}", "line 4: prompts: a list of 1 to "},
    {START "\"order\": 1}", "line 1: \"prompts\" is missing"},
    {START "\"prompts\": [\n3]}", "line 5: prompts[0]: an object with id, prompt and trace"},
    {START "\"prompts\": [\n" PROMPT ",\n{\"id\": \"b\", \"prompt\": \"p\"}]}",
     "line 6: prompts[1]: \"trace\" is missing"},
    {START "\"prompts\": [\n" PROMPT ",\n" PROMPT "]}",
     "line 6: prompts[1].id: prompts[0] has the id 'a' too"},
    {START "\"prompts\": [\n{\"id\": \"a b\", \"prompt\": \"p\", \"trace\": \"t\"}]}",
     "line 5: prompts[0].id: 'a b': "},
    {START "\"prompts\": [\n{\"id\": \"a\", \"prompt\": \"\", \"trace\": \"t\"}]}",
     "line 5: prompts[0].prompt: it is empty"},
    {START "\"prompts\": [\n{\"id\": \"a\", \"prompt\": \"p\",\n \"trace\": 7}]}",
     "line 6: prompts[0].trace: a text is wanted"},
    {START "\"prompts\": [\n{\"id\": \"a\", \"prompt\": \"p\", \"trace\": \"t\", \"exp\": 1}]}",
     "line 5: prompts[0].exp: there is no such field"},
    {START "\"effort\": \"much\", \"prompts\": [" PROMPT "]}",
     "line 4: effort: 'much': low, medium or high is wanted"},
    {START "\"order\": 1.5, \"prompts\": [" PROMPT "]}", "line 4: order: a whole number from 0"},
    {"{\"schema\": \"dyno.case/1\", \"name\": \"../x\", \"output_tokens\": 1, \"prompts\": [" PROMPT
     "]}",
     "name: '../x': "},
    {"{\"schema\": \"dyno.case/1\", \"name\": \"x\", \"output_tokens\": 0, \"prompts\": [" PROMPT
     "]}",
     "output_tokens: a whole number from 1 to "},
    {"{\"schema\": \"dyno.case/1\", \"name\": \"x\", \"output_tokens\": 99999999999999999999999}",
     "line 1: "},
    {"{\"schema\": \"dyno.case/1\", \"name\": \"\xff\"}", "line 1: "},
    {"{\"schema\": \"dyno.case/1\", \"name\": \"a\\u0000b\"}", "line 1: "},
};

Test(cases, what_is_wrong_is_told_with_its_line_and_field)
{
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    dyno_testcases cases = {0};
    dyno_error error = {0};
    dyno_status status = read_text(&cases, &error, bad_files[i].text, strlen(bad_files[i].text));
    cr_expect(status == DYNO_ERROR_FORMAT, "%zu: %s", i, error.message);
    cr_expect(strstr(error.message, bad_files[i].message) != NULL, "%zu: '%s' lacks '%s'", i,
              error.message, bad_files[i].message);
    cr_expect(strstr(error.message, "/tmp/dyno-case-") == error.message, "%zu: %s", i,
              error.message);
    cr_expect(cases.count == 0);
    dyno_testcases_free(&cases);
  }
}

Test(cases, every_cut_of_a_file_is_refused)
{
  static const char text[] = START "\"prompts\": [" PROMPT "]}";
  for (size_t count = 0; count < sizeof text - 1; count++) {
    dyno_testcases cases = {0};
    dyno_error error = {0};
    cr_expect(read_text(&cases, &error, text, count) == DYNO_ERROR_FORMAT, "cut at %zu", count);
    dyno_testcases_free(&cases);
  }
}

Test(cases, a_deep_file_is_refused)
{
  char text[8192];
  dyno_testcases cases = {0};
  dyno_error error = {0};
  memset(text, '[', sizeof text);
  cr_assert(read_text(&cases, &error, text, sizeof text) == DYNO_ERROR_FORMAT);
  dyno_testcases_free(&cases);
}

Test(cases, a_name_that_is_there_twice_is_refused)
{
  static const char text[] = START "\"prompts\": [" PROMPT "]}";
  dyno_testcases cases = {0};
  dyno_error error = {0};
  cr_assert(read_text(&cases, &error, text, sizeof text - 1) == DYNO_OK);
  cr_assert(read_text(&cases, &error, text, sizeof text - 1) == DYNO_ERROR_FORMAT);
  cr_assert(strstr(error.message, "line 2: name: 'mine' is the name of /tmp/") != NULL, "%s",
            error.message);
  cr_assert(cases.count == 1);
  dyno_testcases_free(&cases);
}

Test(cases, choosing_keeps_the_order_and_names_what_there_is)
{
  dyno_testcases cases = {0};
  dyno_error error = {0};
  char text[256];
  static const char *const names[] = {"c", "a", "b"};
  for (int i = 0; i < 3; i++) {
    int count = snprintf(text, sizeof text,
                         "{\"schema\": \"dyno.case/1\", \"name\": \"%s\", \"order\": %d, "
                         "\"output_tokens\": 1, \"prompts\": [" PROMPT "]}",
                         names[i], i / 2);
    cr_assert(read_text(&cases, &error, text, (size_t)count) == DYNO_OK, "%s", error.message);
  }
  cr_assert(strcmp(cases.cases[0].name, "a") == 0 && strcmp(cases.cases[2].name, "b") == 0);
  cr_assert(dyno_testcases_choose(&cases, "a,x", &error) == DYNO_ERROR_USAGE);
  cr_assert(strstr(error.message, "there is no case 'x'; there are a, c, b") != NULL, "%s",
            error.message);
  cr_assert(dyno_testcases_choose(&cases, "a,", &error) == DYNO_ERROR_USAGE);
  cr_assert(dyno_testcases_choose(&cases, "b,a", &error) == DYNO_OK);
  cr_assert(cases.count == 2 && strcmp(cases.cases[1].name, "b") == 0);
  dyno_testcases_free(&cases);
}

Test(cases, lines_are_found_behind_strings_and_brackets)
{
  static const char text[] = "{ \"a\": \"}]\\\"\",\n \"b\": [ {},\n [1,\n2],\n {\"c\": 3} ] }";
  static const struct {
    const char *path;
    size_t line;
  } places[] = {{"", 1},       {"a", 1},    {"b", 2},    {"b[1]", 3},  {"b[1][1]", 4},
                {"b[2].c", 5}, {"b[9]", 2}, {"none", 1}, {"b[0].c", 2}};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    cr_expect(dyno_json_line(text, sizeof text - 1, places[i].path) == places[i].line, "%s: %zu",
              places[i].path, dyno_json_line(text, sizeof text - 1, places[i].path));
}

Test(schedule, every_iteration_is_there_once_and_rounds_do_not_mix)
{
  enum { CASES = 5, WARMUP = 2, ITERATIONS = 3 };
  dyno_bench_schedule schedule, again, other;
  cr_assert(dyno_bench_schedule_make(&schedule, CASES, WARMUP, ITERATIONS, 7, NULL) == DYNO_OK);
  cr_assert(dyno_bench_schedule_make(&again, CASES, WARMUP, ITERATIONS, 7, NULL) == DYNO_OK);
  cr_assert(dyno_bench_schedule_make(&other, CASES, WARMUP, ITERATIONS, 8, NULL) == DYNO_OK);
  cr_assert(schedule.count == CASES * (WARMUP + ITERATIONS));
  bool same = true;
  for (size_t round = 0; round < WARMUP + ITERATIONS; round++) {
    unsigned seen = 0;
    for (size_t i = 0; i < CASES; i++) {
      const dyno_bench_slot *slot = &schedule.slots[round * CASES + i];
      seen |= 1u << slot->case_index;
      cr_assert(slot->warmup == (round < WARMUP));
      cr_assert(slot->iteration == (round < WARMUP ? round : round - WARMUP));
      cr_assert(slot->case_index == again.slots[round * CASES + i].case_index);
      same = same && slot->case_index == other.slots[round * CASES + i].case_index;
    }
    cr_assert(seen == (1u << CASES) - 1, "a case is missing in round %zu", round);
  }
  cr_assert(!same, "another seed is another order");
  dyno_bench_schedule_free(&schedule);
  dyno_bench_schedule_free(&again);
  dyno_bench_schedule_free(&other);
}

Test(speech, what_is_expected_is_found_as_a_whole)
{
  static const struct {
    const char *text, *expected;
    bool has;
  } pairs[] = {{"55", "55", true},
               {"47 + 8 = **55**.", "55", true},
               {"155", "55", false},
               {"552", "55", false},
               {"552 or 55", "55", true},
               {"The New\nHouse", "the new house", true},
               {"the new houses", "the new house", false},
               {"\u00fcber 5", "ber 5", false},
               {"", "x", false},
               {"x", "", true}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    cr_expect(dyno_bench_text_has(pairs[i].text, pairs[i].expected) == pairs[i].has, "'%s' in '%s'",
              pairs[i].expected, pairs[i].text);
}
