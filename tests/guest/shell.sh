# SPDX-License-Identifier: GPL-2.0
# Sourced by the interactive shell.

. /mnt/guest/disk.sh

fail() {
	echo "$*" >&2
	return 1
}

# reload NAME [PARAMETER...]: swaps a module for what the host has built last.
reload() {
	module=$(echo "$1" | tr - _)
	shift
	if loaded "$module"; then
		rmmod "$module" || return
	fi
	load "$module" "$@" && echo "$module loaded from $found_file"
}

# User-mode Linux starts again on a reboot; QEMU is told to exit then.
if grep -q '^vendor_id.*User Mode Linux' /proc/cpuinfo; then
	IS_UML=1
	alias poweroff='sync; poweroff -f'
else
	IS_UML=
	alias poweroff='sync; reboot -f'
fi
# Busybox would take its own before these.
for tool in /sbin/*; do
	alias "${tool##*/}=$tool"
done
PS1='guest# '
if [ -n "$MODULES" ]; then
	DRIVER=${MODULES%%,*}
	cd /mnt/modules || return
	cat <<END

/mnt/modules has what the host builds of the project outside of the tree: $(echo *.ko)

  insmod $DRIVER.ko; dmesg | tail; rmmod $DRIVER
END
fi
cat <<END

The host's build tree is /mnt/obj, tests/guest is /mnt/guest; both are read live.

  reload MODULE       load a module, or replace it by what was built last: $DRIVER, or virtio_blk for the C driver;
END
if [ "$IS_UML" ]; then
	cat <<END
                      the one that is loaded first takes the disk; rust_virtio_rng for the entropy device
  lsblk, fio, mkfs.ext4, blkdiscard and others are there; dmesg shows what the kernel says
  poweroff            leave

END
else
	cat <<END
                      the one that is loaded first takes the disk, which keeps its data; e1000_rs or e1000 for the
                      network card
  lsblk, fio, mkfs.ext4, blkdiscard and others are there; dmesg shows what the kernel says
  poweroff            leave; so does Ctrl-A X

END
fi
