# SPDX-License-Identifier: GPL-2.0
# Trips to and fro: random reads of JOBS jobs, DEPTHS deep, on each disk, by ORACLE and by DRIVER.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh
. /mnt/guest/counts.sh
. /mnt/guest/requests.sh

FEW=200
MANY=1200

# reads_of DISK
reads_of() {
	for depth in $(echo "$DEPTHS" | tr ',' ' '); do
		both "$1-$depth" randread-4k-jobs "$1" --iodepth="$depth" \
			--cpus_allowed="0-$((JOBS - 1))" --cpus_allowed_policy=split
	done
}

a_disk_without_latency() {
	reads_of instant
}

a_disk_with_little_latency() {
	reads_of quick
}

a_disk_with_much_latency() {
	reads_of slow
}

cases both_drivers_are_loaded a_disk_without_latency a_disk_with_little_latency a_disk_with_much_latency
