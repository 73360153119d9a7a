# SPDX-License-Identifier: GPL-2.0
# The machine sleeps and wakes, idle and busy, and the disk keeps its data.

# A share of the host does not survive the machine's sleep. From here on everything is read from memory.
if [ ! -d /tmp/guest ]; then
	cp -r /mnt/guest /tmp/guest
	umount -l /mnt/guest
	mount --bind /tmp/guest /mnt/guest
	exec sh /mnt/guest/suspend.sh
fi

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	wait_for 10 disk_of main
}

# suspend_count: how often the machine has slept and woken.
suspend_count() {
	cat /sys/power/suspend_stats/success
}

# sleep_once STATE
sleep_once() {
	slept=$(suspend_count)
	echo "$1" >/sys/power/mem_sleep
	echo mem >/sys/power/state
	[ "$(suspend_count)" -eq $((slept + 1)) ]
}

the_disk_survives_suspend_to_ram() {
	host wakeup-on-suspend
	for loop in $(seq "$LOOPS"); do
		sleep_once deep
		touch_disk "$(disk_of main)"
	done
	note "$LOOPS times"
}

# The machine has nothing that would wake it from idle, so the kernel's own test comes back after a second instead.
the_disk_survives_suspend_to_idle() {
	echo platform >/sys/power/pm_test
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
	for loop in $(seq "$LOOPS"); do
		sleep_once s2idle
		touch_disk "$(disk_of main)"
	done
	echo none >/sys/power/pm_test
	note "$LOOPS times"
}

a_busy_disk_survives_suspend_to_ram() {
	(verify "$(disk_of main)" 8) &
	busy=$!
	disk=$(disk_of main)
	before=$(written "$disk")
	wait_for 60 was_written "$disk" "$before"
	sleep_once deep
	wait $busy
}

the_module_unloads() {
	unload "$DRIVER"
}

cases the_module_loads the_disk_survives_suspend_to_ram the_disk_survives_suspend_to_idle \
	a_busy_disk_survives_suspend_to_ram the_module_unloads
