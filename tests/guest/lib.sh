# SPDX-License-Identifier: GPL-2.0
# Cases, their verdicts, and requests to the host. Sourced by every guest script.
#
# A script defines functions and ends with `cases NAME...`. Each function is one case: it runs in a shell of its own,
# the first command that fails makes the case fail, and its output is shown then. It may call:
#
#   note TEXT            shown beside the verdict
#   skip REASON          the case cannot be run here; not the same as passed, and on the kernel that the scenario
#                        asks for as bad as failed
#   fail REASON          the case failed
#   refused COMMAND...   the command must fail
#   host REQUEST         asks the host (see tools/vm/src/guest/hostcmd.rs) and prints its answer
#
# ABOUT is what the cases are about, where a boot has those of several scripts.
#
# File descriptor 3 is the line to the host; nothing but this file writes to it.

# How many lines of a failed case the host gets to see.
LAST_LINES=400

say() {
	printf '%s\n' "$*" >&3
}

note() {
	say "@note $*"
}

skip() {
	echo "$*" >/tmp/skip
	exit 77
}

fail() {
	echo "$*"
	exit 1
}

refused() {
	if "$@"; then
		fail "succeeded, but should have been refused: $*"
	else
		local status=$?
	fi
	# Not found, or not to be executed.
	case $status in
	126 | 127) fail "could not be tried: $*" ;;
	esac
}

# not COMMAND...: whether the command fails; to wait for, where `refused` would end the case.
not() {
	! "$@"
}

# ask REQUEST: asks the host and prints its answer, which may be a refusal.
ask() {
	say "@host $*"
	read -r answer <&3
	echo "$answer"
}

# file_systems_may_complain: from here to the end of the case, it is a part of what the script does.
file_systems_may_complain() {
	echo "vmtest: file systems may complain" >/dev/kmsg
}

# devices_may_fail: the same for what drivers of virtio say of devices that do what they should not.
devices_may_fail() {
	echo "vmtest: devices may fail" >/dev/kmsg
}

# cards_may_hang, cards_may_not_hang: the same between them.
cards_may_hang() {
	echo "vmtest: cards may hang" >/dev/kmsg
}

cards_may_not_hang() {
	echo "vmtest: cards may not hang" >/dev/kmsg
}

# interrupts_are_injected: debugfs does not notice that an interrupt is being freed; the kernel may warn of that.
interrupts_are_injected() {
	echo "vmtest: interrupts are injected" >/dev/kmsg
}

# go_down: by WAY, in WITHIN seconds; the end of the machine is that of the case. Nobody writes back first.
go_down() {
	case $WAY in
	reboot)
		say "@down $WITHIN reboot: Restarting system"
		reboot -n -f
		;;
	poweroff)
		say "@down $WITHIN reboot: Power down"
		poweroff -n -f
		;;
	kexec)
		perl /mnt/guest/kexec.pl load
		say "@down $WITHIN vmtest: the next kernel runs"
		perl /mnt/guest/kexec.pl exec
		;;
	esac
	sleep 600
	fail "it is still here"
}

# from_memory: the running script goes on as a copy in memory. A share of the host does not survive the sleep of its
# device.
from_memory() {
	if [ ! -d /tmp/guest ]; then
		cp -r /mnt/guest /tmp/guest
		umount -l /mnt/guest
		mount --bind /tmp/guest /mnt/guest
		exec sh "/mnt/guest/$SCRIPT.sh"
	fi
}

# tell_facts CONFIGURATION DRIVER: tells the host the lines NAME=VALUE of the standard input.
tell_facts() {
	sed "s/^/@data $1 $2 /" >&3
}

host() {
	case "$*" in
	"device "*" fault unsupp:"*) ;;
	"device "*" fault "* | "device "*" lie "* | "device "*" lose "* | "device "*" stall") devices_may_fail ;;
	esac
	answer=$(ask "$@")
	case $answer in
	ok*)
		answer=${answer#ok}
		echo "${answer# }"
		;;
	*) fail "host $*: $answer" ;;
	esac
}

# uptime_seconds: for how long the machine has been up.
uptime_seconds() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# wait_for SECONDS COMMAND...: until the command succeeds, for so many seconds without the time that the command takes,
# as an emulated machine is slow, but for no more than five times as many in all. What it does is not traced: that would
# be all that is left of a case that fails.
wait_for() {
	{
		local traced=$-
		set +x
	} 2>/dev/null
	# Looking all the time would keep from going on what is waited for.
	pause=0.05
	tries=$(($1 * 5))
	deadline=$(($(uptime_seconds) + 5 * $1))
	shift
	until "$@" >/dev/null; do
		tries=$((tries - 1))
		if [ "$tries" -le 0 ] || [ "$(uptime_seconds)" -gt "$deadline" ]; then
			fail "waited in vain for: $*"
		fi
		sleep $pause
		pause=0.2
	done
	case $traced in
	*x*) set -x ;;
	esac
}

run_case() {
	title=${ABOUT:+$ABOUT: }$(echo "$1" | tr _ ' ')
	say "@begin $title"
	echo "vmtest: case $title" >/dev/kmsg
	rm -f /tmp/skip
	(
		set -ex
		"$1"
	) >/tmp/case.log 2>&1
	status=$?
	case $status in
	0)
		say "ok $number $title"
		;;
	77)
		say "ok $number $title # SKIP $(cat /tmp/skip)"
		;;
	*)
		tail -n "$LAST_LINES" /tmp/case.log | sed 's/^/# /' >&3
		say "not ok $number $title"
		;;
	esac
}

# Where a search for leaks is asked for and its result is; empty in a script that does not want one.
LEAKS=${LEAKS-/sys/kernel/debug/kmemleak}

# cases FUNCTION...: runs them in order. A kernel that can search for leaks has one case more.
cases() {
	[ -e "$LEAKS" ] && set -- "$@" the_kernel_leaks_no_memory
	: >/tmp/announced
	say 'KTAP version 1'
	say "1..$#"
	number=0
	for function; do
		number=$((number + 1))
		run_case "$function"
	done
}

the_kernel_leaks_no_memory() {
	# What was allocated in the last five seconds is not reported.
	sleep 6
	echo scan >"$LEAKS"
	echo scan >"$LEAKS"
	cat "$LEAKS" >/tmp/leaks
	cat /tmp/leaks
	[ ! -s /tmp/leaks ]
}
