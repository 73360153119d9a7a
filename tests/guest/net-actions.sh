# SPDX-License-Identifier: GPL-2.0
# What can be done to a network card, well and badly, and what comes of it, as lines NAME=VALUE. Sourced after
# net-facts.sh.

# set_facts NAME INTERFACE SHOW SET...: how a setting ends, and what `ethtool SHOW` says then.
set_facts() {
	name=$1 interface=$2 show=$3 verb=$4
	shift 4
	attempt "set/$name/$*" ethtool "$verb" "$interface" "$@"
	# What both ends have agreed on can be seen when there is a link again.
	[ "$verb" = -G ] || settle "$interface"
	# shellcheck disable=SC2086 # No word, or one.
	attempt "set/$name/$*/then" ethtool $show "$interface"
}

# settle INTERFACE: until an interface that is up has a link, or seems to get none.
settle() {
	tries=100
	while [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 0 ] && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.05
	done
}

# each_line FUNCTION ARGUMENT...: with the words of each line of the standard input besides.
each_line() {
	while read -r words; do
		# shellcheck disable=SC2086 # One word per word.
		"$@" $words </dev/null
	done
}

# ethtool_actions INTERFACE
ethtool_actions() {
	each_line set_facts rings "$1" -g -G <<-END
		rx 0
		rx 1
		rx 47
		rx 48
		rx 80
		rx 81
		rx 4095
		rx 4096
		rx 4097
		rx 100000
		tx 0
		tx 47
		tx 49
		tx 4096
		tx 5000
		rx-mini 5
		rx-jumbo 5
		rx 256 tx 256
	END
	each_line set_facts coalesce "$1" -c -C <<-END
		rx-usecs 0
		rx-usecs 1
		rx-usecs 2
		rx-usecs 3
		rx-usecs 4
		rx-usecs 5
		rx-usecs 9
		rx-usecs 10
		rx-usecs 125
		rx-usecs 10000
		rx-usecs 10001
		rx-usecs 4294967295
		tx-usecs 5
		rx-frames 5
		adaptive-rx on
		rx-usecs 3
	END
	each_line set_facts pause "$1" -a -A <<-END
		rx off
		tx off
		rx on
		tx on
		autoneg off
		rx off tx off
		rx on tx off
		rx off tx on
		autoneg on
	END
	each_line set_facts speed "$1" '' -s <<-END
		speed 10 duplex half autoneg off
		speed 10 duplex full autoneg off
		speed 100 duplex half autoneg off
		speed 100 duplex full autoneg off
		speed 1000 duplex half autoneg off
		speed 1000 duplex full autoneg off
		speed 2500 duplex full autoneg off
		speed 7 duplex full autoneg off
		advertise 0x001 autoneg on
		advertise 0x00f autoneg on
		advertise 0x030 autoneg on
		advertise 0x800 autoneg on
		port fibre
		phyad 5
		xcvr external
		mdix off
		mdix on
		mdix auto
		msglvl 0xffff
		msglvl 0
		msglvl 7
		autoneg on advertise 0x02f
	END
	each_line set_facts wake "$1" '' -s <<-END
		wol p
		wol u
		wol m
		wol b
		wol a
		wol g
		wol s
		wol umbg
		wol d
	END
	each_line set_facts features "$1" -k -K <<-END
		rx on
		rx off
		tx off
		tx on
		sg off
		sg on
		tso off
		tso on
		gso off
		gso on
		gro off
		gro on
		lro on
		rxvlan off
		rxvlan on
		txvlan off
		txvlan on
		rx-vlan-filter off
		rx-vlan-filter on
		rx-all on
		rx-all off
		rx-fcs on
		rx-fcs off
		rxhash on
		ntuple on
		highdma off
		highdma on
		loopback on
		tx-tcp6-segmentation on
		tx-tcp6-segmentation off
		tx-nocache-copy on
		tx-nocache-copy off
	END
	each_line set_facts eeprom "$1" -i -E <<-END
		magic 0x100e8086 offset 0 value 0x52
		magic 0 offset 0 value 0x52
		magic 0x100e8086 offset 127 value 0
		magic 0x100e8086 offset 128 value 0
		magic 0x100e8086 offset 5 length 0
	END
	each_line set_facts channels "$1" -l -L <<-END
		combined 2
	END
	each_line set_facts others "$1" -i --set-priv-flags <<-END
		nonsense on
	END
	attempt do/renegotiate ethtool -r "$1"
	attempt do/reset ethtool --reset "$1" all
	attempt do/flash ethtool -f "$1" nonsense
	attempt do/cable ethtool --cable-test "$1"
}

# slow_actions INTERFACE: what takes seconds.
slow_actions() {
	attempt do/identify ethtool -p "$1" 1
	attempt do/test/online ethtool -t "$1" online
	attempt do/test/offline ethtool -t "$1" offline
	attempt do/test/external ethtool -t "$1" external_lb
}

# ip_actions INTERFACE
ip_actions() {
	for mtu in 0 45 46 67 68 576 1500 1501 4082 9000 16110 16111 65535 1500; do
		attempt "mtu/$mtu" ip link set "$1" mtu $mtu
		fact "mtu/$mtu/then" "$(first_line "/sys/class/net/$1/mtu")"
	done
	own=$(first_line "/sys/class/net/$1/address")
	for address in 01:00:5e:00:00:01 00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 52:54:00:aa:bb:cc "$own"; do
		attempt "mac/$address" ip link set "$1" address $address
		fact "mac/$address/then" "$(first_line "/sys/class/net/$1/address")"
	done
	for words in 'promisc on' 'promisc off' 'allmulticast on' 'allmulticast off' 'multicast off' 'multicast on' \
		'arp off' 'arp on' 'dynamic on' 'dynamic off' 'txqueuelen 0' 'txqueuelen 1000' 'carrier off' \
		'carrier on' 'protodown on' 'protodown off'; do
		# shellcheck disable=SC2086 # One word per word.
		attempt "ip/$words" ip link set "$1" $words
	done
	for tag in 0 1 5 4094 4095; do
		attempt "vlan/$tag" ip link add link "$1" name "$1.$tag" type vlan id $tag
		[ ! -e "/sys/class/net/$1.$tag" ] || link_facts "vlan/$tag/link" "$1.$tag"
	done
	line_facts vlan/features ethtool -k "$1.5"
	for tag in 0 1 5 4094; do
		attempt "vlan/$tag/away" ip link del "$1.$tag"
	done
	for group in 33:33:00:00:00:77 01:00:5e:00:00:77; do
		attempt "group/$group" ip maddr add $group dev "$1"
		attempt "group/$group/away" ip maddr del $group dev "$1"
	done
	attempt neighbour ip link set "$1" master lo
}

# sysfs_actions INTERFACE
sysfs_actions() {
	while read -r file value; do
		before=$(first_line "/sys/class/net/$1/$file" 2>/dev/null)
		attempt "write/$file/$value" echo_into "/sys/class/net/$1/$file" "$value"
		fact "write/$file/$value/then" "$(cat "/sys/class/net/$1/$file" 2>&1)"
		[ -z "$before" ] || echo_into "/sys/class/net/$1/$file" "$before" 2>/dev/null || true
	done <<-END
		mtu 9000
		mtu 20000
		tx_queue_len 5
		tx_queue_len -1
		threaded 1
		threaded 0
		carrier 0
		dormant 1
		speed 10
		gro_flush_timeout 20000
		napi_defer_hard_irqs 2
		group 5
		ifalias nonsense
		queues/tx-0/xps_cpus 1
		queues/tx-0/tx_maxrate 5
		queues/rx-0/rps_cpus 1
		queues/tx-0/byte_queue_limits/limit_max 5000
	END
}

# traffic_facts CARD INTERFACE: what has been counted when exactly so much has gone each way.
traffic_facts() {
	wait_for 20 interface_has_link "$2"
	ip addr replace 10.0.9.1/24 dev "$2"
	ip neigh replace 10.0.9.2 lladdr "$(mac_of "$PEER_CARD")" dev "$2" nud permanent
	on "$PEER_CARD" ip neigh replace 10.0.9.1 lladdr "$(first_line "/sys/class/net/$2/address")" dev "$PEER_CARD" \
		nud permanent
	sleep 3
	ethtool -S "$2" >/tmp/before
	for size in 0 18 19 82 470 982 1472; do
		attempt "traffic/ping/$size" quiet_ping $size
	done
	sleep 3
	ethtool -S "$2" | cat /tmp/before - | awk '{ if ($1 in first) print "traffic/" $1 "=" $2 - first[$1]
		else first[$1] = $2 }' | sed 's/:=/=/'
	ip addr flush dev "$2"
}

# quiet_ping SIZE: five of them, without what takes time.
quiet_ping() {
	ping -q -c 5 -i 0.02 -W 5 -M do -s "$1" 10.0.9.2 | sed -n 's/, time.*//p'
}

interface_has_link() {
	[ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]
}
