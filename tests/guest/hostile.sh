# SPDX-License-Identifier: GPL-2.0
# Trials of DRIVER with devices that misbehave. The host says which: see tools/vm/src/studies/hostile.rs. What comes of
# a trial is one word for the host.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

# The first MiB of each disk holds noise that is only read; each writer has a MiB of its own behind it.
prepare() {
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
	dd if=/dev/urandom of=/tmp/noise bs=64k count=16
	for disk in $(disk_names); do
		dd if=/tmp/noise of="/dev/$(disk_of "$disk")" bs=64k oflag=direct conv=fsync || return
		unbind "$DRIVER" "$disk"
	done
}

# read_noise N: says `good`, `error` or `wrong`. What came before an error must be right. A disk that was taken away or
# made smaller ends early, without an error.
read_noise() {
	: >"/tmp/read.$1"
	dd if=/tmp/node of="/tmp/read.$1" bs=64k count=16 iflag=direct 2>"/tmp/dd.$1"
	size=$(stat -c %s "/tmp/read.$1")
	if ! cmp -s -n "$size" "/tmp/read.$1" /tmp/noise; then
		echo wrong
	elif [ "$size" -eq 1048576 ]; then
		echo good
	else
		echo error
	fi
}

# write_noise N: the same for a write and a flush, and a read of what was written.
write_noise() {
	if dd if=/tmp/noise of=/tmp/node bs=64k seek=$((16 * $1)) oflag=direct conv=fsync 2>"/tmp/dd.$1" &&
		dd if=/tmp/node of="/tmp/read.$1" bs=64k count=16 skip=$((16 * $1)) iflag=direct 2>"/tmp/dd.$1" &&
		[ "$(stat -c %s "/tmp/read.$1")" -eq 1048576 ]; then
		cmp -s "/tmp/read.$1" /tmp/noise && echo good || echo wrong
	else
		echo error
	fi
	touch /tmp/wrote
}

# other: discards and zeroes, and the serial number. What a disk does not have is no error.
other() {
	for how in '' -z; do
		if /sbin/blkdiscard $how -o 40M -l 1M /tmp/node 2>/tmp/discard; then
			echo good
		else
			grep -q 'not supported' /tmp/discard && echo good || echo error
		fi
	done
	cat "/sys/block/$vdx/serial" >/dev/null && echo good || echo error
}

# full: more requests than the ring has room for, with checksums.
full() {
	if fio --name=full --filename=/tmp/node --rw=randwrite --bs=128k --ioengine=libaio --iodepth=64 --direct=1 \
		--offset=16M --size=16M --verify=crc32c --verify_fatal=1 >/tmp/full 2>&1; then
		echo good
	else
		grep -q 'verify:' /tmp/full && echo wrong || echo error
	fi
}

# keep_busy COMMAND...: again and again until stop_work.
keep_busy() {
	(
		until [ -e /tmp/stop ]; do
			"$@"
		done >>/tmp/seen
	) &
	workers="$workers $!"
}

# a_write_ends: waits for that, unless none does.
a_write_ends() {
	rm -f /tmp/wrote
	soon 5 test -e /tmp/wrote
}

start_work() {
	keep_busy read_noise 0
	keep_busy read_noise 1
	keep_busy write_noise 2
	keep_busy write_noise 3
	case $1 in
	other | full) keep_busy "$1" ;;
	esac
}

# Ends the work after one more round of each worker that begins now.
stop_work() {
	sleep 0.2
	touch /tmp/stop
	for worker in $workers; do
		wait "$worker"
	done
}

# works: whether everything is right.
works() {
	{
		read_noise 0
		write_noise 2
	} >/tmp/works
	! grep -q 'wrong\|error' /tmp/works
}

there() {
	disk_of "$disk" >/dev/null
}

# soon SECONDS COMMAND...: as wait_for, for what need not come.
soon() {
	(wait_for "$@")
}

# found: takes note of the disk that is there. A name in /dev would become a file of its own when the disk has gone.
found() {
	vdx=$(disk_of "$disk")
	rm -f /tmp/node
	mknod /tmp/node b $(tr : ' ' <"/sys/block/$vdx/dev")
}

# Whether the device is gone, and with it its place on the bus.
gone() {
	ask "device $disk get capacity" | grep -q '^error' && soon 10 not virtio_of "$disk"
}

# try DISK WHEN: one trial; the last line says what came of it.
try() {
	disk=$1 when=$2 workers=''
	rm -f /tmp/stop
	: >/tmp/seen
	: >/tmp/works
	if [ "$when" = probe ]; then
		ask stage during
	fi
	if ! bind "$DRIVER" "$disk"; then
		gone && came gone || after_refusal
		return
	fi
	tries=100
	until there || [ "$tries" -eq 0 ] || gone; do
		tries=$((tries - 1))
		sleep 0.1
	done
	if ! there; then
		gone && came gone || after_refusal
		return
	fi
	found
	# A request that waits in vain is looked for after this time.
	echo 2000 >"/sys/block/$vdx/queue/io_timeout" || true
	if [ "$(cat "/sys/block/$vdx/size")" -eq 0 ]; then
		unbind "$DRIVER" "$disk" || true
		ask stage after
		# One that is gone has said nothing but zeroes.
		gone && came gone || came empty
		return
	fi
	[ "$when" = idle ] || start_work "$when"
	case $when in
	busy | idle | other | full) ask stage during ;;
	remove)
		# The work must have begun, or the device has nothing to do wrong.
		a_write_ends
		ask stage during
		unbind "$DRIVER" "$disk"
		;;
	freeze)
		freeze &
		frozen=$!
		ask stage during
		# The write that is on its way, and one that has met what the device does, if it has done that.
		writes=20
		a_write_ends && a_write_ends
		until [ "$(ask told)" = 'ok yes' ] || [ $((writes -= 1)) -eq 0 ]; do
			a_write_ends
		done
		ask stage after
		;;
	esac
	stop_work
	[ "$when" != freeze ] || wait $frozen
	ask stage after
	sort /tmp/seen | uniq -c
	judge
}

# Changes what needs the queue to be frozen, again and again until the work is over.
freeze() {
	until [ -e /tmp/stop ]; do
		for mode in 'write through' 'write back'; do
			echo "$mode" >"/sys/block/$vdx/cache_type" || true
		done
	done
}

judge() {
	if grep -q wrong /tmp/seen; then
		came 'wrong data'
	elif gone; then
		came gone
	elif [ "$when" = remove ]; then
		binds_again serves
	elif works_soon; then
		unbind "$DRIVER" "$disk"
		grep -q error /tmp/seen && came fails || came serves
	elif grep -q wrong /tmp/works; then
		came 'wrong data'
	else
		cat /tmp/dd.*
		unbind "$DRIVER" "$disk"
		binds_again 'gives up'
	fi
}

# A disk may need a moment until it serves again.
works_soon() {
	for attempt in 1 2 3 4 5 6; do
		works && return 0
		grep -q wrong /tmp/works && return 1
		sleep 0.5
	done
	return 1
}

# binds_again OUTCOME: that is it, if the disk works when it is bound anew.
binds_again() {
	if bind "$DRIVER" "$disk" && soon 5 there && found && works; then
		came "$1"
	else
		cat /tmp/works
		came 'stays broken'
	fi
	unbind "$DRIVER" "$disk" || true
}

after_refusal() {
	unbind "$DRIVER" "$disk" || true
	ask stage after
	# It may have been about to go.
	gone && came gone || binds_again refuses
}

came() {
	echo "$1" >/tmp/came
}

# In a shell of its own, which what fails in there ends.
if ! (prepare) >/tmp/prepare.log 2>&1; then
	sed 's/^/# /' /tmp/prepare.log >&3
	exit 1
fi
while :; do
	set -- $(ask trial)
	[ "$1" = ok ] || break
	echo "vmtest: trial $5" >/dev/kmsg
	# C's driver has no such parameter.
	echo "$4" 2>/dev/null >"/sys/module/$DRIVER/parameters/reset_on_timeout"
	echo 'stays broken' >/tmp/came
	try "$2" "$3" >/tmp/trial.log 2>&1
	tail -n 30 /tmp/trial.log | sed 's/^/# /' >&3
	ask "outcome $(cat /tmp/came)" >/dev/null
done
