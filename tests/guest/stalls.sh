# SPDX-License-Identifier: GPL-2.0
# A machine and a disk that stand still for a while, an interrupt that is lost, and a completion.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	wait_for 10 disk_of main
	# Shorter than any pause here.
	look_soon main 2000
}

# After so many milliseconds a request is looked for. It must not be while what it misses is still being arranged, which
# takes seconds on a slow host.
MISSED=10000

# switch FUNCTION WHAT on|off
switch() {
	perl /mnt/guest/config.pl "$@"
}

a_machine_that_is_paused_loses_nothing() {
	was=$(recoveries main)
	start_fio main
	for loop in $(seq "$PAUSES"); do
		host pause "$PAUSE"
		before=$(written "$busy_disk")
		wait_for 60 was_written "$busy_disk" "$before"
	done
	stop_fio
	[ "$(recoveries main)" -eq "$was" ]
	note "$PAUSES times for $PAUSE s, $rounds round(s) of fio"
}

a_throttled_disk_loses_nothing() {
	was=$(recoveries main)
	disk=$(disk_of main)
	before=$(written "$disk")
	host throttle main iops 5
	# Each request waits for longer than the block layer's patience.
	fio --name=slow --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randwrite --bs=4k \
		--iodepth=32 --size=$((4 * SLOW_REQUESTS))k --verify=crc32c --verify_fatal=1 --output=/tmp/slow.out
	host throttle main off
	[ "$(written "$disk")" -eq $((before + 4096 * SLOW_REQUESTS)) ]
	[ "$(recoveries main)" -eq "$was" ]
	note "$SLOW_REQUESTS requests written and verified, 5 in a second"
}

# most_at_once: how many requests the device has at most while more wait than there are tags, and they end one by one.
most_at_once() {
	disk=$(disk_of main)
	echo none >"/sys/block/$disk/queue/scheduler"
	read -r before _ <"/sys/block/$disk/stat"
	host throttle main iops 40 >&2
	fio --name=deep --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --cpus_allowed=0 --rw=randread \
		--bs=4k --iodepth=300 --number_ios=700 --output=/tmp/deep.out &
	deep=$!
	most=0
	ended=$before
	# A ring that was empty has been filled by then, and filled up again.
	while [ "$ended" -lt $((before + 200)) ]; do
		read -r now _ <"/sys/block/$disk/inflight"
		[ "$now" -le "$most" ] || most=$now
		read -r ended _ <"/sys/block/$disk/stat"
		kill -0 $deep
		sleep 0.1
	done
	host throttle main off >&2
	wait $deep
	echo "$most"
}

a_full_ring_holds_as_many_requests_as_with_the_c_driver() {
	ours=$(most_at_once)
	unload "$DRIVER"
	load "$ORACLE"
	wait_for 10 disk_of main
	theirs=$(most_at_once)
	unload "$ORACLE"
	load "$DRIVER"
	wait_for 10 disk_of main
	note "$ours, $theirs with $ORACLE"
	[ "$theirs" -ge 100 ]
	[ $((10 * ours)) -ge $((9 * theirs)) ]
}

# read_one DISK: one request, and nothing from the page cache.
read_one() {
	dd if="/dev/$(disk_of "$1")" of=/dev/null bs=4k count=1 iflag=direct
}

# reads DISK: whether it has a read to answer.
reads() {
	read -r reading _ <"/sys/block/$1/inflight"
	[ "$reading" -gt 0 ]
}

# While MSI-X is off, the device raises its pin instead, which the kernel has switched off.
a_lost_interrupt_is_found() {
	devices_may_fail
	look_soon main $MISSED
	was=$(recoveries main)
	function=$(function_of main)
	switch "$function" msix off
	read_one main &
	reader=$!
	wait_for 20 reads "$(disk_of main)"
	# The answer has come by then, and nobody has noticed.
	sleep 1
	switch "$function" msix on
	kill -0 $reader
	wait_for 40 not kill -0 $reader
	wait $reader
	[ "$(recoveries main)" -eq "$was" ]
	dmesg | grep "$(virtio_of main): .*without an interrupt"
	touch_disk "$(disk_of main)"
}

INJECTION=/sys/kernel/debug/fail_io_timeout

# The block layer withholds one completion, as if the device had not answered.
a_completion_that_is_withheld_comes_with_the_timeout() {
	[ -d $INJECTION ] || skip 'this kernel cannot withhold completions'
	devices_may_fail
	look_soon main $MISSED
	was=$(recoveries main)
	disk=$(disk_of main)
	dd if=/dev/urandom of=/tmp/noise bs=4k count=1
	dd if=/tmp/noise of="/dev/$disk" bs=4k oflag=direct
	echo 0 >$INJECTION/verbose
	echo 1 >$INJECTION/times
	echo 100 >$INJECTION/probability
	echo 1 >"/sys/block/$disk/io-timeout-fail"
	dd if="/dev/$disk" of=/tmp/read bs=4k count=1 iflag=direct &
	reader=$!
	wait_for 20 reads "$disk"
	sleep 1
	kill -0 $reader
	# It has been withheld, and no other will be.
	[ "$(cat $INJECTION/times)" -eq 0 ]
	wait_for 40 not kill -0 $reader
	wait $reader
	cmp /tmp/read /tmp/noise
	echo 0 >"/sys/block/$disk/io-timeout-fail"
	[ "$(recoveries main)" -eq "$was" ]
	touch_disk "$disk"
}

the_module_unloads() {
	touch_disk "$(disk_of main)"
	unload "$DRIVER"
}

cases the_module_loads \
	a_machine_that_is_paused_loses_nothing \
	a_throttled_disk_loses_nothing \
	a_full_ring_holds_as_many_requests_as_with_the_c_driver \
	a_lost_interrupt_is_found \
	a_completion_that_is_withheld_comes_with_the_timeout \
	the_module_unloads
