# SPDX-License-Identifier: GPL-2.0
# Instructions per packet: every workload with few and with many packets, by ORACLE and by DRIVER on the same card. What
# QEMU's plugin counts in each run is written to a file of its own on the host.
#
# At the other end is the driver that is not measured, so that the host can tell the costs of both ends apart.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh
. /mnt/guest/counts.sh

FEW=500
MANY=4500

# What TCP puts into a packet, and how much is written at a time.
SEGMENT=1448
BLOCK=131072

both_drivers_are_loaded() {
	load_both
	load pktgen
	make_spaces
	tell_sections
}

# work WORKLOAD PACKETS: sets `packets`, those of the card on the left that there were.
work() {
	case $1 in
	send-*) column=4 ;;
	receive-*) column=1 ;;
	esac
	before=$(stack_counters left | cut -d' ' -f$column)
	case $1 in
	send-60) pktgen left right "$2" 60 ;;
	send-1514) pktgen left right "$2" 1514 ;;
	receive-60) pktgen right left "$2" 60 ;;
	receive-1514) pktgen right left "$2" 1514 ;;
	send-tcp*) stream_of left right "$2" ;;
	receive-tcp*) stream_of right left "$2" ;;
	*) fail "there is no workload $1" ;;
	esac
	wait_for 20 is_quiet left
	packets=$(($(stack_counters left | cut -d' ' -f$column) - before))
	# TCP counts by what it has to carry: how the stream is cut, and how it is acknowledged, is up to both ends.
	case $1 in
	*-tcp*) packets=$((blocks * BLOCK / SEGMENT)) ;;
	esac
}

# stream_of FROM TO PACKETS: about as many bytes as go into so many packets, in whole blocks.
stream_of() {
	blocks=$(($3 / 90))
	rm -f /tmp/listening
	on "$2" perl /mnt/guest/pipe.pl listen /tmp/listening >/dev/null &
	receiving=$!
	wait_for 20 [ -e /tmp/listening ]
	head -c $((blocks * BLOCK)) /dev/zero | on "$1" perl /mnt/guest/pipe.pl connect "$(v4_of "$2")"
	wait $receiving
}

# count WORKLOAD DRIVER REPEAT
count() {
	for number in $FEW $MANY; do
		file=$1.$2.$3.$number
		snapshot unused
		work "$1" "$number"
		snapshot "$file"
		say "@data counts $1 $2 $3 $packets $file"
	done
}

# with DRIVER WORKLOAD REPEAT: at the other end is the other one.
with() {
	if [ "$(driver_of left)" != "$1" ]; then
		peer=$ORACLE
		[ "$1" != "$ORACLE" ] || peer=$DRIVER
		release left
		release right
		host "link right up"
		give "$1" left
		give "$peer" right
	fi
	prepare "$2"
	count "$2" "$1" "$3"
}

# prepare WORKLOAD: what is sent for nobody is lost in the cable, and costs nothing at its other end.
prepare() {
	case $1 in
	send-60 | send-1514)
		host "link right down"
		return
		;;
	esac
	host "link right up"
	wait_for 20 has_link right
	wait_for 20 hears left
	case $1 in
	*-plain) offload left tso off gso off ;;
	*-tso) offload left tso on gso on ;;
	esac
}

both() {
	with "$ORACLE" "$1" 1
	with "$DRIVER" "$1" 1
	with "$DRIVER" "$1" 2
	with "$ORACLE" "$1" 2
}

send_60_bytes() {
	both send-60
}

send_1514_bytes() {
	both send-1514
}

receive_60_bytes() {
	both receive-60
}

receive_1514_bytes() {
	both receive-1514
}

send_by_TCP_with_TSO() {
	both send-tcp-tso
}

send_by_TCP_without_TSO() {
	both send-tcp-plain
}

receive_by_TCP() {
	both receive-tcp-tso
}

cases both_drivers_are_loaded send_60_bytes send_1514_bytes receive_60_bytes receive_1514_bytes \
	send_by_TCP_with_TSO send_by_TCP_without_TSO receive_by_TCP
