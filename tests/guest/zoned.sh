# SPDX-License-Identifier: GPL-2.0
# Zoned devices: reports, operations, the rules of writing, fio, a file system that appends. Both drivers in turn.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

# Sectors of a zone of the device `main`, of which the first four zones are conventional.
ZONE=8192

both_drivers_load() {
	load_both
}

the_limits_are_equal() {
	both main limits
	for line in 'zoned: host-managed' 'chunk_sectors: 8192' 'nr_zones: 64' 'max_open_zones: 6' \
		'max_active_zones: 10' 'zone_append_max_bytes: 131072' 'zone_write_granularity: 512' \
		'discard_max_bytes: 0'; do
		grep -x "$line" "/tmp/limits.$DRIVER"
	done
	note "$(wc -l </tmp/limits.$DRIVER) attributes"
}

report() {
	/sbin/blkzone report "/dev/$1"
}

the_reports_are_equal() {
	both main report
	[ "$(grep -c 'type: 1' "/tmp/report.$DRIVER")" -eq 4 ]
	[ "$(grep -c 'type: 2' "/tmp/report.$DRIVER")" -eq 60 ]
	note "$(wc -l <"/tmp/report.$DRIVER") zones"
}

# The report of all zones, and how many requests it takes.
many_zones() {
	[ "$(cat "/sys/block/$1/queue/nr_zones")" -eq 2000 ]
	before=$(asked many report)
	report "$1"
	echo "$(($(asked many report) - before)) requests"
}

a_report_of_many_zones_takes_as_few_requests_as_with_c() {
	both many many_zones
	[ "$(wc -l </tmp/many_zones.$DRIVER)" -eq 2001 ]
	note "2000 zones, $(tail -n 1 /tmp/many_zones.$DRIVER)"
}

a_report_of_many_zones_fits_into_small_requests() {
	for segments in 1 5; do
		host "device many set seg_max=$segments"
		both many many_zones
		[ "$(wc -l </tmp/many_zones.$DRIVER)" -eq 2001 ]
	done
	host 'device many defaults'
	note "2000 zones, $(tail -n 1 /tmp/many_zones.$DRIVER)"
}

# write_at VDX SECTOR KIB: noise. Some dd writes through the page cache after an error, hence the last word.
write_at() {
	dd if=/dev/urandom of="/dev/$1" bs=1k seek=$(($2 / 2)) count="$3" oflag=direct iflag=fullblock conv=fsync
}

# zone VDX INDEX: what is reported of it.
zone() {
	/sbin/blkzone report -o $(($2 * ZONE)) -c 1 "/dev/$1"
}

operate() {
	/sbin/blkzone reset "/dev/$1"
	for step in 'write 4' 'open 4' 'close 4' 'write 5' 'open 6' 'finish 5' 'finish 7' 'reset 4' 'reset 5'; do
		op=${step% *} index=${step#* }
		if [ "$op" = write ]; then
			write_at "$1" $((index * ZONE)) 64
		else
			/sbin/blkzone "$op" -o $((index * ZONE)) -c 1 "/dev/$1"
		fi
		echo "$step:$(zone "$1" "$index")"
	done
	report "$1"
	/sbin/blkzone reset "/dev/$1"
	report "$1"
}

every_operation_changes_what_is_reported() {
	both main operate
	for op in open close finish reset reset-all; do
		[ "$(asked main $op)" -gt 0 ] || fail "the device was never asked to $op"
	done
	for state in 'write 4: .*(oi)' 'open 4: .*(oe)' 'close 4: .*(cl)' 'finish 5: .*(fu)' 'reset 5: .*(em)'; do
		grep "^$state" "/tmp/operate.$DRIVER"
	done
}

# The messages of what must fail, without the name of the disk.
refusal() {
	if "$@" >/tmp/refusal 2>&1; then
		fail "succeeded, but should have been refused: $*"
	fi
	sed 's|/dev/vd[a-z]*|DISK|' /tmp/refusal | grep -v 'records\|bytes'
}

break_rules() {
	/sbin/blkzone reset "/dev/$1"
	write_at "$1" $((4 * ZONE)) 4
	# Not at the write pointer: behind it, before it, in an empty zone.
	refusal write_at "$1" $((4 * ZONE + 16)) 4
	refusal write_at "$1" $((4 * ZONE)) 4
	refusal write_at "$1" $((5 * ZONE + 8)) 4
	zone "$1" 4
	zone "$1" 5
	# Conventional zones have no such rule, nor operations.
	write_at "$1" 800 4
	write_at "$1" 80 4
	refusal /sbin/blkzone open -o 0 -c 1 "/dev/$1"
	# More than can be open.
	refusal /sbin/blkzone open -o $((10 * ZONE)) -c 7 "/dev/$1"
	/sbin/blkzone reset "/dev/$1"
	# More than can be active.
	for index in 4 5 6 7 8 9 10 11 12 13; do
		write_at "$1" $((index * ZONE)) 4
	done
	refusal write_at "$1" $((14 * ZONE)) 4
	report "$1"
	/sbin/blkzone reset "/dev/$1"
}

what_breaks_the_rules_is_refused() {
	devices_may_fail
	both main break_rules
	note "$(grep -c 'rror\|many\|fail' "/tmp/break_rules.$DRIVER") refusals"
}

broken_zones() {
	report "$1" | tail -n 3
	refusal write_at "$1" $((1 * ZONE)) 4
	refusal dd if="/dev/$1" of=/dev/null bs=4k count=1 skip=$((2 * ZONE / 8)) iflag=direct
	refusal /sbin/blkzone reset -o $((2 * ZONE)) -c 1 "/dev/$1"
}

broken_zones_are_reported_and_not_used() {
	devices_may_fail
	host 'device broken zone 1 read-only'
	host 'device broken zone 2 offline'
	both broken broken_zones
	grep '(ro)' "/tmp/broken_zones.$DRIVER"
	grep '(of)' "/tmp/broken_zones.$DRIVER"
}

fio_zones() {
	/sbin/blkzone reset "/dev/$1"
	for mode in write randwrite; do
		fio --name="$mode" --filename="/dev/$1" --direct=1 --thread --ioengine=io_uring --zonemode=zbd \
			--max_open_zones=6 --rw=$mode --bs=16k --iodepth=8 --offset=$((4 * ZONE * 512)) --size=48m \
			--verify=crc32c --do_verify=1 --verify_fatal=1 --output=/tmp/fio.zoned >&2 || {
			cat /tmp/fio.zoned >&2
			fail "fio $mode"
		}
		grep -o 'err= *[0-9]*' /tmp/fio.zoned
	done
}

fio_writes_zones_and_verifies() {
	both main fio_zones
}

# fio_append OPTION...
fio_append() {
	fio --name=append --directory=/tmp/disk --rw=randwrite --bs=16k --size=4m --numjobs=4 --thread --invalidate=1 \
		--verify=crc32c --verify_fatal=1 --output=/tmp/fio.append "$@" >&2
}

append() {
	before=$(asked btrfs append)
	/sbin/blkzone reset "/dev/$1"
	/sbin/mkfs.btrfs -q -f -O zoned -d single -m single "/dev/$1" >&2
	mkdir -p /tmp/disk
	mount -t btrfs "/dev/$1" /tmp/disk
	mkdir /tmp/disk/files
	cp /bin/busybox /sbin/* /tmp/disk/files/
	(cd /tmp/disk/files && sha256sum ./*) >/tmp/checksums
	# Many files written back at once, so that appends to one zone overtake each other.
	fio_append --do_verify=0
	umount /tmp/disk
	drop_caches
	mount -t btrfs "/dev/$1" /tmp/disk
	fio_append --verify_only=1
	(cd /tmp/disk/files && sha256sum -c /tmp/checksums) >/tmp/checked
	grep -c OK /tmp/checked
	umount /tmp/disk
	[ $(($(asked btrfs append) - before)) -gt 20 ]
}

a_file_system_appends_and_finds_its_data() {
	both btrfs append
	note "$(asked btrfs append) appends"
}

an_append_that_fails_is_an_error() {
	give "$DRIVER" btrfs
	disk=/dev/$(disk_of btrfs)
	for fault in append-sector no-status unknown-status io-error; do
		mount -t btrfs "$disk" /tmp/disk
		host "device btrfs fault $fault:append"
		if dd if=/dev/urandom of=/tmp/disk/lost bs=64k count=4 conv=fsync 2>/tmp/failure; then
			fail "written in spite of $fault"
		fi
		grep -i 'I/O error\|Input/output error' /tmp/failure
		host 'device btrfs behave'
		umount /tmp/disk
	done
	mount -t btrfs "$disk" /tmp/disk
	(cd /tmp/disk/files && sha256sum -c /tmp/checksums) >/tmp/checked
	umount /tmp/disk
}

# fails_after DISK REQUEST: the device carries the next such request out, and fails then.
fails_after() {
	host "device $1 lie id-huge:$2"
}

# An append that has reached the zone would be there twice.
an_append_is_not_issued_again() {
	give "$DRIVER" btrfs
	disk=/dev/$(disk_of btrfs)
	mount -t btrfs "$disk" /tmp/disk
	sync
	before=$(asked btrfs append)
	fails_after btrfs append
	refused dd if=/dev/urandom of=/tmp/disk/lost bs=16k count=1 conv=fsync
	wait_for 10 has_recovered btrfs 0
	[ $(($(asked btrfs append) - before)) -eq 1 ]
	umount /tmp/disk
	mount -t btrfs "$disk" /tmp/disk
	(cd /tmp/disk/files && sha256sum -c /tmp/checksums) >/tmp/checked
	umount /tmp/disk
}

# has_write_pointer VDX INDEX SECTORS: from the start of the zone.
has_write_pointer() {
	zone "$1" "$2" | grep "wptr 0x0*$(printf '%x' "$3") "
}

# write_block VDX SECTOR: one request, of 4 KiB of noise.
write_block() {
	dd if=/dev/urandom of=/tmp/block bs=4k count=1
	dd if=/tmp/block of="/dev/$1" bs=4k seek=$(($2 / 8)) oflag=direct
}

a_write_is_issued_again_if_it_has_not_reached_its_zone() {
	give "$DRIVER" main
	vdx=$(disk_of main)
	/sbin/blkzone reset "/dev/$vdx"
	look_soon main 1000
	echo Y >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	before=$(asked main write)
	host 'device main stall'
	write_block "$vdx" $((4 * ZONE)) &
	writer=$!
	wait_for 20 has_recovered main 0
	host 'device main resume'
	wait $writer
	echo N >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	[ $(($(asked main write) - before)) -eq 1 ]
	has_write_pointer "$vdx" 4 8
}

# The zone does not take it twice, so nothing is lost or moved; but the writer gets an error.
a_write_that_has_reached_its_zone_fails_when_it_is_issued_again() {
	give "$DRIVER" main
	vdx=$(disk_of main)
	/sbin/blkzone reset "/dev/$vdx"
	before=$(asked main write)
	fails_after main write
	refused write_block "$vdx" $((5 * ZONE))
	wait_for 10 has_recovered main 0
	[ $(($(asked main write) - before)) -eq 2 ]
	has_write_pointer "$vdx" 5 8
	dd if="/dev/$vdx" bs=4k skip=$((5 * ZONE / 8)) count=1 iflag=direct | cmp - /tmp/block
	# Whoever looks where the zone is to be written next can go on.
	write_block "$vdx" $((5 * ZONE + 8))
	has_write_pointer "$vdx" 5 16
}

a_write_to_a_conventional_zone_is_issued_again() {
	give "$DRIVER" main
	vdx=$(disk_of main)
	before=$(asked main write)
	fails_after main write
	write_block "$vdx" 800
	[ "$(recoveries main)" -eq 1 ]
	[ $(($(asked main write) - before)) -eq 2 ]
}

both_modules_unload() {
	for disk in $(disk_names); do
		kept_the_rules "$disk"
	done
	unload_both
}

cases both_drivers_load the_limits_are_equal the_reports_are_equal \
	a_report_of_many_zones_takes_as_few_requests_as_with_c a_report_of_many_zones_fits_into_small_requests \
	every_operation_changes_what_is_reported what_breaks_the_rules_is_refused \
	broken_zones_are_reported_and_not_used fio_writes_zones_and_verifies \
	a_file_system_appends_and_finds_its_data an_append_that_fails_is_an_error an_append_is_not_issued_again \
	a_write_is_issued_again_if_it_has_not_reached_its_zone \
	a_write_that_has_reached_its_zone_fails_when_it_is_issued_again \
	a_write_to_a_conventional_zone_is_issued_again both_modules_unload
