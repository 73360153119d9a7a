# SPDX-License-Identifier: GPL-2.0
# Devices that are not QEMU's own: behind vhost-user, whose process is stopped, killed and started again, and behind
# vDPA, simulated by the kernel and served by a process of the guest. And every PCI device of QEMU that carries a disk.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh

QEMU_DISKS=$(disk_names)
DISKS=$DISKS,sim:vdpa.sim,user:vdpa.user

the_module_loads() {
	load "$DRIVER"
	for disk in $QEMU_DISKS; do
		wait_for 10 disk_of "$disk"
		[ "$(driver_of "$disk")" = "$DRIVER" ]
	done
}

# one_goes_on: what is done to the process that serves `served`, under load: the first command, a while, the second one.
one_goes_on() {
	start_fio served
	for loop in $(seq "$DEATHS"); do
		host backend served "$1"
		sleep "$3"
		before=$(written "$busy_disk")
		host backend served "$2"
		wait_for 60 was_written "$busy_disk" "$before"
	done
	stop_fio
	note "$DEATHS times for $3 s, $rounds round(s) of fio"
}

a_busy_disk_survives_that_its_back_end_is_stopped() {
	one_goes_on stop cont "$AWAY"
}

a_busy_disk_survives_that_its_back_end_is_killed_and_started_again() {
	devices_may_fail
	one_goes_on kill start "$AWAY"
}

# load_vdpa: the modules of vDPA, in the order of their dependencies. Some may be built in.
load_vdpa() {
	for module in vhost_iotlb vringh iova vdpa vdpa_sim vdpa_sim_blk vduse virtio_vdpa; do
		if ! loaded "$module" && module_file "$module" >/tmp/module; then
			load "$module"
		fi
	done
	loaded vdpa_sim_blk
	loaded vduse
}

a_disk_behind_vdpa_keeps_its_data() {
	load_vdpa
	vdpa dev add name sim mgmtdev vdpasim_blk
	wait_for 10 disk_of sim
	[ "$(driver_of sim)" = "$DRIVER" ]
	keeps_its_data sim
}

# unbound and bound again, as every transport has its own order of ending.
a_disk_behind_vdpa_survives_rebinding() {
	for loop in 1 2 3; do
		unbind "$DRIVER" sim
		refused disk_of sim
		bind "$DRIVER" sim
		wait_for 10 disk_of sim
		touch_disk "$(disk_of sim)"
	done
}

a_busy_disk_behind_vdpa_can_be_taken_away() {
	disk=$(disk_of sim)
	before=$(written "$disk")
	fio --name=loser --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --rw=randrw --bs=4k \
		--iodepth=32 --time_based --runtime=600 --size=32m --output=/tmp/lost.out &
	loser=$!
	wait_for 60 was_written "$disk" "$before"
	vdpa dev del sim
	refused wait $loser
	wait_for 20 not disk_of sim
}

serve_user() {
	qemu-storage-daemon --blockdev driver=file,filename=/tmp/user.img,node-name=user \
		--export type=vduse-blk,id=user,node-name=user,name=user,writable=on,num-queues=2 \
		>/tmp/daemon.log 2>&1 &
	echo $! >/tmp/daemon
	wait_for 20 [ -e /dev/vduse/user ]
}

a_disk_served_by_a_process_of_the_guest_keeps_its_data() {
	truncate -s 64M /tmp/user.img
	serve_user
	vdpa dev add name user mgmtdev vduse
	wait_for 10 disk_of user
	[ "$(driver_of user)" = "$DRIVER" ]
	keeps_its_data user
}

a_busy_disk_survives_that_its_process_is_killed_and_started_again() {
	devices_may_fail
	start_fio user
	for loop in $(seq "$DEATHS"); do
		kill -9 "$(cat /tmp/daemon)"
		sleep 1
		before=$(written "$busy_disk")
		serve_user
		wait_for 60 was_written "$busy_disk" "$before"
	done
	stop_fio
	note "$DEATHS times, $rounds round(s) of fio"
}

a_disk_served_by_a_process_goes_away() {
	vdpa dev del user
	wait_for 20 not disk_of user
	kill "$(cat /tmp/daemon)"
}

the_module_unloads() {
	unload "$DRIVER"
}

each=
for disk in $QEMU_DISKS; do
	eval "${disk}_keeps_its_data() { keeps_its_data $disk; }"
	each="$each ${disk}_keeps_its_data"
done
# VDUSE takes locks that lockdep does not want to see below that of a ring: not on the debug kernel.
users=
if [ -n "${VDUSE:-}" ]; then
	users="a_disk_served_by_a_process_of_the_guest_keeps_its_data
		a_busy_disk_survives_that_its_process_is_killed_and_started_again
		a_disk_served_by_a_process_goes_away"
fi
# shellcheck disable=SC2086 # One word per case.
cases the_module_loads $each \
	a_busy_disk_survives_that_its_back_end_is_stopped \
	a_busy_disk_survives_that_its_back_end_is_killed_and_started_again \
	a_disk_behind_vdpa_keeps_its_data \
	a_disk_behind_vdpa_survives_rebinding \
	a_busy_disk_behind_vdpa_can_be_taken_away \
	$users the_module_unloads
