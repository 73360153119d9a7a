# SPDX-License-Identifier: GPL-2.0
# Instructions per request: every workload with few and with many requests, by ORACLE and by DRIVER.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh
. /mnt/guest/counts.sh
. /mnt/guest/requests.sh

FEW=500
MANY=4500
JOBS=1

randread_4k_depth_1() {
	both randread-4k-depth1 randread-4k-depth1 main
}

randread_4k_depth_32() {
	both randread-4k-depth32 randread-4k-depth32 main
}

randread_4k_in_batches_of_16() {
	both randread-4k-batch16 randread-4k-batch16 main
}

randwrite_4k_depth_32() {
	both randwrite-4k-depth32 randwrite-4k-depth32 main
}

randread_128k_depth_32() {
	both randread-128k-depth32 randread-128k-depth32 main
}

randread_4k_depth_1_on_a_packed_ring() {
	both packed-randread-4k-depth1 randread-4k-depth1 packed
}

randread_4k_depth_32_on_a_packed_ring() {
	both packed-randread-4k-depth32 randread-4k-depth32 packed
}

cases both_drivers_are_loaded randread_4k_depth_1 randread_4k_depth_32 randread_4k_in_batches_of_16 \
	randwrite_4k_depth_32 randread_128k_depth_32 randread_4k_depth_1_on_a_packed_ring \
	randread_4k_depth_32_on_a_packed_ring
