# SPDX-License-Identifier: GPL-2.0
# Asks a network interface what only an ioctl can ask, one line NAME=VALUE each. Usage: mii.pl INTERFACE
#
# What a register is afterwards tells what a write has done; the registers that are written are written back.

my $interface = $ARGV[0];
# AF_INET, SOCK_DGRAM.
socket(my $socket, 2, 2, 0) or die "socket: $!\n";

# The answer to a request of the MII: PHY, register, value in, value out; or the error.
sub mii {
	my ($number, $phy, $register, $value) = @_;
	my $request = pack('a16 S S S S x16', $interface, $phy, $register, $value, 0);
	return ioctl($socket, $number, $request) ? [ unpack('x16 S4', $request) ] : "$!";
}

sub show {
	my ($name, $answer) = @_;
	print "$name=", (ref $answer ? join(' ', map { sprintf '%04x', $_ } @$answer) : "($answer)"), "\n";
}

# SIOCGMIIPHY, SIOCGMIIREG, SIOCSMIIREG.
my ($PHY, $GET, $SET) = (0x8947, 0x8948, 0x8949);

my $first = mii($PHY, 0, 0, 0);
show('mii/phy', $first);
my $phy = ref $first ? $first->[0] : 1;
show("mii/register/$_", mii($GET, $phy, $_, 0)) for 0 .. 31;
show('mii/register/32', mii($GET, $phy, 32, 0));
show('mii/other-phy', mii($GET, 0, 1, 0));
# What may be advertised; and the interrupt mask, which the driver may not let anybody have.
for my $register (4, 9, 18, 31) {
	my $before = mii($GET, $phy, $register, 0);
	show("mii/set/$register", mii($SET, $phy, $register, 0x01e1));
	show("mii/set/$register/then", mii($GET, $phy, $register, 0));
	mii($SET, $phy, $register, $before->[3]) if ref $before;
}
# The control register: half of a hundred megabits, loopback of nothing, and negotiation again.
for my $value (0x2000, 0x2100, 0x0140, 0x1140, 0x1340) {
	show(sprintf('mii/control/%04x', $value), mii($SET, $phy, 0, $value));
}
# A crossing that was chosen, and what becomes of it by a fixed speed, and after that.
sub crossing {
	my ($name) = @_;
	my ($line) = grep { /MDI-X/ } `ethtool $interface`;
	show($name, [ $line =~ /forced/ ? 1 : 0, $line =~ /auto/ ? 1 : 0 ]);
}
system('ethtool', '-s', $interface, 'autoneg', 'on', 'mdix', 'on');
crossing('mii/crossing/chosen');
for my $value (0x1140, 0x2100, 0x1140) {
	mii($SET, $phy, 0, $value);
	crossing(sprintf('mii/crossing/%04x', $value));
}
show('mii/set/32', mii($SET, $phy, 32, 0));
# What nobody answers: SIOCDEVPRIVATE, SIOCGHWTSTAMP, SIOCSHWTSTAMP, SIOCWANDEV, SIOCBONDENSLAVE.
for my $number (0x89f0, 0x89b1, 0x89b0, 0x894a, 0x8990) {
	show(sprintf('ioctl/%04x', $number), mii($number, 0, 0, 0));
}
