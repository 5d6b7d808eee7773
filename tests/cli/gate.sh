#!/bin/sh
# dyno gate: what passes, what does not, and that nothing passes that could not be measured.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
json=$scratch/gate.json
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
# Two cases and four tokens: a round is 32 steps. A wide rule, so that a busy machine decides too.
gate() {
  rm -f "$json"
  "$DYNO" gate --model mini --tokens 4 --cases questions,translation --tolerance 40 --effect 60 \
    --prefill-every 0 --timeout 20 -o "$json" "$@"
}
# A program that runs as dyno does, and has something happen to itself after a while.
trap_program() {
  printf '#!/bin/sh\n(sleep %s; kill -%s $$) </dev/null >/dev/null 2>&1 &\nexec "%s" "$@"\n' "$1" "$2" "$DYNO" >"$3"
  chmod +x "$3"
}

ok 'a program is as fast as itself' gate --base "$DYNO" --annotations --junit "$scratch/junit.xml" \
  --summary "$scratch/summary.md" --benchmark-action "$scratch/action.json" --bencher "$scratch/bencher.json"
like '... the table says so' "$output" '^gate: pass: after [0-9]+ rounds no series has lost 60 %'
like '... an annotation too' "$output" '^::notice title=dyno gate%3A pass::after '
is '... the JSON too' "$(value verdict) $(value stored_baseline)" 'pass false'
is '... with two cases and their mean' "$(value series)" 3
is '... the output is the same' "$(value outputs/other_token) $(value outputs/not_finite)" '0 0'
like 'JUnit has its cases' "$(cat "$scratch/junit.xml")" '<testsuite name="dyno gate" tests="4" failures="0" errors="0"'
like 'the summary is Markdown' "$(cat "$scratch/summary.md")" '^### dyno gate: pass'
json=$scratch/action.json
is 'github-action-benchmark gets names and units' "$(value 0/name) $(value 0/unit)" 'decode/questions/tps tok/s'
json=$scratch/bencher.json
like 'Bencher gets throughput' "$(value decode_translation/throughput/value)" '^[0-9.]+$'
json=$scratch/gate.json

exits 'a much slower program fails' 1 gate --base "$DYNO" --slowdown 400 --summary "$scratch/summary.md" \
  --junit "$scratch/junit.xml" --annotations
is '... as a regression' "$(value verdict)" regression
like '... that names a case' "$output" "^gate: regression: after [0-9]+ rounds '"
like '... with an error' "$output" '^::error title=dyno gate%3A regression::'
is 'the summary was appended to' "$(grep -c '^### dyno gate: ' "$scratch/summary.md")" 2
like 'JUnit has the failure' "$(cat "$scratch/junit.xml")" '<failure type="regression" message="'

exits 'wrong output has its own code, however fast' 5 gate --base "$DYNO" --b ablate=yarn
is '... and verdict' "$(value verdict)" 'wrong output'

trap_program 1 KILL "$scratch/killed"
# The slow-down keeps it from deciding before the signal; on a busy machine a step of it may take half a minute.
exits 'a program that is killed does not pass' 1 gate --base "$scratch/killed" --timeout 300 --tolerance 1e-3 \
  --effect 2e-3 --slowdown 9000
is '... it is an error' "$(value verdict)" error
like '... that says what happened' "$(value reason)" 'worker [0-9]+: .*signal 9 \(Killed\) ended it'
trap_program 1 STOP "$scratch/stopped"
exits 'one that is stopped does not pass' 3 gate --base "$scratch/stopped" --timeout 2 --slowdown 9000
is '... it is inconclusive' "$(value verdict)" inconclusive
like '... and that is said' "$(value reason)" 'no answer in time; it still runs'
exits 'no time is inconclusive' 3 gate --base "$DYNO" --timeout 300 --seconds 1 --slowdown 9000
like '... and that is said' "$(value reason)" 'took all of the'
exits 'a program that ends at once is an error' 1 gate --base /bin/true
exits 'so is one that answers nonsense' 1 gate --base /bin/cat
printf '#!/bin/sh\nhead -n 1 >/dev/null\necho "{\\"ok\\": true, \\"protocol\\": 99}" >&0\nsleep 1\n' >"$scratch/other"
chmod +x "$scratch/other"
exits 'so is one that speaks otherwise' 1 gate --base "$scratch/other"
exits 'a base that is not there is no pass' 3 gate --base "$scratch/none"
is '... but inconclusive' "$(value verdict)" inconclusive
exits 'neither is a missing baseline' 3 gate --baseline "$scratch/none"
exits 'nothing to compare with is a usage error' 2 gate
exits 'so are two things' 2 gate --base "$DYNO" --baseline "$scratch/none"

# A revision that builds at once: its configure notes how it was called, its make copies this program.
repository=$scratch/repository cache=$scratch/cache
commit() {
  git -C "$repository" add -A && git -C "$repository" -c user.name=T -c user.email=t@example.org commit -qm "$1"
}
if command -v git >/dev/null 2>&1; then
  mkdir "$repository" && git -C "$repository" init -q
  : >"$repository/Makefile.in"
  printf '#!/bin/sh\necho "$@" >arguments\nprintf "dyno:\\n\\tcp %%s dyno && echo made >>made\\n" "%s" >Makefile\n' "$DYNO" \
    >"$repository/configure"
  chmod +x "$repository/configure"
  commit good
  revision() { gate --repository "$repository" --cache "$cache" --cases questions "$@"; }
  ok 'a revision is built and compared with' revision --base HEAD
  for built in "$cache"/*/build*/; do :; done
  like '... configured as this build is, but quietly and without -Werror' " $(cat "${built}arguments")" \
    "^ -q( [^ ]*)*$"
  is '... really' "$(grep -c werror "${built}arguments") $(cat "${built}made")" '0 made'
  rm "$cache"/*/checked-out "$cache"/*/source/configure
  ok 'what was checked out in part is checked out again' revision --base HEAD
  is '... and not built again' "$(cat "$cache"/*/source/configure | wc -l) $(cat "${built}made")" '3 made'
  printf '#!/bin/sh\nexit 9\n' >"$repository/configure"
  commit broken
  exits 'one that does not build is an error' 1 revision --base HEAD
  like '... that names the log' "$(value reason)" 'ended with code 9; see .*/build.log$'
else
  skip 'git is not installed' 7
fi

ok 'speeds can be stored' gate --base "$DYNO" --save-baseline "$scratch/baseline"
ok '... and compared with' gate --baseline "$scratch/baseline" --tolerance 90 --effect 99
is '... which is labelled' "$(value stored_baseline)" true
like '... second best' "$output" 'a stored baseline: second best'
exits '... and switches' 3 gate --baseline "$scratch/baseline" --b pool=mutex
like '... saying which' "$(value reason)" 'switches was "" and is "pool=mutex"'
exits '... and threads' 3 gate --baseline "$scratch/baseline" --threads 1
like '... saying which' "$(value reason)" 'threads was [0-9]+ and is 1|threads was'
echo '{"schema": "dyno.baseline/1"}' >"$scratch/broken"
exits 'a broken baseline is an error' 1 gate --baseline "$scratch/broken"
sed 's/"seconds": [0-9.e-]*/"seconds": null/' "$scratch/baseline" >"$scratch/empty"
exits 'one without a time is no pass' 3 gate --baseline "$scratch/empty"
done_testing
