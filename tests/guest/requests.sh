# SPDX-License-Identifier: GPL-2.0
# Requests that QEMU's plugin counts the instructions of, by ORACLE and by DRIVER on the same disk. Sourced after
# workloads.sh and counts.sh.
#
# FEW and MANY are how many there are in a run; JOBS do them.

# count NAME DRIVER REPEAT WORKLOAD DISK OPTION...: what is counted in each run goes to a file of its own on the host,
# which learns that it is one of NAME.
count() {
	name=$1
	driver=$2
	repeat=$3
	of=$4
	on=$5
	shift 5
	[ "$(driver_of "$on")" = "$driver" ] || give "$driver" "$on"
	for requests in $FEW $MANY; do
		file=$name.$driver.$repeat.$requests
		snapshot unused
		fio_workload "$of" "$on" --gtod_reduce=1 --number_ios=$((requests / JOBS)) "$@"
		snapshot "$file"
		say "@data counts $name $driver $repeat $requests $file"
	done
}

# both NAME WORKLOAD DISK OPTION...: with both drivers in turn, twice.
both() {
	name_of_both=$1
	shift
	count "$name_of_both" "$ORACLE" 1 "$@"
	count "$name_of_both" "$DRIVER" 1 "$@"
	count "$name_of_both" "$DRIVER" 2 "$@"
	count "$name_of_both" "$ORACLE" 2 "$@"
}

both_drivers_are_loaded() {
	both_drivers_load
	tell_sections
}
