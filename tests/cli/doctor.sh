#!/bin/sh
# dyno doctor: a table and JSON of what this machine is; no machine is asserted.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
value() { "$top_builddir/tests/cli/json_value" "$scratch/doctor.json" "$@"; }

ok 'it looks at the machine' "$DYNO" doctor
for name in processors governor steal 'transparent huge pages' counters 'read bandwidth'; do
  like "the table has $name" "$output" "^$name  "
done
like 'reading was measured' "$output" '^read bandwidth .*[0-9.]+ .B/s with [0-9]+ threads'

"$DYNO" doctor --json --threads 1 >"$scratch/doctor.json"
is 'the JSON has a schema' "$(value schema)" dyno.doctor/1
like '... the worst of it' "$(value worst)" '^(fine|note|warning|unfit)$'
is '... the same things' "$(value environment/0/name)" processors
if command -v jq >/dev/null 2>&1; then
  ok 'each has a value and a reason, and advice when it is not fine' jq -e '.environment |
    length > 25 and all(.value != "" and .why != "" and ((.advice == null) == (.severity == "fine")))' \
    "$scratch/doctor.json"
  ok 'the worst is the worst' jq -e '{fine: 0, note: 1, warning: 2, unfit: 3} as $rank |
    $rank[.worst] == ([.environment[].severity | $rank[.]] | max)' "$scratch/doctor.json"
else
  skip 'jq is not installed' 2
fi

ok 'it holds the memory against a model' "$DYNO" doctor --model "$top_srcdir/tests/oracle/models/mxfp4"
like '... and says how large that is' "$output" '^memory .*; the model has [0-9.]+ [KMG]?i?B'
exits 'a model that is not there is a failure' 1 "$DYNO" doctor --model "$scratch/none"
exits 'an argument is a usage error' 2 "$DYNO" doctor --threads none

# A debugger makes any machine unfit, and so does a sanitizer; else it depends on the machine.
status=0
"$DYNO" doctor --strict --json >"$scratch/doctor.json" || status=$?
case $(value worst) in unfit) wanted=4 ;; *) wanted=0 ;; esac
is 'a strict doctor exits with 4 on an unfit machine only' "$status" "$wanted"
if [ -w /dev/full ]; then
  exits 'a full disk is a failure' 1 sh -c '"$DYNO" doctor >/dev/full'
else
  skip 'there is no /dev/full' 1
fi
done_testing
