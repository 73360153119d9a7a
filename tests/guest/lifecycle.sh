# SPDX-License-Identifier: GPL-2.0
# What happens to a disk while fio writes and verifies: its function is reset, it grows, it is pulled out, the machine
# sleeps, and is saved to disk and woken up.

. /mnt/guest/lib.sh
from_memory
. /mnt/guest/disk.sh

the_module_loads() {
	load_module
	refused disk_of spare
}

load_module() {
	load "$DRIVER" poll_queues=1
	wait_for 10 disk_of main
	wait_for 10 disk_of swap
}

a_plugged_disk_is_served() {
	host plug spare
	wait_for 20 disk_of spare
	touch_disk "$(disk_of spare)"
}

a_busy_disk_survives_function_resets() {
	function=$(readlink -f "$VIRTIO/devices/$(virtio_of spare)/..")
	method=$(cat "$function/reset_method")
	start_fio spare
	for loop in $(seq "$RESETS"); do
		before=$(written "$busy_disk")
		echo 1 >"$function/reset"
		# The disk has come back, not only the write to the file.
		wait_for 60 was_written "$busy_disk" "$before"
	done
	stop_fio
	note "$RESETS times by $method, $rounds round(s) of fio"
}

reset_until_told() {
	while [ -e /tmp/resetting ]; do
		echo 1 >"$1"
		echo >>/tmp/resets
	done
}

# A reset waits for the driver to let go of the device, and must not wake up in what was the driver. The core lets a
# driver probe while the function is reset, which fails, so the module is loaded in peace.
the_module_unloads_while_its_device_is_reset() {
	reset=$(readlink -f "$VIRTIO/devices/$(virtio_of spare)/..")/reset
	trap 'rm -f /tmp/resetting' EXIT
	for loop in $(seq "$RESETS"); do
		touch /tmp/resetting
		rm -f /tmp/resets
		reset_until_told "$reset" &
		first=$!
		reset_until_told "$reset" &
		second=$!
		wait_for 60 [ -e /tmp/resets ]
		# So that the module goes right after the last unbind.
		unbind "$DRIVER" main
		unbind "$DRIVER" swap
		unload "$DRIVER"
		rm /tmp/resetting
		wait $first
		wait $second
		load_module
		wait_for 20 disk_of spare
	done
	touch_disk "$(disk_of spare)"
	note "$RESETS times"
}

has_sectors() {
	[ "$(cat "/sys/block/$1/size")" -eq "$2" ]
}

a_busy_disk_grows() {
	start_fio spare
	sectors=$(cat "/sys/block/$busy_disk/size")
	host resize spare $((sectors * 512 * 2))
	wait_for 20 has_sectors "$busy_disk" $((sectors * 2))
	stop_fio
	dd if=/dev/urandom of=/tmp/random bs=64k count=4
	dd if=/tmp/random of="/dev/$busy_disk" bs=64k seek=$((sectors / 128)) oflag=direct
	dd if="/dev/$busy_disk" bs=64k skip=$((sectors / 128)) count=4 iflag=direct of=/tmp/read
	cmp /tmp/random /tmp/read
	note "$sectors to $((sectors * 2)) sectors"
}

a_busy_disk_can_be_pulled_out() {
	disk=$(disk_of spare)
	before=$(written "$disk")
	# Without verification: this fio is meant to lose its disk.
	fio --name=busy --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
		--iodepth=32 --time_based --runtime=600 --size=32m --output=/tmp/lost.out &
	loser=$!
	wait_for 60 was_written "$disk" "$before"
	host unplug spare
	refused wait $loser
	wait_for 20 not virtio_of spare
}

a_disk_survives_plug_and_unplug_while_another_is_busy() {
	start_fio main
	for loop in $(seq "$PLUGS"); do
		host plug spare
		wait_for 20 disk_of spare
		touch_disk "$(disk_of spare)"
		host unplug spare
		wait_for 20 not virtio_of spare
	done
	stop_fio
	note "$PLUGS times, $rounds round(s) of fio on the disk that stayed"
}

# sleep_once STATE: while fio is at work.
sleep_once() {
	echo "$1" >/sys/power/mem_sleep
	sleeps mem
}

a_busy_disk_survives_suspend_to_ram() {
	host wakeup-on-suspend
	start_fio main
	for loop in $(seq "$SLEEPS"); do
		sleep_once deep
	done
	stop_fio
	note "$SLEEPS times, $rounds round(s) of fio"
}

# Whoever polls is frozen first.
a_polled_disk_survives_suspend_to_ram() {
	busy_disk=$(disk_of main)
	before=$(written "$busy_disk")
	fio --name=polled --filename="/dev/$busy_disk" --ioengine=io_uring --hipri --direct=1 --thread --rw=randwrite \
		--bs=4k --iodepth=16 --time_based --runtime=600 --size=32m --output=/tmp/polled.out &
	polling=$!
	trap 'kill $polling' EXIT
	wait_for 60 was_written "$busy_disk" "$before"
	for loop in $(seq "$SLEEPS"); do
		sleep_once deep
		before=$(written "$busy_disk")
		wait_for 60 was_written "$busy_disk" "$before"
	done
	note "$SLEEPS times"
}

# The machine has nothing that would wake it from idle, so the kernel's own test comes back after a second instead.
a_busy_disk_survives_suspend_to_idle() {
	echo platform >/sys/power/pm_test
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
	start_fio main
	for loop in $(seq "$SLEEPS"); do
		sleep_once s2idle
	done
	stop_fio
	echo none >/sys/power/pm_test
	note "$SLEEPS times, $rounds round(s) of fio"
}

# The image goes to a disk of the driver, and the machine is restored from it, without a power cycle between.
a_busy_disk_survives_hibernation() {
	swap=$(disk_of swap)
	mkswap "/dev/$swap"
	swapon "/dev/$swap"
	echo test_resume >/sys/power/disk
	cat "/sys/block/$swap/dev" >/sys/power/resume
	# As small an image as can be.
	echo 0 >/sys/power/image_size
	echo none >/sys/power/pm_test
	start_fio main
	for loop in $(seq "$HIBERNATIONS"); do
		before=$(written "$busy_disk")
		echo disk >/sys/power/state
		wait_for 60 was_written "$busy_disk" "$before"
	done
	stop_fio
	swapoff "/dev/$swap"
	note "$HIBERNATIONS times, $rounds round(s) of fio"
}

the_module_unloads() {
	unload "$DRIVER"
}

# A system with every checker takes minutes for it, so it is not for every change.
hibernation=
[ "$HIBERNATIONS" -eq 0 ] || hibernation=a_busy_disk_survives_hibernation

cases the_module_loads \
	a_plugged_disk_is_served \
	a_busy_disk_survives_function_resets \
	the_module_unloads_while_its_device_is_reset \
	a_busy_disk_grows \
	a_busy_disk_can_be_pulled_out \
	a_disk_survives_plug_and_unplug_while_another_is_busy \
	a_busy_disk_survives_suspend_to_ram \
	a_polled_disk_survives_suspend_to_ram \
	a_busy_disk_survives_suspend_to_idle \
	$hibernation \
	the_module_unloads
