/* Shape files: what they mean, and what is said of those that are wrong. */
#include <criterion/criterion.h>
#include <string.h>

#include "harness/measure/shapes.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static dyno_status parse(dyno_shapes *shapes, const char *text, dyno_error *error)
{
  return dyno_shapes_parse(shapes, "a.shapes", text, strlen(text), error);
}

Test(shapes, lines_labels_and_comments)
{
  dyno_shapes shapes;
  dyno_error error = {0};
  dyno_status status = parse(&shapes,
                             "# a comment\n"
                             "\n"
                             "  qkv: matmul weight=q8_0 activation=a8 m=1 n=64 k=32 # remark\r\n"
                             "qkv:matmul weight=q8_0 activation=a8 m=8 n=64 k=32\n"
                             "rmsnorm m=2 k=2880",
                             &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  cr_assert(shapes.count == 3, "%zu", shapes.count);
  cr_assert(strcmp(shapes.items[0].label, "qkv") == 0 && strcmp(shapes.items[1].label, "qkv") == 0);
  cr_assert(shapes.items[0].line == 3 && shapes.items[0].problem.m == 1);
  cr_assert(shapes.items[1].line == 4 && shapes.items[1].problem.m == 8);
  cr_assert(shapes.items[2].label[0] == '\0' && shapes.items[2].problem.op == DYNO_OP_RMSNORM);
  dyno_shapes_free(&shapes);
  cr_assert(shapes.items == NULL && shapes.count == 0);
}

Test(shapes, errors_name_file_line_and_word)
{
  static const struct {
    const char *text;
    const char *messages[2];
  } rows[] = {
      {"rmsnorm m=1 k=32\nmatmull m=1\n", {"a.shapes:2: ", "\"matmull\""}},
      {"\n\nrmsnorm m=1 q=32\n", {"a.shapes:3: ", "\"q=32\""}},
      {"rmsnorm m=-1\n", {"a.shapes:1: ", "m=-1"}},
      {"rmsnorm m=4294967296\n", {"a.shapes:1: ", "m=4294967296"}},
      {"matmul weight=q9 activation=a8\n", {"a.shapes:1: ", "weight=q9"}},
      {"matmul weight=q8_0 activation=a8 k=33\n", {"a.shapes:1: ", "k=33"}},
      {"ärger: rmsnorm m=1 k=32\n", {"a.shapes:1: ", "a label is"}},
      {": rmsnorm m=1 k=32\n", {"a.shapes:1: ", "a label is"}},
      {"a_label_of_more_than_thirty_one_letters: rmsnorm\n", {"a.shapes:1: ", "a label is"}},
      {"", {"a.shapes: ", "no problem"}},
      {"# only a comment\n", {"a.shapes: ", "no problem"}},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    dyno_shapes shapes;
    dyno_error error = {0};
    cr_assert(parse(&shapes, rows[i].text, &error) == DYNO_ERROR_FORMAT, "row %zu", i);
    cr_assert(error.status == DYNO_ERROR_FORMAT && shapes.count == 0 && shapes.items == NULL);
    for (size_t j = 0; j < 2; j++)
      cr_assert(strstr(error.message, rows[i].messages[j]) != NULL, "row %zu: '%s' is not in '%s'",
                i, rows[i].messages[j], error.message);
  }
}

Test(shapes, refuses_what_is_no_text)
{
  static const char binary[] = "rmsnorm m=1\0k=32\n";
  char longest[2000];
  memset(longest, 'x', sizeof longest);
  dyno_shapes shapes;
  dyno_error error = {0};
  cr_assert(dyno_shapes_parse(&shapes, "b", binary, sizeof binary - 1, &error) ==
            DYNO_ERROR_FORMAT);
  cr_assert(strstr(error.message, "b:1: a NUL byte") != NULL, "%s", error.message);
  cr_assert(dyno_shapes_parse(&shapes, "b", longest, sizeof longest, &error) == DYNO_ERROR_FORMAT);
  cr_assert(strstr(error.message, "b:1: the line is longer") != NULL, "%s", error.message);
}

Test(shapes, built_in_files_are_sound)
{
  size_t files = 0;
  for (const dyno_builtin_shapes *file = dyno_builtin_shapes_list; file->name != NULL; file++) {
    dyno_shapes shapes;
    dyno_error error = {0};
    cr_assert(dyno_shapes_load(&shapes, file->name, &error) == DYNO_OK, "%s", error.message);
    for (size_t i = 1; i < shapes.count; i++)
      for (size_t j = 0; j < i; j++)
        cr_assert(!dyno_problem_equal(&shapes.items[i].problem, &shapes.items[j].problem),
                  "%s: lines %u and %u are the same problem", file->name, shapes.items[j].line,
                  shapes.items[i].line);
    dyno_shapes_free(&shapes);
    files++;
  }
  cr_assert(files == 2, "%zu", files);
}

Test(shapes, a_missing_file_is_not_found)
{
  dyno_shapes shapes;
  dyno_error error = {0};
  cr_assert(dyno_shapes_load(&shapes, "/nonexistent/x.shapes", &error) == DYNO_ERROR_NOT_FOUND);
  cr_assert(strstr(error.message, "/nonexistent/x.shapes") != NULL, "%s", error.message);
  cr_assert(dyno_shapes_load(&shapes, "/", &error) == DYNO_ERROR_IO, "%s", error.message);
}

Test(shapes, add_grows)
{
  dyno_shapes shapes = {0};
  for (size_t i = 0; i < 100; i++) {
    dyno_problem problem = {.op = DYNO_OP_RMSNORM, .m = i, .k = 32};
    cr_assert(dyno_shapes_add(&shapes, "x", &problem, NULL) == DYNO_OK);
  }
  for (size_t i = 0; i < 100; i++)
    cr_assert(shapes.items[i].problem.m == i && strcmp(shapes.items[i].label, "x") == 0);
  dyno_shapes_free(&shapes);
}
