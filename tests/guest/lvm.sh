# SPDX-License-Identifier: GPL-2.0
# What LVM of the host makes of a disk, with ORACLE and then with DRIVER. It knows kinds of disks by the names of their
# major numbers.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/oracle.sh

ROOT=/mnt/root

# Nothing is written beside the disk, and there is no udev to be asked.
CONFIG='devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" }
	backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 } global { event_activation=0 }'

# lvm COMMAND...: in the root directory of the host.
lvm() {
	chroot $ROOT env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 lvm "$@" --config "$CONFIG"
}

the_modules_load() {
	load_both
}

the_programs_of_the_host_are_there() {
	mkdir -p $ROOT
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose root $ROOT
	for dir in dev proc sys run tmp; do
		mount --rbind /$dir $ROOT/$dir
	done
	lvm version
}

# refusal VDX: what LVM says when it is to take a disk with partitions.
refusal() {
	if lvm pvcreate --yes "/dev/$1" 2>&1; then
		fail "it has taken $1"
	fi
}

a_disk_with_partitions_is_refused() {
	printf 'n\np\n1\n\n+16M\nn\np\n2\n\n\nw\n' | fdisk "/dev/$(disk_of main)"
	both main refusal
	cat "/tmp/refusal.$DRIVER"
	grep -q 'is partitioned' "/tmp/refusal.$DRIVER"
}

# group VDX: what LVM tells of a volume group on a partition.
group() {
	lvm pvcreate --yes "/dev/$1"1
	lvm vgcreate group "/dev/$1"1
	lvm pvs --noheadings --options pv_name,vg_name,pv_size,pe_start
	lvm vgs --noheadings --options vg_name,vg_extent_size,vg_extent_count
	lvm vgremove --yes group
	lvm pvremove --yes "/dev/$1"1
}

a_partition_is_taken() {
	both main group
	cat "/tmp/group.$DRIVER"
	grep -q " /dev/$(disk_of main)1 *group" "/tmp/group.$DRIVER"
}

a_disk_without_partitions_is_taken() {
	wiped=$(disk_of main)
	dd if=/dev/zero of="/dev/$wiped" bs=1M count=1
	blockdev --rereadpt "/dev/$wiped"
	both main whole
	cat "/tmp/whole.$DRIVER"
}

# whole VDX: the same of the whole disk.
whole() {
	lvm pvcreate --yes "/dev/$1"
	lvm pvs --noheadings --options pv_name,pv_size
	lvm pvremove --yes "/dev/$1"
}

the_modules_unload() {
	unload_both
}

cases the_modules_load the_programs_of_the_host_are_there a_disk_with_partitions_is_refused a_partition_is_taken \
	a_disk_without_partitions_is_taken the_modules_unload
