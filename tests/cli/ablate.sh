#!/bin/sh
# dyno ablate: what it lists, measures, keeps, goes on with and reports; no speed is asserted.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
json=$scratch/ablate.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
ablate() { "$DYNO" ablate --model mini --quick --folder "$scratch/run" "$@"; }
few=int8-memory,hidden-saving,latency-shares,criterion-tps,dynamic-tps

exits 'it lists the claims without a model' 0 "$DYNO" ablate --list
like '... with what tests them' "$output" '^threads-tps +\+20% +decode +pool=mutex numa=off +pool=spin numa=rows$'
exits 'it measures some of them' 0 ablate --claim "$few" --json
output=$("$DYNO" ablate "$scratch/run" 2>&1)
like '... bytes are counted' "$output" '^int8-memory +4x +3\.76 times +counted +smaller$'
like '... what nothing can tell has a reason' "$output" '^latency-shares: they add up to 110 %'
like '... and so has what this model cannot' "$output" "criterion-tps: the figure is gpt-oss-20b's"
like '... and what was not named' "$output" '^dynamic-tps.*: no plan was given: '
is 'a line is kept for each' "$(wc -l <"$scratch/run/claims.jsonl" | tr -d ' ')" 5

printf '{"claim": "int8-me' >>"$scratch/run/claims.jsonl"
output=$(ablate --claim tuning-huge-pages,int8-memory --json 2>/dev/null) || :
printf '%s\n' "$output" >"$json"
is 'it goes on where it was killed' "$(wc -l <"$scratch/run/claims.jsonl" | tr -d ' ')" 6
is '... with what was measured' "$(value runs/0/claims/1/claim) $(value runs/0/claims/1/state)" 'int8-memory measured'
is '... and what was not' "$(value runs/0/claims/0/claim) $(value runs/0/claims/0/samples)" 'tuning-huge-pages 6'
exits 'on another number of threads it does not' 2 ablate --claim tuning-huge-pages --threads 3
like '... and says what differs' "$output" 'machine\.threads was [0-9]+ and is 3 now'
exits 'a pool of one thread is put to no test' 0 "$DYNO" ablate --model mini --quick --folder "$scratch/alone" \
  --claim threads-tps --threads 1
like '... and why is said' "$output" 'threads-tps: one thread has nobody to hand work to'

blocks=$(($(wc -c <"$scratch/run/manifest.json") / 512 + 1)) # the manifest fits, more claims do not
many=$few,int4-memory,weights-saving,kv-saving,total-saving
full() { (ulimit -f "$blocks" && "$DYNO" ablate --model mini --quick --folder "$scratch/full" --claim "$many"); }
exits 'a disk that gets full ends the run' 1 full
like '... with what to do' "$output" "the same command, and --folder $scratch/full"
exits '... and what is there can be gone on with' 0 "$DYNO" ablate --model mini --quick --folder "$scratch/full" \
  --claim "$many"

cp -R "$scratch/run" "$scratch/again"
exits 'two runs make a page' 0 "$DYNO" ablate "$scratch/run" "$scratch/again" --md "$scratch/claims.md"
like '... with columns for both' "$(grep '^| `int8-memory`' "$scratch/claims.md" | head -n 1)" \
  '\| 4x \| 3\.76 times \|  \| smaller \| 3\.76 times \|'
like '... and what was not measured' "$(cat "$scratch/claims.md")" 'not measured'
exits 'an unknown claim is a usage error' 2 ablate --claim nonsense
exits 'a folder without a run fails' 1 "$DYNO" ablate "$scratch/none"
echo '{"schema": "dyno.claims/1", "guide": "g", "claims": [{"id": 1}]}' >"$scratch/bad.json"
exits 'a bad ledger fails' 1 "$DYNO" ablate --list --ledger "$scratch/bad.json"
like '... by its field' "$output" 'bad\.json, line 1: claims\[0\]\.id: a text is wanted'

if command -v gnuplot >/dev/null 2>&1; then
  exits 'it draws' 0 "$DYNO" ablate "$scratch/run" --plot "$scratch/claims.svg"
  like '... an SVG with the claim' "$(cat "$scratch/claims.svg")" 'tuning-huge-pages'
  exits '... and says nothing else is drawn' 2 "$DYNO" ablate "$scratch/run" --plot "$scratch/claims.png"
else
  skip 'gnuplot is not installed' 3
fi
done_testing
