#!/bin/sh
# Boots a guest of two sockets under qemu-system-x86_64, by emulation, so that it needs neither two
# sockets nor a hypervisor; a program in it looks at topology, pinning and page placement. Takes
# about a minute, so it runs by hand and from `make check-nightly`:
#
#   make tests/guest/placement && DYNO_NIGHTLY=1 tests/guest/two_sockets.sh
#
# DYNO_GUEST_KERNEL names the kernel to boot; without it, the newest /boot/vmlinuz-*. Any kernel of
# a distribution will do. On Debian: apt-get install qemu-system-x86 busybox linux-image-cloud-amd64
# or, without installing the kernel, apt-get download linux-image-VERSION-cloud-amd64; dpkg -x.
# DYNO_GUEST_SMP, sockets=2,cores=2,threads=2 by default, is the guest's shape.
. "${0%/*}/../cli/tap.sh"

[ -n "${DYNO_NIGHTLY-}" ] || skip_all 'DYNO_NIGHTLY is not set'
command -v qemu-system-x86_64 >/dev/null || skip_all 'qemu-system-x86_64 is missing'
if command -v cpio >/dev/null; then
  cpio='cpio'
elif command -v busybox >/dev/null && busybox --list | grep -qx cpio; then
  cpio='busybox cpio'
else
  skip_all 'cpio is missing, and busybox too'
fi
case $(uname -m) in
x86_64) ;;
*) skip_all 'the guest is x86-64 like the program, and this machine is not' ;;
esac

kernel=${DYNO_GUEST_KERNEL-}
if [ -z "$kernel" ]; then
  for candidate in /boot/vmlinuz-*; do
    [ -r "$candidate" ] && kernel=$candidate
  done
fi
[ -n "$kernel" ] || skip_all 'no kernel: /boot has none; DYNO_GUEST_KERNEL=FILE names one'
[ -r "$kernel" ] || { echo "Bail out! cannot read $kernel"; exit 99; }

smp=${DYNO_GUEST_SMP:-sockets=2,cores=2,threads=2}
cores=$(expr "$smp" : '.*cores=\([0-9]*\)')
threads=$(expr "$smp" : '.*threads=\([0-9]*\)' || :)
half=$((cores * ${threads:-1}))

# libtool keeps the program itself in .libs where the one in sight is a script.
program=$top_builddir/tests/guest/placement
[ -x "${program%/*}/.libs/placement" ] && program=${program%/*}/.libs/placement

root=$scratch/root
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
cp "$program" "$root/init" || { echo 'Bail out! tests/guest/placement is not built'; exit 99; }
ldd "$program" | sed -nE 's/.*[[:space:]](\/[^ ]+) .*/\1/p' | while read -r library; do
  mkdir -p "$root${library%/*}"
  cp -L "$library" "$root$library"
done
# Some megabytes, so that each thread has pages of its own in most matrices.
"$DYNO" synth tiny --d-model=512 --d-ff=512 --heads=8 --kv-heads=2 --head-dim=64 --experts=8 \
  --vocab-size=8192 --seed=7 -o "$root/model.gguf" >"$scratch/synth" 2>&1 ||
  { diag "$(cat "$scratch/synth")"; echo 'Bail out! no model'; exit 99; }
(cd "$root" && find . | $cpio -o -H newc 2>/dev/null) >"$scratch/initramfs"

# With the other vendor, qemu 7.2 shows no hyper-threads to the guest.
nice -n 19 timeout "${DYNO_GUEST_TIMEOUT:-300}" qemu-system-x86_64 \
  -accel tcg,thread=multi -cpu max,vendor=GenuineIntel -m 1G -smp "$((2 * half)),$smp" \
  -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M \
  -numa node,nodeid=0,memdev=m0,cpus=0-$((half - 1)) \
  -numa node,nodeid=1,memdev=m1,cpus=$half-$((2 * half - 1)) \
  -numa dist,src=0,dst=1,val=21 \
  -kernel "$kernel" -initrd "$scratch/initramfs" -nodefaults -no-user-config -display none \
  -serial "file:$scratch/console" -no-reboot \
  -append "console=ttyS0 quiet panic=-1 cpus=$((2 * half)) cores=$((2 * cores)) nodes=2" \
  >"$scratch/qemu" 2>&1
status=$?

# The guest's own TAP, between the kernel's messages.
tr -d '\r' <"$scratch/console" | grep -E '^(ok|not ok|1\.\.)' >"$scratch/tap"
cat "$scratch/tap"
if [ "$status" -ne 0 ] || ! grep -q '^1\.\.' "$scratch/tap"; then
  diag "the guest did not finish (qemu's exit status is $status):"
  diag "$(cat "$scratch/qemu")"
  diag "$(tail -n 30 "$scratch/console")"
  echo 'Bail out! no result from the guest'
  exit 99
fi
! grep -q '^not ok' "$scratch/tap"
