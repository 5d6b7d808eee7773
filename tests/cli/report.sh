#!/bin/sh
# dyno report: a folder's tables, summary.json and report.md; errors that name the place.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
folder=$scratch/results
value() { "$top_builddir/tests/cli/json_value" "$folder/summary.json" "$1"; }

mkdir "$folder"
cat >"$folder/manifest.json" <<'END'
{"schema": "dyno.bench.manifest/1", "id": "by-hand", "started": "2025-08-05T12:00:00Z",
 "finished": null, "dyno": {}, "command": [],
 "protocol": {"profile": "standard", "warmup": 0, "iterations": 3, "seed": 1},
 "model": {"name": "mini"}, "engine": {"threads": 2},
 "cases": [{"name": "questions", "prompts": [{"id": "p"}]}]}
END
sample() { # iteration, nanoseconds a token
  printf '{"case": "questions", "prompt": "p", "warmup": false, "iteration": %d, "sequence": %d, ' "$1" "$1"
  printf '"prompt_tokens": 10, "output_tokens": 3, "prefill_ns": 100000000, "ttft_ns": 110000000, '
  printf '"e2e_ns": %d, "itl_ns": [%d, %d], "hash": "00"}\n' $((110000000 + 2 * $2)) "$2" "$2"
}
{ sample 0 50000000 && sample 1 40000000 && sample 2 25000000; } >"$folder/samples.jsonl"

plan 14
ok 'it reports a folder' "$DYNO" report --no-plots "$folder"
like 'the case has a row' "$output" '^questions +110 +40\.0 .* 100 +25\.0 '
is 'summary.json has the median decode rate' "$(value cases/0/metrics/decode_tps/median)" 25
is 'and says that the run is whole' "$(value complete)" true
ok 'report.md is there' grep -q '^| questions | 110 |' "$folder/report.md"
cp "$folder/summary.json" "$scratch/first"
"$DYNO" report --no-plots --json "$folder" >"$scratch/printed"
ok '--json prints the same' cmp "$scratch/first" "$scratch/printed"
ok 'a second time gives the same' cmp "$scratch/first" "$folder/summary.json"

rm "$folder/summary.json"
ok '--no-write leaves the folder alone' "$DYNO" report --no-write "$folder"
ok 'indeed' test ! -e "$folder/summary.json"

printf '{"case": "quest' >>"$folder/samples.jsonl"
ok 'a line that a crash cut off is no error' "$DYNO" report --no-plots "$folder"
printf 'ions"}\n' >>"$folder/samples.jsonl"
exits 'half a sample is' 1 "$DYNO" report --no-plots "$folder"
like 'and the message names file, line and field' "$output" 'samples\.jsonl:4: prompt: is missing'

exits 'a folder without a manifest' 1 "$DYNO" report "$scratch"
exits 'no folder at all' 2 "$DYNO" report
done_testing
