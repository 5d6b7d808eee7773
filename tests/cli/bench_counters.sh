#!/bin/sh
# dyno bench --counters: a line for every counter, phase and op, or the reason why there is no value.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
DYNO_DATA=$top_srcdir/testcases
export DYNO_DATA
command -v jq >/dev/null 2>&1 || skip_all 'jq is not installed'
bench() {
  "$DYNO" bench --model mini --case questions --profile quick --warmup 0 --iters 1 --no-texts \
    --threads 2 --output-dir "$scratch/$1" --counters "$2"
}
lines() { cat "$scratch/$1"/*/counters.jsonl; }

ok 'it counts what was asked for' bench some page-faults,cycles
is '... in both phases, and says so in the manifest' "$(jq -c .protocol.counters "$scratch"/some/*/manifest.json)" \
  '["page-faults","cycles"]'
is '... each as a whole' \
  "$(lines some | jq -r 'select(.op == null) | .phase + " " + .counter' | sort | tr '\n' ' ')" \
  'decode cycles decode page-faults prefill cycles prefill page-faults '
is 'no value without a reason, and none of 0 to 1 beyond' "$(lines some |
  jq -c 'select((.value == null and .reason == "") or (.running != null and (.running <= 0 or .running > 1)))')" ''
is 'figures are per token' "$(lines some |
  jq -c 'select(.value != null and .tokens * .per_token - .value > 1e-6 * .value)')" ''
if [ "$(lines some | jq -s 'map(select(.counter == "page-faults" and .value != null)) | length')" -gt 0 ]; then
  ok 'ops are counted too' sh -c 'cat "$0"/some/*/counters.jsonl | jq -se "map(.op) | contains([\"moe_gate_up\", \"head\"])"' "$scratch"
else
  skip 'page faults cannot be counted here' 1
fi
is 'the last line ends it' "$(lines some | jq -c 'select(.last) | .case')" '"questions"'

folder=$(echo "$scratch"/some/*)
cp "$folder/counters.jsonl" "$scratch/whole"
head -n 3 "$scratch/whole" >"$folder/counters.jsonl"
printf '{"case": "que' >>"$folder/counters.jsonl"
ok 'a case that was cut off is counted again' "$DYNO" bench --resume "$folder"
is '... as a whole' "$(jq -c '[.phase, .op, .counter]' "$folder/counters.jsonl")" \
  "$(jq -c '[.phase, .op, .counter]' "$scratch/whole")"

ok 'none is none' bench none none
is '... no line' "$(lines none)" ''
exits 'an unknown name is a usage error' 2 bench typo cycles,no_such_event
like '... that names it' "$output" '--counters: no_such_event: unknown'
ok '... before there is a folder' test ! -e "$scratch/typo"
done_testing
