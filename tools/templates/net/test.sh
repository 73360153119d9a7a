# SPDX-License-Identifier: GPL-2.0
# What `make test` does in the guest. Each function is a case; the first command that fails makes it fail.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

device=/sys/devices/faux/__name__

it_makes_a_network_device() {
	load __name__
	ls "$device/net"
}

what_is_sent_comes_back() {
	net=$(ls "$device/net")
	/sbin/ip addr add 192.0.2.1/24 dev "$net"
	/sbin/ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev "$net"
	/sbin/ip link set "$net" up
	/sbin/ping -c 3 -i 0.2 -W 5 192.0.2.2
}

it_counts() {
	cd "$device/net/"*
	[ "$(cat statistics/tx_packets)" -ge 6 ]
	[ "$(cat statistics/rx_packets)" -ge 6 ]
	note "$(cat statistics/tx_packets) sent, $(cat statistics/rx_packets) came back"
}

it_unloads_while_it_is_up() {
	unload __name__
	[ ! -e "$device" ]
}

cases it_makes_a_network_device what_is_sent_comes_back it_counts it_unloads_while_it_is_up
