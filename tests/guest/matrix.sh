# SPDX-License-Identifier: GPL-2.0
# Every disk of the scenario: fio with verification for SECONDS_EACH seconds, a file system, and a clean end.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
}

keeps_its_data() {
	disk=$(disk_of "$1")
	end=$(($(date +%s) + SECONDS_EACH))
	rounds=0
	until [ "$rounds" -gt 0 ] && [ "$(date +%s)" -ge "$end" ]; do
		verify "$disk" 8
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

bounce_buffers_were_used() {
	for disk in $(disk_names); do
		[ "$(feature "$disk" 33)" = 1 ]
	done
	[ "$(cat /sys/kernel/debug/swiotlb/io_tlb_used_hiwater)" -gt 0 ]
}

the_module_unloads() {
	unload "$DRIVER"
}

each=
for disk in $(disk_names); do
	eval "${disk}_keeps_its_data() { keeps_its_data $disk; }"
	each="$each ${disk}_keeps_its_data"
done
if grep -q swiotlb=force /proc/cmdline; then
	each="$each bounce_buffers_were_used"
fi
# shellcheck disable=SC2086 # One word per case.
cases the_module_loads $each the_module_unloads
