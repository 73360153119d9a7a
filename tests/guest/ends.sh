# SPDX-License-Identifier: GPL-2.0
# The machine goes down while requests wait that never end, below a file system and beside it. WAY says how.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	wait_for 10 disk_of main
	wait_for 10 disk_of other
}

requests_wait_that_never_end() {
	disk=$(disk_of main)
	mkfs.ext4 -q -F "/dev/$disk"
	mkdir -p /tmp/held
	mount -t ext4 "/dev/$disk" /tmp/held
	# One request passes, whoever's that is: a file system writes by itself, too.
	host throttle main bps 1
	host throttle other bps 1
	dd if=/dev/zero of=/tmp/held/file bs=64k count=16 conv=fsync &
	writer=$!
	dd if="/dev/$(disk_of other)" of=/dev/null bs=4k count=16 iflag=direct &
	reader=$!
	sleep 2
	kill -0 $writer
	kill -0 $reader
}

# Nobody writes back first: what cannot be written would be waited for before the kernel is even asked.
the_machine_goes_down() {
	# What waits may be ended by then, and is what a file system needed.
	devices_may_fail
	file_systems_may_complain
	go_down
}

# A machine that goes down is not searched for leaks.
LEAKS=
cases the_module_loads requests_wait_that_never_end the_machine_goes_down
