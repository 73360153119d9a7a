# SPDX-License-Identifier: GPL-2.0
# Runs the scripts of modules from outside of the kernel tree: /mnt/modules/NAME.sh for each NAME in MODULES.

. /mnt/guest/lib.sh

for module in $(echo "$MODULES" | tr , ' '); do
	# One search for leaks is enough, after the last one.
	case ,$MODULES in
	*",$module") unset LEAKS ;;
	*) export LEAKS= ;;
	esac
	rm -f /tmp/announced
	ABOUT=$module sh "/mnt/modules/$module.sh" </dev/null
	# A script that cannot even begin says nothing, and nobody would miss its cases.
	[ -e /tmp/announced ] || (
		begins() {
			fail "it announces no case"
		}
		ABOUT=$module
		cases begins
	)
done
