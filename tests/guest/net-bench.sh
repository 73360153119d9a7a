# SPDX-License-Identifier: GPL-2.0
# Two equal cards, one of ORACLE and one of DRIVER, in turn against a third one at the other end of the wire.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh

FIRST=one
SECOND=two
. /mnt/guest/pairs.sh

PEER_CARD=far

# Frames and pings of a run.
FRAMES=$((SECONDS_EACH * 20000))
PINGS=$((SECONDS_EACH * 1000))

both_drivers_have_a_card() {
	say "@data version $(iperf3 --version | head -n 1 | cut -d' ' -f1,2)"
	say "@data date $(date -u +%Y-%m-%d)"
	load_both
	make_spaces
	give "$ORACLE" $PEER_CARD
	give "$ORACLE" one
	give "$DRIVER" two
	warm_up
}

the_drivers_swap_their_cards() {
	give "$DRIVER" one
	give "$ORACLE" two
	warm_up
}

# An emulated CPU translates code when it runs first.
warm_up() {
	for card in one two; do
		runs_iperf $card $PEER_CARD 1
		runs_iperf $PEER_CARD $card 1
		pktgen $card $PEER_CARD 2000 60
		pktgen $PEER_CARD $card 2000 60
	done
}

# sends_per_second FROM TO SIZE: frames that the driver takes.
sends_per_second() {
	pktgen "$1" "$2" "$FRAMES" "$3" >/tmp/pktgen
	result=$(sed -n 's/^ *\([0-9]*\)pps .*/\1/p' /tmp/pktgen)
}

# receives_per_second FROM TO SIZE: frames that the driver delivers while they are sent.
receives_per_second() {
	before=$(stack_counters "$2" | cut -d' ' -f1)
	begin=$(centiseconds)
	pktgen "$1" "$2" "$FRAMES" "$3"
	got=$(($(stack_counters "$2" | cut -d' ' -f1) - before))
	result=$((got * 100 / ($(centiseconds) - begin)))
}

# centiseconds: since the boot.
centiseconds() {
	cut -d' ' -f1 /proc/uptime | tr -d .
}

# megabits_per_second FROM TO
megabits_per_second() {
	runs_iperf "$1" "$2" "$SECONDS_EACH"
	result=$rate
}

# pings_per_second FROM TO
pings_per_second() {
	on "$1" ping -q -f -n -c "$PINGS" "$(v4_of "$2")" >/tmp/pings
	milliseconds=$(sed -n 's/.*, time \([0-9]*\)ms.*/\1/p' /tmp/pings)
	result=$((PINGS * 1000 / milliseconds))
}

# run WORKLOAD CARD
run() {
	case $1 in
	tcp-send-mbits) megabits_per_second "$2" $PEER_CARD ;;
	tcp-receive-mbits) megabits_per_second $PEER_CARD "$2" ;;
	send-60-byte-frames) sends_per_second "$2" $PEER_CARD 60 ;;
	receive-60-byte-frames) receives_per_second $PEER_CARD "$2" 60 ;;
	pings) pings_per_second "$2" $PEER_CARD ;;
	esac
}

tcp_from_the_card() {
	compare tcp-send-mbits
}

tcp_to_the_card() {
	compare tcp-receive-mbits
}

short_frames_from_the_card() {
	compare send-60-byte-frames
}

short_frames_to_the_card() {
	compare receive-60-byte-frames
}

pings_and_answers() {
	compare pings
}

WORKLOADS="tcp_from_the_card tcp_to_the_card short_frames_from_the_card short_frames_to_the_card pings_and_answers"

# shellcheck disable=SC2086 # One word per case.
cases both_drivers_have_a_card $WORKLOADS the_drivers_swap_their_cards $WORKLOADS
