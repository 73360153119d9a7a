# SPDX-License-Identifier: GPL-2.0
# fio on equal disks, one of ORACLE and one of DRIVER, in turn: PAIRS pairs of runs of RUNTIME milliseconds for each of
# CELLS. In the second half each driver has the other's disk.
#
# A cell is BACKING-WORKLOAD, such as null-randread-4k-depth32, with a workload of workloads.sh.

. /mnt/guest/lib.sh
. /mnt/guest/disk.sh
. /mnt/guest/workloads.sh

HALF=$((PAIRS / 2))

# Before it counts, a run does the same for so long.
RAMP=$((RUNTIME / 4))

# disks_of BACKING: the disk that ORACLE has first, and that of DRIVER.
disks_of() {
	case $1 in
	null) echo main other ;;
	file) echo file copy ;;
	esac
}

# has_files: whether there are disks that are files.
has_files() {
	case ,$DISKS in
	*,file:*) true ;;
	*) false ;;
	esac
}

backings() {
	echo null
	if has_files; then
		echo file
	fi
}

# disk_of_driver BACKING DRIVER
disk_of_driver() {
	for disk in $(disks_of "$1"); do
		if [ "$(driver_of "$disk")" = "$2" ]; then
			echo "$disk"
			return
		fi
	done
	return 1
}

each_driver_has_a_disk() {
	say "@data version $(fio --version)"
	say "@data date $(date -u +%Y-%m-%d)"
	both_drivers_load
	share_disks
	if has_files; then
		for disk in $(disks_of file); do
			fio --name=fill --filename="/dev/$(disk_of "$disk")" --rw=write --bs=128k --iodepth=8 \
				--ioengine=io_uring --direct=1 --thread --output=/tmp/fill.out
		done
	fi
}

# With queues that are polled there are fewer of the others, so what is not polled is measured without them.
each_driver_has_a_disk_that_it_can_poll() {
	unload "$DRIVER"
	unload "$ORACLE"
	both_drivers_load poll_queues=1
	share_disks
}

# share_disks: all of them are ORACLE's.
share_disks() {
	for backing in $(backings); do
		# shellcheck disable=SC2046 # One word per disk.
		set -- $(disks_of "$backing")
		give "$DRIVER" "$2"
	done
	warm_up
}

the_drivers_swap_their_disks() {
	for backing in $(backings); do
		# shellcheck disable=SC2046 # One word per disk.
		set -- $(disks_of "$backing")
		first=$(driver_of "$1")
		second=$(driver_of "$2")
		give "$second" "$1"
		give "$first" "$2"
	done
	warm_up
}

# An emulated CPU translates code when it runs first.
warm_up() {
	for disk in $(disk_names); do
		for workload in randread-4k-depth32 randwrite-128k-depth32; do
			fio_workload "$workload" "$disk" --runtime=200ms --time_based
		done
	done
}

# results DIRECTION: a line for each run of fio, its name and the object that fio's JSON has for the direction.
results() {
	awk -v direction="\"$1\"" '
		$1 == "\"jobname\"" { gsub(/[",]/, "", $3); job = $3 }
		$1 == direction && $3 == "{" { text = "{"; inside = 1; next }
		inside && /^      }/ { print job, text "}"; inside = 0 }
		inside { gsub(/[ \t]/, ""); text = text $0 }
	' /tmp/fio.out
}

# measure CELL: half of its pairs, A B B A A B …, in one process of fio.
measure() {
	cell=$1
	backing=${cell%%-*}
	workload=${cell#*-}
	for disk in $(disks_of "$backing"); do
		issues_directly "$disk"
	done
	options=$(fio_options "$workload")
	# shellcheck disable=SC2086 # One word per option.
	set -- --name=global $options --runtime="${RUNTIME}ms" --ramp_time="${RAMP}ms" --time_based \
		--lat_percentiles=1 --clat_percentiles=0 --percentile_list=50:99:99.9
	first=$(disks_of "$backing" | cut -d' ' -f1)
	pair=0
	[ "$(driver_of "$first")" = "$ORACLE" ] || pair=$HALF
	last=$((pair + HALF))
	while [ "$pair" -lt "$last" ]; do
		pair=$((pair + 1))
		case $((pair % 2)) in
		1) order="$ORACLE $DRIVER" ;;
		0) order="$DRIVER $ORACLE" ;;
		esac
		for driver in $order; do
			on=$(disk_of "$(disk_of_driver "$backing" "$driver")")
			# shellcheck disable=SC2046 # One word or none.
			set -- "$@" --name="$pair.$driver" --filename="/dev/$on" --stonewall \
				$(memory_of "$workload" "$pair.$driver")
		done
	done
	fio --output-format=json --output=/tmp/fio.out "$@"
	case $workload in
	*write-*) direction='write' ;;
	*) direction='read' ;;
	esac
	results $direction >/tmp/results
	[ "$(wc -l </tmp/results)" -eq $((2 * HALF)) ] || fail "fio has not told of $((2 * HALF)) runs"
	sed "s/^/@data run $cell /" /tmp/results >&3
}

unpolled=
polled=
for cell in $(echo "$CELLS" | tr ',' ' '); do
	name=$(echo "$cell" | tr - _)
	eval "$name() { measure $cell; }"
	case $cell in
	*-polled*) polled="$polled $name" ;;
	*) unpolled="$unpolled $name" ;;
	esac
done

# shellcheck disable=SC2086 # One word per case.
set -- each_driver_has_a_disk $unpolled the_drivers_swap_their_disks $unpolled
if [ -n "$polled" ]; then
	# shellcheck disable=SC2086 # One word per case.
	set -- "$@" each_driver_has_a_disk_that_it_can_poll $polled the_drivers_swap_their_disks $polled
fi
cases "$@"
