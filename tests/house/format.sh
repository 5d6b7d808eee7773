#!/bin/sh
# Every C file is as .clang-format has it, and every shell script passes shellcheck.
. "${0%/*}/../cli/tap.sh"
plan 2
cd "$top_srcdir" || exit 99

formatter=
for candidate in clang-format-14 clang-format; do
  if "$candidate" --version 2>/dev/null | grep -q 'version 14\.'; then
    formatter=$candidate
    break
  fi
done
if [ -n "$formatter" ]; then
  # What a build in the tree makes there is not for reading.
  ok 'C files are formatted' \
    find kernels runtime harness tests -name '*.[ch]' ! -name build_commit.c -exec "$formatter" --dry-run -Werror {} +
else
  skip 'clang-format 14 is not installed' 1
fi

# Sourced files and what tap.sh sets are out of shellcheck's sight.
if command -v shellcheck >/dev/null 2>&1; then
  scripts=$(grep -rlE '^#!/bin/(ba)?sh' bootstrap .ci testcases tests 2>/dev/null | grep -v '/corpus/')
  # shellcheck disable=SC2086
  ok 'shell scripts pass shellcheck' shellcheck -e SC1091,SC2154 $scripts
else
  skip 'shellcheck is not installed' 1
fi
done_testing
