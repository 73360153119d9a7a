# SPDX-License-Identifier: GPL-2.0
# Instructions per request of two jobs with a queue for each; memory that a disk needs with each driver, by the length
# and the number of its queues.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh
. /mnt/guest/counts.sh
. /mnt/guest/requests.sh

FEW=500
MANY=4500
JOBS=2

randread_4k_depth_32_by_two_jobs() {
	both two-queues-randread-4k-depth32 randread-4k-jobs two --cpus_allowed=0-1 --cpus_allowed_policy=split
}

# free_pages: of all zones, and what the CPUs have put by for themselves.
free_pages() {
	awk '$1 == "pages" && $2 == "free" { n += $3 } $1 == "count:" { n += $2 } END { print n }' /proc/zoneinfo
}

# settled_pages: free_pages, after all that is only waiting to be freed.
settled_pages() {
	drop_caches
	sleep 0.3
	free_pages
}

# pages_for DISK DRIVER: tells the host how many the driver takes for it. A scheduler would have requests of its own.
pages_for() {
	unbind "$(driver_of "$1")" "$1"
	before=$(settled_pages)
	bind "$2" "$1"
	wait_for 10 disk_of "$1"
	echo none >"/sys/block/$(disk_of "$1")/queue/scheduler"
	say "@data pages $1 $2 $((before - $(settled_pages)))"
}

memory_for_requests_and_queues() {
	for _ in 1 2 3 4 5; do
		for disk in $(disk_names); do
			pages_for "$disk" "$ORACLE"
			pages_for "$disk" "$DRIVER"
		done
	done
}

cases both_drivers_are_loaded randread_4k_depth_32_by_two_jobs memory_for_requests_and_queues
