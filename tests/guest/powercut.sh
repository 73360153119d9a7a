# SPDX-License-Identifier: GPL-2.0
# Files that were synced survive a power cut. The host cuts the power of the disk while files are written, and serves
# what was left in the next boot: see tools/vm/src/studies/powercut.rs. CUT counts the cuts, ACKED is the last step
# that was told to be done before the last one.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

DIR=/tmp/disk

# content STEP: what belongs to a step, about 10 KiB that are nowhere else.
content() {
	seq $(($1 * 10000)) $(($1 * 10000 + 1200))
}

# step N: makes a file, adds a line to the log, replaces one of four files. All of it lasts when it returns.
step() {
	content "$1" >"$DIR/file.$1" && sync "$DIR/file.$1" &&
		echo "line $1" >>"$DIR/log" && sync "$DIR/log" &&
		content "$1" >"$DIR/new" && sync "$DIR/new" &&
		mv "$DIR/new" "$DIR/kept.$(($1 % 4))" && sync "$DIR"
}

# whole FILE STEP
whole() {
	content "$2" | cmp - "$1" || fail "$1 is not what step $2 has written"
}

# check ACKED: everything up to this step is there and whole.
check() {
	for step in $(seq 1 "$1"); do
		whole "$DIR/file.$step" "$step"
	done
	[ "$1" -eq 0 ] || seq 1 "$1" | sed 's/^/line /' >/tmp/log
	[ "$1" -eq 0 ] || head -n "$1" "$DIR/log" | cmp - /tmp/log || fail "the log lacks lines"
	for slot in 0 1 2 3; do
		# The last step of this slot that was told to be done, or one of the next.
		last=$(($1 - ($1 - slot + 4) % 4))
		[ "$last" -ge 1 ] || continue
		file=$DIR/kept.$slot
		first=$(head -n 1 "$file")
		found=$((${first:-0} / 10000))
		[ "$found" -ge "$last" ] || fail "$file is that of step $found, not of $last"
		whole "$file" "$found"
	done
}

the_disk_is_there() {
	load "$DRIVER"
	wait_for 10 disk_of main
	mkdir -p "$DIR"
	[ "$CUT" -gt 0 ] || mkfs.ext4 -q -F "/dev/$(disk_of main)"
}

what_was_synced_is_whole() {
	mount -t ext4 "/dev/$(disk_of main)" "$DIR"
	[ "$CUT" -eq 0 ] || check "$ACKED"
	umount "$DIR"
	note "$ACKED steps"
}

a_module_whose_disk_is_mounted_stays() {
	mount -t ext4 "/dev/$(disk_of main)" "$DIR"
	refused rmmod "$DRIVER"
	umount "$DIR"
}

the_file_system_is_clean() {
	e2fsck -fn "/dev/$(disk_of main)"
}

cases the_disk_is_there what_was_synced_is_whole a_module_whose_disk_is_mounted_stays the_file_system_is_clean

if [ "$WORK" = 1 ] && mount -t ext4 "/dev/$(disk_of main)" "$DIR"; then
	rm -f "$DIR"/file.* "$DIR"/kept.* "$DIR/log" "$DIR/new" "$DIR/noise"
	sync
	# What nobody waits for.
	while :; do
		dd if=/dev/urandom of="$DIR/noise" bs=64k count=40 oflag=direct conv=notrunc
	done 2>/dev/null &
	number=0
	while :; do
		number=$((number + 1))
		# The host cuts the power, so nothing else may end this.
		step $number || {
			say "@data failed $number"
			break
		}
		say "@data acked $number"
	done
fi
