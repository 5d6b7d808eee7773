#!/bin/sh
# dyno inspect: text, JSON, and errors that name file, field and offset.
. "${0%/*}/tap.sh"
json=$scratch/inspect.json
models=$top_srcdir/tests/oracle/models
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }

ok 'it shows a Hugging Face model' "$DYNO" inspect --model "$models/mxfp4"
like '... its dialect' "$output" '^dialect +safetensors, hugging face$'
like '... its hash, and what of' "$output" '^hash +[0-9a-f]{32}$'
like '... hyper-parameters' "$output" '^  attention +[0-9]+ query heads'
like '... types with sizes' "$output" '^  mxfp4 +[0-9]+ +[0-9.]+ k +[0-9.]+ KiB$'
like '... tensors' "$output" 'blk\.0\.ffn_gate_exps\.weight +model\.layers\.0\.mlp\.experts\.gate_up_proj_blocks +mxfp4'

"$DYNO" inspect --model "$models/bf16-sharded" --json --check-weights >"$json"
ok 'the JSON is sound' value
is '... names the dialect' "$(value dialect)" 'safetensors, hugging face'
is '... and the layers' "$(value config/layers)" 4
is '... lists every tensor' "$(value tensors)" $((3 + 19 * 4))
is '... says that the weights were read' "$(value weights_checked)" true
short=$("$DYNO" inspect -m "$models/bf16-sharded" | grep -c ' blk\.')
long=$("$DYNO" inspect -m "$models/bf16-sharded" --tensors | grep -c ' blk\.')
is '--tensors lists all layers' "$long" $((4 * short))

ok 'it shows the original layout' "$DYNO" inspect --model "$models/bf16-odd/original"
like '... and knows it' "$output" '^dialect +safetensors, openai$'
ok 'a single file is a model' "$DYNO" inspect --model "$models/f32/model.safetensors"

exits 'no model is a usage error' 2 "$DYNO" inspect
exits 'a missing file is an error' 1 "$DYNO" inspect --model "$scratch/absent"
like '... that names it' "$output" "^dyno: $scratch/absent: No such file"
exits 'one shard alone is an error' 1 \
  "$DYNO" inspect --model "$models/bf16-sharded/model-00001-of-00007.safetensors"
like '... that names a tensor and the remedy' "$output" "tensor '.*' is missing; .* give their folder"

cp -r "$models/f32" "$scratch/cut"
chmod -R u+w "$scratch/cut"
truncate -s -1 "$scratch/cut/model.safetensors"
exits 'a file that was cut short is an error' 1 "$DYNO" inspect --model "$scratch/cut"
like '... that names file and tensor' "$output" "cut/model\.safetensors: .*tensor '.*': .*cut short"

echo 'hello, world' >"$scratch/text.gguf"
exits 'a text file is no model' 1 "$DYNO" inspect --model "$scratch/text.gguf"
like '... and is called so' "$output" 'neither GGUF nor safetensors'
exits 'a reference to nothing is an error' 1 env HOME="$scratch" OLLAMA_MODELS= \
  "$DYNO" inspect --model ollama:no-such-model:1b
like '... that says how to fetch it' "$output" 'ollama pull no-such-model:1b'
ok '--help' "$DYNO" inspect --help
like '... describes the options' "$output" '--check-weights'
done_testing
