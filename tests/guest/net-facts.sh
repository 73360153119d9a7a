# SPDX-License-Identifier: GPL-2.0
# What can be read of a network card and its driver, as lines NAME=VALUE. Sourced after facts.sh.

# line_facts NAME COMMAND...: one fact for each line NAME: VALUE that the command says, and one for how it ends.
line_facts() {
	about=$1
	shift
	status=0
	"$@" >/tmp/lines 2>&1 || status=$?
	fact "$about" "$status"
	sed -n "s|^[[:space:]]*\([^:]*\):[[:space:]]*|$about/\1=|p" /tmp/lines
}

# module_facts MODULE
module_facts() {
	parameter_facts "$1"
	file=$(module_file "$1")
	for field in alias parm depends license; do
		modinfo -F $field "$file" | sort | sed "s/^/modinfo\/$field=/"
	done
}

# link_facts PREFIX INTERFACE: what `ip` says; the number of an interface counts up. Segments are a fact of their own.
link_facts() {
	ip -d link show "$2" >/tmp/link
	fact "$1" "$(sed -e 's/^[0-9]*: //' -e 's/ [gt]so_max_segs [0-9]*//g' /tmp/link)"
	fact "$1/segments" "$(grep -o '[gt]so_max_segs [0-9]*' /tmp/link | xargs)"
	fact "$1/groups" "$(ip maddr show dev "$2" | sed '/^[0-9]*:/d')"
}

# ethtool_facts PREFIX INTERFACE: everything that can be asked.
ethtool_facts() {
	attempt "$1/settings" ethtool "$2"
	attempt "$1/driver" ethtool -i "$2"
	attempt "$1/pause" ethtool -a "$2"
	attempt "$1/coalesce" ethtool -c "$2"
	attempt "$1/rings" ethtool -g "$2"
	line_facts "$1/features" ethtool -k "$2"
	attempt "$1/timestamps" ethtool -T "$2"
	attempt "$1/address" ethtool -P "$2"
	attempt "$1/channels" ethtool -l "$2"
	attempt "$1/flows" ethtool -n "$2"
	attempt "$1/flow-hash" ethtool -n "$2" rx-flow-hash tcp4
	attempt "$1/indirection" ethtool -x "$2"
	attempt "$1/dump" ethtool -w "$2"
	attempt "$1/module" ethtool -m "$2"
	attempt "$1/private-flags" ethtool --show-priv-flags "$2"
	attempt "$1/energy" ethtool --show-eee "$2"
	attempt "$1/correction" ethtool --show-fec "$2"
	attempt "$1/phy-statistics" ethtool --phy-statistics "$2"
	attempt "$1/tunable" ethtool --get-tunable "$2" rx-copybreak
	attempt "$1/phy-tunable" ethtool --get-phy-tunable "$2" downshift
	attempt "$1/standard" ethtool -S "$2" --all-groups
	line_facts "$1/eeprom" ethtool -e "$2"
	attempt "$1/eeprom/part" ethtool -e "$2" offset 3 length 7
	attempt "$1/eeprom/end" ethtool -e "$2" offset 120 length 64
	attempt "$1/eeprom/nothing" ethtool -e "$2" offset 0 length 0
	attempt "$1/eeprom/beyond" ethtool -e "$2" offset 4096 length 2
	line_facts "$1/registers" ethtool -d "$2" hex on
}

# statistics_facts PREFIX INTERFACE
statistics_facts() {
	line_facts "$1" ethtool -S "$2"
}

# pci_facts FUNCTION: the head of its configuration, and what of it can be set in sysfs.
pci_facts() {
	od -An -tx2 -N 64 -v "$1/config" | awk '{ print "pci/config/" NR - 1 "=" $0 }'
	for file in enable broken_parity_status d3cold_allowed msi_bus power_state power/wakeup power/control \
		power/runtime_status; do
		fact "pci/$file" "$(cat "$1/$file" 2>&1)"
	done
}

# irq_facts INTERFACE: who has the interrupt, and on which CPUs.
irq_facts() {
	sed -n "s/^ *\([0-9]*\):.* \([^ ]*\) *$1\$/\1/p" /proc/interrupts >/tmp/irq
	fact interrupt "$(grep -c . /tmp/irq)"
	for irq in $(cat /tmp/irq); do
		fact interrupt/affinity "$(first_line "/proc/irq/$irq/smp_affinity_list")"
		fact interrupt/actions "$(ls "/proc/irq/$irq")"
	done
}

# card_facts PREFIX INTERFACE
card_facts() {
	tree_facts "$1/sys" "/sys/class/net/$2"
	link_facts "$1/link" "$2"
	ethtool_facts "$1" "$2"
	statistics_facts "$1/statistics" "$2"
}
