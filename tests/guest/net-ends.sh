# SPDX-License-Identifier: GPL-2.0
# The machine goes down while frames go to its cards and from them. WAY says how.

. /mnt/guest/lib.sh
. /mnt/guest/net.sh

the_modules_load() {
	load_both
	make_spaces
	give "$DRIVER" left
	give "$DRIVER" right
	wait_for 10 hears left
}

received() {
	stack_counters "$1" | cut -d' ' -f1
}

# has_received CARD COUNT
has_received() {
	[ "$(received "$1")" -gt "$2" ]
}

frames_go_in_both_directions() {
	for card in left right; do
		on $card ping -q -f -n -s 1400 "$(v4_of "$(other $card)")" >/dev/null 2>&1 &
	done
	wait_for 20 has_received left $(($(received left) + 100))
}

the_machine_goes_down() {
	go_down
}

# A machine that goes down is not searched for leaks.
LEAKS=
cases the_modules_load frames_go_in_both_directions the_machine_goes_down
