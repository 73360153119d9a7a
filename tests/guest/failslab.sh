# SPDX-License-Identifier: GPL-2.0
# Allocations of probe fail, one after the other and at random. A probe that fails leaves nothing behind; a device whose
# probe failed can be bound again and works.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/allocations.sh

the_modules_load() {
	can_fail
	load "$DRIVER"
	load rust_virtio_rng
	wait_for 10 disk_of main
	let_allocations_fail
	dd if=/dev/urandom of=/tmp/pattern bs=64k count=1
}

# bind_with_fault NTH: the NTH allocation of probe fails. Tells whether the device was bound. If `left` is 0, there was
# an allocation with that number.
bind_with_fault() {
	status=0 clean=no
	# It is this very process that binds: each has a count of its own.
	echo "$1" >/proc/self/fail-nth
	echo "$device" >"$VIRTIO/drivers/$driver/bind" || status=1
	read -r left </proc/self/fail-nth
	echo 0 >/proc/self/fail-nth
	return $status
}

bind_cleanly() {
	clean=yes
	echo "$device" >"$VIRTIO/drivers/$driver/bind"
}

release() {
	echo "$device" >"$VIRTIO/drivers/$driver/unbind"
	[ ! -e "$VIRTIO/devices/$device/driver" ]
}

# After a bind that failed.
recover() {
	failed=$((failed + 1))
	[ ! -e "$VIRTIO/devices/$device/driver" ]
	bind_cleanly
}

# try NTH: one cycle.
try() {
	bind_with_fault "$1" || recover
	[ "$left" -gt 0 ] || faults=$((faults + 1))
	"use_$kind"
	release
}

# try_each: CYCLES cycles, spread over all allocations of probe; the same ones again, if there are fewer than that.
try_each() {
	failed=0 faults=0
	release
	bind_with_fault $MANY
	release
	total=$((MANY - left))
	cycle=0
	while [ $cycle -lt "$CYCLES" ]; do
		if [ "$total" -gt "$CYCLES" ]; then
			try $((cycle * total / CYCLES + 1))
		else
			try $((cycle % total + 1))
		fi
		cycle=$((cycle + 1))
	done
	bind_cleanly
	note "$total allocations, $CYCLES cycles, $faults faults, $failed failed binds"
	# The number of allocations varies a little with what other tasks have left in caches.
	[ "$faults" -ge $((CYCLES * 9 / 10)) ]
	[ "$failed" -gt 0 ]
}

# try_at_random PERCENT: a fifth of CYCLES cycles in which each allocation may fail.
try_at_random() {
	failed=0 cycles=$(((CYCLES + 4) / 5))
	release
	echo 1 >$FAULTS/task-filter
	echo -1 >$FAULTS/times
	for cycle in $(seq $cycles); do
		status=0 clean=no
		echo "$1" >$FAULTS/probability
		echo 1 >/proc/self/make-it-fail
		echo "$device" >"$VIRTIO/drivers/$driver/bind" || status=1
		echo 0 >/proc/self/make-it-fail
		echo 0 >$FAULTS/probability
		[ $status = 0 ] || recover
		"use_$kind"
		release
	done
	bind_cleanly
	note "$cycles cycles, $failed failed binds"
	[ "$failed" -gt 0 ]
}

use_disk() {
	wait_for 10 disk_of main
	disk=/dev/$(disk_of main)
	dd if=/tmp/pattern of="$disk" bs=64k seek="$cycle" oflag=direct
	dd if="$disk" of=/tmp/read bs=64k skip="$cycle" count=1 iflag=direct
	cmp /tmp/pattern /tmp/read
}

take_disk() {
	aim "$DRIVER"
	kind=disk driver=$DRIVER device=$(virtio_of main)
}

use_entropy() {
	set -- /sys/kernel/debug/rust_virtio_rng-*/random
	# A driver does not care whether there is a file in debugfs.
	if [ "$clean" = no ] && [ ! -e "$1" ]; then
		return
	fi
	[ "$(wc -c <"$1")" -eq 65 ]
}

take_entropy() {
	aim rust_virtio_rng
	kind=entropy driver=rust_virtio_rng
	set -- "$VIRTIO/drivers/$driver"/virtio*
	device=${1##*/}
}

any_allocation_of_a_disks_probe_may_fail() {
	take_disk
	try_each
	touch_disk "$(disk_of main)"
}

any_allocation_of_an_entropy_devices_probe_may_fail() {
	take_entropy
	try_each
}

allocations_of_a_disks_probe_may_fail_at_random() {
	take_disk
	try_at_random 1
	touch_disk "$(disk_of main)"
}

allocations_of_an_entropy_devices_probe_may_fail_at_random() {
	take_entropy
	try_at_random 5
}

the_modules_unload() {
	can_fail
	unload "$DRIVER"
	unload rust_virtio_rng
}

cases the_modules_load \
	any_allocation_of_a_disks_probe_may_fail \
	any_allocation_of_an_entropy_devices_probe_may_fail \
	allocations_of_a_disks_probe_may_fail_at_random \
	allocations_of_an_entropy_devices_probe_may_fail_at_random \
	the_modules_unload
