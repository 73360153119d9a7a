# SPDX-License-Identifier: GPL-2.0
# A disk is taken from its driver and given back, idle and busy, while a second disk goes on working.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	wait_for 10 disk_of main
	wait_for 10 disk_of other
}

a_disk_survives_unbind_and_bind_with_fio_between() {
	for loop in $(seq "$LOOPS"); do
		unbind "$DRIVER" main
		refused disk_of main
		bind "$DRIVER" main
		wait_for 10 disk_of main
		touch_disk "$(disk_of main)"
	done
	note "$LOOPS times"
}

a_busy_disk_can_be_unbound() {
	for loop in $(seq "$BUSY_LOOPS"); do
		disk=$(disk_of main)
		before=$(written "$disk")
		# Without verification: this fio is meant to lose its disk.
		fio --name=busy --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
			--iodepth=32 --time_based --runtime=600 --size=64m --output=/tmp/busy.out &
		busy=$!
		wait_for 60 was_written "$disk" "$before"
		unbind "$DRIVER" main
		refused wait $busy
		refused disk_of main
		bind "$DRIVER" main
		wait_for 10 disk_of main
	done
	touch_disk "$(disk_of main)"
	note "$BUSY_LOOPS times"
}

# What can be read through descriptor 5.
read_open_disk() {
	dd bs=64k count=1 <&5
}

an_open_disk_outlives_its_device() {
	old=$(disk_of main)
	exec 5<"/dev/$old"
	[ "$(read_open_disk | wc -c)" -eq 65536 ]
	unbind "$DRIVER" main
	refused disk_of main
	[ "$(read_open_disk | wc -c)" -eq 0 ]
	# The name is in use until the disk is closed.
	bind "$DRIVER" main
	wait_for 10 disk_of main
	[ "$(disk_of main)" != "$old" ]
	touch_disk "$(disk_of main)"
	exec 5<&-
	unbind "$DRIVER" main
	bind "$DRIVER" main
	wait_for 10 disk_of main
	[ "$(disk_of main)" = "$old" ]
	note "$old"
}

a_mounted_disk_can_be_unbound() {
	disk=$(disk_of main)
	mkfs.ext4 -q -F "/dev/$disk" 64M
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$disk" /tmp/disk
	cp /bin/busybox /tmp/disk/
	sync
	file_systems_may_complain
	unbind "$DRIVER" main
	refused cp /sbin/mkfs.ext4 /tmp/disk/
	umount /tmp/disk
}

what_was_synced_before_is_there() {
	bind "$DRIVER" main
	wait_for 10 disk_of main
	mount -t ext4 "/dev/$(disk_of main)" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
}

the_other_disk_was_not_disturbed() {
	[ "$(driver_of other)" = "$DRIVER" ]
	touch_disk "$(disk_of other)"
}

a_module_whose_disk_is_open_without_a_device_cannot_be_unloaded() {
	exec 5<"/dev/$(disk_of main)"
	unbind "$DRIVER" main
	unbind "$DRIVER" other
	refused rmmod "$DRIVER"
	loaded "$DRIVER"
	[ "$(read_open_disk | wc -c)" -eq 0 ]
	exec 5<&-
}

the_module_unloads() {
	unload "$DRIVER"
}

cases the_module_loads a_disk_survives_unbind_and_bind_with_fio_between a_busy_disk_can_be_unbound \
	an_open_disk_outlives_its_device a_mounted_disk_can_be_unbound what_was_synced_before_is_there \
	the_other_disk_was_not_disturbed a_module_whose_disk_is_open_without_a_device_cannot_be_unloaded \
	the_module_unloads
