#!/bin/sh
# dyno quantize: files, plans, calibration; the same weights at load and ahead of it.
. "${0%/*}/tap.sh"
plan 25
models=$top_srcdir/tests/oracle/models
json=$scratch/quantize.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
logits() { "$DYNO" logits --tokens 1,2,3,4,5 --all-positions --json --threads 2 "$@"; }
quantize() { "$DYNO" quantize --model mini --threads 2 "$@"; }

for method in int8 int4-search int4-zero mxfp4; do
  ok "it writes $method" quantize --to "$method" -o "$scratch/$method.gguf"
  is '... with the weights of --quant' "$(logits --model "$scratch/$method.gguf")" \
    "$(logits --model mini --quant "$method")"
done
like 'and says what' "$output" "^$scratch/mxfp4.gguf: [0-9]+ of [0-9]+ matrices to mxfp4, .* to .*, in "
ok 'packed, too' quantize --to int4 --packed -o "$scratch/int4.dyno"
is '... with the same weights' "$(logits --model "$scratch/int4.dyno")" "$(logits --model mini --quant int4)"
ok 'of another container' "$DYNO" quantize --model "$models/mxfp4" --to int8 -o "$scratch/other.gguf" --threads 1
is '... as at load' "$(logits --model "$scratch/other.gguf")" "$(logits --model "$models/mxfp4" --quant int8)"
"$DYNO" inspect --model "$scratch/int8.gguf" --json --check-weights >"$json"
is 'inspect reads the weights' "$(value weights_checked)" true

printf 'The old river runs past the quiet mill. Ada lives in Lisbon and owns a red boat.' >"$scratch/text"
ok 'columns are weighed by a text' quantize --to int4-search --calibrate "$scratch/text" -o "$scratch/weighted.gguf"
if cmp -s "$scratch/weighted.gguf" "$scratch/int4-search.gguf"; then
  ok 'which changes the weights' false
else
  ok 'which changes the weights' true
fi

quantize --to dynamic --budget int8 --calibrate "$scratch/text" --save-plan "$scratch/plan" -o "$scratch/dynamic.gguf" --json >"$json"
like 'dynamic measures the tensors' "$(value dynamic/tensors/0/options/int8/kl)" '^[0-9.e-]+$'
dynamic=$(value dynamic/compared/0/kl) uniform=$(value dynamic/compared/1/kl)
is 'is compared with one method for all' "$(value dynamic/compared/1/what)" int8
if awk "BEGIN { exit !($dynamic <= $uniform) }"; then ok 'and no worse in as many bytes' true; else ok 'and no worse in as many bytes' false; fi
quantize --plan "$scratch/plan" --calibrate "$scratch/text" -o "$scratch/replayed.gguf" >"$json"
ok 'a plan gives the same file again' cmp "$scratch/dynamic.gguf" "$scratch/replayed.gguf"
ok 'and may be given at load' logits --model mini --quant "plan:$scratch/plan"

exits 'a plan for another model is refused' 2 logits --model "$models/mxfp4" --quant "plan:$scratch/plan"
like '... saying so' "$output" 'made for another model'
exits 'so is a method that is none' 2 quantize --to int5 -o "$scratch/x"
exits 'and a budget too small' 1 quantize --to dynamic --budget 1MiB --calibrate "$scratch/text" -o "$scratch/x"
done_testing
