# SPDX-License-Identifier: GPL-2.0
# Sends back what comes by UDP and TCP, over IPv4 and IPv6, until it is ended. Usage: answer.pl READY_FILE
#
# The image has perl without its modules, so constants are numbers.

my ($AF_INET6, $STREAM, $DGRAM) = (10, 1, 2);
my $PORT = 7;

sub server {
	my ($type) = @_;
	socket(my $socket, $AF_INET6, $type, 0) or die "socket: $!\n";
	# SO_REUSEADDR.
	setsockopt($socket, 1, 2, pack('i', 1)) or die "setsockopt: $!\n";
	# IPV6_V6ONLY off: both families.
	setsockopt($socket, 41, 26, pack('i', 0)) or die "setsockopt: $!\n";
	bind($socket, pack('S n N a16 L', $AF_INET6, $PORT, 0, "\0" x 16, 0)) or die "bind: $!\n";
	return $socket;
}

my ($udp, $tcp) = (server($DGRAM), server($STREAM));
listen($tcp, 8) or die "listen: $!\n";
open(my $ready, '>', $ARGV[0]) or die "$ARGV[0]: $!\n";
close $ready;

my %connections;
while (1) {
	my $wanted = '';
	vec($wanted, fileno $_, 1) = 1 for $udp, $tcp, values %connections;
	select($wanted, undef, undef, undef) > 0 or next;
	if (vec($wanted, fileno $udp, 1)) {
		my $from = recv($udp, my $data, 65536, 0);
		send($udp, $data, 0, $from) if defined $from;
	}
	if (vec($wanted, fileno $tcp, 1) && accept(my $connection, $tcp)) {
		# TCP_NODELAY.
		setsockopt($connection, 6, 1, pack('i', 1));
		$connections{fileno $connection} = $connection;
	}
	for my $number (keys %connections) {
		next unless vec($wanted, $number, 1);
		if (sysread($connections{$number}, my $data, 65536)) {
			while (length $data) {
				my $written = syswrite($connections{$number}, $data) or last;
				substr($data, 0, $written) = '';
			}
		} else {
			close delete $connections{$number};
		}
	}
}
