# SPDX-License-Identifier: GPL-2.0
# The ways in which a virtio device is reached. Each disk of the scenario has the name of one: `modern`, `transitional`
# and `legacy` are PCI functions, `mmio` is not, and the memory of those whose name begins with `bounced` is copied.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

# virtio-pci sleeps in lifecycle.sh.
case ,$DISKS in
*,mmio:*)
	from_memory
	sleep=a_busy_disk_survives_the_sleep_of_its_device
	;;
esac

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

# raise_interrupts DEVICE IRQ...: whether the device has anything to say or not, until /tmp/raising is gone. Notes those
# that came while there was no disk: early, between the request of the interrupt and the start of the driver, or late,
# between the end of the driver and the release of the interrupt.
raise_interrupts() {
	block=$VIRTIO/devices/$1/block
	shift
	while [ -e /tmp/raising ]; do
		for irq; do
			if echo trigger >"/sys/kernel/debug/irq/irqs/$irq" && [ ! -e "$block" ]; then
				echo >>/tmp/raised
			fi
		done
	done 2>/dev/null
}

# irqs_of DEVICE
irqs_of() {
	sed -n "s/^ *\([0-9]*\):.*[ ,]$1\(-.*\)*$/\1/p" /proc/interrupts
}

interrupts_at_any_time_are_harmless() {
	[ -d /sys/kernel/debug/irq/irqs ] || skip 'this kernel cannot raise interrupts'
	trap 'rm -f /tmp/raising' EXIT
	interrupts_are_injected
	numbers=
	for disk in $(disk_names); do
		device=$(virtio_of "$disk")
		irqs=$(irqs_of "$device")
		: >/tmp/raised
		touch /tmp/raising
		# shellcheck disable=SC2086 # One word per interrupt.
		raise_interrupts "$device" $irqs &
		raiser=$!
		rounds=0
		until [ -s /tmp/raised ]; do
			rounds=$((rounds + 1))
			[ "$rounds" -le 20 ] || fail "none of $irqs came early or late"
			touch_disk "$(disk_of "$disk")"
			unbind "$DRIVER" "$disk"
			refused disk_of "$disk"
			bind "$DRIVER" "$disk"
			wait_for 10 disk_of "$disk"
		done
		rm /tmp/raising
		wait "$raiser"
		touch_disk "$(disk_of "$disk")"
		numbers="$numbers$disk: $(wc -l </tmp/raised) "
	done
	note "$numbers"
}

# All devices sleep; the machine stays awake and wakes them after a second, as it has nothing else that would.
a_busy_disk_survives_the_sleep_of_its_device() {
	echo devices >/sys/power/pm_test
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
	start_fio mmio
	for loop in $(seq "$SLEEPS"); do
		sleeps freeze
	done
	stop_fio
	echo none >/sys/power/pm_test
	note "$SLEEPS times, $rounds round(s) of fio"
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
	$sleep the_module_unloads
