#!/bin/sh
# dyno cache: simulated, on dyno-mini, and what it refuses.
. "${0%/*}/tap.sh"
json=$scratch/cache.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
small() { "$DYNO" cache --model mini --context 128 --threads 1 "$@"; }

shipped() {
  for trace in chat chats documents edits mixed one-shots; do
    "$DYNO" cache --simulate --trace "$trace" --requests 12 >/dev/null || return 1
  done
}
ok 'every shipped trace is simulated for gpt-oss-20b' shipped
is 'the same twice' "$("$DYNO" cache --simulate --requests 5 | cksum)" \
  "$("$DYNO" cache --simulate --requests 5 | cksum)"
to_json() { "$@" --json >"$json"; }
ok 'a live run, compared with one without caches' \
  to_json small --requests 5 --compare-uncached --csv "$scratch/curve.csv"
is 'logits are the same' "$(value different_logits)" 0
is 'all requests were answered' "$(value cached/all/requests)" 5
is 'the first finds nothing' "$(value cached/nothing/requests)" 1
ok 'what the later ones found' test "$(value cached/all/taken)" -gt 0
ok 'tokens found are tokens asked for' test "$(value levels/l2/hits)" -le "$(value levels/l2/lookups)"
is 'L2 says so, too' "$(value levels/l2/hits)" "$(value cached/all/taken)"
ok 'rows were hit in L1' test "$(value levels/l1/hits)" -gt 0
is 'seven sizes' "$(value curve)" 7
is 'and as CSV' "$(wc -l <"$scratch/curve.csv" | tr -d ' ')" 8
like 'a table, too' "$(small --requests 2 --compare-uncached)" 'logits: the same, bit for bit'

ok 'a prefix again and again' \
  to_json "$DYNO" cache --model mini --threads 1 --prefix-tokens 100 --rounds 2
is 'nothing is taken without a cache' "$(value uncached/taken)" 0
is 'all of it is taken from L2' "$(value l2/taken)" 100
is 'with the same logits' "$(value equal_logits)" true

printf '[1, 2, 3]\n{"prompt": [1, 2, 3, 4], "answer": [5]}\n' >"$scratch/mine.jsonl"
like 'a recorded trace' "$(small --trace "$scratch/mine.jsonl")" '2 requests, prompts of 7 tokens'
printf '[1, 2, 99999999]\n' >"$scratch/mine.jsonl"
exits 'a token that there is not' 1 small --trace "$scratch/mine.jsonl"
like '... is named' "$output" 'mine.jsonl, line 1: .*\[2\]: a token from 0 to'
: >"$scratch/mine.jsonl"
exits 'an empty one' 1 small --trace "$scratch/mine.jsonl"
exits 'no model' 2 "$DYNO" cache
exits 'no such trace' 1 "$DYNO" cache --simulate --trace nope
exits 'a simulation measures nothing' 2 "$DYNO" cache --simulate --compare-uncached
done_testing
