# SPDX-License-Identifier: GPL-2.0
# A module that is loaded and unloaded many times, with I/O each time.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_survives_load_and_unload() {
	for loop in $(seq "$LOOPS"); do
		load "$DRIVER"
		wait_for 10 disk_of main
		dd if="/dev/$(disk_of main)" of=/dev/null bs=64k count=4
		unload "$DRIVER"
	done
	note "$LOOPS times"
}

the_disk_still_works() {
	load "$DRIVER"
	wait_for 10 disk_of main
	verify "$(disk_of main)" 2
	unload "$DRIVER"
}

cases the_module_survives_load_and_unload the_disk_still_works
