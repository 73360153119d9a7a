# SPDX-License-Identifier: GPL-2.0
# Upstream's drivers beside ours. ORACLE (the C driver) and DRIVER are loaded together, and one disk goes from the first
# to the second and back.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

both_drivers_load_and_the_first_takes_the_disks() {
	load "$ORACLE"
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
		[ "$(driver_of "$disk")" = "$ORACLE" ]
	done
}

# Whoever serves the disk writes random data of its own, and a file system with a file.
write_all() {
	disk=$(disk_of main)
	dd if=/dev/urandom of=/tmp/raw bs=1M count=16
	sha256sum </tmp/raw >/tmp/raw.sum
	mkfs.ext4 -q -F "/dev/$disk" 64M
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$disk" /tmp/disk
	cp /tmp/raw /tmp/disk/file
	umount /tmp/disk
	dd if=/tmp/raw of="/dev/$disk" bs=1M seek=128 conv=fsync
}

# Whoever serves the disk reads back what was written last.
read_all() {
	disk=$(disk_of main)
	drop_caches
	dd if="/dev/$disk" bs=1M skip=128 count=16 | sha256sum >/tmp/read.sum
	cmp /tmp/raw.sum /tmp/read.sum
	e2fsck -fn "/dev/$disk"
	mount -t ext4 "/dev/$disk" /tmp/disk
	cmp /tmp/raw /tmp/disk/file
	umount /tmp/disk
}

the_driver_reads_what_the_oracle_wrote() {
	write_all
	give "$DRIVER" main
	read_all
}

the_oracle_reads_what_the_driver_wrote() {
	write_all
	give "$ORACLE" main
	read_all
}

disks_of_two_drivers_have_different_names() {
	give "$DRIVER" second
	give "$DRIVER" main
	give "$ORACLE" main
	give "$DRIVER" third
	for disk in $(disk_names); do
		disk_of "$disk"
	done >/tmp/names
	cat /tmp/names
	[ "$(sort -u /tmp/names | wc -l)" -eq 3 ]
	[ "$(driver_of main)" = "$ORACLE" ]
	[ "$(driver_of second)" = "$DRIVER" ]
	for disk in $(disk_names); do
		touch_disk "$(disk_of "$disk")"
	done
	note "$(tr '\n' ' ' </tmp/names)"
}

both_modules_unload() {
	unload "$DRIVER"
	[ "$(driver_of main)" = "$ORACLE" ]
	unload "$ORACLE"
	refused disk_of main
}

cases both_drivers_load_and_the_first_takes_the_disks the_driver_reads_what_the_oracle_wrote \
	the_oracle_reads_what_the_driver_wrote disks_of_two_drivers_have_different_names both_modules_unload
