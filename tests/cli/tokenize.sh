#!/bin/sh
# dyno tokenize: lines of JSON, plain text, the way back, and errors with line numbers.
# shellcheck disable=SC2016,SC2059
. "${0%/*}/tap.sh"
data=$top_srcdir/tests/data/tokenizer
vocab=$data/small.tiktoken
tokenize() { "$DYNO" tokenize --vocab "$vocab" "$@"; }

# The vectors have "text" and "ids"; those with "special" come last.
grep -v '"special"' "$data/vectors.jsonl" >"$scratch/wanted"
cut_ids() { sed -E 's/, "ids": .*/}/' "$1"; }
cut_ids "$scratch/wanted" | tokenize --jsonl | sed -E 's/.*"ids":/"ids":/' >"$scratch/got"
sed -E 's/.*"ids": /"ids":/; s/, /,/g' "$scratch/wanted" >"$scratch/ids"
ok 'all vectors get their ids' cmp "$scratch/got" "$scratch/ids"
is '... and they are many' "$(wc -l <"$scratch/got")" 563
sed -E 's/^/{/' "$scratch/got" | tokenize --jsonl --decode | tokenize --jsonl |
  sed -E 's/^\{("ids":[^]]*\]),.*/\1}/' >"$scratch/again"
ok 'and come back through --decode' cmp "$scratch/again" "$scratch/ids"
is 'every vocabulary file gives the same' \
  "$(echo '{"text":"don'\''t tell"}' | "$DYNO" tokenize --model "$data/small.json" --jsonl)" \
  "$(echo '{"text":"don'\''t tell"}' | tokenize --jsonl)"

line='{"id":7,"text":"caf\u00e9 \u0000","note":[1.5,null]}'
like 'the rest of an object stays' "$(echo "$line" | tokenize --jsonl)" \
  '^\{"id":7,"text":"café \\u0000","note":\[1\.5,null\],"ids":\[[0-9,]+\]\}$'
is 'an "ids" that was there is replaced' "$(echo '{"ids":[1],"text":""}' | tokenize --jsonl)" \
  '{"ids":[],"text":""}'
is 'a last line needs no end' "$(printf '{"text":"a"}' | tokenize --jsonl)" '{"text":"a","ids":[64]}'
is 'no input, no output' "$(tokenize --jsonl </dev/null)" ''

is 'special tokens are text' "$(printf '<|end|>' | tokenize | wc -w)" 6
is '... unless asked for' "$(printf '<|end|>' | tokenize --special)" 905
is '... and are spelled out' "$(echo 905 64 | tokenize --decode)" '<|end|>a'
head -c 100000 "$DYNO" >"$scratch/binary"
tokenize <"$scratch/binary" | tokenize --decode >"$scratch/binary.again"
ok 'any bytes come back' cmp "$scratch/binary" "$scratch/binary.again"
is 'text that is cut in JSON is replaced, and kept' \
  "$(printf '\344\275' | tokenize | sed 's/ /,/g; s/.*/{"ids":[&]}/' | tokenize --jsonl --decode | sed 's/.*"text"/"text"/')" \
  '"text":"�","base64":"5L0="}'

fails() { # what, line number, input, option, complaint
  printf "$3" >"$scratch/bad"
  # shellcheck disable=SC2086
  exits "$1 is an error" 1 sh -c '"$DYNO" tokenize --vocab "$1" --jsonl $3 <"$2"' - "$vocab" "$scratch/bad" "$4"
  like '... with its line' "$output" "^dyno: standard input, line $2: $5"
}
fails 'no JSON' 2 '{"text":"a"}\nhello\n' '' 'column 5: '
fails 'an empty line' 1 '\n' '' 'column'
fails 'an unpaired surrogate' 1 '{"text":"\\ud800"}\n' '' 'column'
fails 'a low surrogate alone' 1 '{"text":"a\\udc00"}\n' '' 'column'
fails 'bytes that are no UTF-8' 1 '{"text":"\377"}\n' '' 'column'
fails 'a doubled key' 1 '{"text":"a","text":"b"}\n' '' 'column'
fails 'no object' 1 '["a"]\n' '' 'a JSON object'
fails 'no text' 3 '{"text":""}\n{"text":""}\n{"ids":[]}\n' '' 'a string "text"'
fails 'a text that is a number' 1 '{"text":1}\n' '' 'a string "text"'
fails 'no ids' 1 '{"text":"a"}\n' --decode 'an array "ids"'
fails 'an id beyond the vocabulary' 1 '{"ids":[64,1986]}\n' --decode 'id 1986 at index 1'
fails 'a negative id' 1 '{"ids":[-1]}\n' --decode '"ids", index 0'
fails 'an enormous id' 1 '{"ids":[9223372036854775807]}\n' --decode '"ids", index 0'
fails 'an id that is a fraction' 1 '{"ids":[1.0]}\n' --decode '"ids", index 0'
fails 'an id beyond integers' 1 '{"ids":[18446744073709551616]}\n' --decode 'column'

for bad in x 1x 1,2 -1 99999999999999999999; do
  exits "'$bad' is no token" 1 sh -c 'echo "$1" | "$DYNO" tokenize --vocab "$2" --decode' - "$bad" "$vocab"
done
exits 'a zero byte is no token' 1 sh -c 'printf "64\\0065" | "$DYNO" tokenize --vocab "$1" --decode' - "$vocab"

exits 'no vocabulary is a usage error' 2 "$DYNO" tokenize
exits 'two are, too' 2 "$DYNO" tokenize --vocab "$vocab" --model "$data/small.json"
exits 'a missing vocabulary is an error' 1 "$DYNO" tokenize --vocab "$scratch/absent"
like '... that names it' "$output" "^dyno: $scratch/absent: No such file"
exits 'a folder is no vocabulary' 2 "$DYNO" tokenize --vocab "$scratch"
head -c 5000 "$vocab" >"$scratch/cut.tiktoken"
exits 'nor is a part of one' 1 "$DYNO" tokenize --vocab "$scratch/cut.tiktoken"
exits 'a model without a vocabulary is an error' 1 \
  "$DYNO" tokenize --model "$top_srcdir/tests/oracle/models/f32"
like '... that says what helps' "$output" '--vocab'
if [ -w /dev/full ]; then
  exits 'a full disk is an error' 1 sh -c 'echo a | "$DYNO" tokenize --vocab "$1" >/dev/full' - "$vocab"
else
  skip 'there is no /dev/full' 1
fi

exits '--bench wants text' 2 sh -c '"$DYNO" tokenize --vocab "$1" --bench </dev/null' - "$vocab"
ok '--bench measures' sh -c '"$DYNO" tokenize --vocab "$1" --bench <"$2"' - "$vocab" "$data/training.txt"
like '... a rate' "$output" '^[0-9.]+ [kMG]?B/s on one thread'
"$DYNO" tokenize --vocab "$vocab" --bench --json <"$data/training.txt" >"$scratch/bench.json"
json_value() { "$top_builddir/tests/cli/json_value" "$scratch/bench.json" "$@"; }
is '... and says of how much' "$(json_value bytes)" "$(wc -c <"$data/training.txt" | tr -d ' ')"
exits '--bench and --decode exclude each other' 2 "$DYNO" tokenize --vocab "$vocab" --bench --decode
ok '--help' "$DYNO" tokenize --help
done_testing
