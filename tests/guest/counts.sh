# SPDX-License-Identifier: GPL-2.0
# What QEMU's plugin counts, for requests.sh and net-insns.sh.

# tell_sections: where the code of both drivers is.
tell_sections() {
	for module in "$ORACLE" "$DRIVER"; do
		file=$(module_file "$module")
		for section in /sys/module/"$module"/sections/.*text*; do
			case $section in
			*/.init*) ;; # no longer there
			*) say "@data section ${file#/mnt/obj/} ${section##*/} $(cat "$section")" ;;
			esac
		done
	done
}

# snapshot FILE: what was counted since the last one goes to FILE. The plugin waits for the CPU to fall idle.
snapshot() {
	host "snapshot $1"
	sleep 0.1
}
