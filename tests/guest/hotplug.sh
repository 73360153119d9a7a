# SPDX-License-Identifier: GPL-2.0
# A disk is plugged in, grows, and is pulled out, idle and busy, while another one stays.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	wait_for 10 disk_of fixed
	refused disk_of spare
}

gone() {
	! virtio_of spare
}

a_plugged_disk_is_served() {
	host plug spare
	wait_for 20 disk_of spare
	touch_disk "$(disk_of spare)"
}

a_grown_disk_has_its_new_size() {
	disk=$(disk_of spare)
	sectors=$(cat "/sys/block/$disk/size")
	host resize spare $((sectors * 512 * 2))
	wait_for 20 has_sectors "$disk" $((sectors * 2))
	dd if=/dev/zero of="/dev/$disk" bs=64k seek=$((sectors / 128)) count=4 conv=fsync
}

has_sectors() {
	[ "$(cat "/sys/block/$1/size")" -eq "$2" ]
}

a_busy_disk_can_be_pulled_out() {
	disk=$(disk_of spare)
	before=$(written "$disk")
	fio --name=busy --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
		--iodepth=32 \
		--time_based --runtime=600 --size=32m --output=/tmp/busy.out &
	busy=$!
	wait_for 60 was_written "$disk" "$before"
	host unplug spare
	refused wait $busy
	wait_for 20 gone
}

a_disk_survives_plug_and_unplug() {
	for loop in $(seq "$LOOPS"); do
		host plug spare
		wait_for 20 disk_of spare
		touch_disk "$(disk_of spare)"
		host unplug spare
		wait_for 20 gone
	done
	note "$LOOPS times"
}

the_disk_that_stayed_was_not_disturbed() {
	touch_disk "$(disk_of fixed)"
	unload "$DRIVER"
}

cases the_module_loads a_plugged_disk_is_served a_grown_disk_has_its_new_size a_busy_disk_can_be_pulled_out \
	a_disk_survives_plug_and_unplug the_disk_that_stayed_was_not_disturbed
