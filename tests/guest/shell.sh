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

alias poweroff='sync; reboot -f'
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

The host's build tree is /mnt/obj, tests/guest is /mnt/guest; both are read live. The disk keeps its data.

  reload MODULE       load a module, or replace it by what was built last: $DRIVER, or virtio_blk for the C driver;
                      the one that is loaded first takes the disk; e1000_rs or e1000 for the network card
  lsblk, fio, mkfs.ext4, blkdiscard and others are there; dmesg shows what the kernel says
  poweroff            leave; so does Ctrl-A X

END
