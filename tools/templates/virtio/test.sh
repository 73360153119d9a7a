# SPDX-License-Identifier: GPL-2.0
# What `make test` does in the guest. Each function is a case; the first command that fails makes it fail.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

it_binds_to_the_device() {
	load __name__
	ls /sys/bus/virtio/drivers/__name__ | grep '^virtio'
}

the_device_answers() {
	wait_for 10 eval "dmesg | grep '__name__: the device has sent [0-9]* ones and [0-9]* zeroes'"
	note "$(dmesg | sed -n 's/.*__name__: the device has/it has/p' | tail -n 1)"
}

it_can_be_unbound_and_bound() {
	cd /sys/bus/virtio/drivers/__name__
	device=$(ls | grep '^virtio' | head -n 1)
	echo "$device" >unbind
	[ ! -e "$device" ]
	echo "$device" >bind
	[ -e "$device" ]
}

it_unloads() {
	unload __name__
}

cases it_binds_to_the_device the_device_answers it_can_be_unbound_and_bound it_unloads
