# SPDX-License-Identifier: GPL-2.0
# The configuration space of a PCI function, behind the back of its driver.

# Where its command register is, and in it the bits by which its registers are there, and by which it may read and write
# memory.
COMMAND=4
DECODES=3
MASTER=4

# config_read FUNCTION OFFSET: 16 bits of its configuration space, in decimal.
config_read() {
	dd if="$1/config" bs=1 skip="$2" count=2 2>/dev/null | od -An -tu2 | tr -d ' '
}

# config_write FUNCTION OFFSET VALUE
config_write() {
	low=$(printf '\\%03o' $(($3 & 255)))
	high=$(printf '\\%03o' $(($3 >> 8)))
	printf "$low$high" | dd of="$1/config" bs=1 seek="$2" count=2 conv=notrunc 2>/dev/null
}
