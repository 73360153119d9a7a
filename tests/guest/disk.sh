# SPDX-License-Identifier: GPL-2.0
# Virtio disks and fio. Sourced after lib.sh.
#
# DRIVER is the module under test and the name of its driver, DISKS says which disks the machine has.

. /mnt/guest/modules.sh

VIRTIO=/sys/bus/virtio
VDPA=/sys/bus/vdpa

# The loops of the tests call these functions thousands of times on an emulated CPU, so they avoid starting processes.

# Names of all disks of the scenario.
disk_names() {
	echo "$DISKS" | tr ',' '\n' | sed 's/:.*//'
}

# virtio_of DISK: its device on the virtio bus, virtioN.
virtio_of() {
	slot=",$DISKS,"
	slot=${slot#*",$1:"}
	slot=${slot%%,*}
	case $slot in
	uml.*)
		set -- "/sys/devices/virtio-uml-cmdline/virtio-$slot"/virtio*
		;;
	vdpa.*)
		set -- "$VDPA/devices/${slot#vdpa.}"/virtio*
		;;
	?*)
		# Directly in the slot, or on the bus behind a root port in the slot.
		slot=/sys/devices/pci0000:00/0000:00:$slot.0
		set -- "$slot"/virtio* "$slot"/0000:*/virtio*
		;;
	*)
		set -- $(grep -lx 0x0002 $VIRTIO/devices/*/device)
		set -- "${1%/device}"
		;;
	esac
	for path; do
		if [ -e "$path/features" ]; then
			echo "${path##*/}"
			return 0
		fi
	done
	return 1
}

# disk_of DISK: vdX. Fails while no driver serves it, and until it has its node, which comes last.
disk_of() {
	set -- $VIRTIO/devices/"$(virtio_of "$1")"/block/*
	[ -b "/dev/${1##*/}" ] && echo "${1##*/}"
}

# driver_of DISK
driver_of() {
	basename "$(readlink "$VIRTIO/devices/$(virtio_of "$1")/driver")"
}

# feature DISK BIT: 1 when it was negotiated, else 0.
feature() {
	cut -c $(($2 + 1)) "$VIRTIO/devices/$(virtio_of "$1")/features"
}

# function_of DISK: its PCI function in sysfs.
function_of() {
	readlink -f "$VIRTIO/devices/$(virtio_of "$1")/.."
}

# recoveries DISK: how often its device has been reset because it had failed.
recoveries() {
	cat "$VIRTIO/devices/$(virtio_of "$1")/recoveries"
}

# look_soon DISK MS: the block layer looks after requests that have taken so long.
look_soon() {
	echo "$2" >"/sys/block/$(disk_of "$1")/queue/io_timeout"
}

# anew DISK MS: binds the driver again, with a clean record, and has it look as soon as that.
anew() {
	unbind "$DRIVER" "$1"
	bind "$DRIVER" "$1"
	wait_for 10 disk_of "$1"
	look_soon "$1" "$2"
}

# has_recovered DISK TIMES: more often than that.
has_recovered() {
	[ "$(recoveries "$1")" -gt "$2" ]
}

bind() {
	device=$(virtio_of "$2")
	echo "$device" >$VIRTIO/drivers/"$1"/bind
}

unbind() {
	device=$(virtio_of "$2")
	echo "$device" >$VIRTIO/drivers/"$1"/unbind
}

# give DRIVER DISK: takes the disk from whoever has it.
give() {
	unbind "$(driver_of "$2")" "$2"
	bind "$1" "$2"
	wait_for 10 disk_of "$2"
	[ "$(driver_of "$2")" = "$1" ]
}

# interrupts PREFIX: how many came so far, on all CPUs, for those whose name begins so, such as virtio1-req.
interrupts() {
	awk -v prefix="$1" 'index($NF, prefix) == 1 { for (i = 2; i < NF; i++) if ($i ~ /^[0-9]+$/) n += $i }
		END { print n + 0 }' /proc/interrupts
}

# Forgets what the page cache knows, so that the next read comes from the disk.
drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# written VDX: bytes that were written to the disk since it appeared.
written() {
	read -r _ _ _ _ _ _ sectors _ <"/sys/block/$1/stat"
	echo $((sectors * 512))
}

# was_written VDX BYTES: whether more than that has been written.
was_written() {
	[ "$(written "$1")" -gt "$2" ]
}

# fio_job FILE: runs tests/guest/FILE.fio; DEV and the other variables of the job file are taken from the environment.
fio_job() {
	fio --output-format=terse --output="${FIO_OUT:-/tmp/fio.out}" "/mnt/guest/$1.fio"
}

# verify VDX [MIB]: fio writes and reads back MIB mebibytes per job, with checksums, at several sizes and depths.
verify() {
	before=$(written "$1")
	export DEV=/dev/$1 MIB=${2:-4}
	fio_job verify
	was_written "$1" "$before" || fail "fio wrote nothing to $1"
}

# touch_disk VDX: a small quick verification, for loops.
touch_disk() {
	export DEV=/dev/$1
	fio_job touch
}

# keeps_its_data DISK: fio with verification for SECONDS_EACH seconds, in regions of REGION_MIB mebibytes, and a file
# system.
keeps_its_data() {
	disk=$(disk_of "$1")
	end=$(($(date +%s) + SECONDS_EACH))
	rounds=0
	until [ "$rounds" -gt 0 ] && [ "$(date +%s)" -ge "$end" ]; do
		verify "$disk" "$REGION_MIB"
		rounds=$((rounds + 1))
	done
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/disk
	mount -t ext4 "/dev/$disk" /tmp/disk
	cp /bin/busybox /sbin/mkfs.ext4 /tmp/disk/
	umount /tmp/disk
	drop_caches
	e2fsck -fn "/dev/$disk"
	mount -t ext4 "/dev/$disk" /tmp/disk
	cmp /bin/busybox /tmp/disk/busybox
	cmp /sbin/mkfs.ext4 /tmp/disk/mkfs.ext4
	umount /tmp/disk
	note "$rounds round(s)"
}

# start_fio DISK: fio writes and verifies in the background, again and again, until stop_fio. When the case ends early,
# so does this fio.
start_fio() {
	busy_disk=$(disk_of "$1")
	before=$(written "$busy_disk")
	: >/tmp/rounds
	touch /tmp/busy
	trap 'rm -f /tmp/busy' EXIT
	(
		export FIO_OUT=/tmp/fio.busy
		while [ -e /tmp/busy ]; do
			verify "$busy_disk" 2
			echo >>/tmp/rounds
		done
	) &
	busy=$!
	wait_for 60 was_written "$busy_disk" "$before"
}

# stop_fio: lets the round that runs come to its end. Fails if any block was not what had been written.
stop_fio() {
	rm /tmp/busy
	wait $busy
	rounds=$(wc -l </tmp/rounds)
	[ "$rounds" -gt 0 ]
}

# sleeps STATE: the machine, or what /sys/power/pm_test leaves of its sleep, while start_fio is at work, which goes on.
sleeps() {
	slept=$(cat /sys/power/suspend_stats/success)
	before=$(written "$busy_disk")
	echo "$1" >/sys/power/state
	[ "$(cat /sys/power/suspend_stats/success)" -eq $((slept + 1)) ]
	wait_for 60 was_written "$busy_disk" "$before"
}
