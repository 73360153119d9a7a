# SPDX-License-Identifier: GPL-2.0
# What the stages of the virtio driver do, in a guest.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh
. /mnt/guest/function.sh

# digits MODULE: random bytes from the first device of a driver.
digits() {
	cat "$(ls /sys/kernel/debug/"$1"-*/random | head -n 1)"
}

# reads MODULE: a read gives as many digits as the buffer has, and each one gives others.
reads() {
	digits "$1" >/tmp/one
	digits "$1" >/tmp/other
	grep -E '^[0-9a-f]{64}$' /tmp/one
	grep -E '^[0-9a-f]{64}$' /tmp/other
	refused cmp /tmp/one /tmp/other
}

second_sends_bytes_to_who_reads() {
	load virtio_2_file
	reads virtio_2
	unload virtio_2_file
}

third_has_more_than_the_buffers() {
	load virtio_3_pool
	reads virtio_3
	for turn in $(seq 20); do
		digits virtio_3
	done | sort -u | wc -l >/tmp/lines
	[ "$(cat /tmp/lines)" -eq 20 ]
	unload virtio_3_pool
}

# some_digits DIR: a read of this device gives some.
some_digits() {
	grep -E '^[0-9a-f]{64}$' "$1/random"
}

# resettable: a device of the driver whose function can be reset by itself.
resettable() {
	for file in /sys/bus/virtio/drivers/virtio_4_lasting/virtio*/../reset; do
		echo "${file%/../reset}"
		break
	done
}

fourth_goes_on_after_a_reset() {
	load virtio_4_lasting
	reads virtio_4
	echo 1 >"$(resettable)/../reset"
	wait_for 10 eval 'dmesg | grep "virtio_4_lasting .*goes on"'
	for dir in /sys/kernel/debug/virtio_4-*; do
		for turn in $(seq 6); do
			some_digits "$dir"
		done
	done
}

# A device that is kept from memory fills nothing: its driver gets that back by the reset, and has
# to keep it.
fourth_loses_no_buffer_that_comes_back_unfilled() {
	device=$(resettable)
	function=$(readlink -f "$device/..")
	dir=/sys/kernel/debug/virtio_4-$(basename "$device" | tr -dc 0-9)
	command=$(config_read "$function" $COMMAND)
	config_write "$function" $COMMAND $((command & ~MASTER))
	# What it has filled before is there.
	for buffer in $(seq 4); do
		some_digits "$dir" || break
	done
	refused some_digits "$dir"
	echo 1 >"$function/reset"
	for turn in $(seq 6); do
		some_digits "$dir"
	done
	unload virtio_4_lasting
}

cases second_sends_bytes_to_who_reads third_has_more_than_the_buffers fourth_goes_on_after_a_reset \
	fourth_loses_no_buffer_that_comes_back_unfilled
