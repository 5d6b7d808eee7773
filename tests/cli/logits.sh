#!/bin/sh
# `dyno logits` on the small models that the goldens come with.
. "${0%/*}/tap.sh"
plan 19
models=$top_srcdir/tests/oracle/models

ok 'it runs' "$DYNO" logits --model "$models/mxfp4" --tokens 1,2,3 --json
"$DYNO" logits --model "$models/mxfp4" --tokens 1,2,3 --top 4 --json >"$scratch/top"
like 'it prints ids and natural logarithms, likeliest first' "$(cat "$scratch/top")" \
  '^\{"top":\[\[[0-9]+,-[0-9.]+\],\[[0-9]+,-[0-9.]+\],\[[0-9]+,-[0-9.]+\],\[[0-9]+,-[0-9.]+\]\]\}$'
"$DYNO" logits --model "$models/mxfp4" --tokens 1,2,3 --top 4 --all-positions --json >"$scratch/all"
like 'with --all-positions every position too' "$(cat "$scratch/all")" \
  '"positions":\[\{"position":0,.*\{"position":1,.*\{"position":2,'
is 'whose last is the same' "$(sed -E 's/.*"position":2,("top":.*\]\])\}.*/{\1}/' "$scratch/all")" \
  "$(cat "$scratch/top")"

printf '1\n2,\t3\n' >"$scratch/tokens"
is 'tokens may come from a file' \
  "$("$DYNO" logits --model "$models/mxfp4" --tokens-file "$scratch/tokens" --top 4 --json)" \
  "$(cat "$scratch/top")"
for flags in '--threads=1' '--threads=3' '--batch=1' '--batch=2'; do
  is "$flags changes nothing" \
    "$("$DYNO" logits --model "$models/mxfp4" --tokens 1,2,3 --top 4 --json "$flags")" \
    "$(cat "$scratch/top")"
done
is 'nor does the layout of the files' \
  "$("$DYNO" logits --model "$models/mxfp4/original" --tokens 1,2,3 --top 4 --json)" \
  "$(cat "$scratch/top")"
ok 'reference precision runs' "$DYNO" logits --model "$models/mxfp4" --tokens 1,2,3 --precision reference
if [ "$("$DYNO" logits --model "$models/f32" --tokens-file "$scratch/tokens" --json)" != \
  "$("$DYNO" logits --model "$models/f32" --tokens-file "$scratch/tokens" --json --rope=ggml)" ]; then
  ok '--rope=ggml changes something' true
else
  ok '--rope=ggml changes something' false
fi

exits 'a token outside the vocabulary is a usage error' 2 \
  "$DYNO" logits --model "$models/mxfp4" --tokens 1,100000
like 'which names it' "$output" 'token 1 is 100000: the vocabulary has 0 to 319'
exits 'so are words' 2 "$DYNO" logits --model "$models/mxfp4" --tokens 1,two
like 'which are named with their place' "$output" "character 3: 'two' is no token id"
exits 'no tokens at all, too' 2 "$DYNO" logits --model "$models/mxfp4"
exits 'a model that is not there is a failure' 1 "$DYNO" logits --model "$scratch/none" --tokens 1
exits 'a kernel that is not there is a usage error' 2 \
  "$DYNO" logits --model "$models/mxfp4" --tokens 1 --kernel=matmul=typo
done_testing
