# bash completion for dyno
_dyno() {
  local cur prev words cword
  _init_completion || return
  local verb=${words[1]-} sub=${words[2]-}
  if [ "$cword" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(dyno --help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p') --help --version" -- "$cur")
    return
  fi
  case $prev in
  -i | --isa)
    mapfile -t COMPREPLY < <(compgen -W 'ref avx2 avx512 avx512vnni avx512bf16' -- "$cur")
    return
    ;;
  --trace)
    if [ "$verb" = cache ]; then
      mapfile -t COMPREPLY < <(compgen -f -W 'chat chats documents edits mixed one-shots' -- "$cur")
      return
    fi
    _filedir
    return
    ;;
  --profile)
    mapfile -t COMPREPLY < <(compgen -W 'quick standard full' -- "$cur")
    return
    ;;
  --preset)
    mapfile -t COMPREPLY < <(compgen -W 'short long batch interactive' -- "$cur")
    return
    ;;
  --case)
    mapfile -t COMPREPLY < <(compgen -W 'questions explanations essays code translation' -- "$cur")
    return
    ;;
  --pool)
    mapfile -t COMPREPLY < <(compgen -W 'spin mutex' -- "$cur")
    return
    ;;
  --huge-pages)
    mapfile -t COMPREPLY < <(compgen -W 'load background off' -- "$cur")
    return
    ;;
  --cache)
    mapfile -t COMPREPLY < <(compgen -W 'on off l1 l2 l1,l2 l2,l3' -- "$cur")
    return
    ;;
  --defragment)
    mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
    return
    ;;
  --as)
    mapfile -t COMPREPLY < <(compgen -W 'gbench bmf gha pyperf llama-bench junit csv md' -- "$cur")
    return
    ;;
  --alloc)
    mapfile -t COMPREPLY < <(compgen -W 'buddy malloc' -- "$cur")
    return
    ;;
  --alloc-checks)
    mapfile -t COMPREPLY < <(compgen -W 'off on' -- "$cur")
    return
    ;;
  --pages)
    mapfile -t COMPREPLY < <(compgen -W 'huge small' -- "$cur")
    return
    ;;
  --numa)
    mapfile -t COMPREPLY < <(compgen -W 'rows off' -- "$cur")
    return
    ;;
  --prefetch)
    mapfile -t COMPREPLY < <(compgen -W 'off embedding experts on' -- "$cur")
    return
    ;;
  --kv)
    mapfile -t COMPREPLY < <(compgen -W 'auto bf16 f32 int8' -- "$cur")
    return
    ;;
  --quant | --to)
    mapfile -t COMPREPLY < <(compgen -W 'none int8 int4 int4-search int4-zero int4-zero-search mxfp4 mxfp4-search' -- "$cur")
    return
    ;;
  --counters)
    if [ "$verb" = bench ]; then
      mapfile -t COMPREPLY < <(compgen -W 'default none instructions cycles branch-misses cache-misses page-faults task-clock' -- "$cur")
      return
    fi
    ;;
  --claim)
    mapfile -t COMPREPLY < <(compgen -W "$(dyno ablate --list 2>/dev/null | sed -nE 's/^([a-z0-9]+-[a-z0-9-]+) .*/\1/p')" -- "$cur")
    return
    ;;
  --metric)
    mapfile -t COMPREPLY < <(compgen -W 'decode prefill overall' -- "$cur")
    return
    ;;
  --load)
    mapfile -t COMPREPLY < <(compgen -W 'quiet stress both' -- "$cur")
    return
    ;;
  --a | --b)
    mapfile -t COMPREPLY < <(compgen -S = -W 'model precision kv rope logits prefetch quant batch pool huge-pages numa alloc alloc-checks cache cache-size cache-file cache-threshold defragment ablate isa threads plugin kernel tuned' -- "$cur")
    compopt -o nospace
    return
    ;;
  --ablate)
    mapfile -t COMPREPLY < <(compgen -W 'sinks window yarn' -- "$cur")
    return
    ;;
  --families)
    mapfile -t COMPREPLY < <(compgen -W 'essays explanations lookup programs questions translation' -- "$cur")
    return
    ;;
  -P | --plugin | -T | --tuned | -o | --output | --folded | --record | --csv | --plot | --log | --verify | --model | --vocab | --shapes | --a-bin | --b-bin | --base | --baseline | --save-baseline | --summary | --junit | --md | --forest | --heldout | --text | --cases | --output-dir | --resume | --ledger | --folder | --calibrate | --plan | --save-plan | --store | --against)
    _filedir
    return
    ;;
  esac
  if [ "$verb" = memory ] && [ "$cword" -eq 2 ] && [[ $cur != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'replay fragmentation' -- "$cur")
    return
  fi
  if [ "$verb" = kernels ] && [ "$cword" -eq 2 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'list check bench --help' -- "$cur")
    return
  fi
  if [[ $cur == -* ]]; then
    local -a command=(dyno "$verb")
    [ "$verb" = kernels ] && command+=("$sub")
    [ "$verb" = memory ] && [[ $sub == replay || $sub == fragmentation ]] && command+=("$sub")
    mapfile -t COMPREPLY < <(compgen -W "$("${command[@]}" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)" -- "$cur")
  else
    _filedir
  fi
} && complete -F _dyno dyno
