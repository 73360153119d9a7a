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

# start_interrupts DISK: raises its interrupts all the time, whether the device has anything to say or not.
start_interrupts() {
	of=$(virtio_of "$1")
	: >/tmp/raised
	touch /tmp/raising
	trap 'rm -f /tmp/raising' EXIT
	(
		while [ -e /tmp/raising ]; do
			for irq in $(sed -n "s/^ *\([0-9]*\):.*[ ,]$of\(-.*\)*$/\1/p" /proc/interrupts); do
				echo trigger >"/sys/kernel/debug/irq/irqs/$irq" && echo "$irq" >>/tmp/raised
			done
		done
	) 2>/dev/null &
	raiser=$!
}

# Says how often that was.
stop_interrupts() {
	rm /tmp/raising
	wait $raiser
	wc -l </tmp/raised
}

# Early ones come between the request of an interrupt and the start of the device, late ones between the end of the
# driver and the release of the interrupt.
interrupts_at_any_time_are_harmless() {
	numbers=
	for disk in $(disk_names); do
		start_interrupts "$disk"
		for _ in 1 2; do
			touch_disk "$(disk_of "$disk")"
			unbind "$DRIVER" "$disk"
			refused disk_of "$disk"
			bind "$DRIVER" "$disk"
			wait_for 10 disk_of "$disk"
		done
		touch_disk "$(disk_of "$disk")"
		number=$(stop_interrupts)
		[ "$number" -gt 0 ]
		numbers="$numbers $disk: $number"
	done
	note "$numbers"
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
cases the_module_loads each_disk_is_attached_as_its_name_says $each $bounced interrupts_at_any_time_are_harmless \
	the_module_unloads
