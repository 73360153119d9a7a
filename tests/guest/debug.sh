# SPDX-License-Identifier: GPL-2.0
# Loads a module when the debugger lets the machine go on; see tools/vm/src/runner/debug.rs.

. /mnt/guest/lib.sh
. /mnt/guest/modules.sh

say @ready
read -r command <&3
exec >/dev/console 2>&1
load "$DRIVER" && echo "$DRIVER is loaded"
eval "$command"
# Until the debugger ends the machine.
while :; do sleep 3600; done
