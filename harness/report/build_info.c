#include "config.h"

#include "harness/report/build_info.h"

dyno_build_info dyno_get_build_info(void)
{
  return (dyno_build_info){
      .version = PACKAGE_VERSION,
      .commit = dyno_build_commit,
      .dirty = dyno_build_dirty,
#ifdef __clang__
      .compiler = __VERSION__,
#else
      .compiler = "gcc " __VERSION__,
#endif
      .flags = dyno_build_flags,
      .configure = dyno_build_configure,
  };
}
