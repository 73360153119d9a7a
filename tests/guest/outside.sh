# SPDX-License-Identifier: GPL-2.0
# Runs the scripts of modules from outside of the kernel tree: /mnt/modules/NAME.sh for each NAME in MODULES.

for module in $(echo "$MODULES" | tr , ' '); do
	# One search for leaks is enough, after the last one.
	case ,$MODULES in
	*",$module") unset LEAKS ;;
	*) export LEAKS= ;;
	esac
	ABOUT=$module sh "/mnt/modules/$module.sh" </dev/null
done
