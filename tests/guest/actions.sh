# SPDX-License-Identifier: GPL-2.0
# What can be done to a disk, and what comes of it, as lines NAME=VALUE. Sourced after facts.sh.

# The first bytes of the disk are cut into regions of this size, one for each action.
REGION=65536

# action_facts VDX DISK
action_facts() {
	setting_facts "$1"
	cache_facts "$1"
	# Small blocks that are neither merged nor read ahead: so the number of requests is always the same, and C does
	# not hang on one that needs more descriptors than a ring without indirect ones has.
	block=$(first_line "/sys/block/$1/queue/logical_block_size")
	[ "$block" -ge 16384 ] || block=16384
	echo 2 >"/sys/block/$1/queue/nomerges"
	echo 0 >"/sys/block/$1/queue/read_ahead_kb"
	range_facts "/dev/$1"
	fio_facts "$1"
	resize_facts "$1" "$2"
	count_facts "$1"
}

# setting_facts VDX: what can be set of the queue, and what it is afterwards.
setting_facts() {
	queue=/sys/block/$1/queue
	while read -r file value; do
		before=$(first_line "$queue/$file")
		attempt "set/$file/$value" echo_into "$queue/$file" "$value"
		fact "set/$file/$value/then" "$(first_line "$queue/$file")"
		# A list of choices has the present one in brackets.
		case $before in
		*\[*) before=${before##*\[} before=${before%%]*} ;;
		esac
		echo_into "$queue/$file" "$before" || true
	done <<-END
		nr_requests 1
		nr_requests 32
		nr_requests 100000
		scheduler mq-deadline
		scheduler nonsense
		max_sectors_kb 4
		max_sectors_kb 999999999
		discard_max_bytes 65536
		rotational 0
		write_cache none
		io_poll 1
		read_ahead_kb 64
	END
}

# cache_facts VDX
cache_facts() {
	for text in 'write through' "write back$NEWLINE" 'WRITE THROUGH' 'write' 'write through ' "$NEWLINE" 0 1 \
		"write through$NEWLINE" 'write back'; do
		about="cache/${text//$NEWLINE/ newline}"
		attempt "$about" echo_into "/sys/block/$1/cache_type" "$text"
		cache=$(first_line "/sys/block/$1/cache_type")
		fact "$about/then" "$cache, $(first_line "/sys/block/$1/queue/write_cache")"
	done
}

# region NUMBER: its first byte.
region() {
	echo $(($1 * REGION))
}

# range_facts DEVICE: one action for each region, and what is in the regions afterwards.
range_facts() {
	perl -e 'print "\x5a" x shift' $((12 * REGION)) >/tmp/pattern
	attempt range/fill dd if=/tmp/pattern of="$1" bs=$block oflag=direct conv=fsync status=none
	attempt range/0/discard /sbin/blkdiscard -o "$(region 0)" -l $REGION "$1"
	attempt range/1/zeroout /sbin/blkdiscard -z -o "$(region 1)" -l $REGION "$1"
	attempt range/2/secure /sbin/blkdiscard -s -o "$(region 2)" -l $REGION "$1"
	attempt range/3/punch /sbin/fallocate -p -o "$(region 3)" -l $REGION "$1"
	attempt range/4/zero /sbin/fallocate -z -o "$(region 4)" -l $REGION "$1"
	attempt range/5/zero-keep-size /sbin/fallocate -z -n -o "$(region 5)" -l $REGION "$1"
	attempt range/6/collapse /sbin/fallocate -c -o "$(region 6)" -l $REGION "$1"
	attempt range/7/insert /sbin/fallocate -i -o "$(region 7)" -l $REGION "$1"
	attempt range/8/allocate /sbin/fallocate -o "$(region 8)" -l $REGION "$1"
	attempt range/9/unaligned /sbin/blkdiscard -o $(($(region 9) + 512)) -l 1536 "$1"
	attempt range/10/unaligned-zeroout /sbin/blkdiscard -z -o $(($(region 10) + 512)) -l 1536 "$1"
	attempt range/zones /sbin/blkzone report "$1"
	attempt range/zone-reset /sbin/blkzone reset "$1"
	dd if="$1" of=/tmp/regions iflag=direct bs=$block count=$((12 * REGION / block))
	perl -e '$/ = \(shift); while (<>) { printf "range/%d/data=%d zero, %d filled\n", $n++, tr/\0//, tr/\x5a// }' \
		$REGION /tmp/regions >/tmp/region.facts
	cat /tmp/region.facts
	# Nothing was done to the last one: it tells whether the others had anything to lose.
	[ "$(first_line "/sys/block/${1#/dev/}/ro")" = 1 ] ||
		grep -q "^range/11/data=0 zero, $REGION filled" /tmp/region.facts
	# Large enough to be cut by every limit.
	attempt range/large-discard /sbin/blkdiscard -o 16M -l 4M "$1"
	attempt range/large-zeroout /sbin/blkdiscard -z -o 32M -l 4M "$1"
}

# fio_facts VDX: errors, and how much was read and written.
fio_facts() {
	: >/tmp/fio.out
	export DEV=/dev/$1 BLOCK=$block DEPTH=8
	# The first write to a read-only disk ends it, and nothing else shall be under way then.
	[ "$(first_line "/sys/block/$1/ro")" = 0 ] || DEPTH=1
	attempt fio fio_job parity
	awk -F';' 'NF > 46 { printf "fio/result=error %s, read %s KiB, wrote %s KiB\n", $5, $6, $47 }' /tmp/fio.out
}

# resize_facts VDX DISK: grown and shrunk again while it is open.
resize_facts() {
	size=$(cat "/sys/block/$1/size")
	exec 5<"/dev/$1"
	for sectors in $((size + 8192)) "$size"; do
		answer=$(ask resize "$2" $((sectors * 512)))
		fact resize/answer "$answer"
		if [ "$answer" = ok ]; then
			wait_for 20 has_sectors "$1" "$sectors"
		fi
		fact resize/size "$(cat "/sys/block/$1/size") $(/sbin/blockdev --getsize64 "/dev/$1")"
	done
	exec 5<&-
}

has_sectors() {
	[ "$(cat "/sys/block/$1/size")" -eq "$2" ]
}

# count_facts VDX: how many requests the block layer has made of what was done, and of how many sectors.
count_facts() {
	# shellcheck disable=SC2046 # One word per field.
	set -- $(first_line "/sys/block/$1/stat")
	fact count/reads "$1 of $3"
	fact count/writes "$5 of $7"
	fact count/discards "${12} of ${14}"
	fact count/flushes "${16}"
}
