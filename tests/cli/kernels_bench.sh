#!/bin/sh
# dyno kernels bench: what it measures is in every format, with its conditions; speed is not
# asserted, but shares must follow from the numbers beside them.
. "${0%/*}/tap.sh"
json=$scratch/bench.json
csv=$scratch/bench.csv
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
bench() { "$DYNO" kernels bench --rounds=3 "$@"; }

matmul='matmul weight=mxfp4 activation=a8 m=2 n=64 k=64 groups=2'
ok 'it measures a problem' bench --warm --problem "$matmul" --output "$json" --output "$csv"
like 'the table names the problem' "$output" "^$matmul\$"
like '... and marks the fastest' "$output" '^\* +matmul_mxfp4_a8_'
like '... and states the ceilings' "$output" 'ceilings: .*read warm [0-9.]+ .B/s'
like '... and the conditions' "$output" 'tier .*; 1 thread, the first on CPU [0-9]+; 3 rounds, seed 1'
like 'it says what it wrote' "$output" "wrote $csv"

ok 'the JSON is sound' value
variants=$("$DYNO" kernels list --op=matmul | grep -c '^matmul_mxfp4_a8_.* yes$')
is 'every variant that runs here is in it' "$(value results)" "$variants"
is 'a result has its condition' "$(value results/0/condition)" warm
is '... its threads' "$(value results/0/threads)" 1
is '... its problem' "$(value results/0/problem)" "$matmul"
is '... as many samples as rounds' "$(value results/0/seconds/samples)" 3
like '... a median' "$(value results/0/seconds/median)" '^[0-9.e-]+$'
is '... the work' "$(value results/0/macs)" 8192.0
like '... the ceiling it is held against' "$(value results/0/macs_per_second/by)" '^mac_i8__'
is 'one is the fastest' "$(grep -c '"fastest": true' "$json")" 1
is 'the run was not interrupted' "$(value interrupted)" false

is 'the CSV has a row for each result' "$(($(wc -l <"$csv") - 1))" "$variants"
is 'lines end in CR LF' "$(grep -vc "$(printf '\r')\$" "$csv")" 0
columns=$(head -n 1 "$csv" | tr -cd , | wc -c)
is 'all rows have the same columns' "$(tr -d '\r' <"$csv" | awk -F, -v n="$columns" 'NF != n + 1' | wc -l)" 0
# Shares and rates are worked out from what stands in the same row.
tr -d '\r' <"$csv" | awk -F, '
  NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
  function off(a, b) { return a - b > 1e-9 * b || b - a > 1e-9 * b }
  {
    if ($at["median"] <= 0 || $at["minimum"] > $at["median"] || $at["median"] > $at["maximum"])
      print "times are out of order"
    if (off($at["bytes_per_second"], $at["bytes"] / $at["median"])) print "bytes per second"
    if (off($at["macs_per_second"], $at["macs"] / $at["median"])) print "macs per second"
    if (off($at["mac_share"], $at["macs_per_second"] / $at["mac_ceiling"])) print "share of MACs"
    if (off($at["read_share"], $at["bytes_per_second"] / $at["read_ceiling"])) print "share of read"
    best = $at["read_share"] > $at["mac_share"] ? $at["read_share"] : $at["mac_share"]
    if (off($at["attainment"], best)) print "attainment"
  }' >"$scratch/wrong"
is 'rates and shares follow from the times' "$(cat "$scratch/wrong")" ''

ok 'cold' bench --cold --problem 'rmsnorm m=1 k=2880' --format=json --output "$json"
is '... is a condition too' "$(value results/0/condition)" cold
working_set=$(value results/0/working_set)
is '... that no cache holds' "$((${working_set%.*} >= 268435456))" 1
cache=$(value conditions/cache_bytes)
is '... four times over' "$((${working_set%.*} >= 4 * cache))" 1

printf '%s\n' '# two' 'a: rmsnorm m=1 k=64' 'b: swiglu m=1 k=64' >"$scratch/two.shapes"
bench --shapes "$scratch/two.shapes" --warm --format=csv --op=swiglu >"$csv"
is 'shapes come from a file, --op filters' "$(tail -n +2 "$csv" | cut -d, -f4,5 | sort -u)" 'b,swiglu m=1 k=64'
bench --shapes "$scratch/two.shapes" --warm --format=csv --kernel=rmsnorm__ref >"$csv"
is '--kernel filters' "$(tail -n +2 "$csv" | cut -d, -f4,16)" 'a,rmsnorm__ref'
bench --warm --format=csv --isa=ref --problem "$matmul" >"$csv"
is '--isa masks' "$(tail -n +2 "$csv" | cut -d, -f16 | sort -u)" 'matmul_mxfp4_a8__ref'
bench --warm --isa=ref --problem "$matmul" --format=json --output "$json" >/dev/null
if [ "$(value skipped 2>/dev/null)" != 0 ]; then
  like 'what is masked is skipped with the reason' "$(value skipped/0/reason)" 'masked by --isa=ref|lacks'
else
  skip 'there is only the ref tier here' 1
fi
ok 'two threads' bench --warm --threads=2 --problem "$matmul"
like '... are a condition' "$output" '; 2 threads, the first on CPU'
ok 'counters' bench --warm --counters --problem 'rmsnorm m=1 k=64' --output "$json" --format=json
note=$(value results/0/counters/instructions/note)
if [ "$(value results/0/counters/instructions/per_call)" = null ]; then
  like '... say why they are missing' "$note" '^[a-z ]+: .'
else
  like '... count' "$(value results/0/counters/instructions/per_call)" '^[1-9]'
fi

exits 'an unknown variant is a usage error' 2 bench --kernel=matmul=mxpf4
like '... that lists near names' "$output" 'near ones: .*mxfp4'
exits 'a malformed problem is a usage error' 2 bench --problem 'rmsnorm m=x'
like '... that names the word' "$output" 'm=x'
exits 'a bad shape file fails' 1 bench --shapes /nonexistent
exits 'a folder that is not there fails before anything is measured' 1 bench --output /nonexistent/x.json
exits 'too few rounds are a usage error' 2 bench --rounds=2
exits 'what does not fit into memory fails' 1 bench --memory=1 --problem 'rmsnorm m=1000 k=2880'
like '... and says how much there is' "$output" 'may be used'
exits 'a format without operands fails' 1 bench --problem 'attention activation=q8_0 m=1 n=64 k=64 heads=8 kv_heads=8'
like '... and says that nothing computes it' "$output" 'no variant computes it'
ok '--help' "$DYNO" kernels bench --help

# An interrupt keeps what was measured. --foreground: else timeout signals its whole group, and the
# program is interrupted twice.
if command -v timeout >/dev/null 2>&1; then
  exits 'SIGINT ends with 130' 130 timeout --foreground --preserve-status -s INT 2 "$DYNO" kernels bench --rounds=100000 \
    --warm --problem 'rmsnorm m=1 k=64' --problem 'rmsnorm m=2 k=64' --output "$json" --format=json
  is '... and the report says so' "$(value interrupted)" true
else
  skip 'there is no timeout command' 2
fi
done_testing
