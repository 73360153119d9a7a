# SPDX-License-Identifier: GPL-2.0
# The C driver as oracle: the same card is served by ORACLE, then by DRIVER. What can be seen of it is told to the host
# as lines NAME=VALUE, and the host compares.
#
# CONFIGURATIONS says with which card and which module parameters: NAME:CARD:PARAMETER=VALUE+PARAMETER=VALUE/NAME:...
# The last card of the machine is the other end of the wire, with ORACLE.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh
. /mnt/guest/facts.sh
. /mnt/guest/net-facts.sh
. /mnt/guest/net-actions.sh

PEER_CARD=$(card_names | tail -n 1)

both_modules_load() {
	load 8021q
	# Nothing is sent that nobody asked for.
	for which in all default; do
		echo 1 >/proc/sys/net/ipv6/conf/$which/disable_ipv6
	done
	ip netns add "$PEER_CARD"
	on "$PEER_CARD" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
	load_both
	for driver in $ORACLE $DRIVER; do
		module_facts "$driver" >/tmp/facts
		normalise "$driver" </tmp/facts >/tmp/seen
		tell_facts modules "$driver" </tmp/seen
	done
	unload_both
}

# normalise DRIVER [INTERFACE]: gives names that are the driver's own the same form for both.
normalise() {
	sed -e "s/\\b$1\\b/DRIVER/g" -e "s/\\b${2:-no interface}\\b/ethX/g"
}

# field NUMBER CONFIGURATION
field() {
	echo "$CONFIGURATIONS" | tr '/' '\n' | grep "^$2:" | cut -d: -f"$1" | tr '+' ' '
}

# turn DRIVER CONFIGURATION: binds, looks at everything, unbinds. What was seen is in /tmp/seen then.
turn() {
	card=$(field 2 "$2")
	interface=
	: >/tmp/facts
	mark_log
	# The parameters are those of the first boards; which of them the card is, the other end of the wire decides.
	# shellcheck disable=SC2046 # One word per parameter.
	load "$1" $(field 3 "$2")
	loaded "$ORACLE" || load "$ORACLE"
	bind "$ORACLE" "$PEER_CARD"
	place "$PEER_CARD"
	up "$PEER_CARD"
	on "$PEER_CARD" ip addr replace 10.0.9.2/24 dev "$PEER_CARD"
	listen
	function=$(function_of "$card")
	echo "$1" >"$function/driver_override"
	attempt bind echo_into "$PCI/drivers/$1/bind" "${function##*/}" >>/tmp/facts
	if [ -e "$function/driver" ]; then
		wait_for 20 interface_of "$card"
		interface=$(interface_of "$card")
		look "$card" "$interface" "$2" >>/tmp/facts
		release "$card"
	fi
	stop_listening
	cat /tmp/events >>/tmp/facts
	message_facts "$1" "$interface" >>/tmp/facts
	release "$PEER_CARD"
	unload_both
	normalise "$1" "$interface" </tmp/facts >/tmp/seen
}

# look CARD INTERFACE CONFIGURATION: at a card that is down, then up, with everything that can be done to it, then down
# again.
look() {
	fact name "${2%%[0-9]*}"
	pci_facts "$(function_of "$1")"
	card_facts new "$2"
	attempt up ip link set "$2" up
	# A card whose own address is none that a card may have.
	if ! interface_is_up "$2"; then
		attempt address ip link set "$2" address 52:54:00:e1:00:01
		attempt up-with-address ip link set "$2" up
	fi
	wait_for 20 interface_has_link "$2"
	irq_facts "$2"
	card_facts up "$2"
	perl /mnt/guest/mii.pl "$2"
	sleep 1
	ethtool_actions "$2"
	[ "$3" != plain ] || slow_actions "$2"
	ip_actions "$2"
	sysfs_actions "$2"
	traffic_facts "$1" "$2"
	attempt down ip link set "$2" down
	card_facts down "$2"
	# The same again where nothing can be seen of it before it is up.
	{
		ethtool_actions "$2"
		[ "$3" != plain ] || slow_actions "$2"
	} >/tmp/down
	sed 's/^/down-/' /tmp/down
	attempt up-again ip link set "$2" up
	wait_for 20 interface_has_link "$2"
	statistics_names "$2"
	pci_facts "$(function_of "$1")" >/tmp/then
	sed 's/^/then-/' /tmp/then
}

interface_is_up() {
	[ $(($(cat "/sys/class/net/$1/flags") & 1)) -eq 1 ]
}

statistics_names() {
	fact names "$(ethtool -S "$1" | sed 's/:.*//' | xargs)"
}

# message_facts DRIVER INTERFACE: what the driver has said, at whatever level, each thing once. Whether somebody looks
# at a link just when it is not there is a matter of time. A device without a name yet may be left out.
message_facts() {
	others=$(function_of "$PEER_CARD")
	dmesg -r | awk -v mark="$(cat /tmp/mark)" 'index($0, mark) { n = 1; next } n' |
		grep -v -e "${others##*/}" -e "\\b$PEER_CARD\\b" | grep -e "$1" -e "${2:-no interface}" |
		sed -n -e '/NIC Link is/d' -e 's/ [^ ]* (uninitialized)//' -e 's/^<\([0-9]*\)>\[[^]]*\] /log=\1 /' \
			-e '/: Intel.*Network Driver/s/^log/banner/' -e '/: Copyright/s/^log/banner/' \
			-e '/^[a-z]*=/p' | awk '!seen[$0]++'
}

# looks_the_same CONFIGURATION
looks_the_same() {
	for driver in $ORACLE $DRIVER; do
		turn "$driver" "$1"
		tell_facts "$1" "$driver" </tmp/seen
	done
	note "$(wc -l </tmp/seen) facts"
}

# The first driver of a card finds it as the firmware has left it, and the second one as the first one has.
cards_are_as_a_driver_leaves_them() {
	for configuration in $(echo "$CONFIGURATIONS" | tr '/' '\n' | awk -F: '!seen[$2]++ { print $1 }'); do
		turn "$ORACLE" $configuration
	done
}

each=
for configuration in $(echo "$CONFIGURATIONS" | tr '/' '\n' | cut -d: -f1); do
	eval "${configuration}_is_looked_at() { looks_the_same $configuration; }"
	each="$each ${configuration}_is_looked_at"
done
# shellcheck disable=SC2086 # One word per case.
cases both_modules_load cards_are_as_a_driver_leaves_them $each
