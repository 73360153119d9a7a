# SPDX-License-Identifier: GPL-2.0
# Sends payloads of random bytes to a host, of which the same must come back: one of each size, at most a few under way.
# Usage: ask.pl PROTOCOL ADDRESS FROM TO [STEP]
#
# PROTOCOL is icmp, icmp6 (which the kernel at the other end answers), udp, udp6, tcp or tcp6 (which answer.pl does).
# What does not fit into a packet may not be sent in several. Fails if anything is lost, damaged or late.

my ($protocol, $address, $from, $to, $step) = @ARGV;
$step ||= 1;

my ($AF_INET, $AF_INET6, $STREAM, $DGRAM, $RAW) = (2, 10, 1, 2, 3);
my $PORT = 7;
# Seconds for an answer: an emulated CPU may be away for long.
my $PATIENCE = 20;

my $is_v6 = $protocol =~ /6$/;
my $kind = $protocol =~ s/6$//r;
my $is_tcp = $kind eq 'tcp';

open(my $random, '<:raw', '/dev/urandom') or die "urandom: $!\n";
read($random, my $pool, 131072) == 131072 or die "urandom: $!\n";

sub payload {
	my ($size) = @_;
	return substr($pool, int(rand(65536)), $size);
}

sub peer {
	return pack('S n C4 x8', $AF_INET, $PORT, split(/\./, $address)) unless $is_v6;
	my ($head, $tail) = map { [ split /:/ ] } split(/::/, $address, 2);
	my @groups = (@$head, (0) x (8 - @$head - @$tail), @$tail);
	# A raw socket takes no port.
	my $port = $kind eq 'icmp' ? 0 : $PORT;
	return pack('S n N n8 L', $AF_INET6, $port, 0, (map { hex } @groups), 0);
}

sub checksum {
	my ($data) = @_;
	$data .= "\0" if length($data) % 2;
	my $sum = unpack('%32n*', $data);
	$sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
	return ~$sum & 0xffff;
}

my %kinds = (icmp => [ $RAW, $is_v6 ? 58 : 1 ], udp => [ $DGRAM, 0 ], tcp => [ $STREAM, 0 ]);
my ($type, $number) = @{ $kinds{$kind} or die "what is $protocol?\n" };
socket(my $socket, $is_v6 ? $AF_INET6 : $AF_INET, $type, $number) or die "socket: $!\n";
if ($is_tcp) {
	# TCP_NODELAY.
	setsockopt($socket, 6, 1, pack('i', 1)) or die "setsockopt: $!\n";
} elsif ($is_v6) {
	# IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO.
	setsockopt($socket, 41, 23, pack('i', 2)) or die "setsockopt: $!\n";
} else {
	# IP_MTU_DISCOVER, IP_PMTUDISC_DO: don't fragment.
	setsockopt($socket, 0, 10, pack('i', 2)) or die "setsockopt: $!\n";
}
connect($socket, peer()) or die "connect to $address: $!\n";

my ($request, $reply) = $is_v6 ? (128, 129) : (8, 0);
my $sequence = 0;

sub ask {
	my ($data) = @_;
	$sequence = ($sequence + 1) & 0xffff;
	if ($kind eq 'icmp') {
		my $message = pack('C C n n n', $request, 0, 0, $$ & 0xffff, $sequence) . $data;
		# The kernel fills in that of ICMPv6.
		substr($message, 2, 2) = pack('n', checksum($message)) unless $is_v6;
		$data = $message;
	}
	while (length($data) || $kind eq 'udp') {
		my $sent = syswrite($socket, $data);
		die "cannot send: $!\n" unless defined $sent;
		last unless $is_tcp;
		substr($data, 0, $sent) = '';
	}
}

sub wait_for_data {
	my $wanted = '';
	vec($wanted, fileno $socket, 1) = 1;
	return select($wanted, undef, undef, $PATIENCE) > 0;
}

sub answer {
	my ($size) = @_;
	my $got = '';
	while (1) {
		wait_for_data() or return undef;
		my $count = sysread($socket, my $data, 65536);
		die "cannot receive: $!\n" unless defined $count;
		if ($is_tcp) {
			die "closed\n" unless $count;
			$got .= $data;
			return $got if length $got >= $size;
		} elsif ($kind eq 'udp') {
			return $data;
		} else {
			# The IPv4 header is there, that of IPv6 is not.
			substr($data, 0, 4 * (ord($data) & 15)) = '' unless $is_v6;
			my ($what, undef, undef, $id, $nth) = unpack('C C n n n', $data);
			return substr($data, 8) if $what == $reply && $id == ($$ & 0xffff) && $nth == $sequence;
		}
	}
}

my $asked = 0;
for (my $size = $from; $size <= $to; $size += $step) {
	next if $is_tcp && !$size;
	my $data = payload($size);
	ask($data);
	my $got = answer($size);
	die "$protocol: no answer to $size bytes\n" unless defined $got;
	die "$protocol: $size bytes came back as " . length($got) . "\n" if length $got != $size;
	die "$protocol: $size bytes came back damaged\n" if $got ne $data;
	$asked++;
}
print "$protocol: $asked payloads of $from to $to bytes came back\n";
