# SPDX-License-Identifier: GPL-2.0
# The kernel's own tests of network drivers, tools/testing/selftests/drivers/net, with ORACLE and then with DRIVER: what
# a card passes with the one it must pass with the other. They are in Python and use programs that the guest does not
# have: they run in the root directory of the host.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh

ROOT=/mnt/root
# The kernel's source in there, as far as it is needed, in a directory that every host has.
SELFTESTS=/mnt/tools/testing/selftests

# Those of which a card with one queue passes some, and what is to be built for them.
TESTS='napi_id stats queues hw/irq'
HELPERS='drivers/net/napi_id_helper'

# in_root CARD COMMAND...: in the root directory of the host, and in the name space of the card.
in_root() {
	card=$1
	shift
	on "$card" chroot $ROOT env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/tmp LC_ALL=C.UTF-8 TERM=dumb \
		NETIF="$card" LOCAL_V4="$(v4_of "$card")" LOCAL_V6="$(v6_of "$card")" \
		REMOTE_V4="$(v4_of "$(other "$card")")" REMOTE_V6="$(v6_of "$(other "$card")")" \
		REMOTE_TYPE=netns REMOTE_ARGS="$(other "$card")" "$@"
}

the_modules_load() {
	load_both
	make_spaces
	give "$ORACLE" right
}

the_programs_of_the_host_are_there() {
	mkdir -p $ROOT /mnt/source
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose root $ROOT
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144 source /mnt/source
	for dir in dev proc run tmp; do
		mount --rbind /$dir $ROOT/$dir
	done
	# It shows the devices of the name space that mounts it.
	on left mount -t sysfs none $ROOT/sys
	for program in /usr/bin/python3 socat ethtool ip gcc; do
		in_root left sh -c "command -v $program"
	done
}

# longer FILE LIMIT...: ten times as long; an emulated machine is slow.
longer() {
	file=$1
	shift
	for limit; do
		grep -q "$limit" "$file"
		sed -i "s/$limit/&0/" "$file"
	done
}

the_tests_are_built() {
	mount -t tmpfs none $ROOT/mnt
	cd /mnt/source
	for part in tools/testing/selftests/drivers/net/lib tools/testing/selftests/drivers/net/hw/lib \
		tools/testing/selftests/net/lib tools/net/ynl/pyynl Documentation/netlink/specs; do
		mkdir -p "$ROOT/mnt/${part%/*}"
		cp -r "$part" "$ROOT/mnt/${part%/*}"
	done
	cp tools/testing/selftests/drivers/net/*.py tools/testing/selftests/drivers/net/*.c $ROOT$SELFTESTS/drivers/net
	cp tools/testing/selftests/drivers/net/hw/*.py $ROOT$SELFTESTS/drivers/net/hw
	cd $ROOT$SELFTESTS
	longer net/lib/py/utils.py 'deadline=5' 'timeout=20'
	longer drivers/net/napi_id.py 'ksft_wait=3'
	for helper in $HELPERS; do
		in_root left gcc -O2 -w -o $SELFTESTS/$helper $SELFTESTS/$helper.c
	done
}

# results DRIVER: a line for each test that has run, with how it ended.
results() {
	give "$1" left
	wait_for 20 hears left
	: >"/tmp/results.$1"
	for test in $TESTS; do
		in_root left /usr/bin/python3 $SELFTESTS/drivers/net/$test.py >/tmp/output 2>&1 || :
		cat /tmp/output
		sed -n -e 's/^ok [0-9]* \([^ ]*\) # \(SKIP\|XFAIL\).*/\1 \2/p' -e t \
			-e 's/^ok [0-9]* \([^ ]*\).*/\1 passed/p' -e 's/^not ok [0-9]* \([^ ]*\).*/\1 failed/p' \
			/tmp/output >>"/tmp/results.$1"
	done
	cat "/tmp/results.$1"
	passed=$(grep -c ' passed$' "/tmp/results.$1")
	note "$passed of $(wc -l <"/tmp/results.$1") passed with $1"
}

the_oracle_passes_some() {
	results "$ORACLE"
	# One of each, and of queues two. The others need more queues, XDP or statistics that neither driver has.
	[ "$passed" -ge 5 ]
}

the_driver_passes_those_too() {
	results "$DRIVER"
	grep ' passed$' "/tmp/results.$ORACLE" >/tmp/expected
	refused grep -vxFf "/tmp/results.$DRIVER" /tmp/expected
}

the_modules_unload() {
	unload_both
}

cases the_modules_load the_programs_of_the_host_are_there the_tests_are_built the_oracle_passes_some \
	the_driver_passes_those_too the_modules_unload
