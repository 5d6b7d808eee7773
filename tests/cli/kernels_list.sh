#!/bin/sh
# dyno kernels list: text, JSON, choices with their reasons, and errors that help.
. "${0%/*}/tap.sh"
json=$scratch/list.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }

ok 'it lists' "$DYNO" kernels list
like 'a line has tier, formats, layout and whether it runs' "$output" \
  '^matmul_mxfp4_a8__ref +ref +mxfp4 +a8 +mxfp4_rows .* yes$'
like 'it counts and names the CPU' "$output" '^[0-9]+ variants, [0-9]+ of which run here: .*tier '

"$DYNO" kernels list --json >"$json"
ok 'the JSON is sound' value
listed=$("$DYNO" kernels list | grep -c '__')
is 'the JSON has as many variants as the text' "$(value variants)" "$listed"
is 'the JSON names the op' "$(value variants/0/op)" matmul
exits 'without --why there are no choices' 1 value choices

"$DYNO" kernels list --json --op=rmsnorm >"$json"
is '--op filters' "$(value variants/0/op)" rmsnorm
"$DYNO" kernels list --json --family=sampling >"$json"
is '--family filters' "$(value variants/0/family)" sampling

"$DYNO" kernels list --why --json >"$json"
is '--why chooses for decode' "$(value choices/0/problem)" \
  'matmul weight=q8_0 activation=a8 m=1 n=4096 k=2880 groups=1'
is '... and for prefill' "$(value choices/1/problem)" \
  'matmul weight=q8_0 activation=a8 m=512 n=4096 k=2880 groups=1'
is 'both read one layout' "$(value choices/0/layout)" "$(value choices/1/layout)"
like 'every choice has a reason' "$(value choices/0/reason)" '^rank: '
total=$(value choices)
unserved=$("$DYNO" kernels list --why | grep -Ec ' none +- ')
is 'every shape of gpt-oss-20b has a variant' "$unserved of $total" "0 of $total"

"$DYNO" kernels list --isa=ref --json >"$json"
is 'a mask is reported' "$(value tier)" ref
ok 'forcing is a reason' "$DYNO" kernels list --why --op=rmsnorm --kernel=rmsnorm=ref
like '... and says by what' "$output" 'forced by --kernel=rmsnorm=ref'

echo 'mine: swiglu m=3 k=64' >"$scratch/mine.shapes"
ok 'shapes come from a file' "$DYNO" kernels list --shapes "$scratch/mine.shapes"
like '... with their label' "$output" '^mine +swiglu m=3 k=64 +swiglu__'
echo 'mine: swiglu m=3 j=64' >"$scratch/mine.shapes"
exits 'a bad shape file is refused' 1 "$DYNO" kernels list --shapes "$scratch/mine.shapes"
like '... by file, line and word' "$output" 'mine\.shapes:1: "j=64"'

exits 'an unknown variant is a usage error' 2 "$DYNO" kernels list --kernel=matmul=mxpf4
like '... that lists near names' "$output" 'near ones: .*mxfp4'
exits 'an unknown op is a usage error' 2 "$DYNO" kernels list --op=rmsnrom
like '... that lists the ops' "$output" 'the ops are .*rmsnorm'
exits 'an unknown tier is a usage error' 2 "$DYNO" kernels list --isa=avx1024
exits 'no subverb is a usage error' 2 "$DYNO" kernels
exits 'an unknown subverb is a usage error' 2 "$DYNO" kernels lsit
ok '--help' "$DYNO" kernels list --help
like '... describes the options' "$output" '--why'
ok 'kernels --help' "$DYNO" kernels --help
done_testing
