# SPDX-License-Identifier: GPL-2.0
# Configurations that make no sense: the driver refuses each in one line of the log, or serves the device. Where the
# first column says `both`, ORACLE does the same. Where it says `driver`, ORACLE takes what it should refuse, or harms
# the kernel.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

# Fields of the device `main`, and what the driver says; `serves` if it says nothing.
MAIN='
driver|blk_size=0|serves
driver|blk_size=256|logical_block_size: 256 is not a power of two
driver|blk_size=1536|logical_block_size: 1536 is not a power of two
driver|blk_size=1048576|logical_block_size: 1048576 is not a power of two
driver|blk_size=4294967295|logical_block_size: 4294967295 is not a power of two
both|blk_size=4096|serves
driver|physical_block_exp=60|physical block of 2^60 blocks of 512 bytes is too large
driver|physical_block_exp=32|physical block of 2^32 blocks of 512 bytes is too large
driver|physical_block_exp=255|physical block of 2^255 blocks of 512 bytes is too large
both|physical_block_exp=3|serves
both|physical_block_exp=3 alignment_offset=7|serves
driver|alignment_offset=200|serves
both|min_io_size=65535|serves
both|min_io_size=0|serves
driver|opt_io_size=4294967295|largest I/O of 4294967295 blocks of 512 bytes is too large
both|num_queues=0|several queues offered, but their number is 0
both|num_queues=65535|serves
both|seg_max=0|serves
both|seg_max=1|serves
both|seg_max=65536|serves
both|seg_max=4294967295|serves
driver|size_max=0|serves
driver|size_max=1|max_segment_size: 1 is not from 4096
driver|size_max=4095|max_segment_size: 4095 is not from 4096
both|size_max=4096|serves
both|size_max=4097|serves
both|size_max=4096 seg_max=1|serves
both|max_discard_sectors=0|serves
both|max_discard_sectors=1|serves
both|max_discard_seg=0|serves
both|max_discard_seg=4294967295|serves
both|discard_sector_alignment=0|serves
both|discard_sector_alignment=3|serves
driver|secure_erase_sector_alignment=8388608 discard_sector_alignment=8388608|alignment of 8388608 sectors is too large
both|max_write_zeroes_sectors=0|serves
both|max_write_zeroes_sectors=4294967295|serves
both|max_secure_erase_sectors=0|none may be 0
both|max_secure_erase_seg=0|none may be 0
both|secure_erase_sector_alignment=0|none may be 0
both|wce=255|serves
both|capacity=0|is empty
both|capacity=12345 blk_size=4096|serves
'

# The same for the device `zoned`.
ZONED='
both|zone_sectors=0|zone_sectors: 0 is not a power of two
both|zone_sectors=3|zone_sectors: 3 is not a power of two
both|zone_sectors=8191|zone_sectors: 8191 is not a power of two
driver|blk_size=4096 write_granularity=4096 zone_sectors=4|zone_sectors: 4 is not a multiple of 8
both|max_append_sectors=0|zone append of at most 0 sectors
both|max_append_sectors=4294967295|serves
driver|write_granularity=4096 max_append_sectors=7|7 is not from 8
driver|write_granularity=0|write granularity of 0 bytes
driver|write_granularity=513|physical_block_size: 513 is not a power of two
both|write_granularity=4096|serves
driver|max_open_zones=5 max_active_zones=3|max_open_zones: 5 is not from 0 to 3
driver|max_open_zones=4294967295|serves
driver|max_active_zones=4294967295|serves
driver|max_open_zones=4294967295 max_active_zones=4294967294|serves
both|model=7|zoned model
both|model=0|serves
both|model=2|serves
'

# attempt DRIVER DISK EXPECTED: binds and tells what came of it, in the words of the tables.
attempt() {
	dmesg -c >/dev/null
	if ! bind "$1" "$2"; then
		dmesg -r >/tmp/log
		# One line of the driver, and one of the core that the probe has failed.
		grep '^<[34]>' /tmp/log | grep -v 'probe with driver' >/tmp/errors || true
		if [ "$1" = "$DRIVER" ] && [ "$(wc -l </tmp/errors)" -ne 1 ]; then
			cat /tmp/errors
			echo "refused in $(wc -l </tmp/errors) lines, not in one"
		elif grep -qF "$3" /tmp/errors; then
			echo "$3"
		elif [ "$1" != "$DRIVER" ] && [ "$3" != serves ] && [ "$3" != 'is empty' ]; then
			# It refuses as well, in words of its own.
			echo "$3"
		else
			echo "refused, but said: $(cat /tmp/errors)"
		fi
		return
	fi
	wait_for 10 disk_of "$2"
	vdx=$(disk_of "$2")
	if [ "$(cat "/sys/block/$vdx/size")" -eq 0 ]; then
		echo is empty
	elif serves "$vdx"; then
		echo serves
	else
		echo "serves, but loses data"
	fi
	unbind "$1" "$2"
}

# serves VDX: what was written to the first MiB is read again. It is in a conventional zone; if there are others, one
# of them can be written, too.
serves() {
	if [ "$(cat "/sys/block/$1/queue/zoned")" != none ]; then
		/sbin/blkzone reset "/dev/$1" && dd if=/tmp/noise of="/dev/$1" bs=64k seek=64 oflag=direct || return 1
	fi
	dd if=/tmp/noise of="/dev/$1" bs=64k oflag=direct && drop_caches &&
		dd if="/dev/$1" bs=64k count=16 iflag=direct | cmp - /tmp/noise &&
		dd if="/dev/$1" bs=4k count=256 | cmp - /tmp/noise
}

# check_table DISK TABLE
check_table() {
	failed=0
	count=0
	# A line that a loop reads must not be eaten by what the loop runs.
	echo "$2" | grep '|' >/tmp/table
	while IFS='|' read -r who settings expected <&4; do
		host "device $1 defaults"
		host "device $1 set $settings"
		drivers=$DRIVER
		[ "$who" = driver ] || drivers="$DRIVER $ORACLE"
		for driver in $drivers; do
			echo "row: $driver with $settings"
			attempt "$driver" "$1" "$expected" >/tmp/attempt 2>/tmp/attempt.log
			if [ "$(cat /tmp/attempt)" != "$expected" ]; then
				failed=$((failed + 1))
				echo "$driver with $settings: $(cat /tmp/attempt); expected: $expected"
				grep -v '^+' /tmp/attempt.log || true
			fi
			count=$((count + 1))
		done
	done 4</tmp/table
	host "device $1 defaults"
	note "$(wc -l </tmp/table) configurations, $count attempts"
	[ "$failed" -eq 0 ]
}

both_drivers_load() {
	load_both
	for disk in $(disk_names); do
		unbind "$(driver_of "$disk")" "$disk"
	done
	dd if=/dev/urandom of=/tmp/noise bs=1M count=1
}

each_limit_is_refused_or_kept() {
	check_table main "$MAIN"
	kept_the_rules main
}

each_limit_of_zones_is_refused_or_kept() {
	check_table zoned "$ZONED"
	kept_the_rules zoned
}

a_device_that_was_refused_can_be_bound_again() {
	bind "$DRIVER" main
	bind "$DRIVER" zoned
	wait_for 10 disk_of main
	verify "$(disk_of main)" 2
	[ "$(cat "/sys/block/$(disk_of zoned)/queue/nr_zones")" -eq 16 ]
}

cases both_drivers_load each_limit_is_refused_or_kept each_limit_of_zones_is_refused_or_kept \
	a_device_that_was_refused_can_be_bound_again
