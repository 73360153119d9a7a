# SPDX-License-Identifier: GPL-2.0
# A module that is loaded and unloaded many times, with I/O each time.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

a_file_is_written() {
	load "$DRIVER"
	wait_for 10 disk_of main
	disk=$(disk_of main)
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$disk" /tmp/disk
	cp /bin/busybox /tmp/disk/
	umount /tmp/disk
}

the_module_survives_unload_and_load() {
	for loop in $(seq "$LOOPS"); do
		unload "$DRIVER"
		refused disk_of main
		refused disk_of other
		load "$DRIVER"
		wait_for 10 disk_of main
		wait_for 10 disk_of other
		dd if="/dev/$(disk_of main)" of=/dev/null bs=64k count=4
	done
	note "$LOOPS times"
}

both_disks_still_work() {
	verify "$(disk_of other)" 2
	mount -t ext4 "/dev/$(disk_of main)" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
}

the_module_unloads() {
	unload "$DRIVER"
}

cases a_file_is_written the_module_survives_unload_and_load both_disks_still_work the_module_unloads
