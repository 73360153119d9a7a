# SPDX-License-Identifier: GPL-2.0
# The workloads that measurements use. Sourced after disk.sh.

# Memory for large requests. All runs use the same pages: their order decides how many segments a request has.
BUFFERS=/tmp/buffers

# fio_workload NAME DISK OPTION...: runs fio with a workload on a disk; its terse result goes to /tmp/fio.out.
fio_workload() {
	workload=$1
	disk=$(disk_of "$2")
	shift 2
	case $workload in
	randread-4k-depth1) set -- --rw=randread --bs=4k --iodepth=1 "$@" ;;
	randread-4k-depth32) set -- --rw=randread --bs=4k --iodepth=32 "$@" ;;
	randwrite-4k-depth32) set -- --rw=randwrite --bs=4k --iodepth=32 "$@" ;;
	randread-128k-depth32)
		[ -e "$BUFFERS" ] || dd if=/dev/zero of="$BUFFERS" bs=1M count=8
		set -- --rw=randread --bs=128k --iodepth=32 --mem=mmapshared:"$BUFFERS" "$@"
		;;
	# Requests that io_uring submits together reach the driver together.
	randread-4k-batch16) set -- --rw=randread --bs=4k --iodepth=32 --iodepth_batch_submit=16 \
		--iodepth_batch_complete_min=16 "$@" ;;
	randread-4k-jobs) set -- --rw=randread --bs=4k --iodepth=32 --numjobs="$JOBS" --group_reporting "$@" ;;
	*) fail "there is no workload $workload" ;;
	esac
	# A scheduler would issue what was submitted together one by one.
	echo none >"/sys/block/$disk/queue/scheduler"
	fio --name="$workload" --filename="/dev/$disk" --ioengine=io_uring --direct=1 --thread --norandommap \
		--randrepeat=1 --size=64g --output-format=terse --output=/tmp/fio.out "$@"
}

# both_drivers_load: ORACLE, which takes all disks, and DRIVER.
both_drivers_load() {
	load "$ORACLE"
	load "$DRIVER"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
}
