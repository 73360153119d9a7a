# SPDX-License-Identifier: GPL-2.0
# Switches something of a PCI function on or off, behind the back of its driver: config.pl FUNCTION WHAT on|off, where
# FUNCTION is its directory in sysfs. What the bits are called in linux/pci_regs.h:
#
#   master   PCI_COMMAND_MASTER
#   msix     PCI_MSIX_FLAGS_ENABLE: while it is off, an interrupt is lost
#   power    PCI_EXP_SLTCTL_PCC with PCI_EXP_SLTCTL_PIC, of a port: the slot behind it

# Capability, if it is in one, offset, bits, and their value for "off".
my %switches = (
	master => [undef, 0x04, 0x0004, 0],
	msix => [0x11, 0x02, 0x8000, 0],
	power => [0x10, 0x18, 0x0700, 0x0700],
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

my ($capability, $offset, $bits, $off) = @$switch;
if (defined $capability) {
	my $at = get(0x34, 1);
	$at = get($at + 1, 1) while $at && get($at, 1) != $capability;
	$at or die "$function has no such capability\n";
	$offset += $at;
}
my $value = get($offset, 2) & ~$bits;
$value |= $state eq 'off' ? $off : $bits & ~$off;
# A slot whose power is on has its indicator on, not absent.
$value |= 0x0100 if $what eq 'power' && $state eq 'on';
sysseek($config, $offset, 0);
syswrite($config, pack('v', $value)) == 2 or die "cannot write at $offset: $!\n";
