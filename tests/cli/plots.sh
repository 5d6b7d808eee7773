#!/bin/sh
# The gnuplot scripts draw what the bench writes.
. "${0%/*}/tap.sh"
command -v gnuplot >/dev/null 2>&1 || skip_all 'gnuplot is not installed'
csv=$scratch/kernels.csv
plot() { gnuplot -c "$top_srcdir/plots/kernels.gp" "$csv" "$scratch/kernels"; }

"$DYNO" kernels bench --rounds=3 --problem 'rmsnorm m=1 k=64' --problem 'swiglu m=1 k=64' -o "$csv" >/dev/null 2>&1
ok 'it draws' plot
is '... without a warning' "$(printf '%s' "$output" | grep 'warning:')" ''
like '... the problems' "$(cat "$scratch/kernels.svg")" 'rmsnorm m=1 k=64'
like '... and the variants' "$(cat "$scratch/kernels.svg")" 'swiglu__ref'
is '... and a PNG' "$(head -c 4 "$scratch/kernels.png" | tail -c 3)" PNG

"$DYNO" kernels bench --rounds=3 --warm --problem 'rmsnorm m=1 k=64' -o "$csv" >/dev/null 2>&1
exits 'without cold results it fails' 1 plot
like '... and says what to do' "$output" 'dyno kernels bench --cold'
training=$top_srcdir/testcases/mini/loss.csv
ok "it draws the losses of a training" gnuplot -c "$top_srcdir/plots/training.gp" "$training" "$scratch/training"
like "... by family" "$(cat "$scratch/training.svg")" translation
done_testing
