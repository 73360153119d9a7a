# SPDX-License-Identifier: GPL-2.0
# Sourced by the interactive shell.

. /mnt/guest/disk.sh

fail() {
	echo "$*" >&2
	return 1
}

# reload NAME [PARAMETER...]: swaps a module for what the host has built last.
reload() {
	if loaded "$1"; then
		rmmod "$1" || return
	fi
	load "$@" && echo "$1 loaded from $file"
}

alias poweroff='sync; /bin/poweroff -f'
PS1='guest# '
cat <<END

The host's build tree is /mnt/obj, tests/guest is /mnt/guest; both are read live. The disk keeps its data.

  reload MODULE       load a module, or replace it by what was built last: $DRIVER, or virtio_blk for the C driver;
                      the one that is loaded first takes the disk
  lsblk, fio, mkfs.ext4, mkfs.xfs, blkdiscard and others are there; dmesg shows what the kernel says
  poweroff            leave; so does Ctrl-A X

END
