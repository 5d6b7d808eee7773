#!/bin/sh
# `dyno export`: what other tools are given to read; where they are installed, they read it.
. "${0%/*}/tap.sh"
folder=$top_srcdir/tests/data/bench/20261122T021500Z-host-f457fa1
value() { "$top_builddir/tests/cli/json_value" "$scratch/$1" "$2"; }

for format in gbench bmf gha pyperf llama-bench junit csv md; do
  ok "$format is written" "$DYNO" export "$folder" --as "$format" -o "$scratch/$format"
  "$DYNO" export "$folder" --as "$format" >"$scratch/stdout"
  ok '... the same to standard output' cmp "$scratch/$format" "$scratch/stdout"
done

is 'gbench has three times of three iterations of two cases, and four aggregates of each' \
  "$(value gbench benchmarks)" 42
is '... in nanoseconds' "$(value gbench benchmarks/0/time_unit)" ns
is '... with the host' "$(value gbench context/host_name)" host
is 'bmf has a benchmark for each case' "$(value bmf '')" 2
is '... with measures' "$(value bmf questions/decode-throughput/value)" 900.0
is '... and their bounds' "$(value bmf questions/decode-throughput/upper_value)" 1000.0
is 'gha has an entry for each rate' "$(value gha '')" 6
is '... named by phase and case' "$(value gha 0/name)" decode/questions
is '... with its range' "$(value gha 0/range)" '± 100'
is 'pyperf has a benchmark for each time and case' "$(value pyperf benchmarks)" 6
is '... in seconds, with warm-ups apart' "$(value pyperf benchmarks/0/runs/0/warmups)" 1
is '... and the values' "$(value pyperf benchmarks/0/runs/0/values)" 3
head -n 1 "$scratch/llama-bench" >"$scratch/line"
is 'llama-bench has a line for each prompt, prefilled and decoded' "$(wc -l <"$scratch/llama-bench")" 6
is '... of so many tokens' "$(value line n_prompt)" 60
like 'md says what does not hold' "$(cat "$scratch/md")" '^\| consistency \| \*\*no\*\* \| cases differ by 20 % &#38; more \|$'
like '... and has the figures' "$(cat "$scratch/md")" '^\| questions \| 900 \(800 to 1000\) \|'
is 'markup in names is text in md' "$(grep -c '<script' "$scratch/md")" 0
is '... and in junit' "$(grep -c '<script' "$scratch/junit")" 0
like 'junit fails what does not hold' "$(cat "$scratch/junit")" '<testsuite name="mini" tests="5" failures="2" errors="0" skipped="1"'
is 'csv has a row for each iteration, warm-ups too' "$(wc -l <"$scratch/csv")" 9

# What reads them.
python=
for candidate in python3 /usr/bin/python3; do
  command -v "$candidate" >/dev/null 2>&1 && python=$candidate && break
done
if [ -n "$python" ]; then
  ok 'the csv module of Python reads csv' "$python" -c 'import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
assert len(rows) == 8 and len({len(row) for row in rows}) == 1 and None not in rows[0]
assert any(row["case"].startswith("<script>") for row in rows)
assert all(float(row["decode_tps"]) > 0 for row in rows)' "$scratch/csv"
else
  skip 'python3 is not installed' 1
fi
if [ -n "$python" ] && "$python" -c 'import pyperf' 2>/dev/null; then
  cp "$scratch/pyperf" "$scratch/pyperf.json"
  ok 'pyperf reads pyperf' "$python" -m pyperf stats "$scratch/pyperf.json"
else
  skip 'pyperf is not installed' 1
fi
if command -v xmllint >/dev/null 2>&1; then
  ok 'xmllint finds junit valid' xmllint --noout --schema "$top_srcdir/tests/data/bench/junit.xsd" "$scratch/junit"
else
  skip 'xmllint is not installed' 1
fi
if command -v jq >/dev/null 2>&1; then
  ok 'bmf is as its schema says' jq -e 'all(.[][]; (.value | type) == "number" and
    all(.[]; type == "number"))' "$scratch/bmf"
  ok 'gha has what the action reads' jq -e 'all(.[]; (.name | type) == "string" and
    (.value | type) == "number" and (.unit | type) == "string")' "$scratch/gha"
  ok 'llama-bench has every field that compare-llama-bench.py joins on, and none is null' \
    jq -se 'map([.build_commit, .test_time, .avg_ts, .cpu_info, .gpu_info, .backends,
    .n_gpu_layers, .tensor_buft_overrides, .model_filename, .model_type, .n_batch, .n_ubatch,
    .embeddings, .cpu_mask, .cpu_strict, .poll, .n_threads, .type_k, .type_v, .use_mmap,
    .no_kv_offload, .split_mode, .main_gpu, .tensor_split, .flash_attn, .n_prompt, .n_gen,
    .n_depth, .load_mode, .n_cpu_moe, .fit_target,
    .fit_min_ctx]) | all(.[][]; . != null)' "$scratch/llama-bench"
else
  skip 'jq is not installed' 3
fi

exits 'an unknown format is a usage error' 2 "$DYNO" export "$folder" --as yaml
like '... that names those there are' "$output" 'gbench, bmf, gha, pyperf, llama-bench, junit, csv, md'
exits 'so is none' 2 "$DYNO" export "$folder"
exits 'a folder that is not there is a failure' 1 "$DYNO" export "$scratch/none" --as csv
mkdir "$scratch/bare"
cp "$folder/manifest.json" "$scratch/bare"
exits 'so is one without a summary' 1 "$DYNO" export "$scratch/bare" --as csv
like '... which says what makes one' "$output" 'dyno report'
exits 'and an output that cannot be written' 1 "$DYNO" export "$folder" --as csv -o "$scratch/none/csv"
done_testing
