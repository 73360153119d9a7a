# SPDX-License-Identifier: GPL-2.0
# What happens to a card while frames go to it and from it: its driver leaves and comes back, its rings change, it goes
# down and up, its cable is pulled, the machine sleeps, and everything that ethtool can do at once.
#
# BINDS, RINGS, DOWNS, CABLES, SLEEPS, COMMANDS and UPS say how often each of that happens.

. /mnt/guest/lib.sh
from_memory
. /mnt/guest/net.sh
. /mnt/guest/function.sh

the_modules_load() {
	load_both
	make_spaces
	give "$DRIVER" left
	give "$PEER" right
	wait_for 10 hears left
	mark_skbs
	note "$DRIVER and $PEER"
}

# works: traffic of every kind gets through.
works() {
	wait_for 20 hears left
	asks left icmp 0 1472 368
	asks right icmp 1472 1472
}

# flooded: begins what goes on during a case, from the other end and from this one.
flooded() {
	start_flood right 1400
	begin left ping -q -f -n -s 200 "$(v4_of right)" >/tmp/flood.left 2>&1
	wait_for 20 hears left
}

calm() {
	stop_flood
	works
	note "$1 times, $answers of $pings pings answered"
}

a_busy_card_survives_unbind_and_bind() {
	flooded
	for loop in $(seq "$BINDS"); do
		release left
		refused driver_of left
		refused on left ip link show left
		bind "$DRIVER" left
		place left
		start left
		wait_for 20 hears left
	done
	calm "$BINDS"
}

a_busy_cards_rings_change() {
	flooded
	turn=0
	while [ $turn -lt "$RINGS" ]; do
		# The smallest, the largest, what is no multiple of eight, and one of them alone.
		for rings in 'tx 48 rx 48' 'tx 4096 rx 4096' 'tx 100 rx 203' 'tx 256' 'rx 256'; do
			[ $turn -lt "$RINGS" ] || break
			# shellcheck disable=SC2086 # One word per number.
			on left ethtool -G left $rings
			turn=$((turn + 1))
			wait_for 20 has_link left
			wait_for 20 hears left
		done
	done
	calm "$RINGS"
}

a_busy_card_goes_down_and_up() {
	flooded
	for loop in $(seq "$DOWNS"); do
		down left
		refused has_link left
		up left
		wait_for 20 hears left
	done
	address left
	calm "$DOWNS"
}

a_busy_cards_interrupt_has_its_name() {
	flooded
	grep -qw left /proc/interrupts
	on left ip link set left name renamed
	grep -qw renamed /proc/interrupts
	refused grep -qw left /proc/interrupts
	on left ip link set renamed name left
	grep -qw left /proc/interrupts
	calm 1
}

a_card_comes_up_in_a_flood() {
	begin right ping -q -f -n -s 1400 "$(v4_of left)" >/tmp/flood.right 2>&1
	on right ip neigh replace "$(v4_of left)" lladdr "$(mac_of left)" dev right nud permanent
	for loop in $(seq "$UPS"); do
		on left sh -c '/sbin/ip link set left down && /sbin/ip link set left up'
	done
	on right ip neigh del "$(v4_of left)" dev right
	wait_for 20 has_link left
	address left
	works
	note "$UPS times"
}

loses_link() {
	! has_link "$1"
}

the_cable_is_pulled_and_plugged_in() {
	flooded
	for loop in $(seq "$CABLES"); do
		host "link left down"
		wait_for 20 loses_link left
		host "link left up"
		wait_for 20 has_link left
		wait_for 20 hears left
	done
	calm "$CABLES"
}

the_cable_is_pulled_while_the_card_is_down() {
	for loop in $(seq "$CABLES"); do
		down left
		host "link left down"
		on left ip link set left up
		sleep 0.5
		refused has_link left
		host "link left up"
		wait_for 20 has_link left
		down left
		host "link left down"
		host "link left up"
		up left
		wait_for 20 hears left
	done
	address left
	works
	note "$CABLES times"
}

the_machine_sleeps_with_busy_cards() {
	host wakeup-on-suspend
	flooded
	for loop in $(seq "$SLEEPS"); do
		slept=$(cat /sys/power/suspend_stats/success)
		echo mem >/sys/power/state
		[ "$(cat /sys/power/suspend_stats/success)" -eq $((slept + 1)) ]
		wait_for 20 has_link left
		wait_for 20 hears left
	done
	calm "$SLEEPS"
}

a_card_that_is_down_sleeps_too() {
	down left
	for loop in $(seq "$SLEEPS"); do
		echo mem >/sys/power/state
	done
	refused has_link left
	up left
	address left
	works
	note "$SLEEPS times"
}

timed_out() {
	[ "$(counter "$1" tx_timeout_count)" -gt "$2" ]
}

# hang_is_detected CARD: whether its driver has said so since cards_may_hang.
hang_is_detected() {
	dmesg | sed -n '/vmtest: cards may hang/,$p' | grep -q " $1: Detected Tx Unit Hang"
}

# It may not reach memory any more: nothing that it is given to send is ever done. When it is reset, it must be able to:
# otherwise it would receive into its new descriptors without a word in them, and the driver wait for these for ever, as
# C's does.
a_card_that_hangs_is_reset() {
	function=$(function_of left)
	command=$(config_read "$function" $COMMAND)
	[ $((command & MASTER)) -ne 0 ]
	cards_may_hang
	flooded
	before=$(counter left tx_timeout_count)
	config_write "$function" $COMMAND $((command & ~MASTER))
	wait_for 60 hang_is_detected left
	config_write "$function" $COMMAND "$command"
	wait_for 60 timed_out left "$before"
	wait_for 60 hears left
	stop_flood
	works
	timeouts=$(($(counter left tx_timeout_count) - before))
	sleep 6
	cards_may_not_hang
	note "$timeouts timeout(s)"
}

# again TIMES COMMAND...: whatever it ends with: it may come at a bad moment.
again() {
	times=$1
	shift
	for loop in $(seq "$times"); do
		on left "$@" || true
	done
}

# Negotiation, the self test, which takes the card away for a while, switches and a look at everything, at once.
everything_at_once() {
	flooded
	set --
	again "$COMMANDS" ethtool -r left &
	set -- "$@" $!
	# Each takes seconds, in which nobody else can ask for anything.
	again $((COMMANDS / 4)) ethtool -t left offline &
	set -- "$@" $!
	again "$COMMANDS" sh -c 'ethtool -K left rx on tx off; ethtool -K left rx off tx on tso on' &
	set -- "$@" $!
	again "$COMMANDS" sh -c 'ethtool -S left; ethtool -d left; ethtool left; /sbin/ip -s link show left' &
	set -- "$@" $!
	again "$COMMANDS" ip link set left mtu 1500 &
	set -- "$@" $!
	for process; do
		wait "$process"
	done
	# The last one to put it up may have been the first.
	up left
	address left
	calm "$COMMANDS"
}

# A process that a signal does not wake up has another letter.
sleeps_lightly() {
	[ "$(cut -d' ' -f3 "/proc/$1/stat")" = S ]
}

# centiseconds: since the machine was started.
centiseconds() {
	cut -d' ' -f1 /proc/uptime | tr -d .
}

# It waits with the lock that all need who ask a card for something. Half of the whole time is a wait that a signal does
# not end, and half of it one that it does.
a_signal_ends_the_last_wait_of_a_self_test() {
	begun=$(centiseconds)
	on left ethtool -t left online
	whole=$(($(centiseconds) - begun))
	begun=$(centiseconds)
	begin left ethtool -t left online >/tmp/test
	wait_for 30 sleeps_lightly $!
	kill $!
	status=0
	wait $! || status=$?
	half=$(($(centiseconds) - begun))
	[ $status -eq 143 ]
	[ $((half * 8)) -lt $((whole * 7)) ]
	works
	note "${half}0 ms, and ${whole}0 ms without the signal"
}

# asked COMMAND...: the card, for as long as /tmp/asked is there.
asked() {
	while [ -e /tmp/asked ]; do
		on left "$@" || true
	done
}

the_driver_leaves_while_it_is_asked() {
	touch /tmp/asked
	asked ethtool -r left &
	first=$!
	asked ethtool -S left &
	second=$!
	for loop in 1 2 3; do
		release left
		bind "$DRIVER" left
		place left
		on left ip link set left up
	done
	rm /tmp/asked
	wait $first
	wait $second
	wait_for 20 has_link left
	address left
	works
}

the_module_unloads_under_traffic() {
	flooded
	[ "$DRIVER" != "$PEER" ] || release right
	release left
	unload "$DRIVER"
	load "$DRIVER"
	[ "$DRIVER" != "$PEER" ] || give "$PEER" right
	give "$DRIVER" left
	works
}

no_socket_buffer_is_lost() {
	no_skb_is_left
}

the_modules_unload() {
	unload_both
}

cases the_modules_load a_busy_card_survives_unbind_and_bind a_busy_cards_rings_change \
	a_busy_card_goes_down_and_up a_busy_cards_interrupt_has_its_name a_card_comes_up_in_a_flood \
	the_cable_is_pulled_and_plugged_in the_cable_is_pulled_while_the_card_is_down a_card_that_hangs_is_reset \
	a_signal_ends_the_last_wait_of_a_self_test everything_at_once the_driver_leaves_while_it_is_asked \
	the_module_unloads_under_traffic the_machine_sleeps_with_busy_cards a_card_that_is_down_sleeps_too \
	no_socket_buffer_is_lost the_modules_unload
