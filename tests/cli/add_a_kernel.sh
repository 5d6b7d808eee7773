#!/bin/sh
# Does what docs/add-a-kernel.md says, to the letter, in a copy of the tree: the variant must be
# listed and must pass its check.
. "${0%/*}/tap.sh"
page=$top_srcdir/docs/add-a-kernel.md
kernel=matmul_f32_f32_m4__avx2
plan 6

case $(uname -m) in
x86_64) ;;
*) skip 'the example is for x86-64' 6 && done_testing ;;
esac

# A copy of what a release has; and of what a build in the tree has made of it, so that only what the
# page changes is compiled anew.
copy=$scratch/dyno
mkdir "$copy"
if [ "$top_srcdir" = "$top_builddir" ]; then
  built='Makefile config.h config.status libtool stamp-h1 dyno.pc libdyno.sym'
else
  built='--exclude=*.o --exclude=*.lo --exclude=*.la --exclude=.libs --exclude=.deps'
fi
# shellcheck disable=SC2086
(cd "$top_srcdir" && tar -cf - --exclude='tests/unit/*_test' --exclude='tests/*/*.o' --exclude='tests/fuzz/*_fuzz' $built \
  kernels runtime harness testcases plots tests docs m4 build-aux configure configure.ac aclocal.m4 \
  config.h.in Makefile.am Makefile.in dyno.pc.in README.md HACKING.md NEWS.md LICENSE GNUmakefile bootstrap \
  .clang-format .editorconfig) | (cd "$copy" && tar -xf -)
chmod -R u+w "$copy"

# The fenced blocks: "```c FILE" is a new file, "```diff FILE" adds its + lines after the line that
# comes before them.
apply() {
  awk -v root="$copy/" '
    function insert_after(file, anchor, added,   line, text, done) {
      while ((getline line < file) > 0) {
        text = text line "\n"
        if (!done && line == anchor) { text = text added; done = 1 }
      }
      close(file)
      if (!done) { print "no such line in " file ": " anchor; failed = 1; exit 1 }
      printf "%s", text > file
      close(file)
    }
    /^```(c|diff) / { kind = $1 == "```c" ? "new" : "edit"; file = root $2; anchor = added = ""; next }
    /^```/ && kind == "edit" { insert_after(file, anchor, added) }
    /^```/ { if (kind == "new") close(file); kind = ""; next }
    kind == "new" { print > file }
    kind == "edit" && /^\+/ { added = added substr($0, 2) "\n"; next }
    kind == "edit" { anchor = substr($0, 2) }
    END { exit failed }' "$page"
}
ok 'the steps can be followed' apply

# Quickly compiled where there was no build to go on from: only the result counts.
build() {
  if [ "$top_srcdir" = "$top_builddir" ]; then
    cd "$copy" && make -s -j2 dyno
  else
    mkdir "$copy/build" && cd "$copy/build" &&
      ../configure --quiet --disable-shared --without-criterion CC="$CC" CFLAGS=-O0 &&
      make -s -j2 dyno
  fi
}
(build) >"$scratch/log" 2>&1
is 'the tree builds' "$?" 0 || diag "$(tail -n 20 "$scratch/log")"
changed=$copy/dyno
[ -x "$changed" ] || changed=$copy/build/dyno

like 'list finds the variant' "$("$changed" kernels list)" "$kernel"
if "$changed" kernels list --isa=avx2 >/dev/null 2>&1; then
  ok 'it passes its check' "$changed" kernels check --quick --kernel="$kernel"
  like 'and did run' "$("$changed" kernels check --quick --kernel="$kernel")" "$kernel .*ok"
else
  skip 'this CPU lacks AVX2' 2
fi
like 'forcing it by a part of its name is explained' \
  "$("$changed" kernels list --why --kernel=matmul=f32_f32_m4 2>&1)" "$kernel"
done_testing
