#include <criterion/criterion.h>

#include <string.h>

#include "kernels/base/status.h"

Test(status, fail_records_status_and_message)
{
  dyno_error error = {0};
  dyno_status status =
      dyno_fail(&error, DYNO_ERROR_FORMAT, "%s: bad field at byte %d", "a.gguf", 7);
  cr_assert(status == DYNO_ERROR_FORMAT, "got %d", (int)status);
  cr_assert(error.status == DYNO_ERROR_FORMAT, "got %d", (int)error.status);
  cr_assert(strcmp(error.message, "a.gguf: bad field at byte 7") == 0, "got %s", error.message);
}

Test(status, a_null_error_is_fine)
{
  cr_assert(dyno_fail(NULL, DYNO_ERROR_IO, "nobody reads this") == DYNO_ERROR_IO, "status lost");
  cr_assert(dyno_error_prepend(NULL, "nor this") == DYNO_OK, "a status out of nowhere");
}

Test(status, prepend_puts_the_place_first)
{
  dyno_error error = {0};
  dyno_fail(&error, DYNO_ERROR_IO, "read failed");
  cr_assert(dyno_error_prepend(&error, "%s", "blk.0") == DYNO_ERROR_IO, "status lost");
  cr_assert(strcmp(error.message, "blk.0: read failed") == 0, "got %s", error.message);
}

Test(status, long_messages_are_cut_and_terminated)
{
  dyno_error error = {0};
  char text[3000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  dyno_fail(&error, DYNO_ERROR_USAGE, "%s", text);
  cr_assert(memchr(error.message, '\0', sizeof error.message) != NULL, "not terminated");
  dyno_error_prepend(&error, "%s", text);
  cr_assert(memchr(error.message, '\0', sizeof error.message) != NULL, "not terminated");
}

Test(status, every_status_has_a_name_of_its_own)
{
  for (int a = 0; a < DYNO_STATUS_COUNT; a++)
    for (int b = 0; b < a; b++)
      cr_assert(strcmp(dyno_status_name((dyno_status)a), dyno_status_name((dyno_status)b)) != 0,
                "%d and %d are both %s", a, b, dyno_status_name((dyno_status)a));
  cr_assert(dyno_status_name(DYNO_STATUS_COUNT) != NULL, "no name out of range");
}
