#!/bin/sh
# dyno history: a planted change is found and its commit named; machines and models stay apart.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
json=$scratch/history.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
# A finished run: folder, day, host, threads, commit, tokens/s of two cases.
run() {
  mkdir -p "$1"
  printf '{"schema": "dyno.bench.manifest/1", "id": "x", "host": "%s", "processor": "CPU", "started": "2025-11-%02dT12:00:00Z",
 "dyno": {"commit": "%s", "dirty": false}, "protocol": {"profile": "standard"},
 "model": {"name": "mini", "fingerprint": "f00d"}, "engine": {"threads": %d, "tier": "avx2", "features": {"pool": "spin"}},
 "cases": [{"name": "essays", "xxh3": "1"}, {"name": "code", "xxh3": "2"}]}\n' "$3" "$2" "$5" "$4" >"$1/manifest.json"
  printf '{"complete": true, "cases": [{"name": "essays", "metrics": {"decode_tps": {"median": %s}}},
 {"name": "code", "metrics": {"decode_tps": {"median": %s}, "prefill_tps": {"median": 7}}}]}\n' "$6" "$7" >"$1/summary.json"
}
# Sixteen runs; from the eleventh on, essays lose 8 %. The folder's names are in no order.
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
  essays=$((100 + i * 7 % 3))
  [ $i -lt 11 ] || essays=$((essays - 8))
  run "$scratch/all/r$((i * 7 % 17))" "$i" here 2 "c$i" "$essays.$i" "$((50 + i * 5 % 3)).$i"
done

ok 'it reads a folder of runs' "$DYNO" history "$scratch/all" --plot "$scratch/plot"
like 'the case that changed has its commit' "$output" '^essays +16 +10[01]\.[0-9]+ +9[23]\.[0-9]+ +-[78]\.[0-9] % +0\.0[01][0-9]* +2025-11-11T12:00:00Z +c11, after c10$'
like 'the other has none' "$output" '^code +16 +5[0-9]\.[0-9]+$'
like 'the title has the machine' "$output" '^bench of mini on here \(CPU\), 2 threads, avx2: 16 runs, 2025-11-01T12:00:00Z to '
if command -v gnuplot >/dev/null 2>&1; then
  like 'the plot has the cases' "$(grep essays "$scratch/plot.svg")" 'essays'
  like '... and the commit' "$(grep c11 "$scratch/plot.svg")" '-[78]\.[0-9] % c11'
else
  skip 'gnuplot is not installed' 2
fi
"$DYNO" history "$scratch/all" --json >"$json"
is 'the JSON has it too' "$(value groups/0/series/0/changes/0/commit) $(value groups/0/series/0/changes/0/run)" 'c11 10'
is '... and nothing of the other' "$(value groups/0/series/1/changes)" 0
is '... three series' "$(value groups/0/series)" 3
"$DYNO" history "$scratch/all" --json >"$scratch/again"
ok 'a second time gives the same' cmp "$json" "$scratch/again"

run "$scratch/all/other" 17 there 2 c17 50 50
run "$scratch/all/threads" 18 here 1 c18 50 50
mkdir "$scratch/all/broken" "$scratch/all/unfinished" "$scratch/all/notes"
echo '{' >"$scratch/all/broken/manifest.json"
echo '{}' >"$scratch/all/other.json"
cp "$scratch/all/other/manifest.json" "$scratch/all/unfinished"
echo '{"complete": false, "cases": []}' >"$scratch/all/unfinished/summary.json"
"$DYNO" history "$scratch/all" --json >"$json"
is 'hosts and threads are never mixed' "$(value groups) $(value groups/0/runs)" '3 16'
is 'what cannot be used is left out' "$(value left_out)" 3
output=$("$DYNO" history "$scratch/all" 2>&1)
like '... with a reason' "$output" 'unfinished: the run is not complete'
like 'one run is too few' "$output" '^too few runs to look for changes: 10 are wanted$'
"$DYNO" history "$scratch/all/r7" "$scratch/all/r14" --json --metric prefill >"$json"
is 'runs can be named, and another metric' "$(value groups/0/series/1/values/0) $(value groups/0/series/0/values)" '7.0 0'

# The same clean commit on both sides: it is not the program.
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
  essays=$((100 + i % 2))
  [ $i -lt 7 ] || essays=$((essays - 10))
  run "$scratch/same/r$i" "$i" here 2 c1 "$essays" 50
done
like 'a change within a commit is told as the machine' "$("$DYNO" history "$scratch/same")" 'c1, as before: the machine or its settings$'
exits 'no results is an error' 1 "$DYNO" history "$scratch/all/notes"
exits 'so is nothing there' 1 "$DYNO" history "$scratch/none"
exits 'and a broken run that was named' 1 "$DYNO" history "$scratch/all/broken"
like '... by file and line' "$output" 'broken/manifest.json:[0-9]+: '
exits 'an unknown metric is a usage error' 2 "$DYNO" history --metric speed
done_testing
