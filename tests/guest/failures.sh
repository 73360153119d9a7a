# SPDX-License-Identifier: GPL-2.0
# A device whose rings make no sense, or that says nothing: the disk goes on by itself, is waited for, or is given up.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

the_module_loads() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
		look_soon "$disk" 1000
	done
	dd if=/dev/urandom of=/tmp/noise bs=64k count=16
}

# good_again DISK: ends what the device does wrong, and the record of it.
good_again() {
	host "device $1 behave"
	anew "$1" 1000
}

# survives DISK LIE: fio with verification does not notice that the device lies once.
survives() {
	was=$(recoveries "$1")
	start_fio "$1"
	host "device $1 lie $2"
	wait_for 20 has_recovered "$1" "$was"
	before=$(written "$busy_disk")
	wait_for 20 was_written "$busy_disk" "$before"
	stop_fio
	good_again "$1"
}

a_ring_that_makes_no_sense_is_replaced() {
	for lie in id-size id-huge id-free; do
		survives main $lie
		survives direct $lie
	done
}

two_lines_in_the_log_tell_of_a_recovery() {
	device=$(virtio_of main)
	dmesg >/tmp/log
	grep "$device: starting over, as a queue is broken" /tmp/log
	grep "$device: works again after [0-9]* ms, with [0-9]* buffers to be used again" /tmp/log
}

read_noise() {
	dd if="/dev/$(disk_of "$1")" of=/tmp/read bs=64k count=16 iflag=direct && cmp /tmp/read /tmp/noise
}

write_noise() {
	dd if=/tmp/noise of="/dev/$(disk_of "$1")" bs=64k oflag=direct conv=fsync
}

a_missed_interrupt_is_found() {
	write_noise main
	host "device main lose 1"
	begun=$(date +%s)
	read_noise main
	[ $(($(date +%s) - begun)) -le 10 ]
	dmesg | grep "$(virtio_of main): 1 requests had ended on queue [0-9]* without an interrupt"
	[ "$(recoveries main)" -eq 0 ]
}

# A device that takes its time for an interrupt: there is often something in the ring that it has not told of yet.
an_interrupt_that_is_late_is_not_missed() {
	dmesg -c >/dev/null
	# Each request is in the ring when it is looked after, at some time after its first second, with a chance of a
	# sixth and more.
	host "device main pace 1250"
	host "device main delay 200"
	dd if="/dev/$(disk_of main)" of=/dev/null bs=4k count=14 iflag=direct
	host "device main behave"
	dmesg -c >/tmp/log
	refused grep 'without an interrupt' /tmp/log
	anew main 1000
}

a_device_that_says_nothing_is_waited_for() {
	write_noise main
	host "device main stall"
	read_noise main &
	reader=$!
	sleep 5
	kill -0 $reader
	[ "$(recoveries main)" -eq 0 ]
	host "device main resume"
	wait $reader
	[ "$(dmesg | grep -c "$(virtio_of main): [0-9]* requests wait for the device, the first one for")" -eq 1 ]
	[ "$(recoveries main)" -eq 0 ]
}

a_device_that_says_nothing_is_reset_where_that_is_wanted() {
	write_noise main
	echo Y >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	host "device main stall"
	read_noise main &
	reader=$!
	wait_for 10 has_recovered main 1
	host "device main resume"
	wait $reader
	good_again main
}

# Each request is issued a bounded number of times, and a device recovered so often in a minute.
a_device_that_never_answers_fails_its_requests() {
	echo Y >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	host "device main stall"
	begun=$(date +%s)
	refused dd if="/dev/$(disk_of main)" of=/tmp/read bs=4k count=1 iflag=direct
	took=$(($(date +%s) - begun))
	[ "$took" -le 30 ]
	echo N >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	good_again main
	read_noise main
	note "after $took s"
}

# The disk goes on. What was with the device each of these times would fail, too.
a_request_that_breaks_the_ring_each_time_does_not_cost_the_disk() {
	write_noise main
	was=$(recoveries main)
	host "device main lie id-huge:read*4"
	refused dd if="/dev/$(disk_of main)" of=/tmp/read bs=4k count=1 iflag=direct
	wait_for 10 has_recovered main $((was + 3))
	read_noise main
	good_again main
}

# The table is read when the disk is added, before the device can be recovered.
a_disk_that_fails_as_it_is_added_has_its_partitions() {
	disk=$(disk_of main)
	printf 'n\np\n1\n\n+1M\nw\n' | fdisk "/dev/$disk"
	wait_for 10 [ -b "/dev/${disk}1" ]
	unbind "$DRIVER" main
	host "device main lie id-huge:read"
	bind "$DRIVER" main
	wait_for 10 disk_of main
	wait_for 10 has_recovered main 0
	disk=$(disk_of main)
	# As whoever hears of it does.
	dd if="/dev/$disk" of=/dev/null count=1
	wait_for 10 [ -b "/dev/${disk}1" ]
	look_soon main 1000
	good_again main
}

# A change of the cache has the block layer wait for all requests, which is when the device fails again.
a_failure_while_changes_are_taken_over_is_survived() {
	was=$(recoveries main)
	start_fio main
	host "device main set wce=0"
	host "device main lie id-huge*2"
	wait_for 20 has_recovered main $((was + 1))
	before=$(written "$busy_disk")
	wait_for 20 was_written "$busy_disk" "$before"
	stop_fio
	wait_for 10 grep -qx 'write through' "/sys/block/$busy_disk/queue/write_cache"
	host "device main defaults"
	good_again main
}

# comes_back DISK FIELDS: the device fails at a read, and says this of itself when it comes back.
comes_back() {
	dmesg -c >/dev/null
	host "device $1 set $2"
	host "device $1 lie id-huge"
	dd if="/dev/$(disk_of "$1")" of=/dev/null bs=4k count=1 iflag=direct
}

# is_refused DISK FIELDS: with them the device is not what the disk was made for.
is_refused() {
	refused comes_back "$@"
	dmesg >/tmp/log
	grep "$(virtio_of "$1"): given up: it does not come back: EINVAL" /tmp/log
	[ "$(cat "/sys/block/$(disk_of "$1")/size")" -eq 0 ]
	host "device $1 defaults"
	good_again "$1"
}

a_device_that_comes_back_as_another_is_given_up() {
	is_refused other blk_size=4096
	for fields in zone_sectors=4096 model=0 model=2 model=3; do
		is_refused zoned $fields
	done
	host 'device zoned set model=0'
	anew zoned 1000
	is_refused zoned 'model=1 zone_sectors=0'
}

a_device_that_comes_back_with_other_limits_is_used() {
	for fields in seg_max=63 seg_max=65 size_max=32768 size_max=131072 blk_size=0 \
		'max_discard_sectors=1 opt_io_size=3'; do
		was=$(recoveries other)
		comes_back other "$fields"
		wait_for 10 has_recovered other "$was"
		host "device other defaults"
		good_again other
	done
	host 'device zoned set model=0'
	anew zoned 1000
	was=$(recoveries zoned)
	# To the driver both are disks without zones.
	comes_back zoned model=2
	wait_for 10 has_recovered zoned "$was"
	host 'device zoned defaults'
	good_again zoned
}

# is_given_up DISK: after one more read. Requests that have failed often enough are not tried again.
is_given_up() {
	dd if="/dev/$(disk_of "$1")" of=/dev/null bs=4k count=1 iflag=direct
	dmesg | grep "$(virtio_of "$1"): given up: 5 recoveries within 60 s were not enough"
}

a_disk_that_fails_again_and_again_is_given_up() {
	disk=$(disk_of direct)
	host "device direct lie id-huge*"
	refused fio --name=loser --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randread --bs=4k \
		--iodepth=8 --time_based --runtime=600 --size=8m --output=/tmp/lost.out
	wait_for 20 is_given_up direct
	[ "$(cat "/sys/block/$disk/size")" -eq 0 ]
	begun=$(date +%s)
	good_again direct
	[ $(($(date +%s) - begun)) -le 5 ]
	touch_disk "$(disk_of direct)"
}

a_silent_disk_can_be_unbound_when_its_device_fails() {
	disk=$(disk_of direct)
	host "device direct stall"
	dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct &
	reader=$!
	sleep 1
	unbind "$DRIVER" direct &
	unbinding=$!
	sleep 1
	kill -0 $unbinding
	echo Y >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	wait_for 10 not kill -0 $unbinding
	wait $unbinding
	refused wait $reader
	echo N >/sys/module/"$DRIVER"/parameters/reset_on_timeout
	host "device direct behave"
	bind "$DRIVER" direct
	wait_for 10 disk_of direct
	touch_disk "$(disk_of direct)"
}

the_module_unloads() {
	unload "$DRIVER"
}

cases the_module_loads a_ring_that_makes_no_sense_is_replaced two_lines_in_the_log_tell_of_a_recovery \
	a_missed_interrupt_is_found an_interrupt_that_is_late_is_not_missed a_device_that_says_nothing_is_waited_for \
	a_device_that_says_nothing_is_reset_where_that_is_wanted a_device_that_never_answers_fails_its_requests \
	a_request_that_breaks_the_ring_each_time_does_not_cost_the_disk \
	a_disk_that_fails_as_it_is_added_has_its_partitions \
	a_failure_while_changes_are_taken_over_is_survived a_device_that_comes_back_as_another_is_given_up \
	a_device_that_comes_back_with_other_limits_is_used \
	a_disk_that_fails_again_and_again_is_given_up a_silent_disk_can_be_unbound_when_its_device_fails \
	the_module_unloads
