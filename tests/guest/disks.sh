# SPDX-License-Identifier: GPL-2.0
# Several kinds of disks at once; partitions; a module in use.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

every_disk_gets_a_name_of_its_own() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
		[ "$(driver_of "$disk")" = "$DRIVER" ]
		disk_of "$disk"
	done >/tmp/names
	cat /tmp/names
	[ "$(wc -l </tmp/names)" -eq "$(disk_names | wc -l)" ]
	[ -z "$(sort /tmp/names | uniq -d)" ]
	note "$(tr '\n' ' ' </tmp/names)"
}

a_disk_has_as_many_hardware_queues_as_asked_for() {
	[ "$(ls "/sys/block/$(disk_of four)/mq" | wc -l)" -eq 4 ]
	[ "$(ls "/sys/block/$(disk_of one)/mq" | wc -l)" -eq 1 ]
}

each_hardware_queue_serves_its_cpus_and_has_its_interrupt() {
	disk=$(disk_of four)
	device=$(virtio_of four)
	for queue in 0 1 2 3; do
		cpu=$(sed 's/[^0-9].*//' "/sys/block/$disk/mq/$queue/cpu_list")
		before=$(interrupts "$device-req.$queue")
		fio --name=pinned --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randread \
			--bs=4k --number_ios=32 --size=32m --cpus_allowed="$cpu" --output=/tmp/pinned.out
		after=$(interrupts "$device-req.$queue")
		[ "$after" -gt "$before" ]
		taken="$taken $((after - before))"
	done
	note "interrupts for 32 requests each:$taken"
}

packed_split_and_legacy_are_what_was_negotiated() {
	[ "$(feature one 32)" = 1 ]
	[ "$(feature one 34)" = 0 ]
	[ "$(feature packed 32)" = 1 ]
	[ "$(feature packed 34)" = 1 ]
	[ "$(feature legacy 32)" = 0 ]
	# The DMA API is used where the device asks for it, and DMA_API_DEBUG sees it there.
	[ "$(feature four 33)" = 1 ]
	[ "$(feature packed 33)" = 1 ]
	[ "$(feature one 33)" = 0 ]
}

fio_verifies_two_disks_at_the_same_time() {
	(FIO_OUT=/tmp/fio.first verify "$(disk_of four)" 2) &
	first=$!
	(FIO_OUT=/tmp/fio.second verify "$(disk_of one)" 2) &
	second=$!
	wait $first
	wait $second
}

fio_verifies_a_packed_disk() {
	verify "$(disk_of packed)" 2
}

fio_verifies_a_legacy_disk() {
	verify "$(disk_of legacy)" 2
}

a_readonly_disk_can_be_read_but_not_written() {
	disk=$(disk_of readonly)
	[ "$(cat "/sys/block/$disk/ro")" = 1 ]
	dd if="/dev/$disk" of=/dev/null bs=1M count=4
	refused dd if=/dev/zero of="/dev/$disk" bs=4k count=1
}

partitions_appear_and_disappear() {
	disk=$(disk_of one)
	dd if=/dev/zero of="/dev/$disk" bs=1M count=1
	printf 'n\np\n1\n\n+64M\nn\np\n2\n\n\nw\n' | fdisk "/dev/$disk"
	wait_for 10 [ -b "/dev/${disk}1" ]
	wait_for 10 [ -b "/dev/${disk}2" ]
	dd if=/dev/urandom of=/tmp/random bs=1M count=1
	dd if=/tmp/random of="/dev/${disk}2" bs=1M
	drop_caches
	cmp -n 1048576 /tmp/random "/dev/${disk}2"
	dd if=/dev/zero of="/dev/$disk" bs=1M count=1
	blockdev --rereadpt "/dev/$disk"
	[ ! -e "/dev/${disk}1" ]
}

a_file_system_keeps_its_files() {
	disk=$(disk_of four)
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$disk" /tmp/disk
	cp /bin/busybox /tmp/disk/
	umount /tmp/disk
	drop_caches
	e2fsck -fn "/dev/$disk"
	mount -t ext4 "/dev/$disk" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
}

a_module_in_use_cannot_be_unloaded() {
	# The file system of the case before is still mounted.
	grep -q ' /tmp/disk ' /proc/mounts
	rmmod "$DRIVER" 2>/tmp/rmmod.log && fail 'rmmod succeeded under a mounted file system'
	cat /tmp/rmmod.log
	grep -q 'Resource temporarily unavailable\|Device or resource busy' /tmp/rmmod.log
	loaded "$DRIVER"
	cmp /bin/busybox /tmp/disk/busybox
	umount /tmp/disk
}

the_module_unloads() {
	unload "$DRIVER"
	refused disk_of one
}

cases every_disk_gets_a_name_of_its_own a_disk_has_as_many_hardware_queues_as_asked_for \
	each_hardware_queue_serves_its_cpus_and_has_its_interrupt \
	packed_split_and_legacy_are_what_was_negotiated fio_verifies_two_disks_at_the_same_time \
	fio_verifies_a_packed_disk fio_verifies_a_legacy_disk a_readonly_disk_can_be_read_but_not_written \
	partitions_appear_and_disappear a_file_system_keeps_its_files a_module_in_use_cannot_be_unloaded \
	the_module_unloads
