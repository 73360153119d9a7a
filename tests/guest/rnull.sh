# SPDX-License-Identifier: GPL-2.0
# Upstream's Rust null block driver, which uses upstream's own abstraction.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

rnull_loads_and_a_disk_is_configured() {
	load rnull_mod
	mkdir /sys/kernel/config/rnull/rnullb0
	echo 1 >/sys/kernel/config/rnull/rnullb0/power
	wait_for 10 [ -b /dev/rnullb0 ]
}

rnull_serves_fio() {
	fio --name=rnull --filename=/dev/rnullb0 --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
		--iodepth=32 \
		--size=16m --output-format=terse --output=/tmp/fio.out
	set -- $(cat /sys/block/rnullb0/stat)
	[ $((($3 + $7) / 2048)) -eq 16 ]
	note '16 MiB'
}

rnull_goes_away() {
	echo 0 >/sys/kernel/config/rnull/rnullb0/power
	[ ! -e /sys/block/rnullb0 ]
	rmdir /sys/kernel/config/rnull/rnullb0
	unload rnull_mod
}

cases rnull_loads_and_a_disk_is_configured rnull_serves_fio rnull_goes_away
