# SPDX-License-Identifier: GPL-2.0
# fio on two equal disks, one of ORACLE and one of DRIVER, in turn: PAIRS pairs of runs per workload. In the second
# half each driver has the other's disk.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh

HALF=$((PAIRS / 2))

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

disk_of_driver() {
	for disk in $(disk_names); do
		if [ "$(driver_of "$disk")" = "$1" ]; then
			echo "$disk"
			return
		fi
	done
	return 1
}

# run WORKLOAD PAIR DRIVER
run() {
	on=$(disk_of_driver "$3")
	fio_workload "$1" "$on" --runtime="$SECONDS_EACH" --ramp_time=250ms --time_based
	say "@data run $1 $2 $3 $(cat /tmp/fio.out)"
}

# compare WORKLOAD: half of the pairs, A B B A A B …
compare() {
	pair=0
	[ "$(disk_of_driver "$DRIVER")" = other ] || pair=$HALF
	last=$((pair + HALF))
	while [ "$pair" -lt "$last" ]; do
		pair=$((pair + 1))
		case $((pair % 2)) in
		1) order="$ORACLE $DRIVER" ;;
		0) order="$DRIVER $ORACLE" ;;
		esac
		for driver in $order; do
			run "$1" "$pair" "$driver"
		done
	done
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
