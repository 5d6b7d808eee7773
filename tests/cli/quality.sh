#!/bin/sh
# `dyno quality` on dyno-mini and on a model without a vocabulary.
. "${0%/*}/tap.sh"
plan 35
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

"$DYNO" quality --model mini --kl --items=1 --greedy=2 --json >"$scratch/kl"
like '--kl compares with the reference path' "$(tr -d '\n ' <"$scratch/kl")" '"divergence":\{"positions":[0-9]+,"mean":[0-9.e-]+,'
"$DYNO" quality --model mini --kl --items=1 --families=questions --greedy=0 --precision=reference --json >"$scratch/self"
like 'which does not differ from itself' "$(tr -d '\n ' <"$scratch/self")" '"mean":0.0,"median":0.0,"p99":0.0,"greatest":0.0'
ok 'a model without a vocabulary is asked about random tokens' \
  "$DYNO" quality --model "$top_srcdir/tests/oracle/models/mxfp4" --kl --random=64
like 'as many as wanted' "$output" 'over 64 positions'
printf 'The old river runs past the quiet mill.' >"$scratch/text"
ok 'or a text is gone through' "$DYNO" quality --model mini --kl --text "$scratch/text"

like 'beside it are how long greedy decoding says the same' "$(tr -d '\n ' <"$scratch/kl")" '"greedy":\{"continuations":2,'
like 'and what happens in each layer' "$(tr -d '\n ' <"$scratch/kl")" '\{"layer":5,"same_experts":\{"value":[01]\.[0-9]+,"interval":\['

tiny="$top_srcdir/tests/oracle/models/mxfp4"
ok 'and to each matrix that is lowered' "$DYNO" quality --model "$tiny" --kl --random=64 --quant=int8
like 'with its errors' "$output" '^blk\.1\.attn_output\.weight +bf16 +q8_0 +[0-9.]+e-[0-9]+ +[0-9.]+e-[0-9]+ +4[0-9]\.'

# The mean, to two digits: what a file leaves out of a divergence is less than that.
mean() { sed -nE 's/^ *"mean": ([0-9.]+)(e-[0-9]+)?,$/\1 \2/p' "$1" | head -n 1 | awk '{printf "%.1f%s", $1, $2}'; }
ok 'what the reference finds can be kept' "$DYNO" quality --model "$tiny" --random=64 --store "$scratch/found"
"$DYNO" quality --model "$tiny" --random=64 --kl --json >"$scratch/direct"
"$DYNO" quality --model "$tiny" --against "$scratch/found" --json >"$scratch/against"
is 'and compared with later' "$(mean "$scratch/against")" "$(mean "$scratch/direct")"
greedy() { tr -d '\n ' <"$1" | sed -E 's/.*"agreed":(\[[0-9,]*\]).*/\1/'; }
is 'with the same greedy continuations' "$(greedy "$scratch/against")" "$(greedy "$scratch/direct")"
printf 'X' | dd of="$scratch/found" bs=1 seek=1000 conv=notrunc 2>/dev/null
exits 'a damaged file is refused' 1 "$DYNO" quality --model "$tiny" --against "$scratch/found"
like 'with a reason' "$output" 'found, offset 32: the checksum does not hold'
exits 'other tokens than those of the file are a usage error' 2 \
  "$DYNO" quality --model "$tiny" --against "$scratch/found" --random=64

ok 'a run tells what rounding does on its way' "$DYNO" run --model mini --raw -p 'The old river' -n 40 \
  --temperature=0 --logits=two-stage --quant=int8 --track-quant
like 'in each layer' "$output" '^ +5 +[0-9.]+ \([0-9.]+\) +[0-9.]+ \([0-9.]+\) +[0-9.]+ \([0-9.]+\) +[0-9.]+ \([0-9.]+\)$'
like 'and what telling cost' "$output" '^looked at [1-9][0-9]* of [0-9]+ rows, which took [0-9.]+ % of the time'

exits 'a part that is none is a usage error' 2 "$DYNO" quality --model mini --ablate=head
exits '--text without --kl, too' 2 "$DYNO" quality --model mini --text "$scratch/text"
done_testing
