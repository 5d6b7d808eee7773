#!/bin/sh
# --logits=two-stage: the same answers as with all logits, in every way to sample.
. "${0%/*}/tap.sh"
model=$scratch/model.gguf
ok 'a model with enough tokens to choose from' \
  "$DYNO" synth tiny --dense=q8_0 --d-model 128 --vocab-size 4000 -o "$model"

answer() { # logits mode, further options
  mode=$1
  shift
  "$DYNO" run --model "$model" --raw --prompt 'Once upon a time' --tokens 24 --context 64 --stats \
    --threads 2 --logits="$mode" "$@" 2>"$scratch/stats.$mode"
}

compare() { # description, options
  description=$1
  shift
  full=$(answer full "$@")
  is "$description: the same text" "$(answer two-stage "$@")" "$full"
}

compare 'greedy' --temperature 0
like 'all from the screen' "$(cat "$scratch/stats.two-stage")" 'logits: 0 full passes, 24 screens, 24 answers'
like 'the kernel is named' "$(cat "$scratch/stats.two-stage")" 'screen__'
is 'nothing of that with full logits' "$(grep -c screen "$scratch/stats.full")" 0
of_file=$(answer full --temperature 0)
"$DYNO" pack --model "$model" -o "$scratch/screen.dyno" --screen >/dev/null
gguf=$model model=$scratch/screen.dyno
is 'a packed screen: the same text' "$(answer two-stage --temperature 0)" "$of_file"
like '... all from it' "$(cat "$scratch/stats.two-stage")" \
  'logits: 0 full passes, 24 screens, 24 answers'
model=$gguf
compare 'top-k' --temperature 0.8 --top-k 5 --seed 3
compare 'top-p' --temperature 0.1 --top-p 0.8 --seed 4
compare 'min-p' --temperature 0.2 --min-p 0.2 --seed 5
compare 'everything' --temperature 1 --seed 6
compare 'repetition penalty' --temperature 0 --repetition-penalty 1.2
compare 'reference precision' --temperature 0 --precision reference
compare 'portable kernels' --temperature 0 --isa ref
is 'dyno logits has them all' \
  "$("$DYNO" logits --model "$model" --tokens 1,2,3 --json --logits=two-stage)" \
  "$("$DYNO" logits --model "$model" --tokens 1,2,3 --json)"
exits 'another mode is a usage error' 2 "$DYNO" logits --model "$model" --tokens 1 --logits=half
like '... that says which there are' "$output" 'full or two-stage is wanted'
done_testing
