# SPDX-License-Identifier: GPL-2.0
# Used lengths as devices that people have tell them: right, without the status, always 0 or 1, all there was room for.
# Each such device is a disk under ORACLE, and must be one under DRIVER.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

PARAMETER=/sys/module/$DRIVER/parameters/check_used_len

# What the driver says about a device whose lengths do not cover the data.
WARNING='tells a used length of'

# Ways to tell lengths that cover the data of a read.
TELLING='none used-data used-all used-long'
# Ways that do not.
SILENT='used-zero used-short used-less'

both_drivers_load() {
	load_both
	dd if=/dev/urandom of=/tmp/noise bs=64k count=1
}

# behave_like DISK FAULT
behave_like() {
	host "device $1 behave"
	if [ "$2" != none ]; then
		host "device $1 fault $2"
	fi
}

# warnings COUNT: that so many came since the log was cleared.
warnings() {
	dmesg | grep -c "$WARNING" >/tmp/warnings || true
	[ "$(cat /tmp/warnings)" -eq "$1" ] || fail "$(cat /tmp/warnings) warnings instead of $1"
}

# uses_everything DISK: reads, writes, flushes, discards, writes zeroes, erases, asks for the serial number.
uses_everything() {
	disk=$(disk_of "$1")
	if [ "$(driver_of "$1")" = "$DRIVER" ]; then
		verify "$disk" 2
	else
		touch_disk "$disk"
	fi
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/disk
	mount -t ext4 -o discard "/dev/$disk" /tmp/disk
	cp /bin/busybox /tmp/disk/
	umount /tmp/disk
	drop_caches
	e2fsck -fn "/dev/$disk"
	/sbin/blkdiscard -o 0 -l 1M "/dev/$disk"
	/sbin/blkdiscard -z -o 1M -l 1M "/dev/$disk"
	if [ "$(driver_of "$1")" = "$DRIVER" ]; then
		/sbin/blkdiscard -s -o 2M -l 1M "/dev/$disk"
	fi
	[ "$(cat "/sys/block/$disk/serial")" = blkdev ]
}

# serves_with FAULT WARNINGS: with the fault from the first request on, both drivers serve the disks.
serves_with() {
	for who in "$ORACLE" "$DRIVER"; do
		for disk in main zoned; do
			unbind "$(driver_of $disk)" $disk
			behave_like $disk "$1"
		done
		dmesg -c >/dev/null
		for disk in main zoned; do
			bind "$who" $disk
			wait_for 10 disk_of $disk
		done
		uses_everything main
		/sbin/blkzone reset "/dev/$(disk_of zoned)"
		dd if=/tmp/noise of="/dev/$(disk_of zoned)" bs=64k seek=64 count=1 oflag=direct
		dd if="/dev/$(disk_of zoned)" bs=64k skip=64 count=1 iflag=direct | cmp - /tmp/noise
		/sbin/blkzone report "/dev/$(disk_of zoned)" >/tmp/zones
		[ "$(wc -l </tmp/zones)" -eq 16 ]
		expected=$2
		[ "$who" = "$DRIVER" ] || expected=0
		warnings "$expected"
	done
	for disk in main zoned; do
		behave_like $disk none
	done
}

lengths_that_cover_the_data_are_fine() {
	for fault in $TELLING; do
		serves_with "$fault" 0
	done
}

lengths_that_never_do_are_warned_about_once() {
	for fault in $SILENT; do
		# Once for each of the two disks.
		serves_with "$fault" 2
	done
}

read_noise() {
	dd if="/dev/$(disk_of main)" of=/tmp/read bs=64k count=1 iflag=direct && cmp /tmp/read /tmp/noise
}

write_noise() {
	dd if=/tmp/noise of="/dev/$(disk_of main)" bs=64k oflag=direct conv=fsync
}

# bound_with FAULT: binds DRIVER; the fault is there from the first request on.
bound_with() {
	unbind "$(driver_of main)" main
	behave_like main "$1"
	dmesg -c >/dev/null
	bind "$DRIVER" main
	wait_for 10 disk_of main
}

a_device_that_has_told_lengths_fails_a_read_that_it_has_not_filled() {
	for told in $TELLING; do
		bound_with "$told"
		write_noise
		read_noise
		for fault in $SILENT; do
			behave_like main "$fault:read"
			if read_noise 2>/tmp/failure; then
				fail "$told at first, then $fault: read"
			fi
			grep -i 'I/O error\|Input/output error' /tmp/failure
			behave_like main "$told"
			read_noise
		done
		warnings 0
	done
}

only_reads_have_to_be_filled() {
	bound_with none
	for request in write flush get-id discard write-zeroes secure-erase; do
		host "device main fault used-zero:$request"
	done
	uses_everything main
	behave_like main none
}

a_device_that_has_not_told_lengths_is_not_held_to_them() {
	bound_with used-zero
	write_noise
	behave_like main none
	read_noise
	behave_like main used-less:read
	read_noise
	warnings 1
	behave_like main none
}

set_to() {
	echo "$1" >"$PARAMETER"
	[ "$(cat "$PARAMETER")" = "$2" ]
}

the_check_can_be_made_at_all_times() {
	[ "$(cat "$PARAMETER")" = auto ]
	for word in always 1 Y; do
		set_to 'auto' auto
		set_to $word always
	done
	bound_with none
	write_noise
	behave_like main used-zero:read
	refused read_noise
	bound_with used-zero:read
	refused read_noise
	warnings 0
	bound_with used-data
	read_noise
	set_to 'auto' auto
	# What counts is the value that the driver was bound with.
	behave_like main used-zero:read
	refused read_noise
	behave_like main none
}

the_check_can_be_left_out() {
	for word in never 0 N; do
		set_to 'auto' auto
		set_to $word never
	done
	bound_with none
	write_noise
	read_noise
	behave_like main used-zero:read
	read_noise
	warnings 0
	set_to 'auto' auto
	behave_like main none
}

nonsense_is_not_taken_for_a_check() {
	for word in '' sometimes 2 AUTO 'auto always'; do
		refused sh -c "echo '$word' >$PARAMETER"
		[ "$(cat "$PARAMETER")" = auto ]
	done
	unload "$DRIVER"
	refused load "$DRIVER" check_used_len=sometimes
	load "$DRIVER" check_used_len=never
	[ "$(cat "$PARAMETER")" = never ]
	set_to 'auto' auto
	for disk in $(disk_names); do
		[ -n "$(disk_of "$disk")" ] || bind "$DRIVER" "$disk" || true
		wait_for 10 disk_of "$disk"
	done
}

the_lengths_of_a_legacy_device_do_not_count() {
	for word in auto always; do
		set_to $word $word
		give "$DRIVER" legacy
		dmesg -c >/dev/null
		for fault in $TELLING $SILENT; do
			behave_like legacy "$fault"
			touch_disk "$(disk_of legacy)"
		done
		warnings 0
		behave_like legacy none
	done
	set_to 'auto' auto
}

both_modules_unload() {
	for disk in $(disk_names); do
		kept_the_rules "$disk"
	done
	unload_both
}

cases both_drivers_load lengths_that_cover_the_data_are_fine lengths_that_never_do_are_warned_about_once \
	a_device_that_has_told_lengths_fails_a_read_that_it_has_not_filled only_reads_have_to_be_filled \
	a_device_that_has_not_told_lengths_is_not_held_to_them the_check_can_be_made_at_all_times \
	the_check_can_be_left_out nonsense_is_not_taken_for_a_check the_lengths_of_a_legacy_device_do_not_count \
	both_modules_unload
