# SPDX-License-Identifier: GPL-2.0
# Modules of the build tree, and those from outside of it. Sourced by disk.sh and net.sh.

# module_file NAME: its .ko from outside, or else in the build tree; `-` and `_` are the same in a module's name.
module_file() {
	if [ -e "/mnt/modules/$1.ko" ]; then
		echo "/mnt/modules/$1.ko"
		return
	fi
	pattern=$(echo "$1" | sed 's/[-_]/[-_]/g')
	file=$(sed -n "s|^\(.*/$pattern\)\.o$|\1.ko|p" /mnt/obj/modules.order 2>/dev/null | head -n 1)
	# A module that was built by itself is not in the list.
	[ -n "$file" ] || file=$(cd /mnt/obj && find drivers samples -name "$pattern.ko" 2>/dev/null | head -n 1)
	[ -n "$file" ] || return 1
	echo "/mnt/obj/$file"
}

# load NAME [PARAMETER...]
load() {
	if [ "$1" != "$found" ]; then
		found_file=$(module_file "$1") || {
			fail "there is no module $1"
			return 1
		}
		found=$1
	fi
	shift
	insmod "$found_file" "$@"
}

loaded() {
	[ -d "/sys/module/$1" ]
}

unload() {
	rmmod "$1"
	if loaded "$1"; then
		fail "$1 is still loaded"
	fi
}
