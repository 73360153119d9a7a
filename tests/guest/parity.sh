# SPDX-License-Identifier: GPL-2.0
# The C driver as oracle: each disk of the scenario is plugged in and served by ORACLE, then by DRIVER. What can be seen
# of each is told to the host as lines NAME=VALUE, and the host compares.
#
# PARAMETERS says with which module parameters the modules are loaded for some disks: DISK:NAME=VALUE+NAME=VALUE,...

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/facts.sh
. /mnt/guest/actions.sh

both_modules_load() {
	# Each disk is to be bound by hand, to one driver after the other.
	echo 0 >$VIRTIO/drivers_autoprobe
	load_both
	for driver in $ORACLE $DRIVER; do
		parameter_facts "$driver" >/tmp/facts
		normalise "$driver" </tmp/facts >/tmp/seen
		tell_facts modules "$driver" </tmp/seen
	done
}

# load_both [PARAMETER...]
load_both() {
	load "$ORACLE" "$@"
	load "$DRIVER" "$@"
}

unload_both() {
	unload "$DRIVER"
	unload "$ORACLE"
}

# parameters_of DISK
parameters_of() {
	echo "$PARAMETERS" | tr ',' '\n' | sed -n "s/^$1://p" | tr '+' ' '
}

# normalise DRIVER [VDX [MAJOR:MINOR]]: gives names that are the driver's own the same form for both.
normalise() {
	sed -e "s/\\b$1\\b/DRIVER/g" -e "s/\\b${2:-no disk}\\b/vdX/g" -e "s/\\b${3:-no number}\\b/MAJOR:MINOR/g"
}

# turn DRIVER DISK: binds, looks at everything, unbinds. What was seen is in /tmp/seen then.
turn() {
	device=$(virtio_of "$2")
	disk=
	number=
	: >/tmp/facts
	mark_log
	listen
	attempt bind echo_into $VIRTIO/drivers/"$1"/bind "$device" >>/tmp/facts
	if [ -e $VIRTIO/devices/"$device"/driver ]; then
		wait_for 20 disk_of "$2"
		disk=$(disk_of "$2")
		number=$(cat "/sys/block/$disk/dev")
		disk_facts "$disk" "$device" >>/tmp/facts
		action_facts "$disk" "$2" >>/tmp/facts
		unbind "$1" "$2"
	fi
	stop_listening
	cat /tmp/events >>/tmp/facts
	log_facts >>/tmp/facts
	normalise "$1" "$disk" "$number" </tmp/facts >/tmp/seen
}

# looks_the_same DISK
looks_the_same() {
	parameters=$(parameters_of "$1")
	if [ -n "$parameters" ]; then
		unload_both
		# shellcheck disable=SC2086 # One word per parameter.
		load_both $parameters
	fi
	host plug "$1"
	wait_for 20 virtio_of "$1"
	for driver in $ORACLE $DRIVER; do
		turn "$driver" "$1"
		tell_facts "$1" "$driver" </tmp/seen
		# C leaves the rings of a failed probe to the device, which the next driver would find in use.
		if [ -z "$disk" ]; then
			host unplug "$1"
			wait_for 20 not virtio_of "$1"
			host plug "$1"
			wait_for 20 virtio_of "$1"
		fi
	done
	host unplug "$1"
	wait_for 20 not virtio_of "$1"
	if [ -n "$parameters" ]; then
		unload_both
		load_both
	fi
}

# Some warnings come once a boot, and would be the first driver's alone.
warnings_that_come_once_are_used_up() {
	# shellcheck disable=SC2046 # The first word.
	set -- $(disk_names)
	host plug "$1"
	wait_for 20 virtio_of "$1"
	turn "$ORACLE" "$1"
	host unplug "$1"
	wait_for 20 not virtio_of "$1"
}

both_modules_unload() {
	unload_both
}

each=
for disk in $(disk_names); do
	eval "${disk}_is_looked_at() { looks_the_same $disk; }"
	each="$each ${disk}_is_looked_at"
done
# shellcheck disable=SC2086 # One word per case.
cases both_modules_load warnings_that_come_once_are_used_up $each both_modules_unload
