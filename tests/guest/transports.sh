# SPDX-License-Identifier: GPL-2.0
# The ways in which a virtio device is reached. Each disk of the scenario has the name of one: `modern`, `transitional`
# and `legacy` are PCI functions, `mmio` is not, and the memory of those whose name begins with `bounced` is copied.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
		[ "$(driver_of "$disk")" = "$DRIVER" ]
	done
}

# transport DISK: what the kernel sees. The PCI id of devices that are modern only is another one.
transport() {
	path=$(readlink -f "$VIRTIO/devices/$(virtio_of "$1")")
	modern=$(feature "$1" 32)
	case $path in
	*/virtio-mmio*) echo mmio ;;
	*) echo "$(cat "$path/../device") version_1=$modern platform=$(feature "$1" 33)" ;;
	esac
}

each_disk_is_attached_as_its_name_says() {
	for disk in $(disk_names); do
		case $disk in
		modern) expected='0x1042 version_1=1 platform=0' ;;
		transitional) expected='0x1001 version_1=1 platform=0' ;;
		legacy) expected='0x1001 version_1=0 platform=0' ;;
		bounced*) expected='0x1042 version_1=1 platform=1' ;;
		mmio) expected=mmio ;;
		*) fail "no transport is called $disk" ;;
		esac
		[ "$(transport "$disk")" = "$expected" ]
	done
	note "$(disk_names | tr '\n' ' ')"
}

bounce_buffers_were_used() {
	grep -q swiotlb=force /proc/cmdline
	used=$(cat /sys/kernel/debug/swiotlb/io_tlb_used_hiwater)
	[ "$used" -gt 0 ]
	note "$used slots at most"
}

the_module_unloads() {
	unload "$DRIVER"
}

each=
for disk in $(disk_names); do
	eval "${disk}_keeps_its_data() { keeps_its_data $disk; }"
	each="$each ${disk}_keeps_its_data"
	case $disk in
	bounced*) bounced=bounce_buffers_were_used ;;
	esac
done
# shellcheck disable=SC2086 # One word per case.
cases the_module_loads each_disk_is_attached_as_its_name_says $each $bounced the_module_unloads
