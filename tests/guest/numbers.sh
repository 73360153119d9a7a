# SPDX-License-Identifier: GPL-2.0
# Device numbers, by which LVM, udev rules and scripts know what a disk is: those that ORACLE gives, and both drivers
# loaded at once.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

# major_name MAJOR: who it belongs to.
major_name() {
	awk -v major="$1" '/^Block/ { block = 1 } block && $1 == major { print $2 }' /proc/devices
}

# majors NAME: the major numbers of this name, one a line.
majors() {
	awk -v name="$1" '/^Block/ { block = 1 } block && $2 == name { print $1 }' /proc/devices
}

each_driver_has_a_major_of_the_same_name() {
	load "$DRIVER"
	[ "$(majors virtblk | wc -l)" -eq 1 ]
	load "$ORACLE"
	[ "$(majors virtblk | wc -l)" -eq 2 ]
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
	give "$ORACLE" second
	give "$DRIVER" third
	# Both have a disk, and not with the same major.
	second=$(cut -d: -f1 "/sys/block/$(disk_of second)/dev")
	third=$(cut -d: -f1 "/sys/block/$(disk_of third)/dev")
	[ "$(major_name "$second")" = virtblk ]
	[ "$(major_name "$third")" = virtblk ]
	[ "$second" -ne "$third" ]
	note "$second and $third"
}

# Names and first minor numbers come from one counter, so each disk has 16 of its own under either driver.
no_two_disks_share_a_name_or_a_number() {
	for disk in $(disk_names); do
		vdx=$(disk_of "$disk")
		index=$(($(printf '%d' "'${vdx#vd}") - 97))
		[ "$(cut -d: -f2 "/sys/block/$vdx/dev")" -eq $((index * 16)) ]
		echo "$vdx"
	done >/tmp/names
	[ "$(sort -u /tmp/names | wc -l)" -eq "$(disk_names | wc -l)" ]
	note "$(tr '\n' ' ' </tmp/names)"
}

# Each node leads to its own disk.
nodes_lead_to_their_disks() {
	for disk in $(disk_names); do
		echo "this is $disk" | dd of="/dev/$(disk_of "$disk")" bs=512 conv=sync,fsync
	done
	drop_caches
	for disk in $(disk_names); do
		dd if="/dev/$(disk_of "$disk")" bs=512 count=1 | grep -q "^this is $disk\$"
	done
}

# make_partitions VDX: numbers 1, 2 and 5 to 18, three more than there are minor numbers for.
make_partitions() {
	dd if=/dev/zero of="/dev/$1" bs=1M count=1 conv=fsync
	{
		printf 'u\nn\np\n1\n\n+1M\nn\ne\n2\n\n\n'
		for _ in 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do
			printf 'n\nl\n\n+1M\n'
		done
		printf 'w\n'
	} | fdisk "/dev/$1"
	wait_for 10 [ -b "/dev/${1}18" ]
}

# numbers VDX: what everybody can see of the disk and its partitions, relative to the first number.
numbers() {
	IFS=: read -r major first <"/sys/block/$1/dev"
	echo "range $(cat "/sys/block/$1/range"), extended $(cat "/sys/block/$1/ext_range")"
	echo "first minor is number $((first % 16)) of 16"
	for path in "/sys/block/$1" "/sys/block/$1/$1"*; do
		name=${path##*/}
		IFS=: read -r own minor <"$path/dev"
		# The kernel tells the same in two more places.
		grep -q "^ *$own *$minor *[0-9]* $name\$" /proc/partitions
		[ "$(stat -c '%t:%T' "/dev/$name")" = "$(printf '%x:%x' "$own" "$minor")" ]
		if [ "$own" -eq "$major" ]; then
			echo "vdX${name#"$1"}: $(major_name "$own") +$((minor - first)), $(cat "$path/size") sectors"
		else
			echo "vdX${name#"$1"}: $(major_name "$own"), $(cat "$path/size") sectors"
		fi
	done
}

partitions_have_the_numbers_that_the_oracle_gives() {
	make_partitions "$(disk_of main)"
	both main numbers
	cat "/tmp/numbers.$DRIVER"
	# The disk and 15 partitions at most; LVM knows by this that it can have some, and refuses to take it.
	grep -q '^range 16, extended 256$' "/tmp/numbers.$DRIVER"
	grep -q '^first minor is number 0 of 16$' "/tmp/numbers.$DRIVER"
	grep -q '^vdX: virtblk +0, ' "/tmp/numbers.$DRIVER"
	grep -q '^vdX15: virtblk +15, ' "/tmp/numbers.$DRIVER"
	grep -q '^vdX16: blkext, ' "/tmp/numbers.$DRIVER"
	[ "$(grep -c ': ' "/tmp/numbers.$DRIVER")" -eq 17 ]
}

# A disk that is still open keeps the number, and so the module.
the_number_stays_while_a_disk_is_open() {
	give "$DRIVER" main
	vdx=$(disk_of main)
	major=$(cut -d: -f1 "/sys/block/$vdx/dev")
	exec 5<"/dev/$vdx"
	unbind "$DRIVER" main
	[ "$(major_name "$major")" = virtblk ]
	refused rmmod "$DRIVER"
	exec 5<&-
	bind "$DRIVER" main
	wait_for 10 disk_of main
}

the_number_goes_with_the_module() {
	unload "$DRIVER"
	[ "$(majors virtblk | wc -l)" -eq 1 ]
	for _ in 1 2 3; do
		load "$DRIVER"
		[ "$(majors virtblk | wc -l)" -eq 2 ]
		unload "$DRIVER"
	done
	unload "$ORACLE"
	[ "$(majors virtblk | wc -l)" -eq 0 ]
}

cases each_driver_has_a_major_of_the_same_name no_two_disks_share_a_name_or_a_number nodes_lead_to_their_disks \
	partitions_have_the_numbers_that_the_oracle_gives the_number_stays_while_a_disk_is_open \
	the_number_goes_with_the_module
