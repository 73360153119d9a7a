# SPDX-License-Identifier: GPL-2.0
# What `make test` does in the guest. Each function is a case; the first command that fails makes it fail.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

disk=/dev/__name__0

there_is_a_disk_of_the_size_that_was_asked_for() {
	load __name__ size_mib=24
	wait_for 10 [ -b "$disk" ]
	[ "$(blockdev --getsize64 "$disk")" -eq $((24 << 20)) ]
}

what_is_written_can_be_read() {
	dd if=/bin/busybox of=/tmp/part bs=64k count=8
	dd if=/tmp/part of="$disk" bs=64k seek=3 conv=fsync
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$disk" bs=64k skip=3 count=8 | cmp - /tmp/part
}

a_file_system_works() {
	mkfs.ext4 -q -F "$disk"
	mkdir -p /tmp/disk
	mount -t ext4 "$disk" /tmp/disk
	cp /bin/busybox /tmp/disk/
	umount /tmp/disk
	mount -t ext4 "$disk" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
}

it_unloads() {
	unload __name__
	[ ! -e "$disk" ]
}

cases there_is_a_disk_of_the_size_that_was_asked_for what_is_written_can_be_read a_file_system_works it_unloads
