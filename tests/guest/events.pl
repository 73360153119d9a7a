# SPDX-License-Identifier: GPL-2.0
# Listens to uevents and prints each key as a line event/NUMBER/KEY=VALUE, until one comes for the device whose path
# is given. Usage: events.pl DEVPATH
#
# busybox's uevent holds back what it has heard when its output is not a terminal.

# AF_NETLINK, SOCK_RAW and NETLINK_KOBJECT_UEVENT; the kernel sends to the first group.
socket(my $socket, 16, 3, 15) or die "socket: $!\n";
bind($socket, pack('S S L L', 16, 0, 0, 1)) or die "bind: $!\n";
$| = 1;
print STDERR "listening\n";
for (my $number = 1; recv($socket, my $message, 65536, 0) || length $message; $number++) {
	my (undef, @keys) = split /\0/, $message;
	last if grep { $_ eq "DEVPATH=$ARGV[0]" } @keys;
	printf "event/%02d/%s\n", $number, $_ for @keys;
}
