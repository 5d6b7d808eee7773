#!/bin/sh
# dyno selftest: finds what was put in, keeps every gate in a log, and goes on where it stopped.
# shellcheck disable=SC2016
. "${0%/*}/tap.sh"
json=$scratch/selftest.json
log=$scratch/log.jsonl
value() { "$top_builddir/tests/cli/json_value" "$json" "$@"; }
selftest() {
  "$DYNO" selftest --model mini --threads 1 --tokens 2 --cases questions --log "$log" "$@" -o "$json"
}
count() { wc -l <"$log"; }

ok 'the gate can test itself' selftest --trials 1 --drops 60,80
is '... with a cell for each drop' "$(value cells)" 2
is '... the large one is seen' "$(value cells/1/verdicts/regression)" 1
is '... the smaller one too' "$(value cells/0/verdicts/regression)" 1
like '... the table has both' "$output" '^ *80 % +none of ours +1 +0 +1 +0 '
like '... and says on what' "$output" ', 1 threads: 2 tokens of questions, tolerance 2 %, effect 5 %, threads=1$'
is 'every gate is a line' "$(count)" 2
ok 'what is there is not run again' selftest --trials 1 --drops 60,80
is '... and no line added' "$(count)" 2
printf '{"schema": "dyno.selftest.trial/1", "star' >>"$log"
ok 'a line that a crash cut off is run again' selftest --trials 2 --drops 80
is '... and the log is whole' "$(count) $(value cells/1/gates)" '3 2'
ok 'another label is another sample' selftest --trials 1 --drops 80 --label busy
is '... of its own' "$(value cells)" 3
ok 'the log alone gives the table' "$DYNO" selftest --report --log "$log" --markdown
like '... as Markdown' "$output" '^\| 80 % \| none of ours \| 2 \| 0 \| 2 \|'
exits '... but not without one' 2 "$DYNO" selftest --report
echo nonsense >>"$log"
exits 'a broken log is an error' 1 "$DYNO" selftest --report --log "$log"
like '... by line' "$output" 'log.jsonl:5: no trial of a gate'

# What is published is what was measured.
published=$top_srcdir/docs/results/selftest.jsonl
if [ -e "$published" ]; then
  "$DYNO" selftest --report --markdown --log "$published" >"$scratch/table"
  sed -n '/^<!-- selftest: begin/,/^<!-- selftest: end/p' "$top_srcdir/docs/gate.md" | sed '/^<!--/d;/^$/d' >"$scratch/printed"
  sed '/^$/d' "$scratch/table" >"$scratch/wanted"
  ok 'the table in docs/gate.md is that of the log' cmp "$scratch/wanted" "$scratch/printed"
else
  skip 'no campaign was published' 1
fi
done_testing
