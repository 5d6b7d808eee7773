#!/bin/sh
# dyno synth: a small model in every dialect, which is the same model everywhere.
. "${0%/*}/tap.sh"
XDG_CACHE_HOME=$scratch/cache
export XDG_CACHE_HOME
tokens=960,3,1,4,1,5,9,2,6,5,3,5,8,9,7,9,3,2,3,8,4,6,2,6,4,3,3,8,3,2,7,9,5,0,2,8,8,4,1,9,7
log_probabilities() {
  for precision in reference fast; do
    "$DYNO" logits --precision $precision --model "$1" --tokens $tokens --top 50 --all-positions --json
  done
}

for dialect in ggml-org ollama ollama-2025-08 hugging-face openai; do
  model=$scratch/$dialect
  ok "it writes a model for $dialect" \
    "$DYNO" synth tiny --dialect $dialect --dense bf16 -o "$model"
  like '... and says so' "$output" "^$model: [0-9.]+ [KM]iB of weights in "
  ok '... which inspect reads' "$DYNO" inspect --model "$model" --check-weights
  like '... as that dialect' "$output" "^dialect .*$(echo "$dialect" | cut -c1-4)"
  [ $dialect = ggml-org ] && wanted=$(log_probabilities "$model")
  like '... and which runs' "$wanted" '"top":\[\[[0-9]+,-[0-9.]+\]'
  is '... with the same bits as the others' "$(log_probabilities "$model")" "$wanted"
done
is 'Hugging Face models have shards' "$(find "$scratch/hugging-face" -name 'model-*-of-*' | wc -l)" 4
ok '... and an index' test -s "$scratch/hugging-face/model.safetensors.index.json"
ok '... and say that they are quantized' grep -q '"quant_method": "mxfp4"' "$scratch/hugging-face/config.json"
ok '... and a tokenizer' test -s "$scratch/hugging-face/tokenizer.json"


for dense in f32 f16 q8_0 q4_0 q4_1 q5_0 q4_k q5_k q6_k; do
  model=$scratch/$dense.gguf
  "$DYNO" synth tiny --dense $dense --d-model 256 --heads 8 --layers 1 -o "$model" >/dev/null
  ok "$dense weights are written and read" "$DYNO" inspect --model "$model" --check-weights
  like "... as $dense" "$output" "^ *$dense +[0-9]"
  ok '... and run' "$DYNO" logits --model "$model" --tokens 1,2,3
done

ok 'it can take a vocabulary' "$DYNO" synth tiny -o "$scratch/given.gguf" \
  --vocab "$top_srcdir/tests/data/tokenizer/small.tiktoken"
is 'the same seed gives the same bytes' \
  "$("$DYNO" synth tiny -t 1 -o "$scratch/a" >&2 && "$DYNO" synth tiny -t 3 -o "$scratch/b" >&2 &&
    cmp "$scratch/a" "$scratch/b" && echo same)" same
"$DYNO" synth tiny --seed 2 -o "$scratch/b" >/dev/null
exits 'another seed gives others' 1 cmp "$scratch/a" "$scratch/b"
"$DYNO" synth tiny --json -o "$scratch/a" >"$scratch/a.json"
is 'JSON says what was made' \
  "$("$top_builddir/tests/cli/json_value" "$scratch/a.json" dense)" q8_0

ok 'without -o it goes to the cache' "$DYNO" synth tiny
cached=$(find "$scratch/cache/dyno" -type f)
like '... whose name tells' "$cached" '/tiny-ggml-org-q8_0-mxfp4-seed1-[0-9a-f]{16}\.gguf$'
before=$(stat -c %i "$cached")
ok 'a reference finds it there' "$DYNO" inspect --model synth:tiny
is '... and does not make it again' "$(stat -c %i "$cached")" "$before"
ok 'a reference makes what is not there' "$DYNO" logits --model synth:tiny:dense=bf16 --tokens 1
is '... and keeps it' "$(find "$scratch/cache/dyno" -type f | wc -l)" 2

exits 'an unknown shape is a usage error' 2 "$DYNO" synth tinny
like '... that names near ones' "$output" 'did you mean tiny'
exits 'a number out of range is one' 2 "$DYNO" synth tiny --layers 0
like '... that says the range' "$output" 'layers is 0; 1 to 512'
exits 'a folder in the way is one' 2 "$DYNO" synth tiny --dialect openai -o "$scratch/hugging-face"
exits '... and so is one where a file is wanted' 2 "$DYNO" synth tiny -o "$scratch/hugging-face"
exits 'a bad reference is one' 2 "$DYNO" inspect --model synth:tiny:layers
exits 'a place that cannot be written is an error' 1 "$DYNO" synth tiny -o "$scratch/absent/model"

# Killed in the middle: big enough to take a while, and stopped as soon as it has begun.
interrupt() { # signal, dialect, the name of what is there when it has begun
  mkdir -p "$scratch/stopped"
  "$DYNO" synth gpt-oss-20b --layers 2 --experts 4 --experts-per-token 2 --dialect "$2" \
    -o "$scratch/stopped/model" >"$scratch/stopped.log" 2>&1 &
  process=$!
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -n "$(find "$scratch/stopped" -name "$3")" ] && break
    sleep 0.1
  done
  kill "-$1" $process
  wait $process
}
interrupt INT ggml-org 'model.*'
is 'SIGINT ends it' $? 130
is '... and leaves nothing behind' "$(ls -A "$scratch/stopped")" ''
interrupt TERM hugging-face '*.safetensors.*'
is 'SIGTERM ends it' $? 143
is '... and leaves nothing behind' "$(ls -A "$scratch/stopped")" ''
done_testing
