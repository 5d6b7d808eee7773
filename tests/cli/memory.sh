#!/bin/sh
# dyno memory: the account agrees with the kernel's, what was recorded can be replayed, and moving
# blocks together leaves fewer holes.
. "${0%/*}/tap.sh"
model=$top_srcdir/tests/oracle/models/mxfp4
json=$scratch/memory.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$1"; }
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

account() {
  "$DYNO" memory -m "$model" --prompt-tokens 40 --decode-tokens 8 --requests 6 --open 2 --threads 2 "$@"
}
ok 'an account is taken' account
like 'with the rows of the guide' "$output" '^weights +[0-9.]+ [KM]iB +[0-9.]+ [KM]iB +[0-9.]+ [KM]iB$'
like '... and what the caches hold' "$output" '^cache L2 '
like '... and the kernel counts no more' "$output" '^as /proc/self/smaps_rollup has it +[0-9.]+ MiB +100.00$'
like '... and latencies' "$output" '^allocations by time: below '

for alloc in buddy malloc; do
  account --alloc=$alloc --json --record "$scratch/$alloc.txt" >"$json"
  is "$alloc: the JSON is of a known schema" "$(value schema)" 1
  if grep -qE '__(asan|tsan|msan)_init' "$DYNO"; then
    skip 'a sanitizer holds memory that no account has' 1
  else
    is "$alloc: the accounts agree within 2 %" "$(value agrees)" true
  fi
  is "$alloc: keys and values are there" "$(value rows/1/component)" 'KV cache'
  ok "$alloc: they had a peak" above "$(value rows/1/peak)" 0
  ok "$alloc: peaks are not below averages" above "$(value rows/2/peak)" "$(value rows/2/average)"
  is "$alloc: sequences are left open" "$(value allocator/allocations | awk -v r="$(value allocator/releases)" '{ print ($1 > r) }')" 1
done
is 'both allocators were asked for the same' \
  "$(cut -d' ' -f1,3- "$scratch/buddy.txt" | cksum)" "$(cut -d' ' -f1,3- "$scratch/malloc.txt" | cksum)"

ok 'a record is replayed' "$DYNO" memory replay --rounds 6 "$scratch/buddy.txt"
like '... with a ratio and its interval' "$output" '^calls alone +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ to [0-9.]+ '
"$DYNO" memory replay --rounds 2 --pages small --json "$scratch/malloc.txt" >"$json"
is '... as JSON' "$(value rounds)" 2
is '... with as many operations as lines, and releases at the end' \
  "$(value operations)" "$((2 * $(grep -c '^+' "$scratch/malloc.txt")))"
exits 'what is no record is refused' 1 "$DYNO" memory replay "$0"
like '... by line' "$output" "line 1: 'dyno allocations 1' is wanted"
exits 'a file is wanted' 2 "$DYNO" memory replay

csv=$scratch/fragmentation.csv
ok 'fragmentation is shown' "$DYNO" memory fragmentation --requests 300 --blocks 64 --output "$csv"
is '... after every request' "$(wc -l <"$csv" | tr -d ' ')" 301
is '... with the same in use, and less held where blocks are moved' "$(awk -F, 'NR > 1 {
  same += $2 == $4; a += $3; b += $5 + 0 } END { print same, b < a }' "$csv")" '300 1'
exits 'a plot wants its data' 2 "$DYNO" memory fragmentation --plot x
if command -v gnuplot >/dev/null 2>&1; then
  ok 'it is drawn' "$DYNO" memory fragmentation --requests 50 --blocks 20 --output "$csv" --plot "$scratch/plot"
  ok '... as SVG' grep -q '<svg' "$scratch/plot.svg"
else
  skip 'there is no gnuplot' 2
fi
done_testing
