/* Counters count, or say why not; a missing one never reads 0. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/measure/counters.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

Test(counters, what_ran_all_the_time_counts_as_it_is)
{
  dyno_counter_value value;
  dyno_counter_judge(&value, 1234, 1000, 1000);
  cr_assert(value.available && value.value == 1234 && value.reason[0] == '\0');
  dyno_counter_judge(&value, 0, 1000, 1000);
  cr_assert(value.available && value.value == 0, "a true 0 is a value");
}

Test(counters, a_shared_counter_is_scaled_and_marked)
{
  dyno_counter_value value;
  dyno_counter_judge(&value, 300, 1000, 600);
  cr_assert(value.available && fabs(value.value - 500) < 1e-9, "%g", value.value);
  cr_assert(strstr(value.reason, "multiplexed: counted for 60 %") != NULL, "%s", value.reason);
  dyno_counter_judge(&value, 900, 1000, 900);
  cr_assert(value.available && value.reason[0] == '\0', "nine tenths are enough: %s", value.reason);
}

Test(counters, too_little_is_withheld)
{
  dyno_counter_value value;
  dyno_counter_judge(&value, 300, 1000, 249);
  cr_assert(!value.available && strstr(value.reason, "withheld") != NULL, "%s", value.reason);
  dyno_counter_judge(&value, 0, 1000, 0);
  cr_assert(!value.available && strstr(value.reason, "not counted") != NULL, "%s", value.reason);
  dyno_counter_judge(&value, 0, 0, 0);
  cr_assert(!value.available && strstr(value.reason, "not counted") != NULL, "%s", value.reason);
}

Test(counters, failures_have_names)
{
  static const struct {
    int failure;
    const char *kind;
  } rows[] = {{ENOENT, "unsupported: "}, {ENODEV, "unsupported: "}, {ENOSYS, "unsupported: "},
              {EACCES, "denied: "},      {EPERM, "denied: "},       {EINVAL, "error: "},
              {EMFILE, "error: "}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    char reason[DYNO_COUNTER_REASON];
    dyno_counter_explain(reason, rows[i].failure);
    cr_assert(strncmp(reason, rows[i].kind, strlen(rows[i].kind)) == 0, "%d: %s", rows[i].failure,
              reason);
  }
}

Test(counters, an_unknown_name_does_not_hide_the_others)
{
  static const char *const names[] = {"no_such_event_anywhere", "task-clock"};
  dyno_counters *counters;
  dyno_counter_value values[2];
  cr_assert(dyno_counters_open(&counters, names, 2, NULL) == DYNO_OK);
  dyno_counters_read(counters, values);
  cr_assert(!values[0].available && strncmp(values[0].reason, "unknown: ", 9) == 0, "%s",
            values[0].reason);
  cr_assert(values[1].available || values[1].reason[0] != '\0', "neither a value nor a reason");
  dyno_counters_close(&counters);
  cr_assert(counters == NULL);
}

Test(counters, page_faults_are_counted_from_the_start)
{
  enum { PAGES = 64, PAGE = 4096 };
  static const char *const names[] = {"page-faults"};
  dyno_counters *counters;
  dyno_counter_value value;
  cr_assert(dyno_counters_open(&counters, names, 1, NULL) == DYNO_OK);
  volatile char *pages =
      mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert(pages != MAP_FAILED);
  madvise((void *)pages, PAGES * PAGE, MADV_NOHUGEPAGE);
  dyno_counters_start(counters);
  for (size_t i = 0; i < PAGES; i++)
    pages[i * PAGE] = 1;
  dyno_counters_read(counters, &value);
  dyno_counters_close(&counters);
  if (!value.available)
    cr_skip_test("page faults cannot be counted here: %s", value.reason);
  cr_assert(value.value >= PAGES && value.value < 10 * PAGES, "%g faults of %d pages", value.value,
            PAGES);
}
