# SPDX-License-Identifier: GPL-2.0
# Doing the same with ORACLE (the C driver) and DRIVER, on one device. Sourced after disk.sh.

load_both() {
	load "$ORACLE"
	# A driver that is compared with itself shows what the tests are worth.
	loaded "$DRIVER" || load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
}

unload_both() {
	unload "$ORACLE"
	loaded "$DRIVER" && unload "$DRIVER" || true
}

# both DISK FUNCTION: binds each driver and runs `FUNCTION VDX`; what it prints must be the same.
both() {
	for who in "$ORACLE" "$DRIVER"; do
		give "$who" "$1"
		"$2" "$(disk_of "$1")" >"/tmp/$2.$who"
	done
	[ -s "/tmp/$2.$DRIVER" ] || fail "$2 has printed nothing"
	diff -u "/tmp/$2.$ORACLE" "/tmp/$2.$DRIVER" || fail "$2 differs between $ORACLE (-) and $DRIVER (+)"
}

# asked DISK NAME: how often the device has seen NAME.
asked() {
	host "device $1 count $2"
}

# limits VDX: all attributes of its queue, and the size; but for io_timeout, as C's driver has no timeout.
limits() {
	for file in "/sys/block/$1/queue"/* "/sys/block/$1/size" "/sys/block/$1/ro"; do
		if [ -f "$file" ] && [ "${file##*/}" != io_timeout ]; then
			echo "${file##*/}: $(cat "$file" 2>&1)"
		fi
	done
}

# The driver has kept the limits that the device has told, and sent only what exists.
kept_the_rules() {
	for what in violation malformed unknown; do
		[ "$(asked "$1" $what)" -eq 0 ] || fail "$(asked "$1" $what) times: $what"
	done
}
