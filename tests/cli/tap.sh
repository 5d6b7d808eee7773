# TAP for shell tests; to be sourced: . "${0%/*}/tap.sh"
#
#   plan 3                       how many tests follow; without it, done_testing ends the script
#   ok 'it starts' "$DYNO" list  passes when the command exits 0; its output is shown when not
#   is 'two lines' "$n" 2        passes when the strings are equal
#   like 'names it' "$text" 'no such [a-z]*'      passes when an extended regular expression matches
#   exits 'a usage error' 2 "$DYNO" --nonsense    passes on this exit code; output is left in $output
#   skip 'why' 2                 counts two tests as skipped
#   skip_all 'why'               skips the whole script, before any test
#   diag 'a remark'
#
# `scratch` names a new folder that is removed at the end. The scripts run from `make check`, which
# sets DYNO, top_srcdir and top_builddir, and by hand from a build folder.
set -u
: "${top_srcdir:=$(cd "${0%/*}/../.." && pwd)}"
: "${top_builddir:=$(pwd)}"
: "${DYNO:=$top_builddir/dyno}"
export DYNO top_srcdir top_builddir LC_ALL=C

tap_count=0
tap_failed=0
tap_plan=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/dyno-test.XXXXXX") || { echo 'Bail out! no scratch folder'; exit 99; }
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

plan() {
  tap_plan=$1
  echo "1..$1"
}

diag() {
  printf '%s\n' "$*" | sed 's/^/# /'
}

tap_result() { # passed?, description
  tap_count=$((tap_count + 1))
  if [ "$1" -eq 0 ]; then
    echo "ok $tap_count - $2"
  else
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $2"
  fi
  return "$1"
}

ok() {
  tap_description=$1
  shift
  if output=$("$@" 2>&1); then
    tap_result 0 "$tap_description"
  else
    tap_status=$?
    tap_result 1 "$tap_description"
    diag "exit status $tap_status of: $*"
    diag "$output"
    return 1
  fi
}

exits() {
  tap_description=$1
  tap_wanted=$2
  shift 2
  tap_status=0
  output=$("$@" 2>&1) || tap_status=$?
  if [ "$tap_status" -eq "$tap_wanted" ]; then
    tap_result 0 "$tap_description"
  else
    tap_result 1 "$tap_description"
    diag "exit status $tap_status, wanted $tap_wanted, of: $*"
    diag "$output"
    return 1
  fi
}

is() {
  if [ "$2" = "$3" ]; then
    tap_result 0 "$1"
  else
    tap_result 1 "$1"
    diag "got:  $2"
    diag "want: $3"
    return 1
  fi
}

like() {
  if printf '%s\n' "$2" | grep -Eq -e "$3"; then
    tap_result 0 "$1"
  else
    tap_result 1 "$1"
    diag "no match for: $3"
    diag "in: $2"
    return 1
  fi
}

skip() {
  tap_left=$2
  while [ "$tap_left" -gt 0 ]; do
    tap_count=$((tap_count + 1))
    tap_left=$((tap_left - 1))
    echo "ok $tap_count # SKIP $1"
  done
}

skip_all() {
  echo "1..0 # SKIP $1"
  exit 0
}

done_testing() {
  [ -n "$tap_plan" ] || echo "1..$tap_count"
  [ "$tap_failed" -eq 0 ]
  exit
}
