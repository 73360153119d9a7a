# SPDX-License-Identifier: GPL-2.0
# What goes between two cards: every size, every protocol, every offload, tags, groups, long frames, more than fits.
#
# PEER is the driver of the other card. STEP is the distance between two sizes, SHORT_STEP that between those of short
# payloads, MIB what a stream has, TINY_KIB what one of tiny segments has, FLOOD and FRAMES are the pings and frames of
# a flood, COMBINATIONS how many states of the offloads are tried, MEMBERS how many groups are joined, TURNS how often
# frames become longer, and MTUS how long in a turn.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh

LONGEST=1472
LONGEST6=1452

the_modules_load() {
	load_both
	make_spaces
	give "$DRIVER" left
	give "$PEER" right
	wait_for 10 hears left
	[ "$(driver_of left)" = "$DRIVER" ]
	[ "$(driver_of right)" = "$PEER" ]
	mark_skbs
	note "$DRIVER and $PEER"
}

# slots: how much of the memory for bounce buffers is in use.
slots() {
	cat /sys/kernel/debug/swiotlb/io_tlb_used
}

# A card that is up has 255 buffers to receive into, and each takes a slot or more. Some may be on their way.
bounce_buffers_are_used() {
	before=$(slots)
	down left
	used=$((before - $(slots)))
	start left
	wait_for 20 hears left
	note "$used slots for 255 buffers"
	[ $used -ge 240 ]
}

pings_of_every_size_come_back() {
	asks left icmp 0 $LONGEST "$STEP"
	asks right icmp 0 $LONGEST "$STEP"
	asks left icmp6 0 $LONGEST6 "$STEP"
	asks right icmp6 0 $LONGEST6 "$STEP"
	asks left icmp $LONGEST $LONGEST
	asks left icmp6 $LONGEST6 $LONGEST6
	# What is longer may not be sent in fragments.
	refused asks left icmp $((LONGEST + 1)) $((LONGEST + 1))
}

every_size_comes_back_by_udp_and_tcp() {
	start_answering
	for protocol in udp udp6 tcp tcp6; do
		asks left $protocol 0 $LONGEST6 "$STEP"
		asks right $protocol 0 $LONGEST6 "$STEP"
		asks left $protocol $LONGEST6 $LONGEST6
	done
	# In several frames, with and without fragments of IP.
	asks left tcp 20000 60000 8000
	asks right tcp6 20000 60000 8000
}

# floods_of_pings SIZE
floods_of_pings() {
	on left ping -q -f -n -c "$FLOOD" -s "$1" -M do "$(v4_of right)" | tee /tmp/pings
	grep -q ' 0% packet loss' /tmp/pings
}

no_ping_of_a_flood_is_lost() {
	begin_to_count
	for size in 0 18 1000 $LONGEST; do
		floods_of_pings $size
	done
	nothing_was_lost
	note "$FLOOD of each of 4 sizes"
}

streams_arrive() {
	sends left $((MIB * 1024))
	sends right $((MIB * 1024))
	offload left tso off
	begin_to_count
	sends left $((MIB * 1024))
	nothing_was_lost
	offload left tso on
	note "$MIB MiB in each direction"
}

# short_payloads: of 1 to 64 bytes, and segments enough for TSO.
short_payloads() {
	asks left udp 1 64 "$SHORT_STEP"
	asks left tcp 1 64 "$SHORT_STEP"
	asks left tcp6 1 64 9
	asks left tcp 60000 60000
}

# bit NUMBER COMBINATION: on or off.
bit() {
	[ $(($2 >> $1 & 1)) -eq 1 ] && echo on || echo off
}

# combine COMBINATION: switches six features. Segments need fragments and checksums.
combine() {
	tx=$(bit 0 "$1") sg=$(bit 1 "$1") tso=$(bit 2 "$1") rx=$(bit 3 "$1") gso=$(bit 4 "$1") gro=$(bit 5 "$1")
	echo "tx $tx sg $sg tso $tso rx $rx gso $gso gro $gro"
	offload left tx "$tx" sg "$sg" tso "$tso" rx "$rx" gso "$gso" gro "$gro"
	[ "$tx" = on ] && [ "$sg" = on ] || tso=off
	[ "$sg" = on ] || gso=off
	is_switched left tx-checksumming "$tx"
	is_switched left scatter-gather "$sg"
	is_switched left tcp-segmentation-offload "$tso"
	is_switched left generic-segmentation-offload "$gso"
	is_switched left rx-checksumming "$rx"
	is_switched left generic-receive-offload "$gro"
}

each_offload_on_and_off() {
	start_answering
	tried=0
	while [ $tried -lt "$COMBINATIONS" ]; do
		# An odd step comes to all 64, and a few differ in each of the six.
		combine $((tried * 27 % 64))
		short_payloads
		tried=$((tried + 1))
	done
	offload left tx on sg on tso on gso on gro on rx off
	for feature in rx-fcs rx-all; do
		offload left $feature on
		is_switched left $feature on
		short_payloads
		offload left $feature off
		is_switched left $feature off
	done
	note "$COMBINATIONS combinations, every $SHORT_STEP. of the payloads of 1 to 64 bytes"
}

# tagged CARD PARENT TAG OPTION...: an interface that adds and takes a tag, and addresses in a network of its own.
tagged() {
	at=$1 parent=$2 tag=$3
	shift 3
	on "$at" ip link add link "$parent" name "$parent.$tag" type vlan id "$tag" "$@"
	on "$at" ip link set "$parent.$tag" up
	address "$at" "$parent.$tag"
}

through_a_tag() {
	asks left udp 1 64 9
	asks left icmp $LONGEST $LONGEST
	asks right icmp $LONGEST $LONGEST
	asks left tcp 1 64 9
	asks right tcp 60000 60000
	asks left tcp 60000 60000
}

tags_are_added_and_taken() {
	loaded 8021q || load 8021q
	start_answering
	for tag in 5 100 4094; do
		NET=$((tag % 250))
		for card in left right; do
			tagged $card $card $tag
		done
	done
	for states in 'txvlan on rxvlan on' 'txvlan off rxvlan on' 'txvlan on rxvlan off' 'txvlan off rxvlan off'; do
		# shellcheck disable=SC2086 # One word per feature and state.
		offload left $states
		NET=5 asks left udp 1 64 21
		NET=5 asks right tcp 60000 60000
		NET=5 asks left tcp 60000 60000
	done
	offload left txvlan on rxvlan on
	for tag in 5 100 4094; do
		NET=$((tag % 250)) through_a_tag
	done
	# Frames without a tag go on.
	NET=0 asks left udp 1 64 7
}

tags_of_priorities_alone_and_tags_in_tags() {
	start_answering
	for card in left right; do
		NET=200 tagged $card $card 0 egress-qos-map 0:5 ingress-qos-map 5:3
		NET=7 tagged $card $card.5 7
		# A card takes frames that are longer by one tag.
		on $card ip link set $card.5.7 mtu 1496
	done
	NET=200 through_a_tag
	for protocol in udp tcp; do
		NET=7 asks left $protocol 1 64 7
		NET=7 asks right $protocol 1400 1468 17
	done
	NET=7 asks left tcp 60000 60000
}

no_tag_is_left() {
	for card in left right; do
		for interface in $card.5.7 $card.0 $card.5 $card.100 $card.4094; do
			on $card ip link del $interface
		done
	done
	unload 8021q
	hears left
}

# members: addresses of IPv6.
members() {
	seq 100 "$((100 + MEMBERS))" | while read -r number; do
		printf 'fd00:0::%x:%x\n' "$number" "$number"
	done
}

# Each address of IPv6 is asked for by a frame to a group of its own.
groups_are_joined_and_left() {
	members | sed 's|.*|addr add &/64 dev right nodad|' | on right ip -6 -batch -
	[ "$(on right ip maddr show dev right | grep -c 33:33:ff)" -ge "$MEMBERS" ]
	for member in $(members); do
		on left ping -q -c 1 -W 5 "$member"
	done
	members | sed 's|.*|addr del &/64 dev right|' | on right ip -6 -batch -
	note "$MEMBERS groups"
}

# gets all|none MAC: whether the card at the right gets pings to a hardware address.
gets() {
	on left ip neigh replace 10.0.0.77 lladdr "$2" dev left nud permanent
	before=$(stack_counters right | cut -d' ' -f1)
	on left ping -q -c 5 -i 0.01 -W 1 10.0.0.77 || true
	got=$(($(stack_counters right | cut -d' ' -f1) - before))
	on left ip neigh del 10.0.0.77 dev left
	echo "$got of 5"
	case $1 in
	# Neighbours look after each other now and then.
	none) [ $got -lt 5 ] ;;
	all) [ $got -ge 5 ] ;;
	esac
}

only_what_is_for_the_card_gets_in() {
	someone=52:54:00:99:99:99
	group=01:00:5e:7f:12:77
	gets none $someone
	gets none $group
	on right ip link set right promisc on
	gets all $someone
	gets all $group
	on right ip link set right promisc off
	gets none $someone
	on right ip link set right allmulticast on
	gets none $someone
	gets all $group
	on right ip link set right allmulticast off
	gets none $group
	gets all ff:ff:ff:ff:ff:ff
}

long() {
	on "$1" ip link set "$1" mtu "$2"
	wait_for 20 has_link "$1"
	address "$1"
}

# Of one hardware address there is one for each number.
mac_number() {
	printf '52:54:00:77:00:%02x' "$1"
}

# takes add|del FIRST LAST: the card at the right takes frames for these numbers, or no longer.
takes() {
	for number in $(seq "$2" "$3"); do
		echo "fdb $1 $(mac_number "$number") dev right self"
	done | on right bridge -batch -
}

more_addresses_than_the_card_has_places_for() {
	takes add 1 20
	gets all "$(mac_number 1)"
	gets all "$(mac_number 20)"
	takes del 5 20
	gets all "$(mac_number 4)"
	gets none "$(mac_number 20)"
	takes del 1 4
	gets none "$(mac_number 1)"
	own=$(mac_of right)
	on right ip link set right address "$(mac_number 1)"
	gets all "$(mac_number 1)"
	gets none "$own"
	wait_for 20 hears left
	on right ip link set right address "$own"
	wait_for 20 hears left
}

links_of_every_speed_carry_frames() {
	start_answering
	for setting in 'speed 10 duplex half' 'speed 10 duplex full' 'speed 100 duplex half' 'speed 100 duplex full' \
		'speed 1000 duplex full'; do
		# shellcheck disable=SC2086 # One word per word.
		on left ethtool -s left autoneg off $setting
		wait_for 20 has_link left
		wait_for 20 hears left
		asks left udp 1 $LONGEST 491
		asks right tcp 1 60000 19999
	done
	on left ethtool -s left autoneg on advertise 0x02f
	for pauses in 'rx off tx off' 'rx on tx on'; do
		# shellcheck disable=SC2086 # One word per word.
		on left ethtool -A left $pauses
		wait_for 20 hears left
	done
	address left
	asks left udp 1 $LONGEST 491
}

frames_become_long_and_short_while_they_go() {
	start_answering
	start_flood right
	for turn in $(seq "$TURNS"); do
		for mtu in $(echo "$MTUS" | tr , ' '); do
			for card in left right; do
				long $card $mtu
			done
			wait_for 20 hears left
			payload=$((mtu - 28))
			asks left icmp $((payload / 2)) $payload $((payload / 7))
			asks right icmp $payload $payload
			asks left udp 1 $payload $((payload / 5))
			asks right tcp 60000 60000
		done
	done
	stop_flood
	note "$TURNS times, $answers of $pings pings answered"
}

more_is_sent_than_the_ring_holds() {
	on left ethtool -G left tx 80 rx 80
	on right ethtool -G right tx 80 rx 80
	wait_for 20 has_link left
	wait_for 20 has_link right
	address left
	address right
	wait_for 20 hears left
	restarts=$(counter left tx_restart_queue)
	begin_to_count
	# They must be padded, but not in place: pktgen has them, too.
	pktgen left right "$FRAMES" 58
	pktgen left right "$FRAMES" 60
	pktgen left right "$FRAMES" 1514
	# The same one again and again, and several before the card is told.
	pktgen left right "$FRAMES" 600 50
	pktgen left right "$FRAMES" 600 0 16
	# QEMU sends whatever it is told of before its CPU goes on, so the ring is full only before the card is told.
	pktgen left right "$FRAMES" 600 0 100
	wait_for 20 is_quiet left
	[ "$(counted left | cut -d' ' -f4)" -ge $((6 * FRAMES)) ]
	restarts=$(($(counter left tx_restart_queue) - restarts))
	[ $restarts -gt 0 ]
	start_answering
	asks left udp 0 $LONGEST 111
	asks right tcp 1 $LONGEST 111
	counts_add_up
	note "$((6 * FRAMES)) frames, queue stopped $restarts times"
}

# Whoever is sent something may ask for segments as small as it likes. What the ring has no room for must not be waited
# for.
tiny_segments_do_not_stop_the_card() {
	timeouts=$(counter left tx_timeout_count)
	segments=$(segments left)
	on right ip route replace 10.0.0.0/24 dev right advmss 48
	begin left ping -q -f -n -s 200 "$(v4_of right)" >/dev/null 2>&1
	sends left "$TINY_KIB"
	on right ip route replace 10.0.0.0/24 dev right
	hears left
	[ "$(counter left tx_timeout_count)" -eq "$timeouts" ]
	segments=$(($(segments left) - segments))
	note "$TINY_KIB KiB in $segments segments"
	# One has no more than 88 bytes, which is the least that TCP goes down to.
	[ $segments -ge $((TINY_KIB * 1024 / 88)) ]
}

# segments CARD: how many TCP has sent.
segments() {
	on "$1" awk '/^Tcp:/ { if (column) print $column; for (i = 2; i <= NF; i++) if ($i == "OutSegs") column = i }' \
		/proc/net/snmp
}

# has_dropped COUNT: whether left, in the first name space, could not send more than so many.
has_dropped() {
	[ "$(cat /sys/class/net/left/statistics/tx_dropped)" -gt "$1" ]
}

# says COUNT WORDS
says() {
	for number in $(seq "$1"); do
		echo "<1>vmtest: line $number $2" >/dev/kmsg
	done
}

# The driver is polled, with interrupts off, by whoever has something to say. The net console knows the first name space
# alone.
what_the_kernel_says_goes_over_the_wire() {
	loaded netconsole || load netconsole
	target=/sys/kernel/config/netconsole/right
	on left ip link set left netns 1
	ip link set left up
	ip addr add "$(v4_of left)/24" dev left
	mkdir $target
	echo left >$target/dev_name
	v4_of left >$target/local_ip
	v4_of right >$target/remote_ip
	mac_of right >$target/remote_mac
	begin right perl /mnt/guest/hear.pl /tmp/hearing 'vmtest: this is the last one' >/tmp/heard
	hearer=$!
	wait_for 20 [ -e /tmp/hearing ]
	wait_for 20 grep -q 1 /sys/class/net/left/carrier
	echo 1 >$target/enabled
	[ "$(cat $target/enabled)" = 1 ]
	says 100 'for the other end'
	wait_for 20 grep -q 'line 100 for' /tmp/heard
	# Nobody keeps what cannot be sent.
	host "link left down"
	wait_for 20 grep -q 0 /sys/class/net/left/carrier
	dropped=$(cat /sys/class/net/left/statistics/tx_dropped)
	says 100 'for nobody'
	wait_for 20 has_dropped $((dropped + 99))
	host "link left up"
	wait_for 20 grep -q 1 /sys/class/net/left/carrier
	echo '<1>vmtest: this is the last one' >/dev/kmsg
	wait $hearer
	[ "$(grep -c 'for the other end' /tmp/heard)" -eq 100 ]
	refused grep 'for nobody' /tmp/heard
	rmdir $target
	unload netconsole
	ip addr flush dev left
	ip link set left down
	ip link set left netns left
	start left
	wait_for 20 hears left
	note "100 lines, and 100 without a link"
}

no_socket_buffer_is_lost() {
	no_skb_is_left
}

the_modules_unload() {
	unload pktgen
	unload_both
}

bounced=
grep -q swiotlb=force /proc/cmdline && bounced=bounce_buffers_are_used
# ORACLE hangs for ever if it is reset, as it is for another length, while its queue is woken.
turns=
[ "$PEER" = "$ORACLE" ] || turns=frames_become_long_and_short_while_they_go

cases the_modules_load pings_of_every_size_come_back $bounced every_size_comes_back_by_udp_and_tcp \
	no_ping_of_a_flood_is_lost streams_arrive each_offload_on_and_off tags_are_added_and_taken \
	tags_of_priorities_alone_and_tags_in_tags no_tag_is_left groups_are_joined_and_left \
	only_what_is_for_the_card_gets_in more_addresses_than_the_card_has_places_for \
	links_of_every_speed_carry_frames $turns \
	more_is_sent_than_the_ring_holds tiny_segments_do_not_stop_the_card \
	what_the_kernel_says_goes_over_the_wire no_socket_buffer_is_lost the_modules_unload
