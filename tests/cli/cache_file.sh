#!/bin/sh
# A cache file outlives the process: the next one has its prompt from it and says the same. One that
# is damaged or foreign is told of, and changes nothing.
. "${0%/*}/tap.sh"

model=$top_srcdir/testcases/mini/dyno-mini.gguf
prompt='Emma lives in Oslo. The old mill stands near the river. Hugo owns a cat. Rosa works as a pilot.'
prompt="$prompt $prompt $prompt $prompt"
file=$scratch/cache

answer() { # options
  "$DYNO" run --model "$model" --raw --prompt "$prompt" --tokens 3 --temperature 0 --context 300 \
    --threads 2 --stats "$@" 2>"$scratch/stats"
}

expected=$(answer --cache=off)
is 'the first run says the same' "$(answer --cache-file="$file")" "$expected"
ok '... and leaves a file' test -s "$file"
is 'and so does the second' "$(answer --cache-file="$file")" "$expected"
like '... from the file' "$(cat "$scratch/stats")" '[1-9][0-9]* restored at .* \([1-9][0-9]* from the cache file'
like '... without computing it' "$(cat "$scratch/stats")" 'cache: [1-9][0-9]* tokens reused'

before=$(cksum <"$file")
ok 'other kernels go on without it' "$DYNO" run --model "$model" --raw --prompt a --tokens 1 \
  --isa=ref --cache-file="$file"
like '... and say that it is of others' "$output" \
  "note: $file: offset [0-9]*: identity: .*left as it is"
is '... as it is' "$(cksum <"$file")" "$before"

size=$(wc -c <"$file")
head -c $((size / 2)) "$file" >"$scratch/half" && mv "$scratch/half" "$file"
is 'a file that was cut short changes nothing' "$(answer --cache-file="$file")" "$expected"
like '... and is told of' "$(cat "$scratch/stats")" "note: $file: offset [0-9]*: .* cut short"
is '... and replaced' "$(answer --cache-file="$file")" "$expected"
is '... without a word' "$(grep -c 'note: ' "$scratch/stats")" 0

exits 'a file that cannot be written' 1 "$DYNO" run --model "$model" --raw --prompt a --tokens 1 \
  --cache-file="$scratch/none/cache"
like '... is told of at once' "$output" 'none/cache: a cache file cannot be written'
done_testing
