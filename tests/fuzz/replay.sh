#!/bin/sh
# Replays the stored inputs of every fuzz target: tests/fuzz/corpus/FOLDER through
# tests/fuzz/TARGET. A new target is a line here and a few in tests/Makefile.am.inc.
. "${0%/*}/../cli/tap.sh"

corpus=$top_srcdir/tests/fuzz/corpus

replay() { # target, folder...
  target=$1
  shift
  for folder; do
    ok "$target takes the inputs of corpus/$folder" \
      "$top_builddir/tests/fuzz/$target" "$corpus/$folder" || continue
    diag "$(printf '%s\n' "$output" | tail -n 1)"
  done
}

while read -r target folders; do
  # shellcheck disable=SC2086
  replay "$target" $folders
done <<'TARGETS'
cache_file_fuzz cache_file
gguf_fuzz gguf
harmony_fuzz harmony
packed_fuzz packed
safetensors_fuzz safetensors
tiktoken_fuzz tiktoken
tokenizer_fuzz tokenizer
tokenizer_json_fuzz tokenizer_json
utf8_fuzz utf8
TARGETS

done_testing
