#!/bin/sh
# dyno profile: sound JSON, traces and stacks, whose sums agree; no speed is asserted.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
json=$scratch/profile.json
trace=$scratch/trace.json
folded=$scratch/folded
model=$top_srcdir/tests/oracle/models/mxfp4
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
profile() {
  "$DYNO" profile --model "$model" --prompt-tokens 12 --decode-tokens 5 --depth 0,9 --rounds 2 \
    --read 1 --threads 2 "$@"
}

ok 'it profiles a model' profile -o "$json" --folded "$folded" --trace "$trace"
for phase in 'prefill 12' 'decode 5 at 0' 'decode 5 at 9'; do
  like "the table has $phase" "$output" "^$phase +[0-9.]+ "
  like '... and its ops' "$output" "^$phase, with a probe: [0-9.]+ .*tokens/s\$"
done
like 'ops have their kernels' "$output" '^moe_gate_up +matmul_mxfp4_a8_[a-z0-9_]+ +[0-9]+ '
like 'the sum is the wall time' "$output" '^wall time .* 100\.00$'
like 'ceilings are stated' "$output" '^ceilings: read [0-9.]+ .B/s \(one thread [0-9.]+ .B/s\); mac_i8 '
like 'so is the cost of the probe' "$output" 'the probe took about [0-9.]+ % of the time \([0-9]+ events\)'
like 'and what was loaded' "$output" '^loaded in .*; first token .* later, .* after the program was started$'
like 'and that caches hold a small model' "$output" '^note: the caches '

ok 'the JSON is sound' value
is '... of a known schema' "$(value schema)" 1
is '... with the conditions' "$(value conditions/rounds) $(value conditions/tokens)" '2 random'
is '... a run' "$(value runs/0/threads)" 2
is '... its phases' "$(value runs/0/phases)" 3
is '... their rounds' "$(value runs/0/phases/1/rounds)" 2
is '... a depth relative to the first' "$(value runs/0/phases/2/relative/samples)" 2
is 'nothing was interrupted' "$(value interrupted)" false

if command -v jq >/dev/null 2>&1; then
  all() { jq -e "$@"; }
  ok 'ops, barriers and the rest add up to all of the time' all '[.runs[] | .threads as $n | .phases[].probed |
    ((.op_thread_seconds + .barrier_thread_seconds + .between_thread_seconds) / (.seconds * $n) - 1 | fabs) < 1e-9] | all' "$json"
  ok 'rows add up to the ops' all '[.runs[].phases[].probed |
    (([.ops[].thread_seconds] | add) / .op_thread_seconds - 1 | fabs) < 1e-9 and
    (([.ops[].bytes] | add) / .bytes - 1 | fabs) < 1e-9 and
    (([.ops[].macs] | add) / .macs - 1 | fabs) < 1e-9] | all' "$json"
  ok 'shares follow from the numbers beside them' all '[.runs[].phases[] | .bytes_per_token as $b | .rounds[] |
    ($b * .tokens_per_second / .read_bytes_per_second.all_threads / .read_share - 1 | fabs) < 1e-9] | all' "$json"
  ok 'a deeper decode needs more bytes' all '.runs[0].phases | .[2].bytes_per_token > .[1].bytes_per_token' "$json"
  ok 'the trace is an array of events with times and tracks' all 'type == "array" and
    ([.[] | select(.ph == "X") | .ts >= 0 and .dur >= 0 and .pid == 1 and .tid <= 2] | all) and
    ([.[] | select(.ph == "M") | .args.name] | contains(["thread 0", "thread 1", "calls"]))' "$trace"
  ok '... as many as were counted, and the calls' all --slurpfile profile "$json" '
    ([.[] | select(.ph == "X" and .cat != "call")] | length) == ([$profile[0].runs[].phases[].probed.events] | add) and
    ([.[] | select(.cat == "call")] | length) == 1 + 5 + 5' "$trace"
  ok 'the same tokens need the same bytes with another number of threads' sh -c \
    "'$DYNO' profile --model '$model' --prompt-tokens 12 --decode-tokens 5 --depth 0,9 --rounds 1 --read 1 --threads 1 --json |
     jq -e --slurpfile two '$json' '[.runs[0].phases[].bytes_per_token] == [\$two[0].runs[0].phases[].bytes_per_token] and
       [.runs[0].phases[].macs_per_token] == [\$two[0].runs[0].phases[].macs_per_token]'"
  microseconds=$(jq '[.runs[] | .threads as $n | .phases[].probed.seconds * $n] | add * 1e6' "$json")
  is 'the stacks hold all of the time' "$(awk -v wanted="$microseconds" '
    { sum += $NF } END { print (sum > 0.98 * wanted - 100 && sum < 1.02 * wanted + 100) ? "yes" : sum " of " wanted }' "$folded")" yes
else
  skip 'jq is not installed' 8
fi
is 'stacks are phase;op;kernel and a number' \
  "$(grep -Evc '^[a-z]+ [0-9]+( at [0-9]+)?;[a-z_ ]+(;[a-z0-9_]+)? [0-9]+$' "$folded")" 0

ok 'several numbers of threads are runs of their own' profile --rounds 1 --threads 1,2 -o "$json" --folded "$folded"
is '... one for each' "$(value runs/0/threads) $(value runs/1/threads)" '1 2'
is '... of which only the first is timed from the start' "$(value runs/1/first_token_since_start_seconds)" null
is '... and whose stacks say so' "$(grep -Evc '^(1 thread|2 threads);' "$folded")" 0

ok 'kernels can be forced' profile --rounds 1 --isa ref --precision reference -o "$json"
is '... which it says' "$(value runs/0/tier) $(value conditions/precision)" 'ref reference'
ok 'a decode alone' profile --rounds 1 --prompt-tokens 0 -o "$json"
is '... has no prefill' "$(value runs/0/phases/0/phase)" decode
ok 'a prefill alone' profile --rounds 1 --decode-tokens 0 -o "$json"
is '... has no decode' "$(value runs/0/phases)" 1

gguf=$scratch/tiny.gguf
"$DYNO" synth tiny -o "$gguf" >/dev/null
ok 'a text gives the tokens' "$DYNO" profile --model "$gguf" --prompt 'one two three four' --rounds 1 \
  --decode-tokens 3 --depth 2 --read 1 -o "$json"
is '... which it says' "$(value conditions/tokens)" text

# --foreground: else timeout signals its whole group, and the program is interrupted twice.
if command -v timeout >/dev/null 2>&1; then
  exits 'SIGINT ends with 130' 130 timeout --foreground --preserve-status -s INT 1 "$DYNO" profile \
    --model "$model" --rounds 256 --prompt-tokens 512 --decode-tokens 2000 --depth 0 -o "$json"
  is '... and the report says so' "$(value interrupted)" true
else
  skip 'there is no timeout command' 2
fi

ok 'depths can be filled with copies' profile --prompt-tokens 0 --depth 0,600 --depth-fill=copy -o "$json"
like '... which the table says' "$output" 'depths beyond 512 are filled with copies'
is '... and the JSON' "$(value conditions/depth_fill)" copy
exits '... or not otherwise' 2 profile --depth-fill=magic

exits 'nothing to measure is a usage error' 2 profile --prompt-tokens 0 --decode-tokens 0
exits 'so is a number twice' 2 profile --threads 2,2
like '... which is named' "$output" '--threads=2,2: 2 is there twice'
exits 'so is what is no number' 2 profile --depth 0,x
exits 'so is a depth that the model cannot have' 2 profile --depth 100000000
exits 'so is a depth beyond the context' 2 profile --depth 1000000
like '... with both numbers' "$output" "a decode of 5 tokens at depth 1000000: the model's context is [0-9]+"
exits 'a file that cannot be written fails before anything is measured' 1 profile --trace "$scratch/none/trace"
exits 'a model that is not there is a failure' 1 "$DYNO" profile --model "$scratch/none"
done_testing
