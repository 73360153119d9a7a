# SPDX-License-Identifier: GPL-2.0
# Upstream's Rust block driver: on the abstraction that must stay as it is or, where the patches have moved it, on ours.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

config=/sys/kernel/config/rnull/rnullb0

rnull_loads_and_has_a_disk_to_configure() {
	load rnull_mod
	mkdir "$config"
	[ "$(cat "$config/blocksize")" -eq 4096 ]
}

# set_to VALUE ATTRIBUTE
set_to() {
	echo "$1" >"$config/$2"
}

a_block_size_that_no_disk_has_is_refused() {
	for size in 0 256 513 3072 131072; do
		refused set_to "$size" blocksize
	done
	set_to 512 blocksize
	set_to 64 size
}

# serves_fio IRQMODE: a disk with the configured limits ends every request, at once or in a softirq.
serves_fio() {
	set_to "$1" irqmode
	set_to 1 power
	wait_for 10 [ -b /dev/rnullb0 ]
	[ "$(cat /sys/block/rnullb0/queue/logical_block_size)" -eq 512 ]
	[ "$(cat /sys/block/rnullb0/size)" -eq 131072 ]
	echo none >/sys/block/rnullb0/queue/scheduler
	[ "$(cat /sys/block/rnullb0/queue/nr_requests)" -eq 256 ]
	refused set_to 4096 blocksize
	fio --name=rnull --filename=/dev/rnullb0 --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
		--iodepth=32 --size=16m --output-format=terse --output=/tmp/fio.out
	set -- $(cat /sys/block/rnullb0/stat)
	[ $((($3 + $7) / 2048)) -eq 16 ]
	set_to 0 power
	[ ! -e /sys/block/rnullb0 ]
	note '16 MiB'
}

it_serves_fio_where_requests_end_at_once() {
	serves_fio 0
}

it_serves_fio_where_they_end_in_a_softirq() {
	serves_fio 1
}

rnull_goes_away() {
	rmdir "$config"
	unload rnull_mod
}

cases rnull_loads_and_has_a_disk_to_configure a_block_size_that_no_disk_has_is_refused \
	it_serves_fio_where_requests_end_at_once it_serves_fio_where_they_end_in_a_softirq rnull_goes_away
