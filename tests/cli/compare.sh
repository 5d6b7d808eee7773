#!/bin/sh
# dyno compare: sound reports, exit codes, what is shared and what is refused; no speed is asserted.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
json=$scratch/compare.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
compare() { "$DYNO" compare --model mini --tokens 4 "$@"; }
# Any verdict about speed is fine: the machine may be busy.
measured() {
  tap_status=0
  output=$("$@" 2>&1) || tap_status=$?
  case $tap_status in 0 | 3 | 4) return 0 ;; *) echo "$output"; return 1 ;; esac
}

ok 'it compares an engine with itself' measured compare --rounds 6 --prefill-every 1 -o "$json" \
  --md "$scratch/compare.md" --forest "$scratch/forest"
output=$(compare --rounds 6 --cases questions --probed 0 2>&1)
like 'the table has the case' "$output" '^questions +[0-9.]+ +[0-9.]+ +[-+][0-9.]+ % '
like '... and says that bits are the same' "$output" '^outputs: the same bits at all [0-9]+ positions$'
like '... and a verdict' "$output" '^verdict: '
is 'the JSON has five cases and their mean' "$(value rows)" 6
is '... rounds' "$(value rounds)" 6
is '... a value for each of them' "$(value rows/5/log_ratios/decode)" 6
is '... the control too' "$(value rows/0/log_ratios/control)" 6
is '... prefills' "$(value rows/0/prefill/rounds)" 6
is '... no differences' "$(value outputs/other_token) $(value outputs/largest_logit_difference)" '0 0.0'
is '... one copy of the weights' "$(value arms/1/packed_bytes)" 0.0
is '... an explanation that has its samples' "$(value explanation/passes)" 120
is 'the Markdown has a table' "$(grep -c '^| ' "$scratch/compare.md")" 7
is 'the forest has a line each' "$(grep -vc '^#' "$scratch/forest")" 6

ok 'every kind of switch can be compared' measured compare --rounds 1 --cases code \
  --probed 0 --a threads=1 --a pool=mutex --b logits=two-stage --b huge-pages=off --b isa=avx2 -o "$json"
is '... with weights of its own on other pages' "$(value arms/1/shared_bytes)" 0.0
is '... as asked for' "$(value arms/0/asked_for) $(value arms/0/threads)" 'threads=1 pool=mutex 1'
exits 'too few rounds are inconclusive' 3 compare --rounds 1 --probed 0 --cases translation
exits 'other outputs have an exit code' 5 compare --rounds 1 --b ablate=yarn
like '... and the table says how far' "$output" '^verdict: wrong output; the outputs diverge by '
exits 'whatever is allowed passes' 3 compare --rounds 1 --probed 0 --b ablate=yarn --divergence 100
exits 'an unknown switch is a usage error' 2 compare --b speed=high
like '... that lists them' "$output" "arm B: 'speed': there is no such switch; there are model, precision"
exits 'so is an unknown case' 2 compare --cases nonsense
exits 'so is an unknown kernel' 2 compare --b kernel=matmul=nonsense
exits 'a missing model fails' 1 compare --b "model=$scratch/none.gguf"
done_testing
