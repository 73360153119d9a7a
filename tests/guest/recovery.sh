# SPDX-License-Identifier: GPL-2.0
# Devices that fail under fio, on PCI: the disk goes on by itself, or its requests end.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/function.sh

the_module_loads() {
	load "$DRIVER"
	wait_for 10 disk_of main
	host plug spare
	wait_for 20 disk_of spare
	for disk in main spare; do
		look_soon $disk 2000
	done
}

# pcie_of FUNCTION: where its PCI Express capability is.
pcie_of() {
	at=$(($(config_read "$1" 52) & 255))
	while [ "$at" -ne 0 ]; do
		header=$(config_read "$1" $at)
		if [ $((header & 255)) -eq 16 ]; then
			echo $at
			return 0
		fi
		at=$((header >> 8))
	done
	return 1
}

# What block/011 of blktests does.
bus_mastering_can_be_switched_off_and_on_under_load() {
	devices_may_fail
	function=$(function_of main)
	command=$(config_read "$function" $COMMAND)
	[ $((command & MASTER)) -ne 0 ]
	start_fio main
	turns=0
	# Between two rounds of fio nothing is asked of the disk, and nothing fails.
	until [ $turns -ge "$TOGGLES" ] && [ "$(recoveries main)" -gt 0 ]; do
		[ $turns -lt $((TOGGLES * 10)) ] || fail "nothing failed"
		before=$(written "$busy_disk")
		config_write "$function" $COMMAND $((command & ~MASTER))
		sleep 0.5
		config_write "$function" $COMMAND "$command"
		wait_for 120 was_written "$busy_disk" "$before"
		turns=$((turns + 1))
	done
	stop_fio
	note "$turns times, $(recoveries main) recoveries, $rounds round(s) of fio"
	anew main 2000
}

# recover_busy_disk: under fio, it may not read or write memory any more, and is recovered.
recover_busy_disk() {
	devices_may_fail
	function=$(function_of main)
	command=$(config_read "$function" $COMMAND)
	was=$(recoveries main)
	start_fio main
	before=$(written "$busy_disk")
	config_write "$function" $COMMAND $((command & ~MASTER))
	wait_for 60 has_recovered main "$was"
}

bus_mastering_that_stays_off_is_switched_on() {
	recover_busy_disk
	wait_for 60 was_written "$busy_disk" "$before"
	[ "$(config_read "$function" $COMMAND)" -eq "$command" ]
	stop_fio
	anew main 2000
}

# A reset switches the cache on again.
a_cache_that_was_switched_off_stays_so() {
	disk=$(disk_of main)
	echo "write through" >"/sys/block/$disk/cache_type"
	recover_busy_disk
	grep -qx 'write through' "/sys/block/$disk/queue/write_cache"
	grep -qx 'write through' "/sys/block/$disk/cache_type"
	wait_for 60 was_written "$busy_disk" "$before"
	stop_fio
	echo "write back" >"/sys/block/$disk/cache_type"
	grep -qx 'write back' "/sys/block/$disk/queue/write_cache"
	anew main 2000
}

# A device that nobody can tell to stop goes on with what it has, and buffers are given back.
a_disk_whose_registers_are_off_is_reset_when_its_driver_leaves() {
	devices_may_fail
	function=$(function_of main)
	device=$(virtio_of main)
	command=$(config_read "$function" $COMMAND)
	config_write "$function" $COMMAND $((command & ~DECODES))
	unbind "$DRIVER" main
	config_write "$function" $COMMAND "$command"
	# The bus acknowledges a device that was reset.
	[ "$(cat "$VIRTIO/devices/$device/status")" = 0x00000001 ]
	bind "$DRIVER" main
	wait_for 10 disk_of main
	touch_disk "$(disk_of main)"
	look_soon main 2000
}

DEVICE_CONTROL=8
FUNCTION_RESET=32768

# Registers, interrupts, queues: all of it is gone at once.
a_function_reset_that_nobody_announced_is_survived() {
	devices_may_fail
	function=$(function_of spare)
	control=$(($(pcie_of "$function") + DEVICE_CONTROL))
	was=$(recoveries spare)
	start_fio spare
	before=$(written "$busy_disk")
	config_write "$function" $control $(($(config_read "$function" $control) | FUNCTION_RESET))
	wait_for 60 has_recovered spare "$was"
	wait_for 60 was_written "$busy_disk" "$before"
	stop_fio
	note "$rounds round(s) of fio"
}

two_lines_in_the_log_tell_of_a_recovery() {
	device=$(virtio_of spare)
	dmesg >/tmp/log
	grep "$device: starting over, as it" /tmp/log
	grep "$device: works again after [0-9]* ms, with [0-9]* buffers to be used again" /tmp/log
}

# A disk that takes its time is not one that has failed.
a_slow_disk_is_waited_for() {
	was=$(recoveries main)
	disk=$(disk_of main)
	host throttle main iops 2
	fio --name=slow --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randwrite --bs=4k \
		--iodepth=16 --number_ios=20 --size=4m --verify=crc32c --do_verify=0 --output=/tmp/slow.out
	host throttle main off
	[ "$(recoveries main)" -eq "$was" ]
	dmesg | grep "$(virtio_of main): [0-9]* requests wait for the device, the first one for [0-9]* s"
	[ "$(dmesg | grep -c 'requests wait for the device')" -eq 1 ]
}

SLOT_CONTROL=24
# Indicator and controller of the power, both off.
POWER_OFF=1792

# Nobody tells the hot-plug driver: it has not switched the power off.
a_slot_that_loses_its_power_ends_what_waits() {
	devices_may_fail
	function=$(function_of spare)
	port=$(dirname "$function")
	control=$(($(pcie_of "$port") + SLOT_CONTROL))
	disk=$(disk_of spare)
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/lost
	mount -t ext4 "/dev/$disk" /tmp/lost
	file_systems_may_complain
	before=$(written "$disk")
	fio --name=loser --filename=/tmp/lost/file --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
		--iodepth=32 --time_based --runtime=600 --size=16m --output=/tmp/lost.out &
	loser=$!
	wait_for 60 was_written "$disk" "$before"
	config_write "$port" $control $(($(config_read "$port" $control) | POWER_OFF))
	begun=$(date +%s)
	refused wait $loser
	took=$(($(date +%s) - begun))
	[ "$took" -le 20 ]
	umount /tmp/lost
	[ $(($(date +%s) - begun)) -le 20 ]
	# The disk has no sectors any more, and nothing is waited for when the device is removed.
	[ "$(cat "/sys/block/$disk/size")" -eq 0 ]
	begun=$(date +%s)
	[ ! -e "$function/remove" ] || echo 1 >"$function/remove"
	not virtio_of spare
	[ $(($(date +%s) - begun)) -le 20 ]
	note "$took s"
}

the_other_disk_goes_on() {
	touch_disk "$(disk_of main)"
	unload "$DRIVER"
}

cases the_module_loads bus_mastering_can_be_switched_off_and_on_under_load \
	bus_mastering_that_stays_off_is_switched_on a_cache_that_was_switched_off_stays_so \
	a_disk_whose_registers_are_off_is_reset_when_its_driver_leaves \
	a_function_reset_that_nobody_announced_is_survived \
	two_lines_in_the_log_tell_of_a_recovery a_slow_disk_is_waited_for a_slot_that_loses_its_power_ends_what_waits \
	the_other_disk_goes_on
