# SPDX-License-Identifier: GPL-2.0
# Allocations of probe, of open and of changes fail, one after the other. What fails leaves nothing behind; a card whose
# probe or open failed can have it again and works, and one whose change failed works as before.
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

# each_of TOTAL COUNT ACTION: for COUNT of the numbers from 1 to TOTAL, or for all of them, again and again.
each_of() {
	cycle=0
	while [ $cycle -lt "$2" ]; do
		if [ "$1" -gt "$2" ]; then
			"$3" $((cycle * $1 / $2 + 1))
		else
			"$3" $((cycle % $1 + 1))
		fi
		cycle=$((cycle + 1))
	done
}

# most_failed: the number of allocations varies a little with what other tasks have left in caches.
most_failed() {
	[ $faults -ge $((CYCLES * 3 / 4)) ]
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
	each_of $total "$CYCLES" try_probe
	note "$total allocations, $CYCLES cycles, $faults faults, $failed failed probes"
	most_failed
	[ $failed -gt 0 ]
}

# change_with_fault NTH CHANGE [VALUE]: sets `left` as above, and `ending`.
change_with_fault() {
	said=$(on left perl /mnt/guest/change.pl left "$@")
	left=${said%% *} ending=${said#* }
	echo "$*: $said"
	[ "$left" -gt 0 ] || faults=$((faults + 1))
	case $ending in
	ok) ;;
	'Cannot allocate memory') failed=$((failed + 1)) ;;
	*) fail "ended with: $ending" ;;
	esac
}

try_open() {
	change_with_fault "$1" up
	if [ "$ending" != ok ]; then
		refused has_link left
		on left ip link show left | grep -q 'state DOWN'
	fi
	start left
	works
	down left
}

# some_of TOTAL ACTION: half of CYCLES are for the first allocations. The others are mostly buffers for frames, of which
# a few may be missing.
some_of() {
	first=$((3 * CYCLES))
	[ $first -lt "$1" ] || first=$1
	each_of $first $((CYCLES / 2)) "$2"
	each_of "$1" $((CYCLES - CYCLES / 2)) "$2"
	note "$1 allocations, $CYCLES cycles, $faults faults, $failed failures"
	most_failed
}

any_allocation_of_open_may_fail() {
	can_fail
	bind "$DRIVER" left
	place left
	change_with_fault $MANY up
	[ "$ending" = ok ]
	total=$((MANY - left))
	down left
	failed=0 faults=0
	some_of $total try_open
	[ $failed -gt 0 ]
	start left
	works
}

# what_is_set: what a change that fails has to leave alone.
what_is_set() {
	on left ip link show left | grep -o 'mtu [0-9]*'
	on left ethtool -g left
	on left ethtool -k left
}

# try_change NTH: there and back.
try_change() {
	what_is_set >/tmp/before
	change_with_fault "$1" "$change" "$there"
	expected=/tmp/there
	[ "$ending" = ok ] || expected=/tmp/before
	what_is_set | cmp - $expected
	wait_for 20 has_link left
	works
	change_with_fault $MANY "$change" "$back"
	[ "$ending" = ok ]
}

# each_allocation_of CHANGE THERE BACK
each_allocation_of() {
	change=$1 there=$2 back=$3
	change_with_fault $MANY "$change" "$back"
	change_with_fault $MANY "$change" "$there"
	[ "$ending" = ok ]
	total=$((MANY - left))
	what_is_set >/tmp/there
	change_with_fault $MANY "$change" "$back"
	failed=0 faults=0
	some_of $total try_change
	wait_for 20 has_link left
	works
}

any_allocation_of_other_rings_may_fail() {
	can_fail
	each_allocation_of rings 80 256
	[ $failed -gt 0 ]
}

any_allocation_of_longer_frames_may_fail() {
	can_fail
	each_allocation_of mtu 9000 1500
	[ $failed -gt 0 ]
}

# The rings stay, and so there is nothing but the buffers that it could lack.
any_allocation_of_another_feature_may_fail() {
	can_fail
	each_allocation_of rx-checksum 0 1
	[ $failed -eq 0 ]
}

the_modules_unload() {
	can_fail
	unload_both
}

cases the_modules_load any_allocation_of_probe_may_fail any_allocation_of_open_may_fail \
	any_allocation_of_other_rings_may_fail any_allocation_of_longer_frames_may_fail \
	any_allocation_of_another_feature_may_fail the_modules_unload
