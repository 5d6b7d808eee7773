#!/bin/sh
# A kernel that is made a fifth slower in one op is named by what explains a comparison. It takes a
# while, and a machine that is not too busy: nightly.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
[ -n "${DYNO_NIGHTLY-}" ] || skip_all 'nightly: make check-nightly'
json=$scratch/compare.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
libraries=$top_builddir/.libs
plugin=$scratch/slow.so
[ -e "$libraries/libkernels.a" ] || skip_all 'the kernels were built without position-independent objects'

plan 7
# shellcheck disable=SC2086
ok 'the plug-in builds' ${CC:-cc} -O2 -std=gnu17 -Wall -Wextra -I"$top_srcdir" -fPIC -shared \
  -o "$plugin" "$top_srcdir/tests/planted/slow_plugin.c" "$libraries/libkernels.a" -lm
ok 'it is a right kernel' "$DYNO" kernels check --quick --plugin "$plugin" --kernel=slow__planted
exits 'it is slower' 0 "$DYNO" compare --model mini --threads 1 --cases questions,essays --rounds 10,200 \
  --half-width 0.7 --seconds 150 --prefill-every 0 --probed 60 --b "plugin=$plugin" \
  --b kernel=matmul=matmul_mxfp4_a8_slow__planted -o "$json"
diag "$output"
is '... for certain' "$(value verdict)" 'B is slower'
is '... with the same outputs' "$(value outputs/largest_logit_difference)" 0.0
is 'the explanation does not abstain' "$(value explanation/abstained)" false
is '... and names the op first' "$(value explanation/ops/0/op) $(value explanation/ops/0/passes_agree)" 'moe_gate_up true'
done_testing
