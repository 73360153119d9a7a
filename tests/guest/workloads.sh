# SPDX-License-Identifier: GPL-2.0
# The workloads that measurements use. Sourced after disk.sh.
#
# A workload is called PATTERN-SIZE-HOW, such as randread-4k-depth32:
#
#   depthN    N requests are outstanding
#   batchN    32 are, and N are submitted together, and reach the driver together
#   polledN   N are, and the queue is polled
#   jobsN     N jobs have 32 each; JOBS, where N is missing

# Memory for large requests. All runs use the same pages: their order decides how many segments a request has. Two
# runs of one fio must not have the same option for it, so each run has a name of its own.
BUFFERS=/tmp/buffers

# options_of WORKLOAD: as fio takes them.
options_of() {
	how=${1##*-}
	number=${how##*[a-z]}
	pattern=${1%%-*}
	size=${1#*-}
	size=${size%-*}
	echo "--rw=$pattern --bs=$size"
	case $how in
	depth*) echo "--iodepth=$number" ;;
	batch*) echo "--iodepth=32 --iodepth_batch_submit=$number --iodepth_batch_complete_min=$number" ;;
	polled*) echo "--iodepth=$number --hipri" ;;
	jobs*) echo "--iodepth=32 --numjobs=${number:-$JOBS} --group_reporting" ;;
	*) return 1 ;;
	esac
}

# memory_of WORKLOAD NAME: the option for the memory of a run, called so.
memory_of() {
	case $1 in
	*-128k-depth*)
		file=$BUFFERS-${1##*depth}
		[ -e "$file" ] || dd if=/dev/zero of="$file" bs=128k count="${1##*depth}" 2>/dev/null
		ln -f "$file" "$file.$2"
		echo "--mem=mmapshared:$file.$2"
		;;
	esac
}

# fio_options WORKLOAD: all of them, but for the disk.
fio_options() {
	# The engine comes first: some options are its own.
	echo "--ioengine=io_uring --direct=1 --thread --norandommap --randrepeat=1"
	options_of "$1"
}

# issues_directly DISK: a scheduler would issue what was submitted together one by one.
issues_directly() {
	echo none >"/sys/block/$(disk_of "$1")/queue/scheduler"
}

# fio_workload NAME DISK OPTION...: runs fio with a workload on a disk; its terse result goes to /tmp/fio.out.
fio_workload() {
	workload=$1
	disk=$2
	shift 2
	issues_directly "$disk"
	options="$(fio_options "$workload") $(memory_of "$workload" it)"
	# shellcheck disable=SC2086 # One word per option.
	fio --name="$workload" --filename="/dev/$(disk_of "$disk")" $options \
		--output-format=terse --output=/tmp/fio.out "$@"
}

# both_drivers_load [PARAMETER...]: ORACLE, which takes all disks, and DRIVER.
both_drivers_load() {
	load "$ORACLE" "$@"
	load "$DRIVER" "$@"
	for disk in $(disk_names); do
		wait_for 10 disk_of "$disk"
	done
}
