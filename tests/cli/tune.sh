#!/bin/sh
# dyno tune: what it writes is what --tuned chooses by, on this machine and build only.
. "${0%/*}/tap.sh"
tuned=$scratch/tuned
shapes=$scratch/some.shapes
printf '%s\n' 'w: matmul weight=mxfp4 activation=a8 m=1 n=64 k=64' \
  'w: matmul weight=mxfp4 activation=a8 m=16 n=64 k=64' 'rmsnorm m=1 k=64' >"$shapes"
tune() { "$DYNO" tune --rounds=3 --shapes "$shapes" "$@"; }
why() { "$DYNO" kernels list --why --shapes "$shapes" --tuned "$tuned" "$@"; }

ok 'it measures and writes' tune -o "$tuned"
like 'it names the fastest of each problem' "$output" '^w +matmul .* matmul_mxfp4_a8_.*[0-9] [^ ]*s '
usable=$("$DYNO" kernels list | grep -Ec '^(matmul_mxfp4_a8|rmsnorm)_.* yes$')
matmuls=$("$DYNO" kernels list | grep -Ec '^matmul_mxfp4_a8_.* yes$')
is 'the file has a line for each variant and problem' "$(grep -Ec '^[1-9][0-9]* [a-z]' "$tuned")" \
  "$((usable + matmuls))"
like 'the file is whole' "$(tail -n 1 "$tuned")" "^end $((usable + matmuls))\$"

ok 'the file is chosen by' why
like '... for each problem' "$output" '^ +matmul .* m=16 .* tuned: fastest measured'
like '... of every op' "$output" ' rmsnorm m=1 k=64 .* tuned: fastest measured'
fastest=$(grep ' rmsnorm m=1 k=64' "$tuned" | sort -n | head -n 1 | cut -d ' ' -f 2)
like '... the fastest that was measured' "$output" " $fastest .* tuned"

ok 'for another number of threads it is ignored' why --threads=2
like '... which is said' "$output" 'threads'
like '... and rank decides' "$output" 'rank: '
sed 's/^end .*/end 1/' "$tuned" >"$tuned.torn"
exits 'a torn file is an error' 1 "$DYNO" kernels list --why --tuned "$tuned.torn"
like '... that names it' "$output" 'tuned\.torn'

ok 'JSON' tune -o "$tuned" --json --op=rmsnorm
printf '%s\n' "$output" >"$scratch/tune.json"
is '... has the results' "$("$top_builddir/tests/cli/json_value" "$scratch/tune.json" results/0/problem)" 'rmsnorm m=1 k=64'

exits 'without -o it is a usage error' 2 "$DYNO" tune
like '... that says so' "$output" '-o FILE is missing'
exits 'a part of the variants is not tuned' 2 tune -o "$tuned" --kernel=avx2
exits 'a folder that is not there fails' 1 tune -o /nonexistent/tuned
if command -v timeout >/dev/null 2>&1; then
  cp "$tuned" "$tuned.before"
  exits 'SIGTERM ends with 143' 143 timeout --foreground --preserve-status -s TERM 2 "$DYNO" tune --rounds=100000 \
    --shapes "$shapes" -o "$tuned"
  ok '... and leaves the file alone' cmp "$tuned" "$tuned.before"
else
  skip 'there is no timeout command' 2
fi
done_testing
