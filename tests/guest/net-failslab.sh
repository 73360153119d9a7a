# SPDX-License-Identifier: GPL-2.0
# Allocations of probe and of open fail, one after the other. What fails leaves nothing behind; a card whose probe or
# open failed can have it again and works.
#
# CYCLES says how many allocations fail, spread over those that there are; PEER is the driver of the other card.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh
. /mnt/guest/allocations.sh

the_modules_load() {
	can_fail
	load_both
	make_spaces
	give "$PEER" right
	let_allocations_fail
	aim "$DRIVER"
	function=$(function_of left)
	echo "$DRIVER" >"$function/driver_override"
	# So that probe does not: what finds the way of an interrupt is written in the language of ACPI, and its
	# interpreter does not survive failing allocations.
	echo 1 >"$function/enable"
}

# bind_with_fault NTH: if `left` is 0 then, there was an allocation with that number.
bind_with_fault() {
	status=0
	# It is this very process that binds: each has a count of its own.
	echo "$1" >/proc/self/fail-nth
	echo "$address" >"$PCI/drivers/$DRIVER/bind" || status=1
	read -r left </proc/self/fail-nth
	echo 0 >/proc/self/fail-nth
	return $status
}

# each_of TOTAL ACTION: for CYCLES of the numbers from 1 to TOTAL, or for all of them, again and again.
each_of() {
	cycle=0
	while [ $cycle -lt "$CYCLES" ]; do
		if [ "$1" -gt "$CYCLES" ]; then
			"$2" $((cycle * $1 / CYCLES + 1))
		else
			"$2" $((cycle % $1 + 1))
		fi
		cycle=$((cycle + 1))
	done
}

works() {
	wait_for 20 hears left
	asks left icmp 1400 1400
}

try_probe() {
	if bind_with_fault "$1"; then
		place left
	else
		failed=$((failed + 1))
		[ -z "$(driver_of left)" ]
		[ -z "$(interface_of left)" ]
		bind "$DRIVER" left
		place left
	fi
	[ "$left" -gt 0 ] || faults=$((faults + 1))
	start left
	works
	release left
}

any_allocation_of_probe_may_fail() {
	can_fail
	function=$(function_of left)
	address=${function##*/}
	failed=0 faults=0
	bind_with_fault $MANY
	total=$((MANY - left))
	release left
	each_of $total try_probe
	note "$total allocations, $CYCLES cycles, $faults faults, $failed failed probes"
	[ $faults -ge $((CYCLES * 9 / 10)) ]
	[ $failed -gt 0 ]
}

# up_with_fault NTH: sets `left` as above, and `ending`.
up_with_fault() {
	said=$(on left perl /mnt/guest/up.pl left "$1")
	left=${said%% *} ending=${said#* }
}

try_open() {
	up_with_fault "$1"
	echo "$1: $left $ending"
	[ "$left" -gt 0 ] || faults=$((faults + 1))
	if [ "$ending" != ok ]; then
		failed=$((failed + 1))
		refused has_link left
		on left ip link show left | grep -q 'state DOWN'
	fi
	start left
	works
	down left
}

any_allocation_of_open_may_fail() {
	can_fail
	failed=0 faults=0
	bind "$DRIVER" left
	place left
	up_with_fault $MANY
	[ "$ending" = ok ]
	total=$((MANY - left))
	down left
	# The last ones are buffers for frames, of which a few may be missing.
	first=$((3 * CYCLES))
	[ $first -lt $total ] || first=$total
	each_of $first try_open
	start left
	works
	note "$total allocations, $CYCLES cycles, $faults faults, $failed failed opens"
	[ $faults -ge $((CYCLES * 9 / 10)) ]
	[ $failed -gt 0 ]
}

the_modules_unload() {
	can_fail
	unload_both
}

cases the_modules_load any_allocation_of_probe_may_fail any_allocation_of_open_may_fail the_modules_unload
