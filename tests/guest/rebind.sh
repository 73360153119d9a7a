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

the_other_disk_was_not_disturbed() {
	[ "$(driver_of other)" = "$DRIVER" ]
	touch_disk "$(disk_of other)"
}

the_module_unloads() {
	unload "$DRIVER"
}

cases the_module_loads a_disk_survives_unbind_and_bind_with_fio_between a_busy_disk_can_be_unbound \
	the_other_disk_was_not_disturbed the_module_unloads
