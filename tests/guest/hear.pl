# SPDX-License-Identifier: GPL-2.0
# Prints what comes by UDP until something has TEXT in it, at most five minutes. Usage: hear.pl READY_FILE TEXT

my ($AF_INET, $DGRAM, $PORT) = (2, 2, 6666);

my ($ready_file, $text) = @ARGV;
socket(my $socket, $AF_INET, $DGRAM, 0) or die "socket: $!\n";
bind($socket, pack('S n N x8', $AF_INET, $PORT, 0)) or die "bind: $!\n";
open(my $ready, '>', $ready_file) or die "$ready_file: $!\n";
close $ready;
alarm 300;
$| = 1;
while (defined recv($socket, my $data, 65536, 0)) {
	print $data;
	last if index($data, $text) >= 0;
}
