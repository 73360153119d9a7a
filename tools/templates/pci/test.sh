# SPDX-License-Identifier: GPL-2.0
# What `make test` does in the guest. Each function is a case; the first command that fails makes it fail.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

it_binds_to_the_device() {
	load __name__
	ls /sys/bus/pci/drivers/__name__ | grep '^0000:'
	dmesg | grep '__name__ 0000:.* version 1\.'
}

the_device_calculates() {
	dmesg | grep '__name__ 0000:.* the factorial of 12 is 479001600'
}

it_can_be_unbound_and_bound() {
	cd /sys/bus/pci/drivers/__name__
	device=$(ls | grep '^0000:' | head -n 1)
	echo "$device" >unbind
	[ ! -e "$device" ]
	echo "$device" >bind
	[ -e "$device" ]
}

it_unloads() {
	unload __name__
	[ "$(dmesg | grep -c '0000:.* unbound')" -ge 2 ]
}

cases it_binds_to_the_device the_device_calculates it_can_be_unbound_and_bound it_unloads
