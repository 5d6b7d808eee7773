#include "harness/report/profile_report.h"

#include <stdlib.h>
#include <time.h>

#include "kernels/base/atomic_file.h"

void dyno_profile_report_begin(dyno_profile_report *report)
{
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc) != NULL)
    strftime(report->started, sizeof report->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
  dyno_host_name(report->host);
  report->cache = dyno_largest_cache();
}

void dyno_profile_report_free(dyno_profile_report *report)
{
  for (size_t i = 0; i < report->run_count; i++)
    dyno_profile_run_free(&report->runs[i]);
  free(report->runs);
  free(report->path);
  free(report->dialect);
  *report = (dyno_profile_report){0};
}

dyno_status dyno_profile_report_save(const dyno_profile_report *report, const char *path,
                                     dyno_profile_writer *write, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  status = write(report, file.stream, error);
  if (status == DYNO_OK)
    return dyno_atomic_file_commit(&file, error);
  dyno_atomic_file_discard(&file);
  return status;
}

void dyno_profile_phase_name(char text[DYNO_PROFILE_PHASE_TEXT], const dyno_profile_phase *phase)
{
  int length = snprintf(text, DYNO_PROFILE_PHASE_TEXT, "%s %zu",
                        dyno_profile_kind_name(phase->kind), phase->tokens);
  if (phase->kind == DYNO_PROFILE_DECODE)
    snprintf(text + length, DYNO_PROFILE_PHASE_TEXT - (size_t)length, " at %zu", phase->depth);
}

const char *dyno_profile_kernel_name(const dyno_kernel *kernel)
{
  return kernel == NULL ? "-" : kernel->name;
}
