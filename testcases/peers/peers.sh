#!/bin/bash
# Measures dyno beside its peers on the same weights, in turns, and prints a Markdown table.
#
# The peers are programs that you built or installed yourself: llama-bench of llama.cpp and of
# ik_llama.cpp, or anything that takes its options and prints its JSON. Nothing is built or fetched
# here. docs/measuring.md says how to get them and how to read the table.
#
# Every engine is a process of its own, one at a time: a model may fit into memory only once. A
# round has one run of every engine at every number of threads, in an order that is turned from
# round to round. What an engine printed is kept; a run whose output is there already is not
# repeated, so that an interrupted benchmark goes on where it was.
set -euo pipefail

usage() {
  cat <<'END'
usage: peers.sh -m MODEL.gguf [-d DYNO_MODEL] [-o FOLDER] [-t THREADS] [-r ROUNDS]
                [-p PROMPT_TOKENS] [-n DECODE_TOKENS] [-w COMMAND]
  -m  the GGUF file that all engines open
  -d  what dyno opens instead: the same weights packed (dyno pack)
  -o  where output is kept (peers-results); give the same folder again to go on
  -t  numbers of threads, with commas between (1,2)
  -r  rounds (5)
  -p  tokens of the prefill (512)
  -n  tokens of the decode (64)
  -w  a command to run every engine by: numactl, nice, a lock
environment:
  DYNO         the dyno program (dyno)
  IK_BENCH     llama-bench of ik_llama.cpp; without it that engine is left out
  LLAMA_BENCH  llama-bench of llama.cpp; likewise
  DYNO_FLAGS, IK_FLAGS (-rtr 1 -fa 1 -fmoe 1), LLAMA_FLAGS   more options of each
END
}

die() {
  echo "peers.sh: $*" >&2
  exit 1
}

model='' dyno_model='' folder=peers-results threads=1,2 rounds=5 prompt=512 decode=64 wrap=''
while getopts m:d:o:t:r:p:n:w:h option; do
  case $option in
  m) model=$OPTARG ;;
  d) dyno_model=$OPTARG ;;
  o) folder=$OPTARG ;;
  t) threads=$OPTARG ;;
  r) rounds=$OPTARG ;;
  p) prompt=$OPTARG ;;
  n) decode=$OPTARG ;;
  w) wrap=$OPTARG ;;
  h)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
  esac
done
if [ -z "$model" ] || [ $# -ge "$OPTIND" ]; then
  usage >&2
  exit 2
fi
[[ $threads =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ ]] || die "-t $threads: numbers with commas between are wanted"
for number in "$rounds" "$prompt" "$decode"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || die "$number: a number from 1 is wanted"
done
[ -r "$model" ] || die "cannot read $model"
command -v jq >/dev/null || die 'jq is missing, which reads the JSON of the engines'
: "${DYNO:=dyno}" "${IK_FLAGS:=-rtr 1 -fa 1 -fmoe 1}" "${LLAMA_FLAGS:=}" "${DYNO_FLAGS:=}"
command -v "$DYNO" >/dev/null || die "$DYNO: no such program; DYNO names it"

engines=(dyno)
for name in IK_BENCH LLAMA_BENCH; do
  [ -n "${!name:-}" ] || continue
  [ -x "${!name}" ] || die "$name=${!name}: no such program"
  engines+=("${name%_BENCH}")
done
[ ${#engines[@]} -gt 1 ] || echo 'peers.sh: neither IK_BENCH nor LLAMA_BENCH is set: dyno is measured alone' >&2
mkdir -p "$folder"

# What the runs were made with must not change between two of them.
conditions="model=$model dyno_model=${dyno_model:-$model} prompt=$prompt decode=$decode
dyno: $("$DYNO" --version) $DYNO_FLAGS
IK: ${IK_BENCH:-none} $IK_FLAGS
LLAMA: ${LLAMA_BENCH:-none} $LLAMA_FLAGS"
if [ -e "$folder/conditions" ]; then
  [ "$(cat "$folder/conditions")" = "$conditions" ] ||
    die "$folder holds runs under other conditions ($folder/conditions): take another folder with -o"
else
  printf '%s\n' "$conditions" >"$folder/conditions"
fi

run_engine() { # engine, threads, file to print to
  local flags wrapper
  read -ra wrapper <<<"$wrap"
  case $1 in
  dyno)
    read -ra flags <<<"$DYNO_FLAGS"
    ${wrapper[@]+"${wrapper[@]}"} "$DYNO" profile --model "${dyno_model:-$model}" --threads "$2" --rounds 1 \
      --prompt-tokens "$prompt" --decode-tokens "$decode" --depth 0 --json ${flags[@]+"${flags[@]}"} >"$3"
    ;;
  IK) # warms up with one token only, so that the first repetition is cold
    read -ra flags <<<"$IK_FLAGS"
    ${wrapper[@]+"${wrapper[@]}"} "$IK_BENCH" -m "$model" -t "$2" -p "$prompt" -n "$decode" -r 2 -o json \
      ${flags[@]+"${flags[@]}"} >"$3"
    ;;
  LLAMA) # warms up with the whole prompt
    read -ra flags <<<"$LLAMA_FLAGS"
    ${wrapper[@]+"${wrapper[@]}"} "$LLAMA_BENCH" -m "$model" -t "$2" -p "$prompt" -n "$decode" -r 1 -o json \
      ${flags[@]+"${flags[@]}"} >"$3"
    ;;
  esac
}

# One line of JSON for each phase: {engine, threads, round, phase, rate} and of dyno the bytes that a
# token needs and the read ceiling. Of several repetitions the last one counts.
read_result() { # engine, threads, round, file
  if [ "$1" = dyno ]; then
    jq -c --argjson threads "$2" --argjson round "$3" '
      if .interrupted then error("interrupted") else . end | .runs[0].phases[] |
      {engine: "dyno", threads: $threads, round: $round, phase, rate: .rounds[0].tokens_per_second,
       bytes: .bytes_per_token, read: .rounds[0].read_bytes_per_second.all_threads}' "$4"
  else
    # Some builds print remarks between the lines of their JSON.
    grep -E '^(\[|\]|  [{}],?|    ".*)$' "$4" |
      jq -ec --arg engine "$1" --argjson threads "$2" --argjson round "$3" \
        --argjson prompt "$prompt" --argjson decode "$decode" '
        [.[] | select(.n_prompt == $prompt and .n_gen == 0 or .n_prompt == 0 and .n_gen == $decode) |
         {engine: $engine, threads: $threads, round: $round,
          phase: (if .n_gen == 0 then "prefill" else "decode" end), rate: .samples_ts[-1]}] |
        if length == 2 then .[] else error("a prefill and a decode were wanted") end'
  fi
}

run_once() { # engine, threads, round
  local file=$folder/$1-t$2-r$3.json start=$SECONDS
  if [ ! -e "$file" ]; then
    printf '%s: round %s, %s thread(s): %s ... ' "$(date +%T)" "$3" "$2" "$1" >&2
    if ! run_engine "$1" "$2" "$file.part" 2>"$file.log"; then
      echo failed >&2
      tail -n 5 "$file.log" >&2
      die "$1 failed: $file.log has all of what it said"
    fi
    read_result "$1" "$2" "$3" "$file.part" >/dev/null || die "cannot understand what $1 printed: $file.part"
    mv "$file.part" "$file"
    echo "$((SECONDS - start)) s" >&2
  fi
  read_result "$1" "$2" "$3" "$file"
}

results=$folder/results.jsonl
: >"$results"
for ((round = 1; round <= rounds; round++)); do
  for count in ${threads//,/ }; do
    for ((i = 0; i < ${#engines[@]}; i++)); do
      run_once "${engines[(i + round - 1) % ${#engines[@]}]}" "$count" "$round" >>"$results"
    done
  done
done

# Ratios and shares are taken within a round, and their median over the rounds.
jq -rs --arg ik "$IK_FLAGS" --arg llama "$LLAMA_FLAGS" '
  def median: sort | if length % 2 == 1 then .[length / 2 | floor]
    else (.[length / 2 - 1] + .[length / 2]) / 2 end;
  def digits(n): . * pow(10; n) | round / pow(10; n) | tostring;
  def rate: if . >= 100 then digits(0) elif . >= 10 then digits(1) else digits(2) end;
  def named: {dyno: "dyno", IK: "ik_llama.cpp \($ik)", LLAMA: "llama.cpp \($llama)"}[.] | rtrimstr(" ");
  . as $all |
  ["| threads | phase | engine | median, tokens/s | lowest | highest | dyno is | of the read ceiling |",
   "|--:|---|---|--:|--:|--:|--:|--:|"][],
  ([.[] | [.threads, .phase]] | unique | sort_by(.[0], (.[1] == "decode")) | .[] as [$threads, $phase] |
    [$all[] | select(.threads == $threads and .phase == $phase)] as $these |
    ([$these[] | select(.engine == "dyno") | {key: "\(.round)", value: .}] | from_entries) as $dyno |
    ("dyno", "IK", "LLAMA") as $engine |
    [$these[] | select(.engine == $engine)] | select(length > 0) |
    ([.[].rate] | median) as $median |
    ([.[] | $dyno["\(.round)"].rate / .rate] | median) as $ratio |
    ([.[] | .rate * $dyno["\(.round)"].bytes / $dyno["\(.round)"].read] | median) as $share |
    "| \($threads) | \($phase) | \($engine | named) | \($median | rate) | \([.[].rate] | min | rate) | \([.[].rate] | max | rate) | \(
      if $engine == "dyno" then "" else "\($ratio | digits(2)) ×" end) | \(
      if $phase == "decode" then "\($share * 100 | digits(1)) %" else "" end) |")
' "$results" | tee "$folder/results.md"
