# SPDX-License-Identifier: GPL-2.0
# What the stages of the network driver do, in a guest.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

# up MODULE: loads it, gives its device an address, and leaves its name in `net`.
up() {
	load "$@"
	net=$(ls "/sys/devices/faux/$1/net")
	/sbin/ip addr add 192.0.2.1/24 dev "$net"
	/sbin/ip link set "$net" up
}

# everything_comes_back ADDRESS: also when more is sent at a time than there is room for.
everything_comes_back() {
	/sbin/ping -q -f -l 300 -c 2000 -s 1000 -W 10 "$1" >/tmp/ping
	cat /tmp/ping
	grep '2000 packets transmitted, 2000 received' /tmp/ping
	[ "$(cat "/sys/class/net/$net/statistics/tx_dropped")" -eq 0 ]
}

second_loses_nothing() {
	up net_2_flow
	/sbin/ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev "$net"
	everything_comes_back 192.0.2.2
	unload net_2_flow
}

third_answers_for_every_address() {
	up net_3_answers
	/sbin/ping -c 1 -W 10 192.0.2.77
	/sbin/ip neigh show dev "$net" | grep '192.0.2.77 lladdr 02:00:c0:00:02:4d'
	everything_comes_back 192.0.2.99
	/sbin/ip link set "$net" down
	/sbin/ip link set "$net" address 02:00:00:00:00:55 mtu 9000
	/sbin/ip link set "$net" up
	/sbin/ping -c 1 -W 10 -M do -s 8900 192.0.2.78
	refused /sbin/ip link set "$net" mtu 9001
	note "$(cat "/sys/class/net/$net/statistics/tx_packets") frames"
	unload net_3_answers
}

fourth_tells_and_sets_what_there_is() {
	up net_4_ethtool
	ethtool -i "$net" | grep 'driver: net_4_ethtool'
	ethtool "$net" | grep 'Link detected: yes'
	everything_comes_back 192.0.2.99
	ethtool -G "$net" tx 512
	[ "$(ethtool -g "$net" | sed -n 's/^TX:[^0-9]*//p' | tail -n 1)" = 512 ]
	everything_comes_back 192.0.2.99
	# How often the queue is full, the timing decides; it is never left stopped.
	stops=$(ethtool -S "$net" | sed -n 's/.*queue_stops: //p')
	[ "$(ethtool -S "$net" | sed -n 's/.*queue_wakes: //p')" -eq "$stops" ]
	note "$stops times without room"
	unload net_4_ethtool
}

fourth_has_no_link_without_a_carrier() {
	up net_4_ethtool carrier=0
	ethtool "$net" | grep 'Link detected: no'
	unload net_4_ethtool
}

cases second_loses_nothing third_answers_for_every_address fourth_tells_and_sets_what_there_is \
	fourth_has_no_link_without_a_carrier
