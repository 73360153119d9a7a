# SPDX-License-Identifier: GPL-2.0
# fio on two equal disks, one of ORACLE and one of DRIVER, in turn.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh

FIRST=main
SECOND=other
. /mnt/guest/pairs.sh

both_drivers_have_a_disk() {
	both_drivers_load
	give "$DRIVER" other
	warm_up
}

the_drivers_swap_their_disks() {
	give "$DRIVER" main
	give "$ORACLE" other
	warm_up
}

# An emulated CPU translates code when it runs first.
warm_up() {
	for disk in $(disk_names); do
		fio_workload randread-4k-jobs "$disk" --runtime=1 --time_based
	done
}

# run WORKLOAD DISK
run() {
	fio_workload "$1" "$2" --runtime="$SECONDS_EACH" --ramp_time=250ms --time_based
	result=$(cat /tmp/fio.out)
}

randread_4k_depth_1() {
	compare randread-4k-depth1
}

randread_4k_depth_32() {
	compare randread-4k-depth32
}

randwrite_4k_depth_32() {
	compare randwrite-4k-depth32
}

randread_128k_depth_32() {
	compare randread-128k-depth32
}

randread_4k_on_all_queues() {
	note "$JOBS job(s)"
	compare randread-4k-jobs
}

WORKLOADS="randread_4k_depth_1 randread_4k_depth_32 randwrite_4k_depth_32 randread_128k_depth_32
	randread_4k_on_all_queues"

cases both_drivers_have_a_disk $WORKLOADS the_drivers_swap_their_disks $WORKLOADS
