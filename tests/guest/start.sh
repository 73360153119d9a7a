# SPDX-License-Identifier: GPL-2.0
# Reads the scenario from the kernel command line, runs its script and ends the machine.

# `vmtest.loops=50` becomes LOOPS=50.
for word in $(cat /proc/cmdline); do
	case $word in
	vmtest.*=*)
		name=${word%%=*}
		name=$(echo "${name#vmtest.}" | tr 'a-z' 'A-Z')
		export "$name=${word#*=}"
		;;
	esac
done

# Ends the machine. QEMU is told to exit on a reboot; a machine without ACPI, or one that has slept, cannot power off.
# User-mode Linux starts again on a reboot.
leave() {
	sync
	if grep -q '^vendor_id.*User Mode Linux' /proc/cpuinfo; then
		poweroff -f
	fi
	reboot -f
}

if [ "$SCRIPT" = shell ]; then
	export ENV=/mnt/guest/shell.sh
	setsid cttyhack sh
	leave
fi

# The memory of finished work must not look like leaks of the module under test: scan only when told to.
echo scan=off 2>/dev/null >/sys/kernel/debug/kmemleak

# A function is read before it runs: this file may be out of reach when the script has ended, see lifecycle.sh.
run_script() {
	line=/dev/${LINE:-ttyS1}
	stty -F "$line" 115200 raw -echo
	exec 3<>"$line"
	sh "/mnt/guest/$SCRIPT.sh" </dev/null
	echo @done >&3
	leave
}
run_script
