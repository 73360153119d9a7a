# SPDX-License-Identifier: GPL-2.0
# What the stages of the block driver do, in a guest.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

# file_system_works DISK
file_system_works() {
	wait_for 10 [ -b "$1" ]
	mkfs.ext4 -q -F "$1"
	mkdir -p /tmp/disk
	mount -t ext4 "$1" /tmp/disk
	cp /bin/busybox /tmp/disk/
	umount /tmp/disk
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "$1" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
}

second_has_limits_and_forgets_what_is_discarded() {
	load block_2_limits block_size=4096
	file_system_works /dev/block_2
	[ "$(cat /sys/block/block_2/queue/logical_block_size)" = 4096 ]
	blkdiscard /dev/block_2
	echo 3 >/proc/sys/vm/drop_caches
	head -c 1M /dev/block_2 | tr -d '\0' | cmp - /dev/null
	unload block_2_limits
}

second_is_read_only_if_it_shall() {
	load block_2_limits read_only=1
	wait_for 10 [ -b /dev/block_2 ]
	[ "$(cat /sys/block/block_2/ro)" = 1 ]
	refused dd if=/bin/busybox of=/dev/block_2 bs=4k count=1 conv=fsync
	unload block_2_limits
}

second_says_what_makes_no_sense() {
	refused load block_2_limits block_size=3
	dmesg | grep 'block_2_limits: .*logical_block_size'
}

third_has_memory_for_what_was_written() {
	load block_3_sparse
	wait_for 10 [ -b /dev/block_3 ]
	[ "$(cat /sys/block/block_3/used_blocks)" = 0 ]
	dd if=/bin/busybox of=/dev/block_3 bs=4k count=10 seek=100 conv=fsync
	[ "$(cat /sys/block/block_3/used_blocks)" = 10 ]
	dd if=/dev/block_3 bs=4k count=10 skip=100 | cmp -n 40960 - /bin/busybox
	blkdiscard -o $((105 * 4096)) -l $((3 * 4096)) /dev/block_3
	[ "$(cat /sys/block/block_3/used_blocks)" = 7 ]
	file_system_works /dev/block_3
	blkdiscard /dev/block_3
	[ "$(cat /sys/block/block_3/used_blocks)" = 0 ]
	unload block_3_sparse
}

fourth_has_a_queue_for_each_cpu() {
	load block_4_queues
	file_system_works /dev/block_4
	[ "$(ls /sys/block/block_4/mq | wc -l)" -eq "$(nproc)" ]
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		taskset $((1 << cpu)) dd if=/dev/block_4 of=/dev/null bs=4k count=16 iflag=direct
	done
	requests=$(cat /sys/block/block_4/requests)
	for count in $requests; do
		[ "$count" -ge 16 ]
	done
	note "$requests requests"
	unload block_4_queues
}

cases second_has_limits_and_forgets_what_is_discarded second_is_read_only_if_it_shall \
	second_says_what_makes_no_sense third_has_memory_for_what_was_written \
	fourth_has_a_queue_for_each_cpu
