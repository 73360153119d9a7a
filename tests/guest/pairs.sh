# SPDX-License-Identifier: GPL-2.0
# Pairs of runs, one of ORACLE and one of DRIVER, for bench.sh and net-bench.sh: PAIRS of them per workload. Sourced
# after what knows driver_of.
#
# There are two equal devices, FIRST and SECOND. In the first half of the pairs ORACLE has the first one and DRIVER the
# second one, in the second half the other way around. `run WORKLOAD DEVICE` is the script's, and sets `result`.

HALF=$((PAIRS / 2))

# device_of DRIVER
device_of() {
	for device in $FIRST $SECOND; do
		if [ "$(driver_of "$device")" = "$1" ]; then
			echo "$device"
			return
		fi
	done
	return 1
}

# compare WORKLOAD: half of the pairs, A B B A A B …
compare() {
	pair=0
	[ "$(device_of "$DRIVER")" = "$SECOND" ] || pair=$HALF
	last=$((pair + HALF))
	while [ "$pair" -lt "$last" ]; do
		pair=$((pair + 1))
		case $((pair % 2)) in
		1) order="$ORACLE $DRIVER" ;;
		0) order="$DRIVER $ORACLE" ;;
		esac
		for driver in $order; do
			run "$1" "$(device_of "$driver")"
			say "@data run $1 $pair $driver $result"
		done
	done
}
