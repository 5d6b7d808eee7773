#!/bin/sh
# testcases/peers/peers.sh: interleaves, keeps, goes on, and adds up. The peers are stand-ins that
# print what llama-bench prints; dyno is the real one.
. "${0%/*}/tap.sh"
command -v jq >/dev/null 2>&1 || skip_all 'jq is not installed'
command -v bash >/dev/null 2>&1 || skip_all 'bash is not installed'
out=$scratch/out
model=$scratch/tiny.gguf
"$DYNO" synth tiny -o "$model" >/dev/null || exit 99

# Faster by one token per second with each run; says how it was called.
cat >"$scratch/bench" <<END
#!/bin/sh
echo "\$0 \$*" >>"$scratch/calls"
[ -e "$scratch/broken" ] && { echo 'it is broken' >&2; exit 3; }
n=\$(grep -c "^\$0 " "$scratch/calls")
cat <<JSON
[
repacking 7 tensors
  {
    "n_prompt": 6,
    "n_gen": 0,
    "samples_ts": [ 1.5, 100.\$n ]
  },
  {
    "n_prompt": 0,
    "n_gen": 3,
    "samples_ts": [ 1.5, 10.\$n ]
  }
]
JSON
END
chmod +x "$scratch/bench"
cp "$scratch/bench" "$scratch/other"
peers() {
  IK_BENCH=$scratch/bench LLAMA_BENCH=$scratch/other DYNO_FLAGS='--read 1' \
    "$top_srcdir/testcases/peers/peers.sh" -m "$model" -o "$out" -p 6 -n 3 "$@"
}

ok 'it runs all engines' peers -t 1 -r 3
table=$(cat "$out/results.md")
is 'there is a row for each engine and phase' "$(grep -c '^| 1 |' "$out/results.md")" 6
like 'of repetitions the last counts; then the median of the rounds' "$table" \
  '^\| 1 \| prefill \| ik_llama.cpp -rtr 1 -fa 1 -fmoe 1 \| 100 \| 100 \| 100 \| [0-9.]+ × \|  \|$'
like '... and the lowest and highest' "$table" \
  '^\| 1 \| decode \| llama.cpp \| 10\.2 \| 10\.1 \| 10\.3 \| [0-9.]+ × \| [0-9.]+ % \|$'
like 'dyno has no ratio to itself' "$table" '^\| 1 \| prefill \| dyno \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \|  \|  \|$'
is 'ratios are the medians of those of the rounds' "$(jq -rs '
  [.[] | select(.phase == "decode")] | group_by(.round) | map(
    (map(select(.engine == "dyno"))[0].rate) / (map(select(.engine == "IK"))[0].rate)) |
  sort[1] * 100 | round / 100' "$out/results.jsonl")" \
  "$(sed -nE 's/^\| 1 \| decode \| ik_llama.*\| ([0-9.]+) × \|.*/\1/p' "$out/results.md")"
is 'ik_llama.cpp gets its best flags' \
  "$(sed -n 's/^[^ ]*bench //p' "$scratch/calls" | sort -u)" \
  "-m $model -t 1 -p 6 -n 3 -r 2 -o json -rtr 1 -fa 1 -fmoe 1"
is 'what was printed is kept' "$(find "$out" -name '*-t1-r?.json' | wc -l)" 9

calls=$(wc -l <"$scratch/calls")
ok 'a second call' peers -t 1 -r 3
is '... repeats nothing' "$(wc -l <"$scratch/calls")" "$calls"
is '... and finds the same' "$(cat "$out/results.md")" "$table"
ok 'another number of threads' peers -t 1,2 -r 3 -w env
is '... adds its runs only' "$(wc -l <"$scratch/calls")" "$((calls + 6))"
exits 'other conditions are refused' 1 peers -n 4
like '... with the file that names them' "$output" "$out/conditions"

: >"$scratch/broken"
exits 'an engine that fails ends it' 1 peers -t 1 -r 4
like '... with what it said' "$output" 'it is broken'
like '... and where the rest is' "$output" 'r4\.json\.log has all'
exits 'a peer that is not there is an error' 1 env IK_BENCH=/nowhere "$top_srcdir/testcases/peers/peers.sh" -m "$model"
exits 'a model is needed' 2 "$top_srcdir/testcases/peers/peers.sh"
done_testing
