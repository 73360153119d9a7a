# SPDX-License-Identifier: GPL-2.0
# What a device may say of itself, field by field, and what ORACLE and DRIVER make of it: served or refused, with which
# limits, and with which line in the log. What comes of it is a table, which must be that of limits.csv; the document
# about the driver shows the same.
#
# Of the rows, every PARTS-th one is tried, the first of them being number PART.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

# Each row: the device, its fields, and why it is meant to differ from C; nothing if it must not.
# A row that begins with `!` harms the kernel under ORACLE: it is not tried there.
ROWS='
main|capacity=0
main|capacity=1
main|capacity=12345
main|capacity=12345 blk_size=4096
main|capacity=36028797018963967
main|capacity=36028797018963968
main|capacity=18446744073709551615
main|size_max=0
!main|size_max=1|C stops with a warning of the kernel
!main|size_max=4095|C stops with a warning of the kernel
main|size_max=4096
main|size_max=4097
main|size_max=65536
main|size_max=4294967295
main|size_max=4096 seg_max=1
main|seg_max=0
main|seg_max=1
main|seg_max=2
main|seg_max=254
main|seg_max=32766
main|seg_max=32767
main|seg_max=65536
main|seg_max=4294967295
main|blk_size=0
main|blk_size=1
main|blk_size=256
main|blk_size=511
main|blk_size=1024
main|blk_size=1536
main|blk_size=4096
main|blk_size=65536
main|blk_size=1048576
main|blk_size=4294967295
main|blk_size=0 physical_block_exp=3|C multiplies with the 0
main|physical_block_exp=1
main|physical_block_exp=3
main|physical_block_exp=22|discards are too long under C
main|physical_block_exp=23
main|physical_block_exp=31
main|physical_block_exp=32
main|physical_block_exp=60
main|physical_block_exp=200|C shifts by as much as the processor does
main|physical_block_exp=255
main|alignment_offset=1
main|alignment_offset=200
main|physical_block_exp=3 alignment_offset=7
main|physical_block_exp=3 alignment_offset=255
main|min_io_size=0
main|min_io_size=3
main|min_io_size=8
main|min_io_size=65535
main|opt_io_size=1
main|opt_io_size=3
main|opt_io_size=2048
main|opt_io_size=8388607
main|opt_io_size=8388608
main|opt_io_size=8388609|C multiplies beyond 32 bits
main|opt_io_size=4294967295|C multiplies beyond 32 bits
main|wce=0
main|wce=255
main|num_queues=0
main|num_queues=1
main|num_queues=3
main|num_queues=65535
main|max_discard_sectors=0
main|max_discard_sectors=1|discards would be longer than that under C, as they end where the granularity says
main|max_discard_sectors=7|discards would be longer than that under C, as they end where the granularity says
main|max_discard_sectors=8
main|max_discard_sectors=4294967295
main|max_discard_seg=0
main|max_discard_seg=1
main|max_discard_seg=257
main|max_discard_seg=4294967295
main|discard_sector_alignment=0
main|discard_sector_alignment=1
main|discard_sector_alignment=3
main|discard_sector_alignment=9 blk_size=4096
main|discard_sector_alignment=9 secure_erase_sector_alignment=9 blk_size=4096|cut at blocks
main|discard_sector_alignment=9 secure_erase_sector_alignment=9 blk_size=4096 max_discard_sectors=9|cut at blocks
main|discard_sector_alignment=9 secure_erase_sector_alignment=9 blk_size=4096 max_discard_sectors=15|cut at blocks
main|discard_sector_alignment=9 secure_erase_sector_alignment=9 blk_size=4096 max_discard_sectors=16|cut at blocks
main|discard_sector_alignment=9 secure_erase_sector_alignment=9 blk_size=4096 max_secure_erase_sectors=15|cut at blocks
main|blk_size=4096 max_discard_sectors=7|discards are too long under C
main|secure_erase_sector_alignment=8388608 discard_sector_alignment=8388608
main|secure_erase_sector_alignment=8388609 discard_sector_alignment=8388609
main|secure_erase_sector_alignment=4294967295 discard_sector_alignment=4294967295|C multiplies beyond 32 bits
main|max_write_zeroes_sectors=0
main|max_write_zeroes_sectors=1
main|max_write_zeroes_sectors=4294967295
main|max_secure_erase_sectors=0|the disk is served without secure erase
main|max_secure_erase_sectors=1
main|max_secure_erase_sectors=7 physical_block_exp=3
main|max_secure_erase_sectors=7 physical_block_exp=3 max_discard_sectors=7|discards are too long under C
main|max_secure_erase_sectors=4294967295
main|max_secure_erase_seg=0|the disk is served without secure erase
main|max_secure_erase_seg=4294967295
main|secure_erase_sector_alignment=0|the disk is served without secure erase
main|secure_erase_sector_alignment=1
main|cylinders=0 heads=0 sectors=0
main|cylinders=65535 heads=255 sectors=255
zoned|model=0
zoned|model=2
zoned|model=3
zoned|model=255
zoned|zone_sectors=0
zoned|zone_sectors=3
zoned|zone_sectors=8191
zoned|zone_sectors=16384
zoned|zone_sectors=2147483648
zoned|zone_sectors=4294967295
!zoned|blk_size=4096 write_granularity=4096 zone_sectors=4|C stops with a warning of the kernel
zoned|max_open_zones=5
zoned|max_open_zones=17
!zoned|max_open_zones=4294967295|C takes it for a negative number
zoned|max_active_zones=5
!zoned|max_active_zones=4294967295|C takes it for a negative number
zoned|max_open_zones=3 max_active_zones=5
zoned|max_open_zones=5 max_active_zones=3|as many zones can be open as active
zoned|max_append_sectors=0|the disk is served with appends that the block layer makes of writes
zoned|max_append_sectors=1
zoned|max_append_sectors=4294967295
zoned|write_granularity=4096 max_append_sectors=7|the disk is served with appends that the block layer makes of writes
zoned|write_granularity=0
zoned|write_granularity=1
zoned|write_granularity=513
zoned|write_granularity=4096
zoned|write_granularity=512 blk_size=4096
'

# looks VDX: the limits of its queue, its size and geometry.
looks() {
	(
		cd "/sys/block/$1"
		grep -s '' queue/* size ro | sed 's|^queue/||; s/:/ /'
	) | grep -v '^\(io_timeout\|wbt_lat_usec\|scheduler\|nomerges\|rq_affinity\) '
	perl /mnt/guest/ioctls.pl "/dev/$1" | sed -n 's|^ioctl/HDIO_GETGEO=|geometry |p'
}

# keeps_data VDX: what is written to its beginning is read again. That is a conventional zone; if there are others, one
# of them can be written, too.
keeps_data() {
	block=$(cat "/sys/block/$1/queue/logical_block_size")
	if [ "$(cat "/sys/block/$1/queue/zoned")" != none ]; then
		/sbin/blkzone reset "/dev/$1" && dd if=/tmp/noise of="/dev/$1" bs=64k seek=64 oflag=direct || return 1
	fi
	blocks=$(($(blockdev --getsize64 "/dev/$1") / block))
	[ "$blocks" -gt 0 ] && [ "$blocks" -lt $((65536 / block)) ] || blocks=$((65536 / block))
	dd if=/tmp/noise of="/dev/$1" bs="$block" count=$blocks oflag=direct && drop_caches &&
		dd if="/dev/$1" bs="$block" count=$blocks iflag=direct | cmp -n $((blocks * block)) - /tmp/noise
}

# discards VDX: a range can be discarded, of which most requests are a part.
discards() {
	[ "$(cat "/sys/block/$1/queue/discard_max_bytes")" -eq 0 ] || /sbin/blkdiscard -f -o 64K -l 64K "/dev/$1"
}

# broken_rules DISK: how often its driver has not kept the limits that the device has told, or sent what does not exist.
broken_rules() {
	echo $(($(asked "$1" violation) + $(asked "$1" malformed) + $(asked "$1" unknown)))
}

# outcome DRIVER DISK: binds, and says in /tmp/outcome what came of it, in /tmp/said what the driver has said.
outcome() {
	dmesg -c >/dev/null
	echo refused >/tmp/outcome
	if bind "$1" "$2"; then
		wait_for 10 disk_of "$2"
		vdx=$(disk_of "$2")
		looks "$vdx" >/tmp/outcome
		if [ "$(cat "/sys/block/$vdx/size")" -gt 0 ] && ! keeps_data "$vdx"; then
			echo 'loses data' >>/tmp/outcome
		fi
		if [ "$(cat "/sys/block/$vdx/size")" -ge 256 ]; then
			discards "$vdx" || echo 'discards fail' >>/tmp/outcome
			# ORACLE is not asked: see testdisk.sh. Whether the device has it is not shown anywhere.
			[ "$1" = "$ORACLE" ] || /sbin/blkdiscard -f -s -o 64K -l 64K "/dev/$vdx" || true
		fi
		unbind "$1" "$2"
	fi
	dmesg -r >/tmp/log
	sed -n "s/^<[0-4]>\[[^]]*\] $1 virtio[0-9]*: //p" /tmp/log | grep -v 'probe with driver' >/tmp/said || true
}

# news DRIVER DISK: what is in /tmp/outcome that a device without oddities does not show, in one line.
news() {
	grep -vxFf "/tmp/usual.$1.$2" /tmp/outcome | sed 's/$/;/' | tr '\n' ' ' | sed 's/; $//' || true
}

both_drivers_load() {
	load_both
	for disk in $(disk_names); do
		unbind "$(driver_of "$disk")" "$disk"
	done
	dd if=/dev/urandom of=/tmp/noise bs=64k count=1
	for disk in $(disk_names); do
		for driver in "$ORACLE" "$DRIVER"; do
			outcome "$driver" "$disk"
			cat /tmp/said
			[ ! -s /tmp/said ]
			cp /tmp/outcome "/tmp/usual.$driver.$disk"
		done
		diff -u "/tmp/usual.$ORACLE.$disk" "/tmp/usual.$DRIVER.$disk"
	done
}

# row DISK FIELDS REASON TRY_ORACLE: a line of the table, or the line and what is wrong.
row() {
	host "device $1 defaults" >/dev/null
	host "device $1 set $2" >/dev/null
	c='not tried'
	rm -f /tmp/outcome.c
	if [ "$4" = yes ]; then
		outcome "$ORACLE" "$1"
		mv /tmp/outcome /tmp/outcome.c
		cp /tmp/outcome.c /tmp/outcome
		c=$(news "$ORACLE" "$1")
	fi
	broken=$(broken_rules "$1")
	outcome "$DRIVER" "$1"
	broken=$(($(broken_rules "$1") - broken))
	rust=$(news "$DRIVER" "$1")
	[ "$rust" != "$c" ] || rust=same
	said=$(tr '\n' ' ' </tmp/said | sed 's/ $//; s/"//g')
	echo "\"$2\",\"${c:-as usual}\",\"${rust:-as usual}\",\"$said\",\"$3\""
	[ "$broken" -eq 0 ] || echo "WRONG: breaks the rules of the device"
	# A disk under one driver is a disk under the other.
	if [ -e /tmp/outcome.c ] && [ "$(cat /tmp/outcome.c)" != refused ]; then
		[ "$(cat /tmp/outcome)" != refused ] || echo "WRONG: refused"
		if grep -q 'loses data' /tmp/outcome && ! grep -q 'loses data' /tmp/outcome.c; then
			echo "WRONG: loses data"
		fi
		if grep -q 'discards fail' /tmp/outcome && ! grep -q 'discards fail' /tmp/outcome.c; then
			echo "WRONG: discards fail"
		fi
	fi
	if [ "$rust" = same ]; then
		[ -z "$3" ] || echo "WRONG: the same in spite of a reason"
	else
		[ -n "$3" ] || echo "WRONG: differs without a reason"
	fi
	said=$(wc -l </tmp/said)
	[ "$said" -le 1 ] || echo "WRONG: $said lines in the log"
	if [ "$(cat /tmp/outcome)" = refused ]; then
		# For zones that are not as told, it is the block layer that says so.
		[ "$said" -eq 1 ] || grep -q '^<[0-4]>.*vd[a-z]*: .*zone' /tmp/log ||
			echo "WRONG: refused without a reason"
	fi
}

# part: the lines that are tried here.
part() {
	awk -v part="$PART" -v parts="$PARTS" 'NR % parts == part % parts'
}

each_value_of_each_field() {
	devices_may_fail
	echo "$ROWS" | grep '|' | part >/tmp/rows
	: >/tmp/table
	# A line that a loop reads must not be eaten by what the loop runs.
	while IFS='|' read -r disk fields reason <&4; do
		try=yes
		[ "${disk#!}" = "$disk" ] || try=no
		row "${disk#!}" "$fields" "$reason" $try >>/tmp/table 2>/tmp/row.log
	done 4</tmp/rows
	grep -v '^WRONG' /tmp/table >/tmp/limits.csv
	grep -B 1 '^WRONG' /tmp/table >/tmp/wrong || true
	for disk in $(disk_names); do
		host "device $disk defaults"
	done
	alike=$(grep -c ',"same",' /tmp/limits.csv)
	note "$(wc -l </tmp/limits.csv) values, $alike alike, $(grep -c 'not tried' /tmp/limits.csv) not tried with C"
	set +x
	cat /tmp/wrong
	[ ! -s /tmp/wrong ]
}

the_table_is_that_of_the_document() {
	set +x
	part </mnt/guest/limits.csv | diff -u - /tmp/limits.csv
	[ "$(wc -l </tmp/limits.csv)" -ge $((60 / PARTS)) ]
}

a_device_that_was_refused_can_be_bound_again() {
	bind "$DRIVER" main
	bind "$DRIVER" zoned
	wait_for 10 disk_of main
	verify "$(disk_of main)" 2
	[ "$(cat "/sys/block/$(disk_of zoned)/queue/nr_zones")" -eq 16 ]
}

cases both_drivers_load each_value_of_each_field the_table_is_that_of_the_document \
	a_device_that_was_refused_can_be_bound_again
