/* Counters count, or say why not; a missing one never reads 0. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* A kernel with a PMU of three counters, and events that are at their number times the thread's. */
enum { FILES = 64, COUNTERS = 3 };

static struct {
  bool open;
  struct perf_event_attr attributes;
  pid_t thread;
  int leader;
} files[FILES];
static uint64_t fake_time;  /* goes on by 1000 ns with each tick of a test */
static uint64_t fake_share; /* of it, in which counters run, in percent */
static pid_t fake_idle;     /* a thread that never runs */

static int fake_open(const struct perf_event_attr *attributes, pid_t thread, int cpu, int leader)
{
  int file = 0, members = 0;
  cr_assert(cpu == -1 && attributes->exclude_kernel, "user mode, on any processor");
  for (int i = 0; i < FILES; i++)
    members += files[i].open && leader >= 0 && (i == leader || files[i].leader == leader) &&
               files[i].attributes.type != PERF_TYPE_SOFTWARE;
  if (attributes->type == PERF_TYPE_RAW || attributes->config == PERF_COUNT_HW_CACHE_MISSES) {
    errno = ENOENT;
    return -1;
  }
  if (members >= COUNTERS && attributes->type != PERF_TYPE_SOFTWARE) {
    errno = EINVAL;
    return -1;
  }
  while (files[file].open)
    file++;
  files[file].open = true;
  files[file].attributes = *attributes;
  files[file].thread = thread;
  files[file].leader = leader;
  return file;
}

static ssize_t fake_read(int file, void *data, size_t size)
{
  cr_assert(files[file].open && size == sizeof(dyno_counter_reading), "file %d", file);
  bool idle = files[file].thread == fake_idle && fake_idle != 0;
  uint64_t running = idle ? 0 : fake_time * fake_share / 100;
  uint64_t each = ((uint64_t)files[file].attributes.config + 1) * (uint64_t)files[file].thread;
  *(dyno_counter_reading *)data =
      (dyno_counter_reading){running * each / 1000, idle ? 0 : fake_time, running};
  return (ssize_t)size;
}

static int fake_close(int file)
{
  cr_assert(files[file].open, "file %d was open", file);
  for (int i = 0; i < FILES; i++)
    cr_assert(!files[i].open || files[i].leader != file, "the leader goes last");
  files[file].open = false;
  return 0;
}

static const dyno_perf fake = {fake_open, fake_read, fake_close};

static void expect_all_closed(void)
{
  for (int i = 0; i < FILES; i++)
    cr_assert(!files[i].open, "file %d is left open", i);
}

Test(counters, adds_up_the_threads)
{
  static const pid_t threads[] = {10, 30, 60};
  static const char *const names[] = {"instructions", "cycles", "cache-misses", "page-faults"};
  const dyno_counter_options options = {threads, 3, &fake};
  dyno_counters *counters;
  dyno_counter_value values[4];
  fake_time = 7000;
  fake_share = 100;
  cr_assert(dyno_counters_open_on(&counters, names, 4, &options, NULL) == DYNO_OK, "memory");
  fake_time += 3000;
  dyno_counters_read(counters, values);
  cr_assert(values[0].available && fabs(values[0].value - 3 * 200) < 1e-9, "%g", values[0].value);
  cr_assert(values[1].available && fabs(values[1].value - 3 * 100) < 1e-9, "%g", values[1].value);
  cr_assert(!values[2].available && strncmp(values[2].reason, "unsupported", 11) == 0, "%s",
            values[2].reason);
  cr_assert(values[3].available && values[3].value > 0, "software events need no PMU");
  dyno_counter_reading readings[4];
  dyno_counters_look(counters, 1, readings);
  cr_assert(readings[1].value == 10 * 30 && readings[2].value == 0, "of the second thread");
  dyno_counters_close(&counters);
  expect_all_closed();
}

Test(counters, a_thread_that_slept_is_no_reason_to_scale)
{
  static const pid_t threads[] = {10, 30};
  static const char *const names[] = {"cycles"};
  const dyno_counter_options options = {threads, 2, &fake};
  dyno_counters *counters;
  dyno_counter_value value;
  fake_time = 0;
  fake_share = 50;
  fake_idle = 30;
  cr_assert(dyno_counters_open_on(&counters, names, 1, &options, NULL) == DYNO_OK, "memory");
  fake_time = 4000;
  dyno_counters_read(counters, &value);
  cr_assert(value.available && fabs(value.value - 40) < 1e-9, "%g", value.value);
  cr_assert(fabs(value.running - 0.5) < 1e-9 && strncmp(value.reason, "multiplexed", 11) == 0, "%s",
            value.reason);
  dyno_counters_close(&counters);
  fake_idle = 0;
}

Test(counters, passes_are_as_large_as_the_pmu)
{
  static const char *const names[] = {"cycles",        "task-clock",    "instructions",
                                      "cache-misses",  "branch-misses", "cycles",
                                      "no_such_event", "page-faults",   "instructions"};
  static const size_t wanted[][COUNT(names)] = {
      {0, 0, 0, 0, 0, 1, 1, 1, 1}, /* the kernel takes three */
      {0, 0, 0, 0, 1, 1, 1, 1, 2}, /* only two are wanted */
  };
  size_t pass[COUNT(names)];
  cr_assert(dyno_counters_plan(pass, names, COUNT(names), 5, &fake) == 2, "two passes");
  for (size_t i = 0; i < COUNT(names); i++)
    cr_assert(pass[i] == wanted[0][i], "%s is in pass %zu", names[i], pass[i]);
  cr_assert(dyno_counters_plan(pass, names, COUNT(names), 2, &fake) == 3, "three passes");
  for (size_t i = 0; i < COUNT(names); i++)
    cr_assert(pass[i] == wanted[1][i], "of two, %s is in pass %zu", names[i], pass[i]);
  cr_assert(dyno_counters_plan(pass, names, 0, 2, &fake) == 0, "nothing to do");
  expect_all_closed();
}

/* A thread that is told its work and touches pages. */
typedef struct worker {
  atomic_int id, go;
} worker;

static void *touch_pages(void *context)
{
  worker *self = context;
  atomic_store(&self->id, gettid());
  while (atomic_load(&self->go) == 0)
    usleep(100);
  enum { PAGES = 64, PAGE = 4096 };
  volatile char *pages =
      mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise((void *)pages, PAGES * PAGE, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < PAGES; i++)
    pages[i * PAGE] = 1;
  return NULL;
}

Test(counters, counts_a_thread_that_was_there_before)
{
  static const char *const names[] = {"page-faults"};
  worker other = {0};
  pthread_t thread;
  cr_assert(pthread_create(&thread, NULL, touch_pages, &other) == 0, "thread");
  while (atomic_load(&other.id) == 0)
    usleep(100);
  const pid_t id = atomic_load(&other.id);
  const dyno_counter_options options = {&id, 1, NULL};
  dyno_counters *counters;
  dyno_counter_value value;
  cr_assert(dyno_counters_open_on(&counters, names, 1, &options, NULL) == DYNO_OK, "memory");
  atomic_store(&other.go, 1);
  pthread_join(thread, NULL);
  dyno_counters_read(counters, &value);
  dyno_counters_close(&counters);
  if (!value.available)
    cr_skip_test("page faults cannot be counted here: %s", value.reason);
  cr_assert(value.value >= 64, "%g faults", value.value);
}

Test(counters, switches_are_not_counted_as_zero)
{
  static const char *const names[] = {"perf::CONTEXT-SWITCHES", "perf::CPU-MIGRATIONS"};
  dyno_counters *counters;
  dyno_counter_value values[2];
  cr_assert(dyno_counters_open(&counters, names, 2, NULL) == DYNO_OK, "memory");
  dyno_counters_read(counters, values);
  for (size_t i = 0; i < 2; i++)
    cr_assert(!values[i].available && values[i].reason[0] != '\0', "%s", names[i]);
  dyno_counters_close(&counters);
}

Test(counters, sets_fit_their_cpus)
{
  static const struct {
    dyno_cpu cpu;
    const char *title;
    size_t group;
  } rows[] = {
      {{.name = "AMD EPYC 9654", .family = 25, .model = 17}, "AMD Zen 4", 5},
      {{.name = "AMD Ryzen 9 7950X", .family = 25, .model = 0x61}, "AMD Zen 4", 5},
      {{.name = "AMD EPYC 7763", .family = 25, .model = 1}, "AMD Zen to Zen 3", 5},
      {{.name = "AMD EPYC 7742", .family = 23, .model = 49}, "AMD Zen to Zen 3", 5},
      {{.name = "AMD EPYC 9755", .family = 26, .model = 2}, "any CPU", 5},
      {{.name = "Intel(R) Xeon(R) Platinum 8480+", .family = 6, .model = 143},
       "Intel Core and Xeon since Skylake",
       4},
      {{.name = "Intel(R) Core(TM) i7-4770", .family = 6, .model = 60}, "any CPU", 4},
      {{.name = "Neoverse-N1", .family = 8, .model = 0}, "any CPU", 4},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    cr_assert(strcmp(dyno_counter_default_set(&rows[i].cpu)->title, rows[i].title) == 0, "%s: %s",
              rows[i].cpu.name, dyno_counter_default_set(&rows[i].cpu)->title);
    cr_assert(dyno_counter_group_size(&rows[i].cpu) == rows[i].group, "%s", rows[i].cpu.name);
  }
}

/* libpfm4 encodes the events of CPUs that are not here. */
Test(counters, every_name_of_a_set_is_known_for_its_cpu)
{
#ifdef DYNO_WITH_PFM
  size_t encoded = 0;
  setenv("LIBPFM_ENCODE_INACTIVE", "1", 1);
  for (size_t s = 0; dyno_counter_set_at(s) != NULL; s++) {
    const dyno_counter_set *set = dyno_counter_set_at(s);
    for (size_t i = 0; i < COUNT(set->names) && set->names[i] != NULL; i++) {
      struct perf_event_attr attributes = {0};
      char event[DYNO_COUNTER_EVENT], reason[DYNO_COUNTER_REASON] = "", name[160];
      bool upper = set->names[i][0] >= 'A' && set->names[i][0] <= 'Z';
      snprintf(name, sizeof name, "%s%s%s", upper ? set->pmu : "", upper ? "::" : "",
               set->names[i]);
      cr_assert(dyno_counter_encode(&attributes, event, name, reason), "%s: %s", name, reason);
      cr_assert(!upper || (attributes.type == PERF_TYPE_RAW && attributes.config != 0), "%s: %s",
                name, event);
      encoded += upper;
    }
  }
  cr_assert(encoded >= 12, "only %zu names were tried", encoded);
  struct perf_event_attr attributes = {0};
  char event[DYNO_COUNTER_EVENT], reason[DYNO_COUNTER_REASON] = "";
  cr_assert(dyno_counter_encode(&attributes, event,
                                "amd64_fam19h_zen4::ANY_DATA_CACHE_FILLS_FROM_SYSTEM:DRAM_IO_NEAR",
                                reason),
            "%s", reason);
  cr_assert(attributes.config == 0x844, "recorded as %llx", (unsigned long long)attributes.config);
#else
  cr_skip_test("built without libpfm4");
#endif
}
