# SPDX-License-Identifier: GPL-2.0
# What `make run` shows: a driver that serves a disk.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	note "$DRIVER"
}

vda_is_bound_to_the_driver() {
	wait_for 10 [ -b /dev/vda ]
	driver=$(basename "$(readlink /sys/block/vda/device/driver)")
	[ "$driver" = "$DRIVER" ]
	[ "$(cat /sys/block/vda/size)" -eq $((1024 * 2048)) ]
	note "/dev/vda -> $driver, $(blockdev --getsize64 /dev/vda) bytes, $(ls /sys/block/vda/mq | wc -l) queue(s)"
}

mkfs_ext4() {
	mkfs.ext4 -q -F /dev/vda
}

copy_files_and_checksum() {
	mkdir -p /tmp/disk
	mount -t ext4 /dev/vda /tmp/disk
	mkdir /tmp/disk/files
	cp /bin/busybox /sbin/* $(find /lib /usr/lib -name 'lib[a-g]*.so*' | head -n 20) /tmp/disk/files/
	(cd /tmp/disk/files && sha256sum ./*) >/tmp/checksums
	note "$(wc -l </tmp/checksums) files, $(du -sm /tmp/disk/files | cut -f1) MiB"
}

umount_and_fsck() {
	umount /tmp/disk
	drop_caches
	e2fsck -fn /dev/vda
}

remount_and_checksums_agree() {
	mount -t ext4 /dev/vda /tmp/disk
	(cd /tmp/disk/files && sha256sum -c /tmp/checksums)
	umount /tmp/disk
}

fio_verifies_what_it_wrote() {
	start=$(written vda)
	verify vda 4
	note "randrw, 4k 16k 128k, depth 1 and 32, $((($(written vda) - start) / 1048576)) MiB written"
}

fio_measures() {
	export DEV=/dev/vda SECONDS_EACH=2
	fio_job speed
	# One line of results for each job of the table.
	[ "$(grep -c '^3;' /tmp/fio.out)" -eq 5 ]
	while read -r line; do
		say "@fio $line"
	done </tmp/fio.out
}

the_module_unloads() {
	unload "$DRIVER"
	[ ! -e /sys/block/vda ]
}

cases the_module_loads vda_is_bound_to_the_driver mkfs_ext4 copy_files_and_checksum umount_and_fsck \
	remount_and_checksums_agree fio_verifies_what_it_wrote fio_measures the_module_unloads
