# SPDX-License-Identifier: GPL-2.0
# What the driver has beyond reading and writing: attributes, discards, poll queues, limits.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads_with_a_poll_queue() {
	load "$DRIVER" poll_queues=1
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
}

the_serial_number_is_that_of_the_device() {
	[ "$(cat "/sys/block/$(disk_of main)/serial")" = RS-0042 ]
}

the_cache_type_can_be_read_and_switched() {
	queue=/sys/block/$(disk_of main)
	[ "$(cat "$queue/cache_type")" = 'write back' ]
	echo 'write through' >"$queue/cache_type"
	[ "$(cat "$queue/cache_type")" = 'write through' ]
	[ "$(cat "$queue/queue/write_cache")" = 'write through' ]
	refused sh -c "echo nonsense >$queue/cache_type"
	echo 'write back' >"$queue/cache_type"
	[ "$(cat "$queue/cache_type")" = 'write back' ]
}

the_limits_are_those_of_the_device() {
	queue=/sys/block/$(disk_of main)/queue
	[ "$(cat "$queue/logical_block_size")" -eq 4096 ]
	[ "$(cat "$queue/physical_block_size")" -eq 8192 ]
	[ "$(cat "$queue/minimum_io_size")" -eq 16384 ]
	[ "$(cat "$queue/optimal_io_size")" -eq 65536 ]
	[ "$(cat "$queue/discard_max_hw_bytes")" -gt 0 ]
	[ "$(cat "$queue/write_zeroes_max_bytes")" -gt 0 ]
}

# fill DISK MIB: with noise.
fill() {
	dd if=/dev/urandom of="/dev/$1" bs=1M count="$2" conv=fsync
}

zeroed() {
	drop_caches
	dd if="/dev/$1" bs=1M count="$2" | cmp -n $(($2 * 1048576)) - /dev/zero
}

discarded_blocks_read_as_zeroes() {
	disk=$(disk_of main)
	fill "$disk" 2
	refused zeroed "$disk" 2
	/sbin/blkdiscard -o 0 -l 2M "/dev/$disk"
	zeroed "$disk" 2
}

zeroes_are_written_without_data() {
	disk=$(disk_of main)
	fill "$disk" 2
	# Punching a hole is the only way to write zeroes that does not fall back to writing data.
	/sbin/fallocate --punch-hole --offset 0 --length 2MiB "/dev/$disk"
	zeroed "$disk" 2
}

a_file_system_can_be_trimmed() {
	disk=$(disk_of main)
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$disk" /tmp/disk
	fstrim -v /tmp/disk
	umount /tmp/disk
	e2fsck -fn "/dev/$disk"
}

# read_500 [FIO-OPTION...]: reads 500 blocks and sets `taken` to the number of interrupts that came meanwhile.
read_500() {
	before=$(interrupts "$(virtio_of main)-req")
	fio --name=poll --filename="/dev/$(disk_of main)" --ioengine=io_uring --direct=1 --thread --rw=randread \
		--bs=4k --iodepth=1 --number_ios=500 --size=32m --output=/tmp/poll.out "$@"
	taken=$(($(interrupts "$(virtio_of main)-req") - before))
}

polled_io_takes_no_interrupt() {
	[ "$(cat "/sys/block/$(disk_of main)/queue/io_poll")" -eq 1 ]
	read_500
	plain=$taken
	[ "$plain" -ge 400 ]
	read_500 --hipri
	note "$plain interrupts for 500 requests, $taken when polled"
	# Opening and closing the disk may take some, the requests none.
	[ "$taken" -lt 50 ]
}

# about MODULE: leaves in /tmp/modinfo what the module says of itself. busybox has a modinfo of its own, which looks for
# modules in other places.
about() {
	/sbin/modinfo "$(module_file "$1")" >/tmp/modinfo
	cat /tmp/modinfo
}

# says FIELD PATTERN: what the module says in a field.
says() {
	grep -q "^$1: *$2$" /tmp/modinfo
}

modinfo_tells_what_the_driver_is_for() {
	about "$DRIVER"
	says alias 'virtio:d00000002v\*'
	says license 'GPL v2'
	says description '[^ ].*'
	says author '[^ ].*'
	for parameter in num_request_queues poll_queues queue_depth check_used_len; do
		says parm "$parameter:[^ ].* .*"
	done
	note "$(sed -n 's/^alias: *//p' /tmp/modinfo)"
}

modinfo_tells_what_the_sample_is_for() {
	about rust_virtio_rng
	says alias 'virtio:d00000004v\*'
	says license 'GPL v2'
	says description 'Rust virtio entropy device sample'
	says author '[^ ].*'
	refused says parm '.*'
	note "$(sed -n 's/^alias: *//p' /tmp/modinfo)"
}

an_entropy_device_is_read_by_the_sample() {
	load rust_virtio_rng
	set -- /sys/kernel/debug/rust_virtio_rng-*/random
	[ -e "$1" ] || fail 'the sample serves no device'
	first=$(cat "$1")
	second=$(cat "$1")
	note "$first"
	[ ${#first} -eq 64 ]
	[ "$first" != "$second" ]
	unload rust_virtio_rng
}

a_written_parameter_is_for_devices_bound_later() {
	parameters=/sys/module/$DRIVER/parameters
	[ "$(cat "$parameters/poll_queues")" -eq 1 ]
	[ "$(stat -c %a "$parameters/num_request_queues")" -eq 644 ]
	[ "$(stat -c %a "$parameters/poll_queues")" -eq 644 ]
	[ "$(stat -c %a "$parameters/queue_depth")" -eq 444 ]
	refused sh -c "echo many >$parameters/num_request_queues"
	echo 1 >"$parameters/num_request_queues"
	unbind "$DRIVER" main
	bind "$DRIVER" main
	set -- /sys/block/"$(disk_of main)"/mq/*
	[ $# -eq 1 ]
	echo 0 >"$parameters/num_request_queues"
	unbind "$DRIVER" main
	bind "$DRIVER" main
	set -- /sys/block/"$(disk_of main)"/mq/*
	[ $# -eq 2 ]
}

a_ram_disk_is_served_by_the_sample() {
	load rust_ramdisk size_mib=32
	wait_for 10 [ -b /dev/rust_ramdisk0 ]
	[ "$(blockdev --getsize64 /dev/rust_ramdisk0)" -eq 33554432 ]
	touch_disk rust_ramdisk0
	mkfs.ext4 -q -F /dev/rust_ramdisk0
	mkdir -p /tmp/disk
	mount -t ext4 /dev/rust_ramdisk0 /tmp/disk
	cp /bin/busybox /tmp/disk/
	refused rmmod rust_ramdisk
	umount /tmp/disk
	drop_caches
	e2fsck -fn /dev/rust_ramdisk0
	mount -t ext4 /dev/rust_ramdisk0 /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
}

an_open_ram_disk_keeps_its_module() {
	exec 5</dev/rust_ramdisk0
	refused rmmod rust_ramdisk
	loaded rust_ramdisk
	exec 5<&-
	unload rust_ramdisk
	[ ! -e /dev/rust_ramdisk0 ]
}

the_module_unloads() {
	unload "$DRIVER"
}

cases the_module_loads_with_a_poll_queue \
	the_serial_number_is_that_of_the_device \
	the_cache_type_can_be_read_and_switched \
	the_limits_are_those_of_the_device \
	discarded_blocks_read_as_zeroes \
	zeroes_are_written_without_data \
	a_file_system_can_be_trimmed \
	polled_io_takes_no_interrupt \
	a_written_parameter_is_for_devices_bound_later \
	modinfo_tells_what_the_driver_is_for \
	an_entropy_device_is_read_by_the_sample \
	modinfo_tells_what_the_sample_is_for \
	a_ram_disk_is_served_by_the_sample \
	an_open_ram_disk_keeps_its_module \
	the_module_unloads
