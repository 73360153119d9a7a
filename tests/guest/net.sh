# SPDX-License-Identifier: GPL-2.0
# Network cards, each in a name space of its own, and what goes between them. Sourced after lib.sh.
#
# DRIVER is the module under test and the name of its driver, ORACLE the C driver for the same cards, CARDS says which
# cards the machine has. All of them are on one hub inside of QEMU. A card, its interface and the name space that the
# interface is in have the same name.

. /mnt/guest/modules.sh

PCI=/sys/bus/pci

# Names of all cards of the scenario.
card_names() {
	echo "$CARDS" | tr ',' '\n' | sed 's/:.*//'
}

# function_of CARD: its PCI function in sysfs.
function_of() {
	slot=",$CARDS,"
	slot=${slot#*",$1:"}
	slot=${slot%%,*}
	echo "$PCI/devices/0000:00:$slot.0"
}

# number_of CARD: 1 for the first one, the last part of its addresses.
number_of() {
	card_names | sed -n "/^$1\$/="
}

# v4_of, v6_of CARD: its addresses in the network NET, by default 0.
v4_of() {
	echo "10.0.${NET:-0}.$(number_of "$1")"
}

v6_of() {
	echo "fd00:${NET:-0}::$(number_of "$1")"
}

# The modules, and no card for either before it is given one.
load_both() {
	echo 0 >$PCI/drivers_autoprobe
	loaded "$ORACLE" || load "$ORACLE"
	loaded "$DRIVER" || load "$DRIVER"
}

unload_both() {
	for module in "$DRIVER" "$ORACLE"; do
		if loaded "$module"; then
			unload "$module"
		fi
	done
}

# driver_of CARD: nothing if no driver has it.
driver_of() {
	function=$(function_of "$1")
	[ -e "$function/driver" ] && basename "$(readlink "$function/driver")"
}

# release CARD: takes it from its driver, if one has it.
release() {
	function=$(function_of "$1")
	[ ! -e "$function/driver" ] || echo "${function##*/}" >"$function/driver/unbind"
}

# bind DRIVER CARD
bind() {
	function=$(function_of "$2")
	echo "$1" >"$function/driver_override"
	echo "${function##*/}" >"$PCI/drivers/$1/bind"
}

# interface_of CARD: its name while it is in the first name space.
interface_of() {
	set -- "$(function_of "$1")"/net/*
	[ -e "$1" ] && echo "${1##*/}"
}

# make_spaces: a name space for each card. Nothing is sent in them that nobody asked for.
make_spaces() {
	for card in $(card_names); do
		ip netns add "$card"
		on "$card" ip link set lo up
		on "$card" sh -c 'cd /proc/sys/net/ipv6/conf/default &&
			echo 0 >accept_dad && echo 0 >accept_ra && echo 0 >router_solicitations'
	done
}

# busybox prefers programs of its own, which do less.
ip() {
	/sbin/ip "$@"
}

# on CARD COMMAND...: in the name space of the card.
on() {
	space=/run/netns/$1
	shift
	case $1 in
	ip | ping) nsenter --net="$space" /sbin/"$@" ;;
	*) nsenter --net="$space" "$@" ;;
	esac
}

# begin CARD COMMAND...: the same in the background, until the end of the case. Its process is $!.
begin() {
	space=/run/netns/$1
	shift
	case $1 in
	ping) nsenter --net="$space" /sbin/"$@" & ;;
	*) nsenter --net="$space" "$@" & ;;
	esac
	processes="$processes $!"
	# shellcheck disable=SC2064 # These processes.
	trap "kill $processes 2>/dev/null || :" EXIT
}

# place CARD: its interface, which a driver has just made, goes to its name space.
place() {
	wait_for 10 interface_of "$1"
	ip link set dev "$(interface_of "$1")" netns "$1" name "$1"
}

# start CARD: up, with addresses, and with a link.
start() {
	up "$1"
	address "$1"
}

# address CARD [INTERFACE]: its addresses, see v4_of; those of IPv6 go whenever the interface goes down.
address() {
	on "$1" ip addr replace "$(v4_of "$1")/24" dev "${2:-$1}"
	on "$1" ip -6 addr replace "$(v6_of "$1")/64" dev "${2:-$1}" nodad
}

mac_of() {
	on "$1" ip -o link show "$1" | sed 's/.*link.ether \([0-9a-f:]*\) .*/\1/'
}

up() {
	on "$1" ip link set "$1" up
	wait_for 20 has_link "$1"
}

down() {
	on "$1" ip link set "$1" down
}

# has_link CARD: whether it is up and its driver sees a link.
has_link() {
	on "$1" ip link show "$1" | grep -q LOWER_UP
}

# give DRIVER CARD: the card works with the driver, whoever had it before.
give() {
	release "$2"
	bind "$1" "$2"
	place "$2"
	start "$2"
	[ "$(driver_of "$2")" = "$1" ]
}

# other CARD: the one at the other end.
other() {
	card_names | grep -vx "$1"
}

# hears CARD: whether the other end answers.
hears() {
	on "$1" ping -q -c 1 -W 1 "$(v4_of "$(other "$1")")"
}

# start_answering: a server for ask.pl on each card, until the case ends.
start_answering() {
	for card in $(card_names); do
		rm -f "/tmp/answering.$card"
		begin "$card" perl /mnt/guest/answer.pl "/tmp/answering.$card"
	done
	for card in $(card_names); do
		wait_for 20 [ -e "/tmp/answering.$card" ]
	done
}

# asks CARD PROTOCOL FROM TO [STEP]: payloads of all sizes to the other end, which must come back as they were.
asks() {
	case $2 in
	*6) target=$(v6_of "$(other "$1")") ;;
	*) target=$(v4_of "$(other "$1")") ;;
	esac
	at=$1
	shift
	on "$at" perl /mnt/guest/ask.pl "$1" "$target" "$2" "$3" "${4:-1}"
}

# start_flood CARD [SIZE]: pings the other end as fast as it answers, and at least a hundred times a second whether it
# answers or not, until stop_flood. When the case ends early, so does the flood.
start_flood() {
	flooded=$(v4_of "$(other "$1")")
	begin "$1" ping -q -f -n -s "${2:-1000}" "$flooded" >/tmp/flood 2>&1
	flood=$!
}

# stop_flood: how many `pings` there were, and `answers`, of which there must be some.
stop_flood() {
	kill -INT $flood
	wait $flood || true
	pings=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' /tmp/flood)
	answers=${pings#* }
	pings=${pings% *}
	cat /tmp/flood
	[ "$answers" -gt 0 ]
}

# stream KIB: bytes that nothing compresses, each mebibyte another one.
stream() {
	for at in $(seq 0 1024 "$(($1 - 1))"); do
		echo "$at"
		head -c "$((($1 - at) * 1024))" /tmp/chunk
	done
}

# sends CARD KIB: a stream to the other end, where its checksum is that of here.
sends() {
	receiver=$(other "$1")
	[ -e /tmp/chunk ] || dd if=/dev/urandom of=/tmp/chunk bs=1M count=1
	rm -f /tmp/listening
	on "$receiver" perl /mnt/guest/pipe.pl listen /tmp/listening | sha256sum >/tmp/received &
	receiving=$!
	wait_for 20 [ -e /tmp/listening ]
	stream "$2" | on "$1" perl /mnt/guest/pipe.pl connect "$(v4_of "$receiver")"
	wait $receiving
	stream "$2" | sha256sum | cmp - /tmp/received
}

# runs_iperf FROM TO SECONDS OPTION...: the rate at which the receiver got it, in Mbit/s, is in `rate` then.
runs_iperf() {
	from=$1 to=$2 seconds=$3
	shift 3
	: >/tmp/iperf.server
	begin "$to" iperf3 -s -1 --forceflush >/tmp/iperf.server 2>&1
	server=$!
	wait_for 20 grep -q listening /tmp/iperf.server
	on "$from" iperf3 -c "$(v4_of "$to")" -t "$seconds" -f m "$@" >/tmp/iperf
	wait $server
	cat /tmp/iperf
	rate=$(awk '/receiver$/ { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") print $(i - 1) }' /tmp/iperf)
	[ -n "$rate" ]
	awk -v rate="$rate" 'BEGIN { exit !(rate > 0) }'
}

# offload CARD FEATURE STATE...: some states follow from others, and ethtool fails if none of them could be changed.
offload() {
	at=$1
	shift
	on "$at" ethtool -K "$at" "$@" 2>/tmp/offload || {
		cat /tmp/offload
		grep -q '^Could not change any device features' /tmp/offload
	}
}

# is_switched CARD NAME STATE: whether a feature is on or off, by its long name.
is_switched() {
	on "$1" ethtool -k "$1" | grep -q "^$2: $3"
}

# counter CARD NAME: what `ethtool -S` says, which is what the card has counted.
counter() {
	on "$1" ethtool -S "$1" | sed -n "s/^ *$2: //p"
}

# stack_counters CARD: packets and losses of either direction, as the driver has told them to the stack: RECEIVED
# RECEIVED_WRONG RECEIVED_DROPPED SENT SENT_WRONG SENT_DROPPED.
stack_counters() {
	on "$1" ip -s link show "$1" | awk '/RX:/ { getline; rx = $2 " " $3 " " $4 }
		/TX:/ { getline; tx = $2 " " $3 " " $4 }
		END { print rx, tx }'
}

# card_counters CARD: what the card has received and sent.
card_counters() {
	on "$1" ethtool -S "$1" | awk '{ count[$1] = $2 } END { print count["rx_packets:"], count["tx_packets:"] }'
}

# all_counters CARD
all_counters() {
	echo "$(stack_counters "$1") $(card_counters "$1")"
}

# is_quiet CARD: whether nothing is counted for a while.
is_quiet() {
	once=$(stack_counters "$1")
	sleep 0.5
	[ "$once" = "$(stack_counters "$1")" ]
}

# A driver reads the counters of its card every other second, or in the next one, when others have to be woken too.
LOOKS_AFTER=3.5

# begin_to_count: from here on, see counts_add_up.
begin_to_count() {
	for card in $(card_names); do
		wait_for 20 is_quiet "$card"
	done
	sleep $LOOKS_AFTER
	for card in $(card_names); do
		all_counters "$card" >"/tmp/counters.$card"
	done
}

# counted CARD: what came since begin_to_count, in the order of all_counters.
counted() {
	all_counters "$1" | cat "/tmp/counters.$1" - |
		awk 'NR == 1 { split($0, first) } NR == 2 { for (i = 1; i <= NF; i++) printf "%d ", $i - first[i] }'
}

# adds_up CARD: whatever the card has received its driver has delivered, or counted as lost, and whatever its driver
# says it has sent the card has sent. What a card misses for want of room comes later: QEMU keeps it for so long. When
# the card cuts segments, QEMU adds one without payload to those that come out even.
adds_up() {
	counted "$1" >/tmp/counted
	tso=$(on "$1" ethtool -k "$1" | sed -n 's/^tcp-segmentation-offload: //p')
	awk -v card="$1" -v tso="$tso" '{
		print card ": delivered " $1 ", wrong " $2 ", dropped " $3 ", sent " $4
		print card ": card received " $7 ", sent " $8
		all_received = $7 == $1 + $2 + $3 && $1 > 0
		all_sent = $8 == $4 || tso == "on" && $8 > $4
		exit !(all_received && all_sent && $4 > 0)
	}' /tmp/counted
}

# counts_add_up: those of both cards; holds only if they were up since begin_to_count.
counts_add_up() {
	for card in $(card_names); do
		wait_for 20 is_quiet "$card"
		# The last frames may not have been read from the card yet.
		adds_up "$card" || sleep $LOOKS_AFTER
		adds_up "$card"
	done
}

# nothing_was_lost: besides, each card has received what the other one has sent.
nothing_was_lost() {
	counts_add_up
	for card in $(card_names); do
		[ "$(counted "$card" | cut -d' ' -f7)" -eq "$(counted "$(other "$card")" | cut -d' ' -f8)" ]
	done
}

# Kernel words that make the following exact: slab_debug=F,skbuff_head_cache,skbuff_fclone_cache.
SKBS=/sys/kernel/slab

# counts_skbs: whether the kernel does.
counts_skbs() {
	[ -e $SKBS/skbuff_head_cache/objects ]
}

# skbs: how many socket buffers there are. Each CPU keeps up to 64 to use again.
skbs() {
	sum=0
	for cache in skbuff_head_cache skbuff_fclone_cache; do
		read -r objects _ <$SKBS/$cache/objects
		sum=$((sum + objects))
	done
	echo $sum
}

# mark_skbs: what there is now is no leak, see no_skb_is_left.
mark_skbs() {
	if counts_skbs; then
		skbs >/tmp/skbs
	fi
}

# no_skb_is_left: besides those that were there at mark_skbs, and some that CPUs keep.
no_skb_is_left() {
	counts_skbs || skip 'this kernel does not count its socket buffers'
	slack=$((64 * $(nproc) + 32))
	wait_for 20 few_skbs $(($(cat /tmp/skbs) + slack))
	note "$(cat /tmp/skbs) socket buffers before, $(skbs) after"
}

few_skbs() {
	[ "$(skbs)" -le "$1" ]
}

# pktgen FROM TO COUNT SIZE [TIMES [BURST]]: so many frames of that size, without their checksum, as fast as the driver
# takes them: each of them so many times, and so many before the card is told. They are for the card at the other end,
# but for no host: nobody answers.
pktgen() {
	loaded pktgen || load pktgen
	on "$1" sh -ec '
		cd /proc/net/pktgen
		echo rem_device_all >kpktgend_0
		echo "add_device $1" >kpktgend_0
		for words in "count $2" "delay 0" "pkt_size $3" "dst $4" "dst_mac $5" "clone_skb $6" "burst $7" \
			"udp_dst_min 9" "udp_dst_max 9"; do
			echo "$words" >$1
		done
		# Until all are sent.
		echo start >pgctrl
		cat $1
		grep -q "^Result: OK" $1
		echo rem_device_all >kpktgend_0' sh "$1" "$3" "$4" 10.0.0.99 "$(mac_of "$2")" "${5:-0}" "${6:-1}"
}
