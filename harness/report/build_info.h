/* Which dyno this is: the source it was built of, and how. */
#ifndef DYNO_HARNESS_REPORT_BUILD_INFO_H
#define DYNO_HARNESS_REPORT_BUILD_INFO_H

#include <stdbool.h>

typedef struct dyno_build_info {
  const char *version;
  const char *commit; /* abbreviated; "" when it was not built from a repository */
  bool dirty;         /* files differed from that commit */
  const char *compiler, *flags;
  const char *configure; /* its arguments, quoted for a shell */
} dyno_build_info;

/* Made by the build; dyno_get_build_info is how to ask. */
extern const char dyno_build_commit[];
extern const bool dyno_build_dirty;
extern const char dyno_build_flags[], dyno_build_configure[];

dyno_build_info dyno_get_build_info(void);

#endif
