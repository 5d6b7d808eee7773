#!/bin/sh
# dyno kernels check: every variant runs, is skipped with a reason, or fails.
. "${0%/*}/tap.sh"
json=$scratch/check.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
total=$("$DYNO" kernels list | grep -c '__')

# Checks that each line of a report is one of the three, and that none is missing.
accounted() { # report
  printf '%s\n' "$1" | grep -Ec '__[a-z0-9]+ +([0-9]+ of [0-9]+ cases +(exact|[0-9.]+ of bound) +ok|skipped: .+)$'
}

ok 'all variants pass' "$DYNO" kernels check --quick --seed=1
report=$output
is 'each is ok or skipped with a reason' "$(accounted "$report")" "$total"
like 'the totals and the seed are last' "$(printf '%s\n' "$report" | tail -n 1)" \
  "^$total variants: [0-9]+ ok, 0 FAILED, [0-9]+ skipped; [0-9]+ cases in .*; seed 1\$"
is 'the reference tier is checked first' "$(printf '%s\n' "$report" | sed -n 2p)" ref

"$DYNO" kernels check --quick --seed=1 --op=rmsnorm --json >"$json"
is 'the JSON has the result' "$(value variants/0/result)" ok
is 'and the cases: all there are' "$(value variants/0/cases)" "$(value variants/0/expected)"
is 'and the seed' "$(value seed)" 1

ok 'one problem is checked alone' "$DYNO" kernels check --problem='rmsnorm m=3 k=17'
like 'with every kind of input' "$output" 'rmsnorm__ref +74 of 74 cases'
exits 'nothing to check is no success' 1 "$DYNO" kernels check --problem='matmul weight=i8 activation=f32 k=8'
exits 'a malformed problem is a usage error' 2 "$DYNO" kernels check --problem='matmul weight=mxfp4 activation=a8 k=33'
exits 'an unknown name is one too' 2 "$DYNO" kernels check --kernel=no_such_variant
exits 'and an unknown tier' 2 "$DYNO" kernels check --isa=avx3

# What a lesser machine would see.
if "$DYNO" kernels list --isa=avx2 >/dev/null 2>&1; then
  ok 'the AVX2 tier passes alone' "$DYNO" kernels check --quick --seed=1 --isa=avx2 --kernel=__avx2
  like 'and says what it used' "$output" '; using avx2; '
  like 'and runs all of it' "$output" 'variants: [1-9][0-9]* ok, 0 FAILED, 0 skipped'
  is 'higher tiers are skipped with the reason' \
    "$("$DYNO" kernels check --quick --seed=1 --isa=avx2 --kernel=__avx512 2>/dev/null | grep -c 'skipped: masked by --isa=avx2\|skipped: needs')" \
    "$("$DYNO" kernels list | grep -c '__avx512')"
else
  skip 'this CPU has no AVX2' 4
fi

emulator=$(command -v qemu-x86_64 || :)
if [ -z "$emulator" ]; then
  skip 'qemu-x86_64 is not installed' 4
elif grep -qE '__(asan|tsan|msan)_init' "$DYNO"; then
  # The emulator would make the sanitizer's terabytes of shadow real, and take all memory there is.
  skip 'an address, thread or memory sanitizer is built in' 4
elif ! "$emulator" -cpu Nehalem "$DYNO" --version >/dev/null 2>&1; then
  skip "qemu-x86_64 does not run this build" 4
else
  # All of them take the emulator most of a minute.
  some=--family=elementwise
  [ -z "${DYNO_NIGHTLY-}" ] || some=
  here=$("$DYNO" kernels check --quick --seed=1 $some)
  ok 'the reference tier passes on a CPU without AVX' \
    "$emulator" -cpu Nehalem "$DYNO" kernels check --quick --seed=1 $some
  like 'and nothing else was dispatched' "$output" 'tier ref; using ref; '
  is 'every variant is accounted for there' "$(accounted "$output")" "$(accounted "$here")"
  is 'all higher ones are skipped' "$(printf '%s\n' "$output" | grep -c '__avx.* skipped: needs ')" \
    "$(printf '%s\n' "$here" | grep -c '__avx')"
fi
done_testing
