# SPDX-License-Identifier: GPL-2.0
# Switches something of a PCI function on or off, behind the back of its driver: config.pl FUNCTION WHAT on|off, where
# FUNCTION is its directory in sysfs. What the bits are called in linux/pci_regs.h:
#
#   msix     PCI_MSIX_FLAGS_ENABLE: while it is off, an interrupt is lost

# Capability, offset in it, and bits.
my %switches = (
	msix => [0x11, 0x02, 0x8000],
);

my ($function, $what, $state) = @ARGV;
my $switch = $switches{$what // ''} or die "no switch is called $what\n";
$state =~ /^(on|off)$/ or die "neither on nor off: $state\n";
open(my $config, '+<:raw', "$function/config") or die "$function: $!\n";

sub get {
	my ($offset, $length) = @_;
	my $bytes;
	sysseek($config, $offset, 0);
	sysread($config, $bytes, $length) == $length or die "cannot read at $offset\n";
	return unpack($length == 1 ? 'C' : 'v', $bytes);
}

my ($capability, $offset, $bits) = @$switch;
my $at = get(0x34, 1);
$at = get($at + 1, 1) while $at && get($at, 1) != $capability;
$at or die "$function has no such capability\n";
$offset += $at;
my $value = get($offset, 2) & ~$bits;
$value |= $bits if $state eq 'on';
sysseek($config, $offset, 0);
syswrite($config, pack('v', $value)) == 2 or die "cannot write at $offset: $!\n";
