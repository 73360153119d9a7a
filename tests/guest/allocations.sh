# SPDX-License-Identifier: GPL-2.0
# Allocations that fail on purpose, those of one module alone. Sourced after lib.sh.

FAULTS=/sys/kernel/debug/failslab
PAGE_FAULTS=/sys/kernel/debug/fail_page_alloc
# More allocations than any probe has.
MANY=1000000

can_fail() {
	[ -d $FAULTS ] && [ -d $PAGE_FAULTS ] || skip 'this kernel cannot let allocations fail'
}

# let_allocations_fail: once a boot.
let_allocations_fail() {
	# No word about each failure, and sleeping allocations fail as well.
	for attr in $FAULTS $PAGE_FAULTS; do
		echo 0 >$attr/verbose
		echo N >$attr/ignore-gfp-wait
		echo 32 >$attr/stacktrace-depth
	done
	echo 0 >$PAGE_FAULTS/min-order
	# Two things that the kernel does for each interrupt cannot fail without a warning: the entries in /proc are
	# made without a look at errors, and the table of interrupts counts on being written.
	for cache in /sys/kernel/slab/*/failslab; do
		case $cache in
		*/proc_dir_entry/*) ;;
		*) echo 1 >"$cache" ;;
		esac
	done
	echo Y >$FAULTS/cache-filter
	leave_alone $FAULTS mas_store_gfp
	# Pages for such a cache are a failure of it.
	leave_alone $PAGE_FAULTS new_slab
}

# leave_alone FAULTS FUNCTION: what the function asks for does not fail.
leave_alone() {
	function_range "$2"
	echo "$start" >"$1/reject-start"
	echo "$end" >"$1/reject-end"
}

# function_range NAME: where a function of the kernel starts, and the next one.
function_range() {
	set -- $(awk -v name="$1" 'found && $1 != found { print "0x" found, "0x" $1; exit } $3 == name { found = $1 }' \
		/proc/kallsyms)
	start=$1 end=$2
	[ -n "$end" ]
}

# aim MODULE: only allocations of functions that the module has called fail, so not those of the shell or of the core.
aim() {
	can_fail
	start=$(cat "/sys/module/$1/sections/.text")
	size=$(cat "/sys/module/$1/coresize")
	for attr in $FAULTS $PAGE_FAULTS; do
		echo "$start" >$attr/require-start
		printf '0x%x' $((start + size)) >$attr/require-end
	done
}
