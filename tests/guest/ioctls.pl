# SPDX-License-Identifier: GPL-2.0
# Asks a block device everything that an ioctl can ask, one line NAME=VALUE each. Usage: ioctls.pl /dev/vdX
#
# No tool prints the geometry as the driver gave it, nor which error the others end with.

# Name, number, and how the answer is to be unpacked.
my @questions = (
	[ 'BLKROGET', 0x125e, 'i' ],
	[ 'BLKGETSIZE', 0x1260, 'Q' ],
	[ 'BLKRAGET', 0x1263, 'Q' ],
	[ 'BLKFRAGET', 0x1265, 'Q' ],
	[ 'BLKSECTGET', 0x1267, 'S' ],
	[ 'BLKSSZGET', 0x1268, 'i' ],
	[ 'BLKIOMIN', 0x1278, 'I' ],
	[ 'BLKIOOPT', 0x1279, 'I' ],
	[ 'BLKALIGNOFF', 0x127a, 'i' ],
	[ 'BLKPBSZGET', 0x127b, 'I' ],
	[ 'BLKDISCARDZEROES', 0x127c, 'I' ],
	[ 'BLKROTATIONAL', 0x127e, 'S' ],
	[ 'BLKBSZGET', 0x80081270, 'i' ],
	[ 'BLKGETSIZE64', 0x80081272, 'Q' ],
	[ 'BLKGETZONESZ', 0x80041284, 'I' ],
	[ 'BLKGETNRZONES', 0x80041285, 'I' ],
	# Heads, sectors, cylinders and the start.
	[ 'HDIO_GETGEO', 0x0301, 'C C S x4 Q' ],
	# What disks of another kind know.
	[ 'HDIO_GET_IDENTITY', 0x030d, 'S' ],
	[ 'CDROM_GET_CAPABILITY', 0x5331, 'i' ],
	[ 'SCSI_IOCTL_GET_IDLUN', 0x5382, 'i' ],
	[ 'SG_GET_VERSION_NUM', 0x2282, 'i' ],
);

my $path = $ARGV[0];
open(my $disk, '<', $path) or die "$path: $!\n";
for (@questions) {
	my ($name, $number, $format) = @$_;
	my $answer = "\0" x 512;
	my $value = ioctl($disk, $number, $answer) ? join(' ', unpack($format, $answer)) : "($!)";
	print "ioctl/$name=$value\n";
}
