# AX_DYNO_WARNINGS: the warnings every file is clean of; --enable-werror makes them errors.
AC_DEFUN([AX_DYNO_WARNINGS], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors (CI does)])],
    [], [enable_werror=no])
  DYNO_CFLAGS="-std=gnu17 -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla"
  # Compilers may otherwise contract a*b+c where the source does not say fma, and the tiers would
  # stop being reproducible from compiler to compiler.
  DYNO_CFLAGS="$DYNO_CFLAGS -ffp-contract=off"
  AS_IF([test "$enable_werror" = yes], [DYNO_CFLAGS="$DYNO_CFLAGS -Werror"])
  AC_SUBST([DYNO_CFLAGS])
  dyno_compiler_version=`$CC -dumpfullversion -dumpversion 2>/dev/null | head -n 1`
])

# AX_DYNO_SANITIZERS: --enable-asan, -ubsan, -tsan, -msan, and -fuzzing.
AC_DEFUN([AX_DYNO_SANITIZER], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [build with -fsanitize=$2])],
    [], [enable_$1=no])
  AS_IF([test "$enable_$1" = yes], [
    dyno_sanitizers="$dyno_sanitizers $2"
    DYNO_SANITIZE_FLAGS="$DYNO_SANITIZE_FLAGS -fsanitize=$2 $3"])
])
AC_DEFUN([AX_DYNO_SANITIZERS], [
  dyno_sanitizers=
  DYNO_SANITIZE_FLAGS=
  AX_DYNO_SANITIZER([asan], [address], [])
  AX_DYNO_SANITIZER([ubsan], [undefined], [-fno-sanitize-recover=undefined])
  AX_DYNO_SANITIZER([tsan], [thread], [])
  AX_DYNO_SANITIZER([msan], [memory], [-fsanitize-memory-track-origins])
  AX_DYNO_SANITIZER([fuzzing], [fuzzer-no-link], [])
  AS_IF([test "$enable_tsan" = yes && test "$enable_asan$enable_msan" != nono],
    [AC_MSG_ERROR([--enable-tsan goes with neither --enable-asan nor --enable-msan])])
  AS_IF([test "$enable_asan" = yes && test "$enable_msan" = yes],
    [AC_MSG_ERROR([--enable-asan and --enable-msan exclude each other])])
  AS_IF([test -n "$dyno_sanitizers"],
    [DYNO_SANITIZE_FLAGS="$DYNO_SANITIZE_FLAGS -fno-omit-frame-pointer -g"], [dyno_sanitizers=none])
  AS_IF([test "$enable_fuzzing" = yes], [
    FUZZ_ENGINE=-fsanitize=fuzzer
    AC_MSG_CHECKING([whether $CC has libFuzzer])
    dyno_saved_cflags="$CFLAGS"
    CFLAGS="$CFLAGS $FUZZ_ENGINE"
    AC_LINK_IFELSE([AC_LANG_SOURCE([[int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
      int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d == 0 && n == 1; }]])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([--enable-fuzzing needs clang with libFuzzer: configure CC=clang-14 (Debian: apt-get install clang-14 libclang-rt-14-dev)])])
    CFLAGS="$dyno_saved_cflags"])
  AC_SUBST([FUZZ_ENGINE])
  AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" = yes])
  AC_SUBST([DYNO_SANITIZE_FLAGS])
  AM_CONDITIONAL([SANITIZED], [test "$dyno_sanitizers" != none])
])

# AX_DYNO_ISA: which kernel tiers this host and compiler can build.
AC_DEFUN([AX_DYNO_ISA], [
  AVX2_CFLAGS="-mavx2 -mfma -mf16c -mbmi -mbmi2"
  AVX512_CFLAGS="$AVX2_CFLAGS -mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl -mprefer-vector-width=512"
  AVX512VNNI_CFLAGS="$AVX512_CFLAGS -mavx512vnni -mavx512vbmi"
  AVX512BF16_CFLAGS="$AVX512VNNI_CFLAGS -mavx512bf16"
  dyno_tiers=ref
  AS_CASE([$host_cpu], [x86_64], [
    dyno_x86=yes
    dyno_saved_cflags="$CFLAGS"
    CFLAGS="$CFLAGS $AVX512BF16_CFLAGS"
    AC_MSG_CHECKING([whether $CC compiles all x86 tiers])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <immintrin.h>]],
      [[__m512 x = _mm512_dpbf16_ps(_mm512_setzero_ps(), (__m512bh)_mm512_setzero_si512(), (__m512bh)_mm512_setzero_si512());
        return (int)_mm512_reduce_add_ps(x);]])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([$CC does not compile AVX-512 BF16 intrinsics: gcc 11 or clang 14 or newer is needed])])
    CFLAGS="$dyno_saved_cflags"
    dyno_tiers="ref avx2 avx512 avx512vnni avx512bf16"
    AC_DEFINE([DYNO_X86_64], [1], [Define to build the x86-64 kernel tiers.])
  ], [dyno_x86=no])
  AM_CONDITIONAL([X86_64], [test "$dyno_x86" = yes])
  AC_SUBST([AVX2_CFLAGS]) AC_SUBST([AVX512_CFLAGS])
  AC_SUBST([AVX512VNNI_CFLAGS]) AC_SUBST([AVX512BF16_CFLAGS])
])

# AX_DYNO_PTHREAD: POSIX threads.
AC_DEFUN([AX_DYNO_PTHREAD], [
  AC_SEARCH_LIBS([pthread_create], [pthread], [],
    [AC_MSG_ERROR([POSIX threads are needed])])
])

# DYNO_REQUIRE(VARIABLE, MODULE, DEBIAN-PACKAGE)
AC_DEFUN([DYNO_REQUIRE], [
  PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_ERROR([$2 is missing: install it (Debian: apt-get install $3) or run ./bootstrap])])
])

# DYNO_OPTIONAL_HEADER(NAME, HEADER, LIBRARY, FUNCTION, PURPOSE, DEBIAN-PACKAGE)
# --with-NAME fails when it is missing, --without-NAME does not look, the default takes it if there.
AC_DEFUN([DYNO_OPTIONAL_HEADER], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [build without lib$3 ($5)])],
    [], [with_$1=auto])
  dyno_with_$1=no
  AS_IF([test "$with_$1" != no], [
    AC_CHECK_HEADER([$2], [AC_CHECK_LIB([$3], [$4], [dyno_with_$1=yes])])
    AS_IF([test "$dyno_with_$1" = yes], [
      AC_SUBST(m4_toupper([$1])[_LIBS], [-l$3])
      AC_DEFINE([DYNO_WITH_]m4_toupper([$1]), [1], [Define to use lib$3: $5.])
    ], [AS_IF([test "$with_$1" = yes], [AC_MSG_ERROR([lib$3 is missing (Debian: apt-get install $6)])])
        dyno_with_$1="no (lib$3 is missing: apt-get install $6)"])
  ])
])

# DYNO_OPTIONAL_PKG(NAME, VARIABLE, MODULE, PURPOSE, DEBIAN-PACKAGE)
AC_DEFUN([DYNO_OPTIONAL_PKG], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [build without $1 ($4)])],
    [], [with_$1=auto])
  dyno_with_$1=no
  AS_IF([test "$with_$1" != no], [
    PKG_CHECK_MODULES([$2], [$3], [dyno_with_$1=yes],
      [AS_IF([test "$with_$1" = yes], [AC_MSG_ERROR([$1 is missing (Debian: apt-get install $5)])])
       dyno_with_$1="no ($1 is missing: apt-get install $5)"])
  ])
  AM_CONDITIONAL(m4_toupper([WITH_$1]), [test "$dyno_with_$1" = yes])
])
