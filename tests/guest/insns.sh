# SPDX-License-Identifier: GPL-2.0
# Instructions per request: every workload with few and with many requests, by ORACLE and by DRIVER on the same disk.
# What QEMU's plugin counts in each run is written to a file of its own on the host.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh
. /mnt/guest/counts.sh

FEW=500
MANY=4500

both_drivers_are_loaded() {
	both_drivers_load
	tell_sections
}

# count WORKLOAD DRIVER REPEAT
count() {
	[ "$(driver_of main)" = "$2" ] || give "$2" main
	for requests in $FEW $MANY; do
		file=$1.$2.$3.$requests
		snapshot unused
		fio_workload "$1" main --gtod_reduce=1 --number_ios="$requests"
		snapshot "$file"
		say "@data counts $1 $2 $3 $requests $file"
	done
}

both() {
	count "$1" "$ORACLE" 1
	count "$1" "$DRIVER" 1
	count "$1" "$DRIVER" 2
	count "$1" "$ORACLE" 2
}

randread_4k_depth_1() {
	both randread-4k-depth1
}

randread_4k_depth_32() {
	both randread-4k-depth32
}

randread_4k_in_batches_of_16() {
	both randread-4k-batch16
}

randwrite_4k_depth_32() {
	both randwrite-4k-depth32
}

randread_128k_depth_32() {
	both randread-128k-depth32
}

cases both_drivers_are_loaded randread_4k_depth_1 randread_4k_depth_32 randread_4k_in_batches_of_16 \
	randwrite_4k_depth_32 randread_128k_depth_32
