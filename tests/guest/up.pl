# SPDX-License-Identifier: GPL-2.0
# Puts an interface up while its NTH allocation fails. Usage: up.pl INTERFACE NTH
#
# Prints how many allocations were left until that one, 0 when it came, and how it ended: ok or the error. It is this
# very process that has to do it: each has a count of its own.

my ($interface, $nth) = @ARGV;
# AF_INET, SOCK_DGRAM; SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP.
socket(my $socket, 2, 2, 0) or die "socket: $!\n";
my $request = pack('a16 x24', $interface);
ioctl($socket, 0x8913, $request) or die "$interface: $!\n";
my $flags = unpack('x16 S', $request);
$request = pack('a16 S x22', $interface, $flags | 1);
open(my $fault, '+<', '/proc/self/fail-nth') or die "fail-nth: $!\n";
syswrite($fault, $nth) or die "fail-nth: $!\n";
my $ending = ioctl($socket, 0x8914, $request) ? 'ok' : "$!";
sysseek($fault, 0, 0);
sysread($fault, my $left, 32) or die "fail-nth: $!\n";
syswrite($fault, '0');
chomp $left;
print "$left $ending\n";
