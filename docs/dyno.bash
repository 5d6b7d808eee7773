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
  --pool)
    mapfile -t COMPREPLY < <(compgen -W 'spin mutex' -- "$cur")
    return
    ;;
  --huge-pages)
    mapfile -t COMPREPLY < <(compgen -W 'load background off' -- "$cur")
    return
    ;;
  --numa)
    mapfile -t COMPREPLY < <(compgen -W 'rows off' -- "$cur")
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
  -P | --plugin | -T | --tuned | -o | --output | --folded | --trace | --verify | --model | --vocab | --shapes | --heldout | --text)
    _filedir
    return
    ;;
  esac
  if [ "$verb" = kernels ] && [ "$cword" -eq 2 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'list check bench --help' -- "$cur")
    return
  fi
  if [[ $cur == -* ]]; then
    local -a command=(dyno "$verb")
    [ "$verb" = kernels ] && command+=("$sub")
    mapfile -t COMPREPLY < <(compgen -W "$("${command[@]}" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)" -- "$cur")
  else
    _filedir
  fi
} && complete -F _dyno dyno
