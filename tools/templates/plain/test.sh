# SPDX-License-Identifier: GPL-2.0
# What `make test` does in the guest. Each function is a case; the first command that fails makes it fail.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

it_says_what_a_number_is_the_product_of() {
	load __name__ number=91
	dmesg | grep -F '__name__: 91 is 7 times 13'
}

the_parameter_can_be_read() {
	[ "$(cat /sys/module/__name__/parameters/number)" = 91 ]
}

it_unloads() {
	unload __name__
	dmesg | grep -F '__name__: unloaded'
}

a_number_that_makes_no_sense_is_refused() {
	refused load __name__ number=0
	dmesg | grep -F '__name__: 0 has every factor'
}

cases it_says_what_a_number_is_the_product_of the_parameter_can_be_read it_unloads \
	a_number_that_makes_no_sense_is_refused
