#!/bin/sh
# dyno bench: its files are sound, wrong output is seen, and no end of it loses what was measured.
# shellcheck disable=SC2016,SC2119,SC2120
. "${0%/*}/tap.sh"
model=$scratch/model.gguf
results=$scratch/results
"$DYNO" synth tiny -o "$model" >/dev/null || exit 99
mkdir "$scratch/cases"
for name in one two; do
  cat >"$scratch/cases/$name.json" <<END
{ "schema": "dyno.case/1", "name": "$name", "order": 1, "output_tokens": 12,
  "prompts": [ { "id": "a", "prompt": "count", "trace": "one two three four" },
               { "id": "b", "prompt": "say it again", "trace": "once more" } ] }
END
done
bench_here() { # instead of the shell, so that a signal reaches it
  exec "$DYNO" bench --model "$model" --cases "$scratch/cases" --case one,two --warmup 2 --iters 4 \
    --read 1 --counters none --output-dir "$results" "$@"
}
bench() { (bench_here "$@"); }
folder() { find "$results" -mindepth 1 -maxdepth 1 -type d | sort | tail -n 1; }
json() { "$top_builddir/tests/cli/json_value" "$@"; }
lines() { wc -l <"$1" | tr -d ' '; }
has_jq=$(command -v jq || true)

# Every case has its iterations, once each, the hashes of a prompt are one, all lines are whole.
is_complete() { # folder, iterations
  [ "$(json "$1/manifest.json" finished)" != null ] || { echo 'not finished'; return 1; }
  [ -n "$has_jq" ] || return 0
  jq -s -e --argjson n "${2:-4}" '
    ([.[] | select(.warmup | not) | [.case, .iteration]] | sort) ==
      ([("one", "two") as $c | range($n) as $i | [$c, $i]] | sort) and
    ([.[] | select(.warmup) | [.case, .iteration]] | length == (unique | length)) and
    ([group_by([.case, .prompt])[] | map(.hash) | unique | length] | all(. == 1)) and
    (map(.sequence) == [range(length)]) and
    all(.[]; (.itl_ns | length) == .output_tokens - 1 and .e2e_ns >= .ttft_ns)' \
    "$1/samples.jsonl" >/dev/null || { echo 'samples are not complete'; return 1; }
  jq -s -e '([.[] | select(.op == "total") | [.case, .phase]] | sort) ==
    [["one", "decode"], ["one", "prefill"], ["two", "decode"], ["two", "prefill"]]' \
    "$1/ops.jsonl" >/dev/null || { echo 'ops are not complete'; return 1; }
  jq -s -e '([.[] | [.case, .prompt]] | sort) ==
    [["one", "a"], ["one", "b"], ["two", "a"], ["two", "b"]] and all(.[]; .repeated)' \
    "$1/texts.jsonl" >/dev/null || { echo 'texts are not complete'; return 1; }
  jq -e . "$1/memory.jsonl" >/dev/null || { echo 'memory.jsonl is not sound'; return 1; }
}

ok 'it measures a model' bench
said=$output
first=$(folder)
ok '... completely' is_complete "$first"
like '... in a folder of time, host and commit' "${first##*/}" '^[0-9]{8}-[0-9]{6}-.+-[0-9a-z]+$'
is '... which the manifest names' "$(json "$first/manifest.json" id)" "${first##*/}"
is '... with warm-ups' "$(lines "$first/samples.jsonl")" 12
like '... holding it against the reference path' "$said" 'outputs agree with the reference path'
is '... on no terminal without a progress bar' "$(printf '%s' "$said" | tr -d '\n' | grep -c "$(printf '\r')")" 0
if [ -n "$has_jq" ]; then
  ok 'the environment is kept' jq -e '.environment | length > 10' "$first/manifest.json"
  ok 'kernels are named with the reason' jq -e '.engine.kernels | length > 5 and all(.[]; .why != "")' \
    "$first/manifest.json"
  ok 'the same seed has the same order' sh -c "
    '$DYNO' bench --model '$model' --cases '$scratch/cases' --case one,two --warmup 2 --iters 4 --read 1 \
      --counters none --output-dir '$scratch/again' --no-texts --threads 1 >/dev/null 2>&1
    jq -c '[.case, .warmup, .iteration, .hash]' '$scratch/again'/*/samples.jsonl >'$scratch/again.txt'
    jq -c '[.case, .warmup, .iteration, .hash]' '$first/samples.jsonl' | cmp - '$scratch/again.txt'"
else
  skip 'jq is not installed' 3
fi

# Killed at any moment, a run goes on to the same end.
kill_and_resume() { # folder of results, most kills; the kills come at random moments
  kills=0
  while [ "$kills" -lt "$2" ]; do
    made=$(find "$1" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | head -n 1)
    if [ -n "$made" ] && [ ! -e "$made/manifest.json" ]; then # killed before there was anything
      rm -rf "$made"
      made=
    fi
    if [ -n "$made" ]; then
      "$DYNO" bench --resume "$made" >"$scratch/log" 2>&1 &
    else
      results=$1
      bench_here >"$scratch/log" 2>&1 &
    fi
    victim=$!
    sleep "$(awk -v seed="$$$round$kills" 'BEGIN { srand(seed); print 0.3 + 1.7 * rand() }')"
    kill -9 "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    kills=$((kills + 1))
    [ -n "$made" ] && [ "$(json "$made/manifest.json" finished)" != null ] && break
  done
  made=$(find "$1" -mindepth 1 -maxdepth 1 -type d | head -n 1)
  if [ -n "$made" ] && [ -e "$made/manifest.json" ]; then
    "$DYNO" bench --resume "$made" >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }
  else
    rm -rf "$1"
    results=$1
    bench >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }
    made=$(find "$1" -mindepth 1 -maxdepth 1 -type d | head -n 1)
  fi
  is_complete "$made"
}
rounds=2
[ -z "${DYNO_NIGHTLY-}" ] || rounds=17
round=0
while [ "$round" -lt "$rounds" ]; do
  ok "killed three times at random moments it goes on to a complete result ($round)" \
    kill_and_resume "$scratch/killed$round" 3
  round=$((round + 1))
done

# A line that a crash cut off, in every file.
cp -r "$first" "$scratch/cut"
for file in samples ops texts memory; do
  size=$(wc -c <"$first/$file.jsonl")
  head -c $((size - 7)) "$first/$file.jsonl" >"$scratch/cut/$file.jsonl"
done
ok 'cut-off lines are measured again' "$DYNO" bench --resume "$scratch/cut"
ok '... to a complete result' is_complete "$scratch/cut"

ok 'a complete run can be gone on with' "$DYNO" bench --resume "$first"
is '... which adds no sample' "$(lines "$first/samples.jsonl")" 12

exits 'another setting is another run' 2 bench --resume "$first" --iters 5
like '... which it says' "$output" 'protocol.iterations was 4 and is 5 now'
"$DYNO" synth tiny --seed 2 -o "$scratch/other.gguf" >/dev/null
exits 'so is another model' 2 bench --resume "$first" --model "$scratch/other.gguf"
like '... which it says too' "$output" 'model.fingerprint was '
sed -i 's/once more/once again/' "$scratch/cases/two.json"
exits 'so is another case' 2 "$DYNO" bench --resume "$first"
like '... as well' "$output" 'cases'
sed -i 's/once again/once more/' "$scratch/cases/two.json"

# Outputs that differ between iterations of a prompt.
cp -r "$first" "$scratch/wrong"
sed -i '1s/"hash":"[0-9a-f]*"/"hash":"0123456789abcdef"/' "$scratch/wrong/samples.jsonl"
exits 'hashes that differ are wrong output' 5 "$DYNO" bench --resume "$scratch/wrong"
printf 'no json\n' >>"$scratch/cut/samples.jsonl"
exits 'a file that is none is refused' 1 "$DYNO" bench --resume "$scratch/cut"
like '... with its line' "$output" 'samples.jsonl, line [0-9]+: '

# Two at once.
results=$scratch/two
bench >"$scratch/left" 2>&1 &
left=$!
bench >"$scratch/right" 2>&1 &
right=$!
wait "$left" && wait "$right"
is 'two runs at once have folders of their own' "$(find "$results" -mindepth 1 -maxdepth 1 -type d | wc -l | tr -d ' ')" 2
for made in "$results"/*; do
  ok '... each complete' is_complete "$made"
done
if command -v flock >/dev/null 2>&1; then
  exits 'a folder that is written to is not written to twice' 1 flock "$first" "$DYNO" bench --resume "$first"
  like '... which it says' "$output" 'another run writes there'
else
  skip 'there is no flock command' 2
fi

# No room.
results=$scratch/none
: >"$results"
exits 'a folder that cannot be made is told before anything is measured' 1 bench
like '... with what to do' "$output" '--output-dir names another folder'
results=$scratch/full
mkdir "$results"
full() { (ulimit -f 56 && bench_here --iters 20); } # 28 KiB a file
exits 'a disk that gets full ends the run' 1 full
like '... with what to do' "$output" 'make room and go on with'
ok '... and what is there can be gone on with' "$DYNO" bench --resume "$(folder)"
ok '... to a complete result' is_complete "$(folder)" 20
if [ "$(id -u)" -eq 0 ] && mkdir "$scratch/small" && mount -t tmpfs -o size=64k none "$scratch/small" 2>/dev/null; then
  results=$scratch/small
  exits 'a disk that is too small is told before anything is measured' 1 bench
  like '... with both sizes' "$output" 'this run may write .*, and .* are left on that disk'
  umount "$scratch/small"
else
  skip 'no file system can be mounted here' 2
fi

results=$scratch/more
bench_here --iters 10000 >"$scratch/log" 2>&1 &
victim=$!
tries=0
while [ "$tries" -lt 300 ] && ! [ -s "$(folder)/samples.jsonl" ]; do
  sleep 0.1
  tries=$((tries + 1))
done
kill -TERM "$victim"
status=0
wait "$victim" || status=$?
is 'SIGTERM ends with 143' "$status" 143
like '... and says how to go on' "$(cat "$scratch/log")" "dyno bench --resume $results/"
ok 'a budget makes a run shorter' bench --budget 6s --iters 1000 --no-texts
like '... and says so' "$output" 'to fit into 6 s, answers have .* iterations'
ok 'presets switch the engine' bench --preset short --no-texts --track-quant
like '... what rounding does in each layer is told' "$output" '^ +0 .*[0-9.]+ \([0-9.]+\)'
is '... and that it was looked at' "$(json "$(folder)/manifest.json" protocol/track_quant)" true
is '... as they say' "$(json "$(folder)/manifest.json" engine/logits) $(json "$(folder)/manifest.json" engine/batch)" 'two-stage 128'
exits 'an unknown case is a usage error' 2 bench --case none
like '... that names those there are' "$output" "there is no case 'none'; there are one, "
echo '{ "schema": "dyno.case/1", "name": "x" }' >"$scratch/bad.json"
exits 'a bad case is told' 1 bench --cases "$scratch/bad.json"
like '... with file, line and field' "$output" 'bad.json, line 1: "output_tokens" is missing'
exits 'so is a budget that is none' 2 bench --budget soon
exits 'and a profile that is none' 2 bench --profile slow
exits 'what never began cannot be gone on with' 2 "$DYNO" bench --resume "$scratch/cases"
done_testing
