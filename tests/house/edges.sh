#!/bin/sh
# The rooms of the house include each other only along the allowed edges, and the check sees it
# when they do not.
# (Not include_edges.sh: make would take that for the source of include_edges.)
. "${0%/*}/../cli/tap.sh"
check=$top_srcdir/tests/house/include_edges
plan 5

ok 'the tree keeps the allowed edges' "$check" "$top_srcdir"

plant() { # file, line
  rm -rf "$scratch/house"
  mkdir -p "$scratch/house/kernels/matmul" "$scratch/house/kernels/attention" \
    "$scratch/house/runtime" "$scratch/house/harness" "$scratch/house/tests"
  echo '#include "kernels/kernel.h"' >"$scratch/house/runtime/fine.c"
  echo "$2" >"$scratch/house/$1"
}

plant runtime/planted.c '#include "harness/cli/cli.h"'
exits 'runtime -> harness is caught' 1 "$check" "$scratch/house"
plant kernels/planted.c '  #  include "runtime/engine.h"'
exits 'kernels -> runtime is caught' 1 "$check" "$scratch/house"
plant kernels/matmul/planted.c '#include "kernels/attention/attention.h"'
exits 'a family that includes another is caught' 1 "$check" "$scratch/house"
plant tests/allowed.c '#include "harness/cli/cli.h"'
ok 'tests may include anything' "$check" "$scratch/house"
done_testing
