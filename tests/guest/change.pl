# SPDX-License-Identifier: GPL-2.0
# Changes an interface while its NTH allocation fails. Usage: change.pl INTERFACE NTH CHANGE [VALUE]
#
# CHANGE is `up`, `mtu` (VALUE bytes), `rings` (VALUE descriptors in each) or `rx-checksum` (VALUE 0 or 1).
#
# Prints how many allocations were left until that one, 0 when it came, and how it ended: ok or the error. It is this
# very process that has to do it: each has a count of its own.

my ($interface, $nth, $change, $value) = @ARGV;
# AF_INET, SOCK_DGRAM.
socket(my $socket, 2, 2, 0) or die "socket: $!\n";

# ask NUMBER, REQUEST: an ioctl that shall not fail; what it answers.
sub ask {
	my ($number, $request) = @_;
	ioctl($socket, $number, $request) or die "$interface: $!\n";
	return $request;
}

# SIOCETHTOOL, with a pointer to what is asked for.
my $ethtool = 0x8946;
my ($number, $request, $data);
if ($change eq 'up') {
	# SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP.
	my $flags = unpack('x16 S', ask(0x8913, pack('a16 x24', $interface)));
	($number, $request) = (0x8914, pack('a16 S x22', $interface, $flags | 1));
} elsif ($change eq 'mtu') {
	# SIOCSIFMTU.
	($number, $request) = (0x8922, pack('a16 l x20', $interface, $value));
} elsif ($change eq 'rings') {
	# ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM: most of four kinds, then the four; the second and third are not there.
	$data = pack('L9', 0x10);
	ask($ethtool, pack('a16 P x16', $interface, $data));
	my @rings = unpack('L9', $data);
	$data = pack('L9', 0x11, @rings[1 .. 4], $value, 0, 0, $value);
	($number, $request) = ($ethtool, pack('a16 P x16', $interface, $data));
} elsif ($change eq 'rx-checksum') {
	# ETHTOOL_SRXCSUM.
	$data = pack('L2', 0x15, $value);
	($number, $request) = ($ethtool, pack('a16 P x16', $interface, $data));
} else {
	die "$change: no such change\n";
}
open(my $fault, '+<', '/proc/self/fail-nth') or die "fail-nth: $!\n";
syswrite($fault, $nth) or die "fail-nth: $!\n";
my $ending = ioctl($socket, $number, $request) ? 'ok' : "$!";
sysseek($fault, 0, 0);
sysread($fault, my $left, 32) or die "fail-nth: $!\n";
syswrite($fault, '0');
chomp $left;
print "$left $ending\n";
