# SPDX-License-Identifier: GPL-2.0
# What can be read of a driver and its disk, as lines NAME=VALUE. A name that comes again adds a line to its value.

NEWLINE='
'

# fact NAME TEXT
fact() {
	printf '%s=%s\n' "$1" "${2//$NEWLINE/ | }"
}

# attempt NAME COMMAND...: how the command ends and what it says.
attempt() {
	about=$1
	shift
	status=0
	said=$(set +x && "$@" 2>&1) || status=$?
	# A program that is not there says the same under both drivers.
	case $status in
	126 | 127) fail "cannot run: $*" ;;
	esac
	fact "$about" "$status $said"
}

# echo_into FILE TEXT
echo_into() {
	# Unlike printf, this one says why a file does not take it.
	echo -n "$2" >"$1"
}

# first_line FILE: without starting a process, which takes long on an emulated CPU. Nothing if there is none.
first_line() {
	line=
	read -r line <"$1" || true
	echo "$line"
}

# tree_facts PREFIX DIRECTORY: the mode of each file, and what is in it or why it cannot be read.
tree_facts() {
	(
		cd -P "$2"
		find . -exec stat -c '%n=%A' {} + | sed "s|^|mode/$1/|; s|/\./|/|"
		# What cannot be read is told on the error output.
		grep -r '' . 2>&1 | sed -e 's|^grep: \(\./[^:]*\): \(.*\)|\1:(\2)|' \
			-e 's|^\(\./\)\(.*/\)\?uevent:\([^=]*\)=|\1\2uevent/\3:|' \
			-e "s|^\./\([^:]*\):|$1/\1=|"
	)
}

# parameter_facts MODULE
parameter_facts() {
	parameters=/sys/module/$1/parameters
	fact parameters "$(ls "$parameters" 2>/dev/null)"
	if [ -d "$parameters" ]; then
		tree_facts parameters "$parameters"
	fi
}

# interrupt_facts VIRTIO: which CPUs serve which vectors.
interrupt_facts() {
	sed -n "s/^ *\([0-9]*\):.* $1-\(.*\)/\1 \2/p" /proc/interrupts | while read -r irq name; do
		fact "interrupt/$name" "$(first_line "/proc/irq/$irq/smp_affinity_list")"
	done
}

# queue_facts VDX: what the block layer thinks of the queues.
queue_facts() {
	(
		cd "/sys/kernel/debug/block/$1"
		grep '' state hctx*/type hctx*/flags | sed 's|^\([^:]*\):|debug/\1=|'
	)
}

# device_facts VIRTIO: what has been negotiated.
device_facts() {
	(
		cd "/sys/bus/virtio/devices/$1"
		grep '' features status modalias uevent | sed 's|^\([^:]*\):|device/\1=|'
	)
}

# disk_facts VDX VIRTIO
disk_facts() {
	fact name "$1"
	tree_facts sys "/sys/block/$1"
	fact bytes/serial "$(od -An -c "/sys/block/$1/serial")"
	fact bytes/cache_type "$(od -An -c "/sys/block/$1/cache_type")"
	tree_facts bdi "/sys/block/$1/bdi"
	device_facts "$2"
	interrupt_facts "$2"
	queue_facts "$1"
	perl /mnt/guest/ioctls.pl "/dev/$1"
}

# A device to which nothing happens but what ends the listening.
SENTINEL=/devices/virtual/mem/null

# listen: from now on, until stop_listening, uevents are collected.
listen() {
	rm -f /tmp/listening
	perl /mnt/guest/events.pl $SENTINEL >/tmp/events 2>/tmp/listening &
	listener=$!
	wait_for 20 grep -q listening /tmp/listening
}

stop_listening() {
	echo change >/sys$SENTINEL/uevent
	wait $listener
}

# mark_log: from here on the log is that of this turn.
mark_log() {
	echo "vmtest: turn $$ $(cut -d' ' -f1 /proc/uptime)" | tee /tmp/mark >/dev/kmsg
}

# log_facts: the lines of the log that say that something is not as it should be.
log_facts() {
	dmesg -r | awk -v mark="$(cat /tmp/mark)" 'index($0, mark) { n = 1; next } n' |
		sed -n 's/^<[0-4]>\[[^]]*\] /log=/p'
}
