# SPDX-License-Identifier: GPL-2.0
# A device that misbehaves: the request fails, or nothing comes of it; other requests are served.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

the_module_loads() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
	dd if=/dev/urandom of=/tmp/noise bs=64k count=1
	for disk in main legacy; do
		write_noise $disk
	done
}

write_noise() {
	dd if=/tmp/noise of="/dev/$(disk_of "$1")" bs=64k oflag=direct conv=fsync
}

read_noise() {
	dd if="/dev/$(disk_of "$1")" of=/tmp/read bs=64k count=1 iflag=direct && cmp /tmp/read /tmp/noise
}

# fails_with DISK FAULT COMMAND...: the command fails with an I/O error under the fault, and works after it.
fails_with() {
	disk=$1 fault=$2
	shift 2
	host "device $disk fault $fault"
	if "$@" "$disk" >/tmp/failure 2>&1; then
		fail "succeeded in spite of $fault"
	fi
	cat /tmp/failure
	grep -i 'I/O error\|Input/output error' /tmp/failure
	host "device $disk behave"
	"$@" "$disk"
}

sync_noise() {
	dd if=/tmp/noise of="/dev/$(disk_of "$1")" bs=64k count=1 conv=fsync
}

discard() {
	/sbin/blkdiscard -o 1M -l 1M "/dev/$(disk_of "$1")"
}

a_status_that_was_not_written_is_an_error() {
	# Twice, as the memory of a request still holds the status of the one before.
	read_noise main
	fails_with main no-status:read read_noise
	read_noise main
	fails_with main no-status:read read_noise
	fails_with main no-status:write write_noise
	fails_with main no-status:flush sync_noise
	fails_with legacy no-status:read read_noise
}

an_unknown_status_is_an_error() {
	fails_with main unknown-status:read read_noise
	fails_with main unknown-status:write write_noise
	fails_with main unknown-status:discard discard
}

errors_of_the_device_are_told() {
	fails_with main io-error:read read_noise
	fails_with main io-error:write write_noise
	fails_with main io-error:flush sync_noise
	fails_with main io-error:discard discard
	fails_with main io-error:secure-erase erase
}

erase() {
	/sbin/blkdiscard -s -o 1M -l 1M "/dev/$(disk_of "$1")"
}

serial() {
	cat "/sys/block/$(disk_of "$1")/serial"
}

a_serial_number_that_is_refused_is_empty() {
	[ "$(serial main)" = blkdev ]
	host 'device main fault io-error:get-id'
	serial main >/tmp/serial
	[ ! -s /tmp/serial ]
	host 'device main behave'
	[ "$(serial main)" = blkdev ]
}

zones() {
	/sbin/blkzone report "/dev/$(disk_of zoned)" >/tmp/zones
	[ "$(wc -l </tmp/zones)" -eq 16 ]
}

BAD_ZONES='zone-count-zero zone-start zone-type zone-state zone-pointer zone-capacity'

bad_zones_are_not_reported() {
	zones
	# The pointer of an empty zone does not matter.
	/sbin/blkzone open -o 8192 -c 1 "/dev/$(disk_of zoned)"
	for fault in $BAD_ZONES no-status unknown-status; do
		host "device zoned fault $fault:report"
		if /sbin/blkzone report "/dev/$(disk_of zoned)" >/tmp/zones; then
			cat /tmp/zones
			fail "reported in spite of $fault"
		fi
		host 'device zoned behave'
	done
	zones
}

# As with C's driver: the block layer knows where an empty zone is to be written. What is reported is right, too.
a_pointer_of_an_empty_zone_does_not_matter() {
	/sbin/blkzone reset "/dev/$(disk_of zoned)"
	/sbin/blkzone report "/dev/$(disk_of zoned)" >/tmp/right
	host 'device zoned fault zone-pointer:report'
	zones
	cmp /tmp/right /tmp/zones
	unbind "$DRIVER" zoned
	bind "$DRIVER" zoned
	wait_for 10 disk_of zoned
	dd if=/dev/zero of="/dev/$(disk_of zoned)" bs=4k seek=1024 count=1 oflag=direct
	host 'device zoned behave'
	zones
	/sbin/blkzone report -o 8192 -c 1 "/dev/$(disk_of zoned)" | grep '(oi)'
}

# As with C's driver: what follows the count is right.
a_count_of_zones_that_is_too_large_is_harmless() {
	host 'device zoned fault zone-count-huge:report'
	zones
	unbind "$DRIVER" zoned
	bind "$DRIVER" zoned
	wait_for 10 disk_of zoned
	zones
	host 'device zoned behave'
}

a_disk_with_bad_zones_is_not_brought_up() {
	/sbin/blkzone open -o 8192 -c 1 "/dev/$(disk_of zoned)"
	for fault in $BAD_ZONES; do
		unbind "$DRIVER" zoned
		host "device zoned fault $fault:report"
		dmesg -c >/dev/null
		if bind "$DRIVER" zoned; then
			[ "$(cat "/sys/block/$(disk_of zoned)/size")" -eq 0 ] || fail "brought up in spite of $fault"
			unbind "$DRIVER" zoned
		fi
		echo "$fault: $(dmesg -r | grep '^<3>')"
		dmesg -r | grep '^<3>' >/dev/null
		host 'device zoned behave'
		bind "$DRIVER" zoned
		wait_for 10 disk_of zoned
	done
	zones
}

the_devices_are_sound_again() {
	for disk in main legacy; do
		verify "$(disk_of $disk)" 2
	done
	unload "$DRIVER"
}

cases the_module_loads a_status_that_was_not_written_is_an_error an_unknown_status_is_an_error \
	errors_of_the_device_are_told a_serial_number_that_is_refused_is_empty bad_zones_are_not_reported \
	a_pointer_of_an_empty_zone_does_not_matter a_count_of_zones_that_is_too_large_is_harmless \
	a_disk_with_bad_zones_is_not_brought_up the_devices_are_sound_again
