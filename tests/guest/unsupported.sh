# SPDX-License-Identifier: GPL-2.0
# Operations that the device has offered, and refuses then: the block layer does without them, under both drivers alike.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

both_drivers_load() {
	load_both
	for request in discard write-zeroes secure-erase; do
		host "device main fault unsupp:$request"
	done
}

# fill VDX: noise in the first 1 MiB.
fill() {
	dd if=/dev/urandom of="/dev/$1" bs=1M count=1 conv=fsync
}

# zeroed VDX: whether these 1 MiB read as zeroes.
zeroed() {
	drop_caches
	dd if="/dev/$1" bs=1M count=1 | cmp -n 1048576 - /dev/zero
}

# outcome COMMAND...: how it ends, without the names of disks.
outcome() {
	status=0
	"$@" >/tmp/outcome 2>&1 || status=$?
	echo "$status $(sed 's|/dev/vd[a-z]*|DISK|g' /tmp/outcome)"
}

# zeroes_by VDX COMMAND...: what the command was to zero is zero, for which the device was asked in vain.
zeroes_by() {
	vdx=$1
	shift
	fill "$vdx" >&2
	refused zeroed "$vdx" >&2
	asked_before=$(asked main write-zeroes) written_before=$(asked main write)
	outcome "$@"
	zeroed "$vdx" >&2
	[ "$(asked main write-zeroes)" -gt "$asked_before" ]
	[ "$(asked main write)" -gt "$written_before" ]
}

zero() {
	zeroes_by "$1" /sbin/blkdiscard -z -o 0 -l 1M "/dev/$1"
	zeroes_by "$1" /sbin/fallocate -z -o 0 -l 1048576 "/dev/$1"
}

zeroes_are_written() {
	both main zero
	note "$(tr '\n' ' ' <"/tmp/zero.$DRIVER")"
}

# A hole may only be punched by the device.
punch() {
	fill "$1" >&2
	outcome /sbin/fallocate -p -o 0 -l 1048576 "/dev/$1"
}

holes_are_punched_as_with_c() {
	both main punch
	note "$(tr '\n' ' ' <"/tmp/punch.$DRIVER")"
}

discard() {
	before=$(asked main discard)
	outcome /sbin/blkdiscard -o 0 -l 1M "/dev/$1"
	[ "$(asked main discard)" -gt "$before" ]
}

a_discard_is_left_out() {
	both main discard
	grep '^0 ' "/tmp/discard.$DRIVER"
}

# ORACLE puts the ranges of a secure erase where the device can only write.
a_secure_erase_is_no_success() {
	give "$DRIVER" main
	before=$(asked main secure-erase)
	refused /sbin/blkdiscard -s -o 0 -l 1M "/dev/$(disk_of main)"
	[ "$(asked main secure-erase)" -gt "$before" ]
}

file_system() {
	mkfs.ext4 -q -F "/dev/$1"
	mkdir -p /tmp/disk
	mount -t ext4 -o discard "/dev/$1" /tmp/disk
	cp /bin/busybox /tmp/disk/
	dd if=/dev/urandom of=/tmp/disk/noise bs=64k count=16
	sync
	rm /tmp/disk/noise
	sync
	outcome /sbin/fallocate -l 4194304 /tmp/disk/zeroes
	outcome /sbin/fallocate -z -o 0 -l 1M /tmp/disk/zeroes
	outcome /sbin/fstrim /tmp/disk
	umount /tmp/disk
	drop_caches
	e2fsck -fn "/dev/$1" >&2
	mount -t ext4 "/dev/$1" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	cmp -n 4194304 /tmp/disk/zeroes /dev/zero
	umount /tmp/disk
}

a_file_system_works() {
	both main file_system
	note "$(tr '\n' ' ' <"/tmp/file_system.$DRIVER")"
}

serial() {
	# Not supported, or an error: C makes no difference.
	host 'device main fault unsupp:get-id'
	outcome cat "/sys/block/$1/serial"
}

a_serial_number_that_is_not_there() {
	both main serial
	note "$(cat "/tmp/serial.$DRIVER")"
}

both_modules_unload() {
	host 'device main behave'
	verify "$(disk_of main)" 2
	kept_the_rules main
	unload_both
}

cases both_drivers_load zeroes_are_written holes_are_punched_as_with_c a_discard_is_left_out \
	a_secure_erase_is_no_success a_file_system_works a_serial_number_that_is_not_there both_modules_unload
