#!/bin/sh
# dyno pack: packing, verifying, running what was packed, and errors that say what to do.
. "${0%/*}/tap.sh"
models=$top_srcdir/tests/oracle/models
json=$scratch/pack.json
file=$scratch/mxfp4.dyno
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
logits() { "$DYNO" logits --tokens 1,2,3,4,5 --all-positions --json --threads 2 "$@"; }

ok 'it packs' "$DYNO" pack --model "$models/mxfp4" -o "$file" --threads 2
like '... and says what' "$output" "^$file: .* KiB in .*, [0-9]+ of [0-9]+ matrices packed"
ok 'it verifies' "$DYNO" pack --verify "$file"
like '... and says so' "$output" 'every checksum matches'
is 'the logits are the same' "$(logits --model "$file")" "$(logits --model "$models/mxfp4")"
is '... in reference precision too' "$(logits --model "$file" --precision reference)" \
  "$(logits --model "$models/mxfp4" --precision reference)"

"$DYNO" inspect --model "$models/mxfp4" --json >"$json"
hash=$(value hash)
"$DYNO" inspect --model "$file" --json --check-weights >"$json"
is 'inspect knows the dialect' "$(value dialect)" 'dyno, packed'
is '... and the model' "$(value hash)" "$hash"
is '... and reads the weights' "$(value weights_checked)" true
is '... all in place' "$(grep -c '"in_place": true' "$json")" "$(value tensors)"

"$DYNO" pack --model "$models/mxfp4" -o "$scratch/again.dyno" --json >"$json"
is 'JSON has the size' "$(value bytes)" "$(wc -c <"$scratch/again.dyno")"
is '... and the hash of the model' "$(value model_hash)" "$hash"
ok 'packing again gives the same bytes' cmp "$file" "$scratch/again.dyno"
"$DYNO" pack --verify "$file" --json >"$json"
is 'verify has JSON' "$(value intact)" true

# With the screen of two-stage logits in it.
ok 'it packs the screen' "$DYNO" pack --model "$models/mxfp4" -o "$scratch/screen.dyno" --screen
ok '... with a checksum' "$DYNO" pack --verify "$scratch/screen.dyno"
is '... and the logits stay the same' "$(logits --model "$scratch/screen.dyno")" \
  "$(logits --model "$file")"
ok '... and packs what is packed' "$DYNO" pack --model "$scratch/screen.dyno" -o "$scratch/bare.dyno"
is '... without it again, unless asked' "$(wc -c <"$scratch/bare.dyno")" "$(wc -c <"$file")"

# A packed file has the vocabulary of the folder it was made of.
cp -r "$models/f32" "$scratch/f32"
chmod -R u+w "$scratch/f32"
"$DYNO" pack --model "$scratch/f32" -o "$scratch/mute.dyno" >/dev/null
exits 'no vocabulary, no tokens' 1 "$DYNO" tokenize --model "$scratch/mute.dyno" </dev/null
cp "$top_srcdir/tests/data/tokenizer/small.json" "$scratch/f32/tokenizer.json"
"$DYNO" pack --model "$scratch/f32" -o "$scratch/f32.dyno" >/dev/null
text='Whatever it is: <|end|> 12345 times'
is 'the vocabulary comes along' "$(echo "$text" | "$DYNO" tokenize --model "$scratch/f32.dyno")" \
  "$(echo "$text" | "$DYNO" tokenize --model "$scratch/f32")"

if "$DYNO" kernels list --isa=avx2 >/dev/null 2>&1; then
  exits 'a tier that cannot read it refuses' 1 logits --model "$file" --isa=ref
  like '... naming the tensor, its layout and the remedy' "$output" \
    "tensor 'blk\.0\..*panel16_v[0-9]+.*dyno pack --model .*/mxfp4 -o .*mxfp4\.dyno --isa=ref"
else
  skip 'this CPU has one tier' 2
fi

size=$(wc -c <"$file")
cp "$file" "$scratch/damaged.dyno"
chmod u+w "$scratch/damaged.dyno"
printf x | dd of="$scratch/damaged.dyno" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
exits 'damage is found' 1 "$DYNO" pack --verify "$scratch/damaged.dyno"
like '... and named' "$output" "damaged\.dyno: offset [0-9]+: tensor '.*' does not have its checksum"
exits '... by inspect too' 1 "$DYNO" inspect --model "$scratch/damaged.dyno" --check-weights
head -c $((size - 4096)) "$file" >"$scratch/short.dyno"
exits 'a file that was cut short is refused' 1 "$DYNO" inspect --model "$scratch/short.dyno"
like '... at once' "$output" 'cut short'

exits 'a model is not overwritten by itself' 2 "$DYNO" pack --model "$file" -o "$file"
exits 'a folder is no file' 2 "$DYNO" pack --model "$models/f32" -o "$scratch"
exits 'no folder, no file' 1 "$DYNO" pack --model "$models/f32" -o "$scratch/none/f32.dyno"
exits 'what is not packed has no checksums' 2 "$DYNO" pack --verify "$models/f32/model.safetensors"
exits 'no output is a usage error' 2 "$DYNO" pack --model "$models/f32"
exits 'so is verifying and writing' 2 "$DYNO" pack --verify "$file" -o "$scratch/other"
is 'nothing is left behind' "$(find "$scratch" -name '*.dyno.*')" ''
ok '--help' "$DYNO" pack --help
like '... describes the options' "$output" '--verify'
done_testing
