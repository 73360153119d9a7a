# SPDX-License-Identifier: GPL-2.0
# What `make run-net` shows: a driver that serves a network card, against the C driver and against itself.
#
# A stream has MIB mebibytes; STEP is the distance between two sizes of packets.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh

# Seconds of each measurement.
TIME=3

the_modules_load() {
	load_both
	make_spaces
	note "$DRIVER, $ORACLE"
}

two_cards_are_joined_by_a_cable() {
	give "$DRIVER" left
	give "$ORACLE" right
	wait_for 10 hears left
	begin_to_count
	for card in left right; do
		speed=$(on $card ethtool $card | sed -n 's/^\tSpeed: //p')
		note "$card -> $(driver_of $card), $speed"
	done
}

# What sizes there are, if not all.
every=
[ "$STEP" -eq 1 ] || every="every $STEP. size"

pings_of_every_size_come_back() {
	start_answering
	# All that a frame has room for, and not in fragments.
	for protocol in icmp icmp6; do
		longest=1472
		[ $protocol = icmp ] || longest=1452
		asks left $protocol 0 $longest "$STEP"
		asks right $protocol 0 $longest "$STEP"
		asks left $protocol $longest $longest
	done
	note "0 to 1472 bytes${every:+, $every}, IPv4 and IPv6, from both ends"
}

what_is_sent_arrives() {
	sends left $((MIB * 1024))
	sends right $((MIB * 1024))
	note "$MIB MiB in each direction, checksums agree"
}

# measures NAME FROM TO OPTION...
measures() {
	name=$1 from=$2 to=$3
	shift 3
	runs_iperf "$from" "$to" "$TIME" "$@"
	say "@iperf $rate $name"
}

iperf3_from_the_driver_to_C() {
	measures "TCP, $DRIVER to $ORACLE" left right
	measures "UDP, $DRIVER to $ORACLE" left right -u -b 0
}

iperf3_from_C_to_the_driver() {
	measures "TCP, $ORACLE to $DRIVER" right left
	measures "UDP, $ORACLE to $DRIVER" right left -u -b 0
}

what_a_card_received_was_delivered() {
	counts_add_up
	# shellcheck disable=SC2046 # One word per number.
	set -- $(counted left)
	note "$DRIVER: $1 packets received, $4 sent"
}

the_driver_at_both_ends() {
	give "$DRIVER" right
	wait_for 10 hears left
	[ "$(driver_of left)" = "$(driver_of right)" ]
	start_answering
	asks left udp 0 1472 "$STEP"
	asks left udp 1472 1472
	sends left $((MIB * 1024))
	note "0 to 1472 bytes${every:+, $every,} by UDP, $MIB MiB by TCP"
}

iperf3_from_the_driver_to_itself() {
	measures "TCP, $DRIVER to $DRIVER" left right
	measures "UDP, $DRIVER to $DRIVER" left right -u -b 0
}

the_modules_unload() {
	unload_both
}

cases the_modules_load two_cards_are_joined_by_a_cable pings_of_every_size_come_back what_is_sent_arrives \
	iperf3_from_the_driver_to_C iperf3_from_C_to_the_driver what_a_card_received_was_delivered \
	the_driver_at_both_ends iperf3_from_the_driver_to_itself the_modules_unload
