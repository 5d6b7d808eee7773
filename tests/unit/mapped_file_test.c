/* Mapped files, and what happens when one is cut short under its reader. */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/checked.h"
#include "runtime/model/json_file.h"
#include "runtime/model/mapped_file.h"
#include "runtime/model/span.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(mapped_file, .init = make_folder, .fini = remove_folder, .timeout = 60);

Test(mapped_file, maps_what_is_there)
{
  const char *path = fixture_path(&folder, "file");
  dyno_mapped_file file;
  dyno_error error = {0};
  fixture_write(path, "hello", 5);
  cr_assert(dyno_mapped_file_open(&file, path, &error) == DYNO_OK, "%s", error.message);
  cr_assert(file.size == 5 && memcmp(file.bytes, "hello", 5) == 0 && strcmp(file.path, path) == 0,
            "content");
  for (dyno_file_advice advice = DYNO_FILE_SEQUENTIAL; advice <= DYNO_FILE_RECLAIM; advice++) {
    dyno_mapped_file_advise(&file, 0, 5, advice);
    dyno_mapped_file_advise(&file, 3, UINT64_MAX, advice);
    dyno_mapped_file_advise(&file, UINT64_MAX, UINT64_MAX, advice);
    dyno_mapped_file_advise(&file, 5, 1, advice);
    dyno_mapped_file_advise(&file, 0, 0, advice);
  }
  cr_assert(memcmp(file.bytes, "hello", 5) == 0, "advice changed the content");
  dyno_mapped_file_close(&file);
  dyno_mapped_file_close(&file);
  cr_assert(file.bytes == NULL && file.path == NULL, "close leaves something");

  fixture_write(path, "", 0);
  cr_assert(dyno_mapped_file_open(&file, path, &error) == DYNO_OK && file.size == 0, "empty");
  dyno_mapped_file_advise(&file, 0, 1, DYNO_FILE_DONE);
  dyno_mapped_file_close(&file);
}

/* Or huge pages of the page cache could not be mapped. */
Test(mapped_file, large_files_start_where_huge_pages_do)
{
  enum { SIZE = (5 << 20) + 123 };
  const char *path = fixture_path(&folder, "file");
  dyno_mapped_file file;
  dyno_error error = {0};
  char *content = malloc(SIZE);
  cr_assert(content != NULL, "memory");
  for (size_t i = 0; i < SIZE; i++)
    content[i] = (char)(i * 7 + i / 4096);
  fixture_write(path, content, SIZE);
  cr_assert(dyno_mapped_file_open(&file, path, &error) == DYNO_OK, "%s", error.message);
  cr_assert((uintptr_t)file.bytes % (2 << 20) == 0, "at %p", (const void *)file.bytes);
  dyno_mapped_file_advise(&file, 0, file.size, DYNO_FILE_HUGE);
  cr_assert(file.size == SIZE && memcmp(file.bytes, content, SIZE) == 0, "content");
  dyno_mapped_file_close(&file);
  free(content);
}

Test(mapped_file, refuses_what_is_no_file)
{
  const char *fifo = fixture_path(&folder, "fifo");
  cr_assert(mkfifo(fifo, 0600) == 0, "cannot make a FIFO");
  const struct {
    const char *path;
    dyno_status status;
    const char *message;
  } cases[] = {
      {fixture_path(&folder, "absent"), DYNO_ERROR_NOT_FOUND, "No such file"},
      {"", DYNO_ERROR_NOT_FOUND, "No such file"},
      {folder.path, DYNO_ERROR_IO, "folder"},
      {fifo, DYNO_ERROR_IO, "not a regular file"},
      {"/dev/null", DYNO_ERROR_IO, "not a regular file"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_mapped_file file;
    dyno_error error = {0};
    cr_assert(dyno_mapped_file_open(&file, cases[i].path, &error) == cases[i].status &&
                  strstr(error.message, cases[i].message) != NULL && file.path == NULL,
              "%s: %s", cases[i].path, error.message);
  }
}

/* Reads the pipe's text till its end, then waits. */
static int collect(char *text, size_t size, int descriptor, pid_t child)
{
  size_t length = 0;
  ssize_t count;
  int status;
  while ((count = read(descriptor, text + length, size - 1 - length)) > 0)
    length += (size_t)count;
  text[length] = '\0';
  close(descriptor);
  waitpid(child, &status, 0);
  return status;
}

/* A child maps the file, cuts it, and touches what is gone. */
static int touch_lost_page(char *text, size_t size, const char *path, bool handled)
{
  int ends[2];
  cr_assert(pipe(ends) == 0, "no pipe");
  pid_t child = fork();
  if (child == 0) {
    dyno_mapped_file file;
    dup2(ends[1], STDERR_FILENO);
    if (handled)
      dyno_report_lost_mappings();
    if (dyno_mapped_file_open(&file, path, NULL) != DYNO_OK || truncate(path, 100) != 0)
      _exit(90);
    volatile const uint8_t *bytes = file.bytes;
    uint8_t sum = bytes[0];
    sum = (uint8_t)(sum + bytes[10000]);
    _exit(91 + sum % 2);
  }
  close(ends[1]);
  return collect(text, size, ends[0], child);
}

Test(mapped_file, says_which_file_was_cut)
{
  static const uint8_t bytes[20000];
  const char *path = fixture_path(&folder, "a file with spaces");
  char text[1024], wanted[512];
  fixture_write(path, bytes, sizeof bytes);
  int status = touch_lost_page(text, sizeof text, path, true);
  cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %d, '%s'", status, text);
  snprintf(wanted, sizeof wanted, "dyno: %s: cannot read it at offset 10000 any more", path);
  cr_assert(strncmp(text, wanted, strlen(wanted)) == 0, "'%s'", text);
}

/* Whatever else raises SIGBUS stays the crash it is. */
Test(mapped_file, leaves_other_faults_alone)
{
  pid_t child = fork();
  if (child == 0) {
    dyno_report_lost_mappings();
    raise(SIGBUS);
    raise(SIGBUS); /* the first has put the default back */
    _exit(90);
  }
  int status;
  waitpid(child, &status, 0);
  cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %d", status);
}

Test(mapped_file, extents)
{
  static const struct {
    uint64_t offset, size, pad, file;
    bool fits;
  } cases[] = {
      {0, 0, 0, 0, true},
      {0, 10, 0, 10, true},
      {0, 10, 1, 10, false},
      {1, 10, 0, 10, false},
      {10, 0, 0, 10, true},
      {11, 0, 0, 10, false},
      {UINT64_MAX, 1, 0, 10, false},
      {1, UINT64_MAX, 0, UINT64_MAX, false},
      {1, UINT64_MAX - 1, 0, UINT64_MAX, true},
      {1, UINT64_MAX - 1, 1, UINT64_MAX, false},
      {(uint64_t)1 << 63, (uint64_t)1 << 63, 0, UINT64_MAX, false},
      {0, UINT64_MAX - 15, 32, 10, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_assert(dyno_extent_fits(cases[i].offset, cases[i].size, cases[i].pad, cases[i].file) ==
                  cases[i].fits,
              "case %zu", i);
  uint64_t value;
  cr_assert(dyno_checked_round_up(&value, 1, 32) && value == 32, "1");
  cr_assert(dyno_checked_round_up(&value, 32, 32) && value == 32, "32");
  cr_assert(!dyno_checked_round_up(&value, UINT64_MAX - 30, 32), "the top");
  cr_assert(dyno_checked_multiply(&value, (uint64_t)1 << 32, ((uint64_t)1 << 32) - 1), "below");
  cr_assert(!dyno_checked_multiply(&value, (uint64_t)1 << 32, (uint64_t)1 << 32), "above");
}

Test(mapped_file, quotes_are_printable_and_short)
{
  char text[DYNO_QUOTED_TEXT], wide[400];
  cr_assert(strcmp(dyno_span_quote(text, dyno_span_of("plain text")), "plain text") == 0, "%s",
            text);
  cr_assert(strcmp(dyno_span_quote(text, (dyno_span){"a\0\n\x1b\\\xff", 6}),
                   "a\\x00\\x0a\\x1b\\x5c\\xff") == 0,
            "%s", text);
  cr_assert(strcmp(dyno_span_quote(text, (dyno_span){NULL, 0}), "") == 0, "%s", text);
  for (size_t length = 0; length < sizeof wide; length++) {
    memset(wide, length % 2 == 0 ? 'a' : '\n', sizeof wide);
    dyno_span_quote(text, (dyno_span){wide, length});
    size_t full = length % 2 == 0 ? length : 4 * length;
    cr_assert(strlen(text) == full || (full > 90 && strstr(text, "...") != NULL), "%zu: %s", length,
              text);
  }
}

Test(mapped_file, floats_in_json_are_short)
{
  static const struct {
    float value;
    const char *text;
  } cases[] = {{1e-5f, "[1e-5]"}, {1.702f, "[1.702]"},        {150000, "[150000.0]"},
               {0.1f, "[0.1]"},   {16777216, "[16777216.0]"}, {1.17549435e-38f, "[1.1754944e-38]"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *array = json_pack("[o]", dyno_json_float(cases[i].value));
    char *text = json_dumps(array, JSON_REAL_PRECISION(DYNO_JSON_FLOAT_DIGITS));
    cr_assert(strcmp(text, cases[i].text) == 0, "%s, not %s", text, cases[i].text);
    free(text);
    json_decref(array);
  }
}
