# SPDX-License-Identifier: GPL-2.0
# A pipe over TCP, in one direction. Usage: pipe.pl listen READY_FILE, which writes what comes to the standard output,
# or pipe.pl connect ADDRESS, which sends the standard input.

my ($AF_INET, $STREAM, $PORT) = (2, 1, 5000);

my ($verb, $target) = @ARGV;
socket(my $socket, $AF_INET, $STREAM, 0) or die "socket: $!\n";
my ($in, $out);
if ($verb eq 'listen') {
	# SO_REUSEADDR.
	setsockopt($socket, 1, 2, pack('i', 1)) or die "setsockopt: $!\n";
	bind($socket, pack('S n N x8', $AF_INET, $PORT, 0)) or die "bind: $!\n";
	listen($socket, 1) or die "listen: $!\n";
	open(my $ready, '>', $target) or die "$target: $!\n";
	close $ready;
	accept($in, $socket) or die "accept: $!\n";
	$out = \*STDOUT;
} else {
	connect($socket, pack('S n C4 x8', $AF_INET, $PORT, split(/\./, $target))) or die "connect: $!\n";
	($in, $out) = (\*STDIN, $socket);
}
while (1) {
	my $count = sysread($in, my $data, 65536);
	die "cannot read: $!\n" unless defined $count;
	last unless $count;
	while (length $data) {
		my $written = syswrite($out, $data);
		die "cannot write: $!\n" unless defined $written;
		substr($data, 0, $written) = '';
	}
}
