# SPDX-License-Identifier: GPL-2.0
# What QEMU's device cannot show: secure erase, ranges, the requests that really arrive. Both drivers in turn.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

both_drivers_load() {
	load_both
}

keep_data() {
	verify "$1" 4 >&2
	mkfs.ext4 -q -F "/dev/$1"
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$1" /tmp/disk
	cp /bin/busybox /tmp/disk/
	umount /tmp/disk
	drop_caches
	e2fsck -fn "/dev/$1" >&2
	mount -t ext4 "/dev/$1" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
	ls "/sys/block/$1/mq"
}

both_keep_their_data() {
	flushes=$(asked main flush)
	both main keep_data
	[ "$(asked main flush)" -gt "$flushes" ]
	note "$(asked main read) reads, $(asked main write) writes, $(asked main flush) flushes"
}

the_limits_are_equal() {
	both main limits
	note "$(wc -l </tmp/limits.$DRIVER) attributes"
}

# fill VDX: noise in the first 4 MiB.
fill() {
	dd if=/dev/urandom of="/dev/$1" bs=1M count=4 conv=fsync
}

# zeroed VDX: whether these 4 MiB read as zeroes.
zeroed() {
	drop_caches
	dd if="/dev/$1" bs=1M count=4 | cmp -n 4194304 - /dev/zero
}

# clear_by NAME VDX [OPTION...]: blkdiscard clears the noise by requests called NAME; tells how many.
clear_by() {
	name=$1 vdx=$2
	shift 2
	fill "$vdx" >&2
	refused zeroed "$vdx" >&2
	requests=$(asked main "$name") ranges=$(asked main "$name-ranges") unmap=$(asked main unmap-ranges)
	/sbin/blkdiscard "$@" -o 0 -l 4M "/dev/$vdx" >&2
	zeroed "$vdx" >&2
	requests=$(($(asked main "$name") - requests))
	ranges=$(($(asked main "$name-ranges") - ranges))
	unmap=$(($(asked main unmap-ranges) - unmap))
	[ "$requests" -gt 0 ]
	echo "$name: $requests requests, $ranges ranges, $unmap to unmap"
}

discard() {
	clear_by discard "$1"
}

a_discard_keeps_its_limit() {
	host 'device main set max_discard_sectors=1024'
	both main discard
	note "$(cat "/tmp/discard.$DRIVER")"
	grep -x 'discard: 8 requests, 8 ranges, 0 to unmap' "/tmp/discard.$DRIVER"
	host 'device main defaults'
}

# ORACLE is not asked: it puts the ranges of a secure erase where the device can only write, as the number of such
# requests is even, and a device that keeps to the specification refuses that.
erase() {
	give "$DRIVER" main
	clear_by secure-erase "$(disk_of main)" -s
}

a_secure_erase_erases() {
	erase >/tmp/erased
	note "$(cat /tmp/erased)"
	[ "$(asked main secure-erase-ranges)" -gt 0 ]
}

a_secure_erase_keeps_its_limit() {
	host 'device main set max_secure_erase_sectors=2048'
	erase >/tmp/erased
	note "$(cat /tmp/erased)"
	grep -x 'secure-erase: 4 requests, 4 ranges, 0 to unmap' /tmp/erased
	host 'device main defaults'
}

zero() {
	clear_by write-zeroes "$1" -z
}

zeroes_are_written_without_data() {
	both main zero
	note "$(cat "/tmp/zero.$DRIVER")"
}

serial() {
	cat "/sys/block/$1/serial"
}

the_serial_number_is_that_of_the_device() {
	both main serial
	[ "$(cat "/tmp/serial.$DRIVER")" = 12345678901234567890 ]
}

# The class is in the upper three of sixteen bits.
BEST_EFFORT_3=$((2 << 13 | 3))

read_with_priority() {
	before=$(asked main priority-$BEST_EFFORT_3)
	ionice -c 2 -n 3 dd if="/dev/$1" of=/dev/null bs=4k count=5 iflag=direct
	echo $(($(asked main priority-$BEST_EFFORT_3) - before))
}

the_priority_of_a_request_reaches_the_device() {
	both main read_with_priority
	[ "$(cat "/tmp/read_with_priority.$DRIVER")" -eq 5 ]
}

switch_cache() {
	cat "/sys/block/$1/cache_type" "/sys/block/$1/queue/write_cache"
	for mode in 'write through' 'write back'; do
		echo "$mode" >"/sys/block/$1/cache_type"
		host 'device main get wce'
		cat "/sys/block/$1/cache_type" "/sys/block/$1/queue/write_cache"
	done
}

the_cache_is_switched_in_the_device() {
	both main switch_cache
	[ "$(asked main cache-switched)" -eq 4 ]
	host 'device main set wce=0'
	both main cache_type
	grep -x 'write through' "/tmp/cache_type.$DRIVER"
	host 'device main defaults'
}

cache_type() {
	cat "/sys/block/$1/cache_type"
}

# has_size VDX BYTES
has_size() {
	[ "$(blockdev --getsize64 "/dev/$1")" -eq "$2" ]
}

grow_and_shrink() {
	for size in 100663296 50331648 67108864; do
		host "device main resize $size"
		wait_for 10 has_size "$1" $size
		blockdev --getsize64 "/dev/$1"
	done
}

a_new_size_is_taken_over_while_bound() {
	both main grow_and_shrink
	note "$(tr '\n' ' ' <"/tmp/grow_and_shrink.$DRIVER")"
}

read_only() {
	cat "/sys/block/$1/ro"
	dd if="/dev/$1" of=/dev/null bs=1M count=1
	refused dd if=/dev/zero of="/dev/$1" bs=4k count=1 >&2
}

a_read_only_device_is_not_written() {
	both readonly read_only
	[ "$(asked readonly write)" -eq 0 ]
}

plain() {
	verify "$1" 2 >&2
	limits "$1"
}

a_device_without_features_is_served() {
	both 'plain' plain
	[ "$(asked plain flush)" -eq 0 ]
	[ "$(ls "/sys/block/$(disk_of plain)/mq" | wc -l)" -eq 1 ]
}

# A journal frees the blocks of many files at once. With room for one request, the discards that wait are merged.
free_files() {
	echo mq-deadline >"/sys/block/$1/queue/scheduler"
	mkfs.ext4 -q -F "/dev/$1"
	mount -t ext4 -o discard "/dev/$1" /tmp/disk
	for index in $(seq 100); do
		dd if=/dev/zero of="/tmp/disk/$index" bs=16k count=1 2>/dev/null
	done
	sync
	requests=$(asked main discard) ranges=$(asked main discard-ranges)
	for index in $(seq 1 2 100); do
		rm "/tmp/disk/$index"
	done
	sync
	umount /tmp/disk
	requests=$(($(asked main discard) - requests)) ranges=$(($(asked main discard-ranges) - ranges))
	[ "$ranges" -gt "$requests" ] || fail "$requests requests for $ranges ranges"
	note "$requests requests for $ranges ranges"
	drop_caches
	e2fsck -fn "/dev/$1" >&2
}

# QEMU's device loses used buffers when it uses its rings in order.
rings_can_be_used_in_order() {
	for disk in ordered ordereddirect; do
		both $disk keep_data
		[ "$(cut -c 36 "/sys/bus/virtio/devices/$(virtio_of $disk)/features")" = 1 ]
	done
}

a_discard_has_several_ranges() {
	unload_both
	for driver in "$ORACLE" "$DRIVER"; do
		load "$driver" queue_depth=1 num_request_queues=1
		wait_for 10 disk_of main
		[ "$(driver_of main)" = "$driver" ]
		free_files "$(disk_of main)"
		kept_the_rules main
		unload "$driver"
	done
	load_both
}

both_modules_unload() {
	for disk in $(disk_names); do
		kept_the_rules "$disk"
	done
	unload_both
}

cases both_drivers_load both_keep_their_data the_limits_are_equal a_discard_keeps_its_limit \
	a_secure_erase_erases a_secure_erase_keeps_its_limit zeroes_are_written_without_data \
	the_serial_number_is_that_of_the_device the_priority_of_a_request_reaches_the_device \
	the_cache_is_switched_in_the_device a_new_size_is_taken_over_while_bound \
	a_read_only_device_is_not_written a_device_without_features_is_served rings_can_be_used_in_order \
	a_discard_has_several_ranges both_modules_unload
