#!/bin/sh
# `dyno quality` on dyno-mini and on a model without a vocabulary.
. "${0%/*}/tap.sh"
plan 22
few='--items=4 --families=questions,lookup,essays'

# shellcheck disable=SC2086
ok 'it runs on the model that comes along' "$DYNO" quality --model mini $few
like 'and prints accuracy with its interval' "$output" '^questions +the answer +[0-4]/4 +[0-9.]+ % +[0-9.]+ to [0-9.]+ '
like 'by distance' "$output" '^from 128 '
like 'whether essays are built right' "$output" ' its structure +[0-4]/4 '
like 'and losses by position' "$output" '^position 64 to 127 +[0-9]+ +[0-9.]+ '

# shellcheck disable=SC2086
"$DYNO" quality --model mini $few --json --threads=1 >"$scratch/one"
# shellcheck disable=SC2086
"$DYNO" quality --model mini $few --json --threads=2 >"$scratch/two"
is 'threads change nothing' "$(cat "$scratch/two")" "$(cat "$scratch/one")"
like 'JSON says how intervals are made' "$(cat "$scratch/one")" '"interval_method": "Wilson, 95 %"'
# shellcheck disable=SC2086
"$DYNO" quality --model mini $few --json --ablate=window,yarn >"$scratch/ablated"
like 'and what was left out' "$(tr -d '\n ' <"$scratch/ablated")" '"ablated":\["window","yarn"\]'
if [ "$(cat "$scratch/ablated")" != "$(cat "$scratch/one")" ]; then
  ok 'which changes the figures' true
else
  ok 'which changes the figures' false
fi

printf '%s\n' '{"family": "odd", "prompt": "What is 2 + 3?", "answer": "no such answer"}' >"$scratch/odd.jsonl"
ok 'other items may be asked' "$DYNO" quality --model mini --heldout "$scratch" --failures=1
like 'and what was said instead is shown' "$output" '^  right: no such answer'
printf '%s\n' '{"family": "odd", "prompt": 3}' >"$scratch/odd.jsonl"
exits 'a malformed item is a failure' 1 "$DYNO" quality --model mini --heldout "$scratch"
like 'which names file and line' "$output" 'odd.jsonl, line 1: '
exits 'so is a family that is not there' 1 "$DYNO" quality --model mini --families=typo
like 'which is named' "$output" 'typo.jsonl'

"$DYNO" quality --model mini --kl --items=1 --json >"$scratch/kl"
like '--kl compares with the reference path' "$(tr -d '\n ' <"$scratch/kl")" '"divergence":\{"positions":[0-9]+,"mean":[0-9.e-]+,'
"$DYNO" quality --model mini --kl --items=1 --precision=reference --json >"$scratch/self"
like 'which does not differ from itself' "$(tr -d '\n ' <"$scratch/self")" '"mean":0.0,"median":0.0,"p99":0.0,"greatest":0.0'
ok 'a model without a vocabulary is asked about random tokens' \
  "$DYNO" quality --model "$top_srcdir/tests/oracle/models/mxfp4" --kl --random=64
like 'as many as wanted' "$output" 'over 64 positions'
printf 'The old river runs past the quiet mill.' >"$scratch/text"
ok 'or a text is gone through' "$DYNO" quality --model mini --kl --text "$scratch/text"

exits 'a part that is none is a usage error' 2 "$DYNO" quality --model mini --ablate=head
exits '--text without --kl, too' 2 "$DYNO" quality --model mini --text "$scratch/text"
done_testing
