#!/bin/sh
# The example plug-in, built as a stranger would: against the installed headers, with pkg-config.
. "${0%/*}/tap.sh"
plan 12

installed=$scratch/root
ok 'the headers and dyno.pc install' make -s -C "$top_builddir" DESTDIR="$installed" \
  install-nobase_dynoincludeHEADERS install-pkgconfigDATA
pc=$(find "$installed" -name dyno.pc)
export PKG_CONFIG_PATH="${pc%/dyno.pc}" PKG_CONFIG_SYSROOT_DIR="$installed"
cp -R "$top_srcdir/docs/plug-in-example" "$scratch/plug-in"
chmod -R u+w "$scratch/plug-in"
ok 'the example builds' make -s -C "$scratch/plug-in" CC="${CC%% *}"
plugin=$scratch/plug-in/example.so

ok 'list takes it' "$DYNO" kernels list --plugin "$plugin"
like 'and shows it' "$("$DYNO" kernels list --plugin "$plugin")" 'matmul_f32_f32_n4__example'
ok 'check proves it' "$DYNO" kernels check --quick --plugin "$plugin" --kernel=n4__example
like 'and says so' "$("$DYNO" kernels check --quick --plugin "$plugin" --kernel=n4__example)" \
  'matmul_f32_f32_n4__example .*ok'
like 'bench measures it' "$("$DYNO" kernels bench --plugin "$plugin" --kernel=n4__example --rounds=3 \
  --problem='matmul weight=f32 activation=f32 m=1 n=64 k=64' 2>&1)" 'n4__example'

exits 'a bare name is not searched for' 2 "$DYNO" kernels list --plugin example.so
exits 'a missing file is an error' 1 "$DYNO" kernels list --plugin "$scratch/none.so"

# Variants of the example that must be refused before they can be used.
refused() { # description, sed script, exit status, expected message
  sed "$2" "$top_srcdir/docs/plug-in-example/matmul_f32_f32_n4.c" >"$scratch/plug-in/matmul_f32_f32_n4.c"
  rm -f "$plugin"
  make -s -C "$scratch/plug-in" CC="${CC%% *}" >/dev/null
  "$DYNO" kernels list --plugin "$plugin" >"$scratch/out" 2>&1
  status=$?
  [ "$status" -eq "$3" ] && grep -q "$4" "$scratch/out"
}
ok 'another ABI is refused' refused abi 's/DYNO_KERNEL_ABI/DYNO_KERNEL_ABI + 1/' 1 'kernel interface 3'
ok 'a wrong result is refused' refused wrong 's/j < k; j++/j + 1 < k; j++/' 5 'self-test'
ok 'no symbol is refused' refused symbol 's/dyno_plugin_table dyno_plugin/dyno_plugin_table other_name/' 1 'dyno_plugin'
done_testing
