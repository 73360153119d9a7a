# SPDX-License-Identifier: GPL-2.0
# Every disk of the scenario keeps what was written to it.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
}

the_module_unloads() {
	unload "$DRIVER"
}

each=
for disk in $(disk_names); do
	eval "${disk}_keeps_its_data() { keeps_its_data $disk; }"
	each="$each ${disk}_keeps_its_data"
done
# shellcheck disable=SC2086 # One word per case.
cases the_module_loads $each the_module_unloads
